"""Information about permuted labels, which is nothing but bias and chance.

One permutation serves all units at once, so that what units share is shared under the null, too,
and the counts of all units in all classes are one matrix product per batch of permutations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.entropy import (
    activity_entropy,
    entropy,
    information_gain,
    n_log_n,
)
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling, relabel
from ephys_snn.cli import Progress, no_progress

BATCH_ELEMENTS = 2**23  # of the largest array in a batch of permutations
MIN_PERMUTATIONS = 1000
COUNTS_BUDGET, PRODUCT_BUDGET = 4e7, 2.4e11  # of all permutations chosen here: well under a minute


class PermutedInformation(NamedTuple):
    """Information of active units about permuted labels.

    Attributes
    ----------
    information_gain : (permutation, unit) float
    mutual_information : (permutation, unit) float, bits
        Plug-in, of active or silent.
    """

    information_gain: np.ndarray
    mutual_information: np.ndarray


def permuted_information(active: np.ndarray, code: np.ndarray, n_permutations: int,
                         rng: np.random.Generator, relabelling: Relabelling = SINGLE_TRIALS,
                         progress: Progress = no_progress, strata: np.ndarray | None = None
                         ) -> PermutedInformation:
    """Information of active units about permuted labels.

    Parameters
    ----------
    active : (trial, unit) bool
    code : (trial,) int
        Index of the class of each trial, in the order in which the trials took place.
    relabelling : Relabelling
    progress : Progress
        Of the batches of permutations.
    strata : (trial,), optional
        Labels are permuted among trials of equal value only.
    """
    class_counts = np.bincount(code)
    null = PermutedInformation(*np.empty((2, n_permutations, active.shape[1])))
    certain = entropy(class_counts) + activity_entropy(active.sum(axis=0), len(code))
    values = active.T.astype(np.float32)  # sums stay exact below 2**24 trials
    for drawn, counts in permuted_sums(values, code, n_permutations, rng, relabelling, progress,
                                       strata):
        null.information_gain[drawn] = information_gain(counts, class_counts).T
        joint = n_log_n(counts).sum(axis=-1) + n_log_n(class_counts - counts).sum(axis=-1)
        null.mutual_information[drawn] = certain - np.log2(len(code)) + joint.T / len(code)
    return null


def permuted_sums(values: np.ndarray, code: np.ndarray, n_permutations: int,
                  rng: np.random.Generator, relabelling: Relabelling = SINGLE_TRIALS,
                  progress: Progress = no_progress, strata: np.ndarray | None = None
                  ) -> Iterator[tuple[slice, np.ndarray]]:
    """Sum values over the trials of each permuted class, one matrix product per batch.

    One permutation serves all units, so that what they share is shared under the null, too.

    Parameters
    ----------
    values : (unit, trial) float

    Yields
    ------
    slice
        Which of the permutations.
    (unit, permutation, class) float
    """
    (n_units, n_trials), n_classes = values.shape, code.max() + 1
    batch = max(1, BATCH_ELEMENTS // (n_classes * max(n_trials, n_units)))
    for first in progress(range(0, n_permutations, batch), "permuted labels"):
        size = min(batch, n_permutations - first)
        permuted = np.stack([relabel(code, rng, relabelling, strata) for _ in range(size)],
                            axis=1)
        one_hot = (permuted[:, :, None] == np.arange(n_classes)).astype(values.dtype)
        sums = values @ one_hot.reshape(n_trials, size * n_classes)
        yield slice(first, first + size), sums.reshape(n_units, size, n_classes)


def spike_count_p_value(count: np.ndarray, code: np.ndarray, n_permutations: int,
                        rng: np.random.Generator, relabelling: Relabelling = SINGLE_TRIALS,
                        progress: Progress = no_progress, strata: np.ndarray | None = None
                        ) -> np.ndarray:
    """(unit,) p that the number of spikes does not depend on the class.

    The statistic is that of Kruskal & Wallis 1952 (doi:10.1080/01621459.1952.10483441); the null
    is permuted labels. It sees graded responses, which the plug-in information of a count with
    many values does not. With strata it is the sum over them, as in a block design: a unit that
    prefers one class in one stratum and another in the next is found, where all trials together
    would hide it.

    Parameters
    ----------
    count : (trial, unit) int
    code, n_permutations, relabelling, progress, strata
        As in `permuted_information`.
    """
    observed, null = np.zeros(count.shape[1]), np.zeros((n_permutations, count.shape[1]))
    strata = np.zeros(len(code)) if strata is None else strata
    for stratum in np.unique(strata):
        inside = strata == stratum
        of_stratum = _rank_statistics(count[inside], code[inside], n_permutations, rng,
                                      relabelling, progress)
        observed += of_stratum[0]
        null += of_stratum[1:]
    return permutation_p_value(observed, null)


def _rank_statistics(count: np.ndarray, code: np.ndarray, n_permutations: int,
                     rng: np.random.Generator, relabelling: Relabelling, progress: Progress
                     ) -> np.ndarray:
    """(1 + permutation, unit) Kruskal and Wallis's H, 0 of equal counts; first as observed."""
    code = np.unique(code, return_inverse=True)[1]
    class_counts = np.bincount(code)
    # Twice the deviation from the mean rank is a whole number, and no sum of s of them exceeds
    # s (n_trials - s): sums and ties are exact, where they fit in single precision, too.
    exact = np.float32 if class_counts.max() * len(code) < 2**24 else np.float64
    rank = (2 * stats.rankdata(count, axis=0).T - (len(code) + 1)).astype(exact)
    sums = np.empty((1 + n_permutations, count.shape[1]))
    observed = (rank @ (code[:, None] == np.arange(len(class_counts))).astype(exact)).astype(float)
    sums[0] = (observed**2 / class_counts).sum(axis=-1)
    for drawn, permuted in permuted_sums(rank, code, n_permutations, rng, relabelling, progress):
        sums[1:][drawn] = (permuted.astype(float)**2 / class_counts).sum(axis=-1).T
    variance = np.square(rank.astype(float)).sum(axis=1) / max(len(code) - 1, 1)
    return sums / np.where(variance > 0, variance, 1)


def enough_permutations(n_units: int, n_trials: int, n_classes: int) -> int:
    """So many that a single significant unit among all can be found, as far as time allows.

    The smallest q of one unit among n is n / (1 + N); it falls below 0.05 from N = 20 n.
    """
    affordable = min(COUNTS_BUDGET / n_classes, PRODUCT_BUDGET / (n_classes * n_trials)) \
        / max(n_units, 1)
    return int(max(MIN_PERMUTATIONS, min(20 * n_units, affordable)))
