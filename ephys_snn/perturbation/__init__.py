"""Virtual experiments: what is done to which units of a network, and what becomes of it.

A perturbation is an operation on a target (`operations`, `targets`), written in words (`words`) and
applied while spikes travel through the network (`responses`). Targets are chosen by a `Reference`:
responses to other stimuli.
"""

from ephys_snn.perturbation.operations import Operation
from ephys_snn.perturbation.reference import Reference
from ephys_snn.perturbation.responses import (
    ActedOn,
    Responses,
    control_responses,
    find_units,
    perturbed_responses,
)
from ephys_snn.perturbation.words import CONTROL, parse_perturbation

__all__ = ["CONTROL", "ActedOn", "Operation", "Reference", "Responses", "control_responses",
           "find_units", "parse_perturbation", "perturbed_responses"]
