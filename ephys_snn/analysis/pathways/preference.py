"""How much the members of a pathway prefer their class, against labels in another order.

Symbols: p_c and p_other, the fraction of (member, trial) pairs with at least one spike in the
response window, over the trials of class c and over all other trials (or their mean number of
spikes).

    preference = (p_c - p_other) / (p_c + p_other)          from -1 to 1, 0 without preference
    overlap    = mean over other classes of |A and B| / |A or B|, the Jaccard index of members

Chance is what the same members prefer when the labels of the trials change places. Random sets of
as many units of the same area and cell type (Oberste-Frielinghaus et al. 2025, arXiv:2508.12975)
show how large a preference is beside that of others; they are no chance, because members that
share their drive vary together, and random sets hardly do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist, squareform

from ephys_snn.analysis.classes import class_sums
from ephys_snn.analysis.pathways.members import AreaPathways, Pathways
from ephys_snn.analysis.statistics import rank_sum
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling, random_sets, relabel


def preference_index(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(own - other) / (own + other); nan where both are 0."""
    own, other = np.asarray(own, dtype=float), np.asarray(other, dtype=float)
    with np.errstate(invalid="ignore"):
        return (own - other) / (own + other)


def overlap_with_others(member: np.ndarray) -> np.ndarray:
    """(class,) float, mean Jaccard index of the members of each class with those of the others.

    Pairs of classes of which neither has members do not count; nan where none is left.
    """
    size = member.sum(axis=1)
    counted = (size[:, None] + size > 0) & ~np.eye(len(member), dtype=bool)
    jaccard = np.where(counted, 1 - squareform(pdist(member, "jaccard")), 0.0)
    with np.errstate(invalid="ignore"):
        return jaccard.sum(axis=1) / counted.sum(axis=1)


class Preference(NamedTuple):
    """How much the members of each class prefer it, and random sets of the same size.

    Attributes
    ----------
    own, other, index : (class,) float
        nan where there is no preference.
    of_random_sets : (set, class) float
        Index of random sets; nan for sets without a spike.
    """

    own: np.ndarray
    other: np.ndarray
    index: np.ndarray
    of_random_sets: np.ndarray


def member_preference(area: AreaPathways, n_sets: int, rng: np.random.Generator) -> Preference:
    """Preference of the members of one area, beside random sets of its candidates."""
    n_classes, n_units = area.member.shape
    own, other = np.full((2, n_classes), np.nan)
    of_sets = np.full((n_sets, n_classes), np.nan)
    for c in np.flatnonzero([not note for note in area.notes]):
        member = area.member[c]
        own[c], other[c] = area.own[c, member].mean(), area.other[c, member].mean()
        if n_units > 1:
            sets = random_sets(n_units, member.sum(), n_sets, rng).astype(float)
            of_sets[:, c] = preference_index(sets @ area.own[c], sets @ area.other[c])
    return Preference(own, other, preference_index(own, other), of_sets)


def relabelled_preference(pathways: Pathways, n_permutations: int, rng: np.random.Generator,
                          relabelling: Relabelling = SINGLE_TRIALS) -> np.ndarray:
    """Preference of the same members when the labels of the evaluated trials change places.

    One order of the labels serves all areas and classes, so that means over them have a null, too.

    Returns
    -------
    (permutation, area, class) float
        nan where members are silent, or there are none.
    """
    n_own = pathways.class_trials[:, None]
    n_other = len(pathways.code) - n_own
    activity = np.stack([area.member_activity for area in pathways.areas])
    total = activity.sum(axis=2).T
    null = np.empty((n_permutations, *activity.shape[:2]))
    for one in null:
        code = relabel(pathways.code, rng, relabelling)
        own = class_sums(activity[:, code, np.arange(len(code))].T, code, len(pathways.classes))
        with np.errstate(invalid="ignore", divide="ignore"):
            one[:] = preference_index(own / n_own, (total - own) / n_other).T
    return null


def ranking_auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve; nan where all or none are positive.

    Parameters
    ----------
    score : (unit,) float
    positive : (unit,) bool
    """
    if positive.all() or not positive.any():
        return np.nan
    return rank_sum(score[positive], score[~positive], method="asymptotic").auc
