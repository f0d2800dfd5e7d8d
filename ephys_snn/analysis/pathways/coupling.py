"""Functional coupling: which units of two areas vary together from trial to trial.

What units share because they prefer the same stimuli, because a trial was long, or because the
recording drifts is no coupling. So counts are compared with what trials of the same repeats have
in windows as long, and chance is what is left when the responses of one area change places among
neighbouring repeats, all its units alike, and are cut off where they come to.

Symbols: x_it, y_jt the counts of unit i and j in trial t, which ends at L_t; m_it the mean count
up to L_t of unit i in all trials of the stimulus or class of t, m_jt that of unit j in the trials
that t exchanges responses with; D takes away what changes slowly along the recording
(`without_slow_changes`); sums over all trials.

    x'_i   = D (x_i - m_i),  y'_j = y_j - m_j            residuals
    S_ij   = sum x'_it y'_jt                             covariation
    r_ij   = S_ij / sqrt(sum x'_it^2 sum y'_jt^2)        noise correlation
    z_ij   = S_ij / SD of S_ij over exchanges            its mean over all exchanges is 0

p is the share of exchanges that reach S_ij. Where none does, it is the share of z that reach z_ij
over all exchanges of comparable pairs: the skewness of S_ij is that of x'_i times that of y'_j, so
pairs with similar products are. What is found is shared variability, of any origin: a synapse, a
common input, a gain that all units of a trial have.

Noise correlations: Cohen & Kohn 2011, doi:10.1038/nn.2842. Shuffle predictor: Perkel, Gerstein &
Moore 1967, doi:10.1016/S0006-3495(67)86597-4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.surrogates import NEIGHBOURS, ExchangeableSpikes

MIN_ACTIVE = 5  # trials; units active in fewer are not tested
MIN_SHUFFLES = 100  # fewer give hardly an SD
SHUFFLED_VALUES = 5_000_000  # of all pairs, are enough for more shuffles than that
PAIRS_PER_STRATUM, MAX_STRATA = 200, 20
MAX_COSINES = 200


class CountResiduals(NamedTuple):
    """Spike counts of the units of an area beyond what is expected.

    Attributes
    ----------
    tested : (tested unit,) int
        Those active in enough trials, positions among the units of the area.
    spikes : ExchangeableSpikes
        Of the tested units.
    expected : (trial, tested unit) float32
        Mean count of the trials that a trial exchanges responses with, cut off at its own end.
    residual : (trial, tested unit) float32
        Counts minus the expected ones, y'.
    detrended : (trial, tested unit) float32
        x'; 0 in trials that have nobody to exchange with.
    n_units : int
        Of the area.
    """

    tested: np.ndarray
    spikes: ExchangeableSpikes
    expected: np.ndarray
    residual: np.ndarray
    detrended: np.ndarray
    n_units: int


class NoiseCorrelation(NamedTuple):
    """How the units of two areas vary together.

    Attributes
    ----------
    correlation, z : (source unit, target unit) float
        nan for pairs that are not tested.
    p_value : (source unit, target unit) float
        One-sided, of positive correlations.
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


def count_residuals(spikes: ExchangeableSpikes, repeats: np.ndarray, trial: np.ndarray,
                    block_trials: int = 1) -> CountResiduals:
    """Counts of the units of an area, beyond what is expected in windows as long.

    Parameters
    ----------
    spikes : ExchangeableSpikes
    repeats : (trial,) int
        Trials of equal value are of one stimulus, or of one class.
    trial : (trial,) int
        Where in the recording they were, ascending.
    block_trials : int
        What changes over more than twice so many trials is drift; by default, over more than four
        times `NEIGHBOURS`.
    """
    count = spikes.count(spikes.trial)
    tested = np.flatnonzero((count[spikes.group >= 0] > 0).sum(axis=0) >= MIN_ACTIVE)
    position = np.full(spikes.n_units, -1)
    position[tested] = np.arange(len(tested))
    kept = position[spikes.unit] >= 0
    some = spikes._replace(latency=spikes.latency[kept], trial=spikes.trial[kept],
                           unit=position[spikes.unit[kept]], n_units=len(tested))
    count, expected = count[:, tested], expected_count(some)
    detrended = without_slow_changes(count - expected_count(some._replace(group=repeats)), trial,
                                     spikes.group, block_trials)
    return CountResiduals(tested, some, *(values.astype(np.float32) for values in (
        expected, count - expected, detrended)), spikes.n_units)


def expected_count(spikes: ExchangeableSpikes) -> np.ndarray:
    """(trial, unit) float, mean count of the trials of a group, cut off at each one's end.

    Exchanges of the responses of the group have it as their mean.
    """
    order = np.lexsort((spikes.stop, spikes.group))
    group, stop = spikes.group[order], spikes.stop[order]
    far = 1 + 2 * max(np.abs(stop).max(initial=0), np.abs(spikes.latency).max(initial=0))
    # The first of the trials of its group, from short to long, whose window a spike is inside.
    of_spike = spikes.group[spikes.trial]
    at = np.searchsorted(group * far + stop, of_spike * far + spikes.latency, side="right")
    seen = np.append(group, -2)[at] == of_spike
    total = np.bincount(at[seen] * spikes.n_units + spikes.unit[seen],
                        minlength=len(order) * spikes.n_units).reshape(len(order), -1)
    expected = np.empty(total.shape)
    starts = np.flatnonzero(np.diff(group, prepend=-2))
    for members in np.split(np.arange(len(order)), starts[1:]):
        expected[order[members]] = total[members].cumsum(axis=0) / len(members)
    return expected


def without_slow_changes(values: np.ndarray, trial: np.ndarray, group: np.ndarray,
                         block_trials: int = 1) -> np.ndarray:
    """Take away what changes slowly, all over the recording and then in every group.

    All over the recording, it is the projection on slow cosines; in a group, the regression line.
    One alone leaves drifts that differ between stimuli, or that bend within groups.

    Parameters
    ----------
    values : (trial, unit) float
    trial, group, block_trials
        As in `count_residuals`.

    Returns
    -------
    (trial, unit) float
        0 in trials of no group.
    """
    span = block_trials if block_trials > 1 else 2 * NEIGHBOURS
    place = (trial - trial.min() + 0.5) / (trial.max() - trial.min() + 1)
    n_cosines = min(len(trial) // span, MAX_COSINES)
    values = _residual(values, np.cos(np.pi * np.outer(place, np.arange(n_cosines + 1))))
    detrended = np.zeros_like(values)
    for each in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == each)
        line = np.column_stack([np.ones(len(members)), trial[members] - trial[members].mean()])
        # Lines fit two trials, and nearly three, whatever they are.
        detrended[members] = _residual(values[members], line[:, :1 + (len(members) > 3)])
    return detrended


def _residual(values: np.ndarray, regressors: np.ndarray) -> np.ndarray:
    """What a linear regression on the regressors leaves."""
    basis = np.linalg.qr(regressors)[0]
    return values - basis @ (basis.T @ values)


def noise_correlation(source: CountResiduals, target: CountResiduals, rng: np.random.Generator,
                      max_shuffles: int = 1000) -> NoiseCorrelation:
    """Correlate the units of two areas over trials, against exchanged responses.

    Parameters
    ----------
    source, target : CountResiduals
        In the same trials.
    max_shuffles : int
        Up to so many, as long as they are no more than `SHUFFLED_VALUES` in all pairs, but at
        least `MIN_SHUFFLES`.
    """
    result = NoiseCorrelation(*np.full((3, source.n_units, target.n_units), np.nan), 0)
    x, y = source.detrended, target.residual
    testable = _vary_together(x, y, source.spikes.group)
    if not testable.any():
        return result
    n_shuffles = int(np.clip(SHUFFLED_VALUES // testable.sum(), min(MIN_SHUFFLES, max_shuffles),
                             max_shuffles))
    spikes, expected = target.spikes, x.T @ target.expected

    def covary(trial: np.ndarray) -> np.ndarray:
        return (x.T @ spikes.count(trial).astype(np.float32) - expected)[testable]

    covariation = covary(spikes.trial)
    null = np.stack([covary(spikes.exchange(rng, together=True)) for _ in range(n_shuffles)])
    skewness = np.multiply.outer(*(stats.skew(each, axis=0) for each in (x, y)))[testable]
    z, p = pooled_tail_p_values(covariation, null, _strata(skewness))
    norm = np.sqrt(np.multiply.outer(*(np.square(each).sum(axis=0) for each in (x, y))))
    rows, columns = np.nonzero(testable)
    for array, values in zip(result, (covariation / norm[testable], z, p), strict=False):
        array[source.tested[rows], target.tested[columns]] = values
    return result._replace(n_shuffles=n_shuffles)


def _vary_together(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(source unit, target unit) bool, whether in some group both vary."""
    members = group == np.unique(group[group >= 0])[:, None]
    varies = [(members.astype(np.float32) @ np.square(each)) > 1e-6 for each in (x, y)]
    return varies[0].T.astype(np.float32) @ varies[1].astype(np.float32) > 0


def _strata(value: np.ndarray) -> np.ndarray:
    """(pair,) int, quantiles of a value."""
    n_strata = int(np.clip(len(value) // PAIRS_PER_STRATUM, 1, MAX_STRATA))
    return np.searchsorted(np.quantile(value, np.arange(1, n_strata) / n_strata), value)


def pooled_tail_p_values(observed: np.ndarray, null: np.ndarray, stratum: np.ndarray
                         ) -> tuple[np.ndarray, np.ndarray]:
    """One-sided p by pair, with a tail that comparable pairs share.

    Parameters
    ----------
    observed : (pair,) float
    null : (shuffle, pair) float
        Of mean 0.
    stratum : (pair,) int
        Pairs of equal value are comparable.

    Returns
    -------
    z, p_value : (pair,) float
    """
    n = len(null)
    squares = np.square(null).sum(axis=0, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num(observed / np.sqrt(squares / n))
    tie = 1e-5 * np.maximum(np.sqrt(squares / n), np.abs(observed))
    reached = (null >= (observed - tie).astype(null.dtype)).sum(axis=0)
    p = (1 + reached) / (1 + n)
    for each in np.unique(stratum[reached == 0]):
        here = np.flatnonzero(stratum == each)
        beyond = here[reached[here] == 0]
        # A shuffle by the SD of the others, as the observation is.
        others = (squares[here] - np.square(null[:, here])) / (n - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            shuffled = null[:, here] / np.sqrt(others)
        lowest = z[beyond].min() * (1 - 1e-5)
        tail = np.sort(shuffled[shuffled >= lowest])
        greater = len(tail) - np.searchsorted(tail, z[beyond] * (1 - 1e-5))
        p[beyond] = np.minimum(p[beyond], (1 + greater) / (1 + shuffled.size))
    return z, p
