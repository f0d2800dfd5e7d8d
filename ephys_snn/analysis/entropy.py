"""Information of discrete responses about the class of the trial: plug-in, and without its bias.

Symbols: C the class, H(C) its entropy over the analysed trials, a = "the unit is active" (at least
one spike in the response window), R any discrete response of a unit. With counts n over trials,

    H(C)     = - sum_c n_c/n log2 n_c/n                       entropy of the classes, bits
    IG       = (H(C) - H(C | a)) / H(C)                       information gain
    IG_0     = mean of IG over permuted labels                what chance gives (see `permuted`)
    IG_corr  = (IG - IG_0) / (1 - IG_0)                       corrected information gain
    IG_max   = IG if the active trials fill the largest classes one after the other
    IG_rel   = (IG - IG_0) / (IG_max - IG_0)                  relative information gain
    I(R; C)  = sum_rc n_rc/n log2 (n n_rc / (n_r n_c))        mutual information, bits
    I_QE     = (8 I(n) - 6 I(n/2) + I(n/4)) / 3               quadratic extrapolation
    U        = I_QE / H(a)                                    uncertainty coefficient

IG, elsewhere called normalized specific information or stimulus-specific information of a
response, is the specific information of the response "active" (DeWeese & Meister 1999,
doi:10.1088/0954-898X/10/4/303) over the entropy of the classes: 1 if the unit is active for one
class only, 0 if its activity leaves the classes as they were, negative if the classes become more
uniform than they were. Both IG and I are biased upward when trials are few; IG_corr and I_QE
(Strong et al. 1998, doi:10.1103/PhysRevLett.80.197; Panzeri et al. 2007,
doi:10.1152/jn.00559.2007) take the bias out.

A unit that is active in more trials than a class has cannot be active for that class alone: IG_max
is below 1, and with 10 equal classes 0.70 at 20 % active trials and 0.22 at 60 %. So units of
different activity are compared by IG_rel and by Theil's U, the part of the entropy H(a) of being
active or silent that the class explains: activity does not bound them.

IG_corr and IG_rel are 0 at chance at any number of active trials, as tests need it, and 1 where the
most is reached. Between, few active trials are corrected too much: of 10 classes, a unit active for
3 alike (IG 0.52) has IG_corr 0.37, 0.44, 0.49, 0.51 on average at 5, 10, 20, 50 active trials.
Entropies by Miller and Madow, Chao and Shen, Grassberger or the jackknife find 0.48 to 0.56 there,
but 0.08 to 0.28 in units without information at 5 active trials, so none of them replaces it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.trial_subsets import stratified_quarters
from ephys_snn.errors import InputError

N_PARTITIONS = 10  # into quarters; more partitions, less spread
HALVES = np.array([(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)])  # of four quarters


def n_log_n(counts: np.ndarray) -> np.ndarray:
    """n log2 n of whole numbers n >= 0, with 0 log 0 = 0."""
    counts = np.asarray(counts)
    table = _n_log_n_below(1 << int(counts.max(initial=0)).bit_length())
    return table[counts.astype(np.intp)]


@cache
def _n_log_n_below(size: int) -> np.ndarray:
    n = np.arange(size, dtype=float)
    return n * np.log2(np.maximum(n, 1))


def entropy(counts: np.ndarray) -> np.ndarray:
    """Plug-in entropy over the last axis, bits; nan where all counts are 0.

    Parameters
    ----------
    counts : (..., class) int
    """
    counts = np.asarray(counts)
    total = counts.sum(axis=-1, dtype=float)  # float32 would break ties between equal entropies
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(total) - n_log_n(counts).sum(axis=-1) / total


def activity_entropy(n_active: np.ndarray, n_trials: int) -> np.ndarray:
    """(unit,) H(a), entropy of being active in `n_active` trials or silent, bits."""
    return entropy(np.stack([n_active, n_trials - n_active], axis=1))


def information_gain(active_counts: np.ndarray, class_counts: np.ndarray) -> np.ndarray:
    """Plug-in information gain of being active, not clipped.

    Parameters
    ----------
    active_counts : (..., class) int
        Trials of each class in which the unit is active.
    class_counts : (class,) int
        Trials of each class.

    Returns
    -------
    (...) float
        At most 1; nan where a unit is never active.
    """
    class_entropy = entropy(class_counts)
    return (class_entropy - entropy(active_counts)) / class_entropy


def largest_information_gain(n_active: np.ndarray, class_counts: np.ndarray) -> np.ndarray:
    """The largest plug-in information gain of units that are active in so many trials.

    The entropy of the classes of the active trials is least where these fill the largest class
    first, then the next: no other choice of as many trials is as uneven.

    Parameters
    ----------
    n_active : (...) int
        At most the number of trials.
    class_counts : (class,) int
        Trials of each class.

    Returns
    -------
    (...) float
        nan where a unit is never active.
    """
    largest = np.sort(class_counts)[::-1]
    filled_before = np.cumsum(largest) - largest
    packed = np.clip(np.asarray(n_active)[..., None] - filled_before, 0, largest)
    return information_gain(packed, class_counts)


def chance_information_gain(n_active: np.ndarray, class_counts: np.ndarray) -> np.ndarray:
    """The mean plug-in information gain of a unit whose active trials are of any class.

    Exactly what permutations of the labels of single trials give on average: of n active trials,
    the number in a class is hypergeometric, and so is the mean of n_c log2 n_c.

    Parameters
    ----------
    n_active : (...) int
        At most the number of trials.
    class_counts : (class,) int
        Trials of each class.

    Returns
    -------
    (...) float
        nan where a unit is never active.
    """
    sizes, n_classes = np.unique(class_counts[class_counts > 0], return_counts=True)
    levels, place = np.unique(n_active, return_inverse=True)
    total, joint = int(np.sum(class_counts)), np.zeros(len(levels))
    for size, times in zip(sizes, n_classes, strict=True):
        inside = np.arange(size + 1)
        share = stats.hypergeom.pmf(inside, total, size, levels[:, None])
        joint += times * share @ n_log_n(inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        given_active = np.log2(levels) - joint / levels
    class_entropy = entropy(class_counts)
    return ((class_entropy - given_active) / class_entropy)[place].reshape(np.shape(n_active))


def mutual_information(counts: np.ndarray) -> np.ndarray:
    """Plug-in mutual information of two discrete variables, bits.

    Parameters
    ----------
    counts : (..., response, class) int
        Trials of each combination.

    Returns
    -------
    (...) float
    """
    counts = np.asarray(counts)
    joint = counts.reshape(*counts.shape[:-2], -1)
    return entropy(counts.sum(axis=-1)) + entropy(counts.sum(axis=-2)) - entropy(joint)


class MutualInformation(NamedTuple):
    """Mutual information of responses and classes, bits.

    Attributes
    ----------
    plug_in : (unit,) float
        From the relative frequencies; biased upward.
    extrapolated : (unit,) float
        The plug-in extrapolated to infinitely many trials; nearly unbiased, may be negative.
    """

    plug_in: np.ndarray
    extrapolated: np.ndarray


def quadratic_extrapolation(response: np.ndarray, code: np.ndarray, rng: np.random.Generator
                            ) -> MutualInformation:
    """Mutual information extrapolated to infinitely many trials.

    The plug-in I(n) = I + a/n + b/n^2 is measured with all trials, with halves and with quarters
    of them; the three equations give I. Halves and quarters keep the proportions of the classes
    and are averaged over random partitions (Strong et al. 1998,
    doi:10.1103/PhysRevLett.80.197; Panzeri et al. 2007, doi:10.1152/jn.00559.2007).

    Parameters
    ----------
    response : (trial, unit) int
        Any discrete response: active or not, number of spikes, ...
    code : (trial,) int
        Index of the class of each trial.

    Raises
    ------
    InputError
        If there are fewer than four trials.
    """
    n_trials, n_classes = len(code), code.max(initial=0) + 1
    if n_trials < 4:
        raise InputError("quadratic extrapolation needs at least 4 trials, a quarter of them each; "
                         f"got {n_trials}")
    subset = stratified_quarters(code, N_PARTITIONS, rng) + 4 * np.arange(N_PARTITIONS)[:, None]
    plug_in, extrapolated = np.empty((2, response.shape[1]))
    for unit, responses in enumerate(response.T):
        values, value = np.unique(responses, return_inverse=True)
        shape = (N_PARTITIONS, 4, len(values), n_classes)
        cell = (subset * len(values) + value) * n_classes + code
        quarters = np.bincount(cell.ravel(), minlength=np.prod(shape)).reshape(shape)
        halves = quarters[:, HALVES].sum(axis=2)
        plug_in[unit] = mutual_information(quarters[0].sum(axis=0))
        extrapolated[unit] = (8 * plug_in[unit] - 6 * mutual_information(halves).mean()
                              + mutual_information(quarters).mean()) / 3
    return MutualInformation(plug_in, extrapolated)


def correct_for_chance(information: np.ndarray, chance: np.ndarray, most: np.ndarray | float = 1.0
                       ) -> np.ndarray:
    """0 at chance, 1 at the most there can be; nan where chance reaches the most."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(most - chance > 1e-12, (information - chance) / (most - chance), np.nan)
