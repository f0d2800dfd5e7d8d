"""How much the members of a pathway prefer their class, against random sets of units.

Symbols: p_c and p_other, the fraction of (member, trial) pairs with at least one spike in the
response window, over the trials of class c and over all other trials (or their mean number of
spikes).

    preference = (p_c - p_other) / (p_c + p_other)          from -1 to 1, 0 without preference
    overlap    = mean over other classes of |A and B| / |A or B|, the Jaccard index of members

Chance is what random sets of as many units of the same area and cell type give
(Oberste-Frielinghaus et al. 2025, arXiv:2508.12975).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist, squareform

from ephys_snn.analysis.pathways.members import AreaPathways
from ephys_snn.analysis.statistics import permutation_p_value, rank_sum
from ephys_snn.analysis.surrogates import random_sets


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
    null : (set, class) float
        Index of random sets; nan for sets without a spike.
    p_value : (class,) float
        Sets without a spike count for chance.
    """

    own: np.ndarray
    other: np.ndarray
    index: np.ndarray
    null: np.ndarray
    p_value: np.ndarray


def member_preference(area: AreaPathways, n_sets: int, rng: np.random.Generator) -> Preference:
    """Preference of the members of one area, against random sets of its candidates."""
    n_classes, n_units = area.member.shape
    own, other = np.full((2, n_classes), np.nan)
    null = np.full((n_sets, n_classes), np.nan)
    for c in np.flatnonzero([not note for note in area.notes]):
        member = area.member[c]
        own[c], other[c] = area.own[c, member].mean(), area.other[c, member].mean()
        if n_units > 1:
            sets = random_sets(n_units, member.sum(), n_sets, rng).astype(float)
            null[:, c] = preference_index(sets @ area.own[c], sets @ area.other[c])
    index = preference_index(own, other)
    tested = np.where(n_units > 1, index, np.nan)
    p_value = permutation_p_value(tested, np.where(np.isnan(null), np.inf, null))
    return Preference(own, other, index, null, p_value)


def ranking_auc(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve, and the one-sided p of Mann and Whitney's test.

    Parameters
    ----------
    score : (unit,) float
    positive : (unit,) bool

    Returns
    -------
    auc, p_value : float
        nan where all or none are positive.
    """
    if positive.all() or not positive.any():
        return np.nan, np.nan
    test = rank_sum(score[positive], score[~positive], "greater", "asymptotic")
    return test.auc, test.p_value if np.ptp(score) > 0 else 1.0
