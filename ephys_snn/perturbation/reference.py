"""What targets and controls are chosen by: a network's wiring, and its responses to other stimuli.

Units are chosen by what they do in trials that no perturbation is tested with; else the choice
would contain the test's own chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ephys_snn.analysis.pathways import functional_members, pathway_effects
from ephys_snn.errors import InputError
from ephys_snn.network import EXCITATORY, Network
from ephys_snn.perturbation.control import Responses, control_responses
from ephys_snn.perturbation.selectivity import corrected_information_gain
from ephys_snn.pulse_packets import pulse_packets


class Reference:
    """A network, and its responses to the stimuli that targets are chosen by.

    Parameters
    ----------
    network : Network
    times : (trial, input) float, ms
        Of the stimuli; the responses are computed when they are first asked for.
    labels : (trial,) int
        The right class of each trial.
    classes : sequence of str
        Names of the classes, in the order of the output units.

    Attributes
    ----------
    areas : tuple of str
    cell_types : dict of str to (unit,) str
        'input' and 'output' for the units of these areas.
    """

    def __init__(self, network: Network, times: np.ndarray, labels: np.ndarray,
                 classes: Sequence[str]):
        self.network = network
        self.times = times
        self.labels = labels
        self.classes = tuple(classes)
        self.areas = tuple(network.areas)
        sizes = network.layer_sizes
        types = [np.full(sizes[0], "input"), *network.cell_types, np.full(sizes[-1], "output")]
        self.cell_types = dict(zip(self.areas, types, strict=True))
        self._selectivity: dict[str, np.ndarray] = {}
        self._pathways: dict[float, list[np.ndarray]] = {}

    @cached_property
    def responses(self) -> Responses:
        """First-spike times of every area (`control_responses`).

        Raises
        ------
        InputError
            If there are no stimuli.
        """
        if not len(self.times):
            raise InputError("units are chosen by responses to other stimuli than those tested, "
                             "and the data have none in another split")
        return control_responses(self.network, self.times)

    @cached_property
    def decision_time(self) -> np.ndarray:
        """(trial,) float, ms; inf where there is none."""
        return self.responses["output"].min(axis=1)

    def active(self, area: str) -> np.ndarray:
        """(trial, unit) bool, whether a unit spikes before the decision; trials that have one."""
        decided = np.isfinite(self.decision_time)
        return self.responses[area][decided] < self.decision_time[decided, None]

    def activity(self, area: str) -> np.ndarray:
        """(unit,) float, fraction of the decided trials in which a unit is active."""
        return self.active(area).mean(axis=0)

    def outgoing_weight(self, area: str) -> np.ndarray:
        """(unit,) float, summed size of the weights of the synapses that a unit makes.

        Raises
        ------
        InputError
            For the output layer, which makes none.
        """
        index = self.areas.index(area)
        if index == len(self.areas) - 1:
            raise InputError(f"{area} is the last layer and has no outgoing weights")
        return self.network.weights[index].detach().abs().sum(dim=1).cpu().numpy()

    def packet_width(self, area: str) -> float:
        """Median shortest half of the area's spikes before the decision, ms.

        Raises
        ------
        InputError
            If no trial has a packet.
        """
        times = self.responses[area]
        packets = np.where(times < self.decision_time[:, None], times, np.inf)
        widths = pulse_packets(packets[np.isfinite(self.decision_time)]).shortest_half
        if not np.isfinite(widths).any():
            raise InputError(f"{area} has no pulse packet before the decision whose width could "
                             "be a unit; give the dose in ms")
        return float(np.nanmedian(widths))

    def selectivity(self, area: str) -> np.ndarray:
        """(unit,) float, corrected information gain; nan in units that are hardly ever active."""
        if area not in self._selectivity:
            active = self.active(area)
            code = self.labels[np.isfinite(self.decision_time)]
            self._selectivity[area] = corrected_information_gain(active, code)
        return self._selectivity[area]

    def pathway(self, area: str, name: str, k: float = 1.0) -> np.ndarray:
        """(unit,) bool, members of the structural pathway of a class.

        Raises
        ------
        InputError
            If there is no such class, or the area cannot have members.
        """
        if area not in self.areas[1:-1]:
            raise InputError(f"{area} has no pathways: these are excitatory units of hidden layers")
        if k not in self._pathways:
            self._pathways[k] = structural_members(self.network, k)
        return self._pathways[k][self.areas.index(area) - 1][self._index(name)]

    def functional_pathway(self, area: str, name: str) -> np.ndarray:
        """(unit,) bool, members of the functional pathway of a class.

        Raises
        ------
        InputError
            If there is no such class.
        """
        code = self.labels[np.isfinite(self.decision_time)]
        return functional_members(self.active(area), code, len(self.classes))[self._index(name)]

    def _index(self, name: str) -> int:
        words = [class_word(one) for one in self.classes]
        if name not in words:
            raise InputError(f"there is no class '{name}'; there are {', '.join(words)}")
        return words.index(name)


def class_word(name: str) -> str:
    """How a class is written in a perturbation: without spaces.

    >>> class_word("lying down")
    'lying_down'
    """
    return "_".join(name.split())


def structural_members(network: Network, k: float = 1.0) -> list[np.ndarray]:
    """Members of the structural pathway of every class in every hidden layer.

    Returns
    -------
    list of (class, unit) bool
        One per hidden layer.
    """
    excitatory = [types == EXCITATORY for types in network.cell_types]
    weights = [weights.detach().cpu().numpy() for weights in network.weights[1:]]
    onto = [*excitatory[1:], np.ones(weights[-1].shape[1], dtype=bool)] if weights else []
    traced = pathway_effects([matrix[np.ix_(pre, post)] for matrix, pre, post
                              in zip(weights, excitatory, onto, strict=True)], k)
    members = []
    for effects, pre in zip(traced, excitatory, strict=True):
        member = np.zeros((len(effects.member), len(pre)), dtype=bool)
        member[:, pre] = effects.member
        members.append(member)
    return members
