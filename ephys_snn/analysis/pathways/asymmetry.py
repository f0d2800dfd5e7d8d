"""Which of two units leads: the asymmetry of their cross-correlogram in single trials.

Two units that lag behind each other in their mean responses have an asymmetric correlogram, the
more so the more spikes both have in a trial: a gain that trials differ in multiplies it. Neither
is a lead in single trials. So every trial keeps its spike counts and its length, and what spike
times of other trials of the group would have given is taken away, from both sides.

Symbols: of trial t, x and y the source's and the target's spikes in bins, n_x and n_y their
counts; X and Y the mean responses of the trials that t exchanges responses with, cut off where t
ends, N_X and N_Y their counts; a(x, y) the pairs of spikes at most `max_lag` apart in which y comes
after x, minus those in which it comes before.

    h_t = a(x, y) - n_y a(x, Y) / N_Y - n_x a(X, y) / N_X + n_x n_y a(X, Y) / (N_X N_Y)

If, given the counts, the times of x and y are independent, h_t has mean 0, and its sum is compared
with sums in which every trial has a random sign. A trial is part of its own mean responses, by the
shares p_x and p_y of their spikes, which makes it lie too near to them. Of n trials with equal
counts, the sum of h_t has n - 1 times the variance of one pair of trials, and the mean square of
h_t is (1 - 1/n)^2 of it, so what changes sign is h_t / ((1 - p_x) (1 - p_y))^(1/4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.pathways.coupling import expected_count
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import ExchangeableSpikes


class BinnedUnit(NamedTuple):
    """One unit's spikes in bins.

    Attributes
    ----------
    spikes : (trial, bin) int
    expected : (trial, bin) float
        Mean response of the trials that a trial exchanges responses with, cut off at its own end.
    group : (trial,) int
        Which trials these are.
    """

    spikes: np.ndarray
    expected: np.ndarray
    group: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """(trial,) float, its count over that of the mean response; 0 where there is none."""
        expected = self.expected.sum(axis=1)
        return np.divide(self.spikes.sum(axis=1), expected, out=np.zeros(len(expected)),
                         where=expected > 0)


class Asymmetry(NamedTuple):
    """Asymmetry of the cross-correlogram of two units.

    Attributes
    ----------
    observed : float
        (after - before) / (after + before), counting the pairs of spikes at most `lag_bins` apart
        in which the target unit spikes after or before the source unit.
    shuffled : float
        The same of spikes from different trials of a group, as many as there were.
    p_value : float
        Two-sided, of the sum of h; nan without pairs of spikes.
    """

    observed: float
    shuffled: float
    p_value: float


def bin_spikes(spikes: ExchangeableSpikes, start: float, bin_width: float) -> BinnedUnit:
    """The spikes of one unit in bins from `start` on, ms after the onset of the trial."""
    at = np.maximum((spikes.latency - start) / bin_width, 0).astype(int)
    n_bins = max(1, int(np.ceil((spikes.stop.max() - start) / bin_width)))
    binned = spikes._replace(unit=np.minimum(at, n_bins - 1), n_units=n_bins)
    return BinnedUnit(binned.count(binned.trial), expected_count(binned), spikes.group)


def correlogram_asymmetry(source: BinnedUnit, target: BinnedUnit, lag_bins: int,
                          signs: np.ndarray) -> Asymmetry:
    """Asymmetry of the cross-correlation histogram of two units, against their counts and times.

    Parameters
    ----------
    source, target : BinnedUnit
        Of the same trials.
    lag_bins : int
        The histogram reaches from -lag_bins to lag_bins.
    signs : (permutation, trial) float
        1 or -1 at random.
    """
    of_trial, of_mean = (_neighbourhoods(each, lag_bins) for each in target[:2])
    after, before = (_sums(source.spikes, each) for each in of_trial)
    mean_after, mean_before = (_sums(source.expected, each) for each in of_mean)
    gain, target_gain = source.gain, target.gain
    beyond = after - before \
        - target_gain * _sums(source.spikes, of_mean[0] - of_mean[1]) \
        - gain * _sums(source.expected, of_trial[0] - of_trial[1]) \
        + gain * target_gain * (mean_after - mean_before)
    _, at, size = np.unique(source.group, return_inverse=True, return_counts=True)
    n = size[at]
    rest = np.maximum((1 - gain / n) * (1 - target_gain / n), 1e-6)  # h_t is 0 where there is none
    observed = _asymmetry(after.sum(), before.sum())
    p_value = permutation_p_value(abs(beyond.sum()), np.abs(signs @ (beyond / rest ** 0.25)))
    between = (n * mean - (np.bincount(at, own) / size)[at]  # without pairs from the same trial
               for mean, own in ((mean_after, after), (mean_before, before)))
    return Asymmetry(
        observed, _asymmetry(*((gain * target_gain / (n - 1)) @ pairs for pairs in between)),
        np.nan if np.isnan(observed) else float(p_value))


def _neighbourhoods(spikes: np.ndarray, lag_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """(trial, bin), spikes in the `lag_bins` bins after each bin, and in those before it."""
    padded = np.pad(spikes, ((0, 0), (lag_bins + 1, lag_bins)))
    total = padded.cumsum(axis=1)
    at = lag_bins + 1 + np.arange(spikes.shape[1])  # of bin b, in `total`
    return (total[:, at + lag_bins] - total[:, at],
            total[:, at - 1] - total[:, at - 1 - lag_bins])


def _sums(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(trial,), sums of products over bins."""
    return np.einsum("tb,tb->t", values, others, dtype=float)


def _asymmetry(after: float, before: float) -> float:
    return (after - before) / (after + before) if after + before > 0 else np.nan
