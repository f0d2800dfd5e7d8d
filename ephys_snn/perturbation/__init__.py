"""Virtual experiments: what is done to which units of a network, and what becomes of it.

A perturbation is an operation on a target (`operations`, `targets`), written in words (`words`) and
applied while spikes travel through the network (`responses`). Targets are chosen by a `Reference`:
responses to other stimuli.
"""

from ephys_snn.perturbation.control import Responses, control_responses
from ephys_snn.perturbation.operations import Operation
from ephys_snn.perturbation.reference import Reference, class_word
from ephys_snn.perturbation.responses import (
    ActedOn,
    Condition,
    condition_rng,
    find_conditions,
    find_units,
    perturbed_responses,
)
from ephys_snn.perturbation.words import (
    CONTROL,
    GRAMMAR,
    parse_perturbation,
    parse_perturbations,
)

__all__ = ["CONTROL", "GRAMMAR", "ActedOn", "Condition", "Operation", "Reference", "Responses",
           "class_word", "condition_rng", "control_responses", "find_conditions", "find_units",
           "parse_perturbation", "parse_perturbations", "perturbed_responses"]
