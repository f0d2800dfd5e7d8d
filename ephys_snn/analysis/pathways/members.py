"""Members of class-specific pathways, and what an area's units do in trials of each class.

Structural members are chosen by the weights (`structural`), functional ones by one half of the
trials (`functional`). What members do is asked of trials that did not choose them: of all trials
for structural members, of the other half for functional ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.classes import class_sums
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling
from ephys_snn.recording import Responses

ACTIVITIES = ("active", "count")


@dataclass(frozen=True)
class PathwaySettings:
    """What the numbers depend on.

    Attributes
    ----------
    k : float
        Standard deviations above the mean at which an effect of the weights is strong.
    n_permutations : int
        Permutations of labels, exchanges of responses and random sets.
    relabelling : Relabelling
        How labels change places; what stays together then stays in one half of the trials, too.
    activity : {'active', 'count'}
        Whether activity is the fraction of trials with a spike, or the mean number of spikes,
        which says more of units that are active in nearly every trial.
    max_links : int
        Strongest links kept per class and pair of areas.
    max_lag : float or None, ms
        Largest difference of spike times in lead and lag; by default half of the median response
        window, at most 50 ms.
    seed : int
    """

    k: float = 1.0
    n_permutations: int = 1000
    relabelling: Relabelling = SINGLE_TRIALS
    activity: str = "active"
    max_links: int = 20
    max_lag: float | None = None
    seed: int = 0


class AreaPathways(NamedTuple):
    """Members of the pathways of all classes in one area, and what the area's units do.

    Attributes
    ----------
    area, cell_type : str
        Candidates are the excitatory units where there are any, else all units.
    units : (unit,) int
        The candidates, as indices into the recording.
    effect : (class, unit) float
        What members were chosen by: effect on the output neuron, or difference of activity in the
        half of the trials that chose them.
    member : (class, unit) bool
    own, other : (class, unit) float
        Mean activity in the evaluated trials of the class and of the others.
    member_activity : (class, trial) int
        Summed over the members, in each evaluated trial.
    notes : (class,) tuple of str
        Why there is no preference; '' where there may be one.
    """

    area: str
    cell_type: str
    units: np.ndarray
    effect: np.ndarray
    member: np.ndarray
    own: np.ndarray
    other: np.ndarray
    member_activity: np.ndarray
    notes: tuple[str, ...]


class Pathways(NamedTuple):
    """The pathways of one kind.

    Attributes
    ----------
    kind : {'structural', 'functional'}
    classes : tuple of str
    code : (trial,) int
        Class of each trial in which members were evaluated; -1 where it is none of them.
    areas : tuple of AreaPathways
    output : (class,) int
        The output unit of each class, for structural pathways; else empty.
    """

    kind: str
    classes: tuple[str, ...]
    code: np.ndarray
    areas: tuple[AreaPathways, ...]
    output: np.ndarray

    @property
    def class_trials(self) -> np.ndarray:
        """(class,) int, evaluated trials of each class."""
        return np.bincount(self.code[self.code >= 0], minlength=len(self.classes))


def activity_of(responses: Responses, units: np.ndarray, activity: str) -> np.ndarray:
    """(trial, unit) bool or int, whether each unit is active or how many spikes it has."""
    counts = responses.count[:, units]
    return counts > 0 if activity == "active" else counts


def class_activity(activity: np.ndarray, code: np.ndarray, n_classes: int
                   ) -> tuple[np.ndarray, np.ndarray]:
    """Mean activity of every unit, in trials of each class and in all other trials.

    Parameters
    ----------
    activity : (trial, unit) bool or int
    code : (trial,) int
        Class of each trial; -1 for trials of none of the classes.

    Returns
    -------
    own, other : (class, unit) float
        nan where there are no such trials.
    """
    n_own = (code == np.arange(n_classes)[:, None]).sum(axis=1)[:, None]
    total = class_sums(activity, code, n_classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / n_own, (activity.sum(axis=0) - total) / (len(code) - n_own)


def evaluated_area(area: str, cell_type: str, units: np.ndarray, effect: np.ndarray,
                   member: np.ndarray, activity: np.ndarray, code: np.ndarray,
                   notes: tuple[str, ...]) -> AreaPathways:
    """What the units of an area, of which some are members, do in the evaluated trials.

    Parameters
    ----------
    activity : (trial, unit) bool or int
    code : (trial,) int
    notes : (class,) tuple of str
        To them come the classes whose members are silent.
    """
    own, other = class_activity(activity, code, len(member))
    of_members = member.astype(np.float32) @ activity.T.astype(np.float32)
    notes = tuple(note or ("" if total > 0
                           else "not computable: the members are silent in all evaluated trials")
                  for note, total in zip(notes, of_members.sum(axis=1), strict=True))
    return AreaPathways(area, cell_type, units, effect, member, own, other, of_members, notes)
