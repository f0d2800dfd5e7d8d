"""What a network does under a perturbation: everything downstream of it computed exactly.

Areas before the first one that a perturbation acts on do what they did without it, so they are
given, not computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch

from ephys_snn.errors import InputError, listed
from ephys_snn.network import Network
from ephys_snn.perturbation.control import BATCH, Responses
from ephys_snn.perturbation.operations import Cut, Operation, SpikeOperation, SynapseOperation
from ephys_snn.perturbation.reference import Reference
from ephys_snn.perturbation.targets import target_units
from ephys_snn.spike_time import first_spike_times

UnitsByArea = Mapping[str, np.ndarray]  # area to (unit,) numbers of units


class ActedOn(NamedTuple):
    """The very units that a perturbation acts on in a network.

    Attributes
    ----------
    units : dict of str to (unit,) int
        Area to the numbers of its units: those that send other spikes, or onto which synapses are
        changed.
    sources : dict of str to (unit,) int or None
        Presynaptic units by area, where only the synapses of some are changed.
    """

    units: UnitsByArea
    sources: UnitsByArea | None = None

    @property
    def n_units(self) -> int:
        """How many units these are."""
        return sum(map(len, self.units.values()))


def find_units(operation: Operation, reference: Reference, rng: np.random.Generator) -> ActedOn:
    """The units that an operation acts on.

    Raises
    ------
    InputError
        If the network has no such units.
    """
    areas, target = reference.areas, operation.target
    if isinstance(operation, SpikeOperation):
        return ActedOn(target_units(target, reference, areas[1:-1], rng))
    if target.area == areas[0]:
        raise InputError(f"no synapses lead onto the {areas[0]}")
    units = target_units(target, reference, areas[1:], rng)
    if not isinstance(operation, Cut) or operation.source is None:
        return ActedOn(units)
    before = {area: areas[areas.index(area) - 1] for area in units}
    sources = target_units(operation.source, reference, tuple(before.values()), rng)
    if not set(sources) <= set(before.values()):
        raise InputError("synapses lead from an area onto the next one, so the source must be in "
                         f"{listed(list(before.values()))}")
    return ActedOn({area: units[area] for area in units if before[area] in sources}, sources)


class Condition(NamedTuple):
    """A perturbation of a network: what is done, to which units, by which random numbers."""

    operation: Operation
    acted_on: ActedOn
    rng: np.random.Generator


def find_conditions(operations: Sequence[Operation], reference: Reference, seed: int
                    ) -> list[Condition]:
    """The units that perturbations act on, each with random numbers of its own.

    Raises
    ------
    InputError
        If the network has no such units.
    """
    conditions = []
    for operation in operations:
        rng = condition_rng(seed, operation.words)
        try:
            conditions.append(Condition(operation, find_units(operation, reference, rng), rng))
        except InputError as error:
            raise InputError(f"the perturbation '{operation.words}': {error}") from error
    return conditions


def condition_rng(seed: int, words: str, draw: int = 0) -> np.random.Generator:
    """The random numbers of a perturbation, whatever else is tried beside it.

    Parameters
    ----------
    seed : int
    words : str
        The perturbation's, in their normal form.
    draw : int
        How often it was tried before.
    """
    return np.random.default_rng([seed, crc32(words.encode()), draw])


def perturbed_responses(network: Network, operation: Operation, acted_on: ActedOn,
                        control: Responses, reference: Reference, rng: np.random.Generator
                        ) -> Responses:
    """First-spike times of every area under a perturbation.

    Parameters
    ----------
    network : Network
    operation : Operation
    acted_on : ActedOn
        By `find_units`, or a control of it.
    control : dict of str to (trial, unit) float, ms
        What `control_responses` gives for the same trials.
    reference : Reference
        Whose packets' widths are the unit of times, where these are given so.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to (trial, unit) float, ms
        As `control`, whose arrays it shares where nothing changes.
    """
    responses, changed = dict(control), False
    for index, area in enumerate(control):
        acts = area in acted_on.units
        if changed or (acts and isinstance(operation, SynapseOperation)):
            weights = network.weights[index - 1]
            before = network.areas[index - 1]
            if acts and isinstance(operation, SynapseOperation):
                weights = _changed_synapses(operation, weights, before, area, acted_on, rng)
            responses[area] = _respond(responses[before], weights, network)
            changed = True
        if acts and isinstance(operation, SpikeOperation):
            responses[area] = _changed_spikes(operation, responses[area], area, acted_on, control,
                                              reference, rng)
            changed = True
    return responses


def _respond(times: np.ndarray, weights: torch.Tensor, network: Network) -> np.ndarray:
    """First spikes (trial, post) of a layer, batch by batch."""
    with torch.no_grad():
        return np.concatenate([
            first_spike_times(torch.from_numpy(times[start:start + BATCH]), weights, network.lif
                              ).numpy() for start in range(0, len(times), BATCH)])


def _changed_synapses(operation: SynapseOperation, weights: torch.Tensor, before: str, area: str,
                      acted_on: ActedOn, rng: np.random.Generator) -> torch.Tensor:
    changed = weights.detach().numpy().copy()
    pre = np.arange(len(changed)) if acted_on.sources is None else acted_on.sources[before]
    block = np.ix_(pre, acted_on.units[area])
    changed[block] = operation.synapses(changed[block], float(np.abs(changed).max()), rng)
    return torch.from_numpy(changed)


def _changed_spikes(operation: SpikeOperation, times: np.ndarray, area: str, acted_on: ActedOn,
                    control: Responses, reference: Reference, rng: np.random.Generator
                    ) -> np.ndarray:
    decision = next(reversed(control.values())).min(axis=1, keepdims=True)
    units = acted_on.units[area]
    packet = times[:, units] < decision  # of a trial without a decision, every spike
    width = reference.packet_width(area) if operation.in_widths else 0.0
    changed = times.copy()
    changed[:, units] = operation.spikes(times[:, units], packet, width, rng)
    return changed
