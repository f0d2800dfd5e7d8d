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

SIGNIFICANT_Q = 0.05
ACTIVITIES = ("active", "count")


@dataclass(frozen=True)
class PathwaySettings:
    """What the numbers depend on.

    Attributes
    ----------
    k : float
        Standard deviations above the mean at which an effect of the weights is strong.
    n_permutations : int
        Random sets, shuffles and permutations.
    relabelling : Relabelling
        How labels change places; blocks of neighbouring trials stay together in halves, too.
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
    notes: tuple[str, ...]


class Pathways(NamedTuple):
    """The pathways of one kind.

    Attributes
    ----------
    kind : {'structural', 'functional'}
    classes : tuple of str
    class_trials : (class,) int
        Trials of each class in which members were evaluated.
    areas : tuple of AreaPathways
    output : (class,) int
        The output unit of each class, for structural pathways; else empty.
    """

    kind: str
    classes: tuple[str, ...]
    class_trials: np.ndarray
    areas: tuple[AreaPathways, ...]
    output: np.ndarray


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


def silent_notes(notes: tuple[str, ...], member: np.ndarray, own: np.ndarray, other: np.ndarray
                  ) -> tuple[str, ...]:
    """Add to the notes the classes whose members are silent in all evaluated trials."""
    return tuple(note or ("" if (o[m] + x[m]).sum() > 0
                          else "not computable: the members are silent in all evaluated trials")
                 for note, m, o, x in zip(notes, member, own, other, strict=True))
