"""Functional coupling: which units of two areas vary together in single trials, and who leads.

What units share because they prefer the same classes is no coupling, so only what is left within
classes counts, and chance is the shuffle predictor: the trials of one area exchanged for other
trials of the same class.

Symbols: x_it, y_jt the responses of unit i and j in trial t, C(t) the class of the trial, bars
means over the trials of a class, n_c their number, S over all trials.

    S_ij   = S_t (x_it - xbar_iC(t)) (y_jt - ybar_jC(t))          covariation within classes
    r_ij   = S_ij / sqrt(S_ii S_jj)                               noise correlation
    V_ij   = S_c S_ii^c S_jj^c / (n_c - 1)                        variance of S_ij over all shuffles
    z_ij   = S_ij / sqrt(V_ij)

V is exact (Hoeffding 1951, doi:10.1214/aoms/1177729545), so pairs of different rates are
comparable, and one null distribution, of the z of all pairs in shuffled trials, serves them all.
Noise correlations: Cohen & Kohn 2011, doi:10.1038/nn.2842. Shuffle predictor: Perkel, Gerstein &
Moore 1967, doi:10.1016/S0006-3495(67)86597-4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.surrogates import permute_within

MIN_SHUFFLES = 20
SHUFFLED_PAIRS = 500_000  # z values that make a null distribution fine enough for its tail


class NoiseCorrelation(NamedTuple):
    """How the units of two areas vary together within classes.

    Attributes
    ----------
    correlation, z : (source unit, target unit) float
        nan for pairs that are not tested.
    p_value : (source unit, target unit) float
        One-sided, positive correlations against shuffled trials.
    n_shuffles : int
    """

    correlation: np.ndarray
    z: np.ndarray
    p_value: np.ndarray
    n_shuffles: int

    @property
    def tested(self) -> np.ndarray:
        """(source unit, target unit) bool."""
        return ~np.isnan(self.p_value)


def noise_correlation(source: np.ndarray, target: np.ndarray, code: np.ndarray,
                      rng: np.random.Generator, max_shuffles: int = 1000, min_active: int = 5
                      ) -> NoiseCorrelation:
    """Correlate the units of two areas over trials, within classes, against shuffled trials.

    Parameters
    ----------
    source, target : (trial, unit) int
        Spike counts.
    code : (trial,) int
        Class of each trial.
    max_shuffles : int
        There are at least 20 shuffles, and no more than give half a million shuffled pairs.
    min_active : int
        Units active in fewer trials are not tested.
    """
    result = NoiseCorrelation(*np.full((3, source.shape[1], target.shape[1]), np.nan), 0)
    pre, post = (np.flatnonzero((counts > 0).sum(axis=0) >= min_active)
                 for counts in (source, target))
    x, y = (class_residuals(counts[:, units], code)
            for counts, units in ((source, pre), (target, post)))
    variance = shuffle_variance(x, y, code)
    testable = variance > 0  # some class lets both units vary
    if not testable.any():
        return result
    deviation = np.sqrt(variance[testable])
    norm = np.sqrt(np.square(x).sum(axis=0)[:, None] * np.square(y).sum(axis=0))[testable]
    n_shuffles = int(np.clip(SHUFFLED_PAIRS // len(deviation), min(MIN_SHUFFLES, max_shuffles),
                             max_shuffles))
    null = np.sort(np.concatenate([(x[permute_within(code, rng)[0]].T @ y)[testable] / deviation
                                   for _ in range(n_shuffles)]))
    covariation = (x.T @ y)[testable].astype(float)
    z = covariation / deviation
    reached = len(null) - np.searchsorted(null, z - 1e-5 * np.maximum(1, np.abs(z)))
    p = (1 + reached) / (1 + len(null))
    rows, columns = np.nonzero(testable)
    for array, values in zip(result, (covariation / norm, z, p), strict=False):
        array[pre[rows], post[columns]] = values
    return result._replace(n_shuffles=n_shuffles)


def class_residuals(counts: np.ndarray, code: np.ndarray) -> np.ndarray:
    """(trial, unit) float32, counts minus their mean over the trials of the same class."""
    residuals = counts.astype(np.float32)
    for c in np.unique(code):
        residuals[code == c] -= residuals[code == c].mean(axis=0, dtype=np.float64)
    return residuals


def shuffle_variance(x: np.ndarray, y: np.ndarray, code: np.ndarray) -> np.ndarray:
    """V_ij, the variance of sum_t x_it y_jt over all shuffles of trials within classes.

    Parameters
    ----------
    x, y : (trial, unit) float
        Residuals within classes.

    Returns
    -------
    (source unit, target unit) float
    """
    classes, sizes = np.unique(code, return_counts=True)
    several = classes[sizes > 1]
    if not len(several):
        return np.zeros((x.shape[1], y.shape[1]))
    squares = [np.stack([np.square(r[code == c]).sum(axis=0, dtype=np.float64) for c in several])
               for r in (x, y)]
    return squares[0].T @ (squares[1] / (sizes[sizes > 1] - 1)[:, None])


class Asymmetry(NamedTuple):
    """Asymmetry of the cross-correlogram of two units, against shuffled trials.

    Attributes
    ----------
    observed : float
        (after - before) / (after + before), counting the pairs of spikes at most `max_lag` apart
        in which the target unit spikes after or before the source unit.
    shuffled : float
        The same of the mean over all shuffles.
    p_value : float
        Two-sided, of after - before.
    """

    observed: float
    shuffled: float
    p_value: float


class TrialPairs(NamedTuple):
    """All pairs of trials of the same class, one class after the other, in a flat order.

    Attributes
    ----------
    of_class : tuple of (trial,) int
        The trials of each class; of its pairs the first trial varies slowest.
    weight : (pair,) float
        1 / n_c: how often shuffles make the pair, on average.
    same : (trial,) int
        The pairs of trials with themselves.
    shuffled : (shuffle, trial) int
        The pairs that shuffles make.
    """

    of_class: tuple[np.ndarray, ...]
    weight: np.ndarray
    same: np.ndarray
    shuffled: np.ndarray


def trial_pairs(code: np.ndarray, n_shuffles: int, rng: np.random.Generator) -> TrialPairs:
    """Pair trials of the same class, as they were and as `n_shuffles` shuffles would have them."""
    of_class = tuple(np.flatnonzero(code == c) for c in np.unique(code))
    sizes = np.array([len(trials) for trials in of_class])
    rank, start, size = (np.empty(len(code), dtype=int) for _ in range(3))
    for trials, begin, n in zip(of_class, np.cumsum(sizes ** 2) - sizes ** 2, sizes, strict=True):
        rank[trials], start[trials], size[trials] = np.arange(n), begin, n
    shuffles = permute_within(code, rng, n_shuffles)
    first = start + rank * size
    return TrialPairs(of_class, np.repeat(1 / sizes, sizes ** 2), first + rank,
                      first + rank[shuffles])


def correlogram_asymmetry(source: np.ndarray, target: np.ndarray, pairs: TrialPairs,
                          lag_bins: int) -> Asymmetry:
    """Asymmetry of the cross-correlation histogram of two units, against shuffled trials.

    Parameters
    ----------
    source, target : (trial, bin) float
        Spikes of one unit each.
    pairs : TrialPairs
    lag_bins : int
        The histogram reaches from -lag_bins to lag_bins.
    """
    after, before = (
        np.concatenate([(source[trials] @ window[trials].T).ravel() for trials in pairs.of_class])
        for window in _neighbourhoods(target, lag_bins))
    observed = np.array([counts[pairs.same].sum(dtype=float) for counts in (after, before)])
    mean = np.array([(counts * pairs.weight).sum() for counts in (after, before)])
    null = np.take(after - before, pairs.shuffled).sum(axis=1, dtype=float)
    distance = abs(np.subtract(*observed) - np.subtract(*mean))
    reached = np.abs(null - np.subtract(*mean)) >= distance - 1e-6 * max(1.0, distance)
    return Asymmetry(_asymmetry(*observed), _asymmetry(*mean),
                     (1 + reached.sum()) / (1 + len(null)))


def _neighbourhoods(spikes: np.ndarray, lag_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """(trial, bin), spikes in the `lag_bins` bins after each bin, and in those before it."""
    padded = np.pad(spikes, ((0, 0), (lag_bins + 1, lag_bins)))
    total = padded.cumsum(axis=1)
    n_bins = spikes.shape[1]
    at = lag_bins + 1 + np.arange(n_bins)  # of bin b, in `total`
    return (total[:, at + lag_bins] - total[:, at],
            total[:, at - 1] - total[:, at - 1 - lag_bins])


def _asymmetry(after: float, before: float) -> float:
    return (after - before) / (after + before) if after + before > 0 else np.nan
