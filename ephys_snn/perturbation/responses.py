"""What a network does under a perturbation: everything downstream of it computed exactly.

Areas before the first one that a perturbation acts on do what they did without it, so they are
given, not computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError, listed
from ephys_snn.network import Network
from ephys_snn.perturbation.operations import Cut, Operation, SpikeOperation, SynapseOperation
from ephys_snn.perturbation.reference import Reference
from ephys_snn.perturbation.targets import target_units
from ephys_snn.spike_time import first_spike_times

BATCH = 250  # trials in one pass through a layer
Responses = dict[str, np.ndarray]  # area to (trial, unit) first-spike times, ms; inf where silent
UnitsByArea = Mapping[str, np.ndarray]  # area to (unit,) numbers of units


def control_responses(network: Network, times: np.ndarray, progress: Progress = no_progress
                      ) -> Responses:
    """First-spike times of every area, input included, without a perturbation.

    Parameters
    ----------
    network : Network
    times : (trial, input) float, ms
        Inf for silent inputs.
    progress : Progress
        Of the batches of trials.

    Returns
    -------
    dict of str to (trial, unit) float, ms
        Areas in their order; inf where silent. In the precision of the weights.
    """
    batches = []
    with torch.no_grad():
        for start in progress(range(0, len(times), BATCH), "recording"):
            # What the network was given, in its own precision, is what it responded to.
            batch = torch.as_tensor(times[start:start + BATCH]).to(network.weights[0])
            batches.append([layer.numpy() for layer in (batch, *network(batch))])
    return {area: np.concatenate(layers)
            for area, layers in zip(network.areas, zip(*batches, strict=True), strict=True)}


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
        raise InputError(f"'{operation.words}': no synapses lead onto the {areas[0]}")
    units = target_units(target, reference, areas[1:], rng)
    if not isinstance(operation, Cut) or operation.source is None:
        return ActedOn(units)
    before = tuple(areas[areas.index(area) - 1] for area in units)
    sources = target_units(operation.source, reference, before, rng)
    if not set(sources) <= set(before):
        raise InputError(f"'{operation.words}': synapses lead from an area onto the next one, so "
                         f"the source must be in {listed(before)}")
    return ActedOn(units, sources)


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
    pre = np.arange(len(changed)) if acted_on.sources is None else acted_on.sources.get(
        before, np.empty(0, dtype=int))
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
