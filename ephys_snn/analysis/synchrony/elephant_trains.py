"""Elephant's measures of spike trains, in whole bins, and the population rate of many responses."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import signal

if TYPE_CHECKING:
    import neo

MAX_LAG = 20  # bins of the cross-correlogram, where trains are longer
MIN_OBSERVED = 0.1  # of the trials; a rate over fewer is that of a few spikes


class Measured(NamedTuple):
    """Elephant's measures of one set of trains.

    Attributes
    ----------
    spike_contrast : float
        The greatest over the scales.
    synchronous_spikes : float
        Share of the occupied bins in which two or more units spike.
    correlation : float
        Mean over pairs.
    scale, contrast : (scale,) float, ms and 1
    correlogram : (lag,) float
        Mean over the chosen pairs.
    n_events, largest_event : int
        Bins in which two or more units spike, and the most units in one of them.
    """

    spike_contrast: float
    synchronous_spikes: float
    correlation: float
    scale: np.ndarray
    contrast: np.ndarray
    correlogram: np.ndarray
    n_events: int
    largest_event: int

    @property
    def correlogram_peak(self) -> float:
        """The greatest over all lags."""
        return float(self.correlogram.max())


def measure_trains(trains: list[np.ndarray], n_bins: int, bin_width: float, max_scale: float,
                   pairs: np.ndarray) -> Measured:
    """Elephant's measures of two or more spike trains.

    Parameters
    ----------
    trains : list of (spike,) float, ms
        Ascending, from 0 to `n_bins` x `bin_width`; at least two of them with spikes.
    n_bins : int
    bin_width : float, ms
    max_scale : float, ms
        Spike-contrast is the greatest over bins up to this width; wider ones compare trials.
    pairs : (pair, 2) int
        Whose cross-correlograms are averaged.
    """
    import quantities as pq  # Elephant and its units take seconds to import
    from elephant.spike_train_synchrony import Synchrotool

    scale, contrast = _spike_contrast(trains, n_bins, bin_width, max_scale)
    centred = [_neo_train(_bin_centre(train, bin_width, n_bins), n_bins) for train in trains]
    unit = 1 * pq.ms  # stands for one bin, so that bins divide the time without remainder
    events = Synchrotool(centred, sampling_rate=1 / unit, bin_size=unit, binary=True)
    complexity = events.epoch.array_annotations["complexity"].astype(int)
    synchronous = complexity[complexity >= 2]
    correlation, correlogram = _correlations(centred, pairs)
    n_spikes = complexity.sum()  # none where a surrogate cuts all responses off
    return Measured(contrast.max(), synchronous.sum() / n_spikes if n_spikes else np.nan,
                    correlation, scale, contrast, correlogram, len(synchronous),
                    int(complexity.max(initial=0)))


def _spike_contrast(trains: list[np.ndarray], n_bins: int, bin_width: float, max_scale: float
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Scales up to the largest (but at least one), ms, and the spike-contrast at each."""
    import quantities as pq
    from elephant.spike_train_synchrony import spike_contrast

    scaled = [np.minimum(train / bin_width, n_bins) for train in trains]
    # Spike-contrast stops at half the shortest interval within a train, so units that spike once
    # per trial would never be compared at the scale of a packet: two spikes one bin apart after
    # the last trial carry it down to the bin width.
    scaled[0] = np.append(scaled[0], [n_bins + 1.0, n_bins + 2.0])
    _, trace = spike_contrast([_neo_train(train, n_bins + 3) for train in scaled],
                              min_bin=1 * pq.ms, bin_shrink_factor=0.8, return_trace=True)
    scale = bin_width * trace.bin_size.magnitude
    within = scale <= max(max_scale, scale.min())
    return scale[within], np.array(trace.synchrony)[within]


def _correlations(centred: list[neo.SpikeTrain], pairs: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean correlation of all pairs of trains, and mean cross-correlogram of some."""
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import (
        correlation_coefficient,
        cross_correlation_histogram,
    )

    unit = 1 * pq.ms
    max_lag = min(MAX_LAG, int(centred[0].t_stop.magnitude) - 1)
    each = [BinnedSpikeTrain(train, bin_size=unit) for train in centred[:1 + pairs.max()]]
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")  # a surrogate may leave a unit silent: no correlation
        correlation = correlation_coefficient(BinnedSpikeTrain(centred, bin_size=unit),
                                              binary=True)
        correlograms = np.array([cross_correlation_histogram(
            each[i], each[j], window=[-max_lag, max_lag], binary=True,
            cross_correlation_coefficient=True)[0].magnitude.ravel() for i, j in pairs])
        return (np.nanmean(correlation[np.triu_indices(len(centred), k=1)]),
                np.nanmean(correlograms, axis=0))


def observed_time(start: np.ndarray, end: np.ndarray, n_bins: int,
                  bin_width: float) -> np.ndarray:
    """For how long each bin is observed, summed over the windows [start, end).

    Parameters
    ----------
    start, end : (window,) float, ms
        From 0 to `n_bins` x `bin_width`.
    n_bins : int
    bin_width : float, ms

    Returns
    -------
    (bin,) float, ms
    """
    border = bin_width * np.arange(n_bins + 1)
    before = [np.minimum(times[:, None], border).sum(axis=0) for times in (start, end)]
    return np.diff(before[1] - before[0])


def population_rate(times: np.ndarray, n_bins: int, bin_width: float,
                    observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elephant's time histogram of the spikes of many responses, as a rate.

    Where windows differ in length, a late bin is observed in fewer of them, so the count of each
    bin is divided by the time for which that bin was observed.

    Parameters
    ----------
    times : (spike,) float, ms
        From 0 to `n_bins` x `bin_width`.
    n_bins : int
    bin_width : float, ms
    observed : (bin,) float, ms
        For how long each bin is observed, summed over units and trials.

    Returns
    -------
    time : (bin,) float, ms
        Centres of the bins.
    rate : (bin,) float, spikes/s per unit
        nan where a bin is observed for less than `MIN_OBSERVED` of the longest time.
    """
    import quantities as pq
    from elephant.statistics import time_histogram

    train = _neo_train(np.sort(_bin_centre(times, bin_width, n_bins)), n_bins)
    count = time_histogram([train], bin_size=1 * pq.ms).magnitude.ravel()
    enough = observed >= max(MIN_OBSERVED * observed.max(), np.finfo(float).tiny)
    rate = np.divide(1000.0 * count, observed, out=np.full(n_bins, np.nan), where=enough)
    return bin_width * (np.arange(n_bins) + 0.5), rate


def width_at_half_maximum(rate: np.ndarray, bin_width: float) -> float:
    """Duration for which the highest peak stays at or above half of its height, in whole bins.

    Parameters
    ----------
    rate : (bin,) float
        nan counts as 0; above 0 somewhere.
    bin_width : float, ms
    """
    rate = np.pad(np.nan_to_num(rate), 1)  # a peak at the border falls to 0 beyond it
    peak = int(np.argmax(rate))
    # A hair below half, as a bin at half of the height belongs to the peak.
    depth = rate[peak] * (0.5 + 1e-9)
    _, _, left, right = signal.peak_widths(
        rate, [peak], rel_height=1.0,
        prominence_data=(np.array([depth]), np.array([0]), np.array([len(rate) - 1])))
    # Between bins the positions are interpolated; the first and the last whole bin lie inside.
    return float((np.floor(right[0]) - np.ceil(left[0]) + 1) * bin_width)


def _neo_train(times: np.ndarray, stop: float) -> neo.SpikeTrain:
    import neo

    return neo.SpikeTrain(times, units="ms", t_start=0.0, t_stop=float(stop))


def _bin_centre(times: np.ndarray, bin_width: float, n_bins: int) -> np.ndarray:
    """Centre of every spike's bin, in bins; a spike that rounding puts just below a border is on
    it."""
    return np.minimum(np.floor(times / bin_width + 1e-6), n_bins - 1) + 0.5
