"""Elephant's own measures of synchrony, each beside its trial-shuffled control.

The response windows of the trials are laid end to end, each in a slot as long as the longest
window, so that what happens between the trials costs no time and adds no silence. On these trains:

    spike-contrast        Ciba et al. 2018, doi:10.1016/j.jneumeth.2017.09.008
    synchronous events    bins in which two or more units spike (Synchrotool; Gruen et al. 2007,
                          doi:10.1152/jn.01093.2006, for the complexity they are counted by)
    pairwise correlation  Pearson's, of binned trains (0 or 1), mean over pairs
    cross-correlogram     of pairs, normalised to correlation coefficients
    population rate       time histogram relative to the onset, over units and the trials whose
                          windows last so long

All but the rate compare two or more units and do not scale to all of a large recording, so they
use a random sample of units and trials. Locking to the stimulus alone makes every one of them
large; the control exchanges each unit's responses among the trials of a class (`synchrony`).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.statistics import surrogate_comparison
from ephys_snn.analysis.synchrony.packet_widths import (
    choose_trials,
    exchange_windows,
    exchangeable_groups,
    window_spikes,
)
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

if TYPE_CHECKING:
    import neo

MEASURES = ("spike_contrast", "synchronous_spikes", "correlation")  # those with a control
BINS_PER_WINDOW = 100  # by default
MAX_LAG = 20  # bins of the cross-correlogram
MAX_PAIRS = 10  # of the cross-correlogram
MIN_OBSERVED = 0.1  # of the trials; a rate over fewer is that of a few spikes

COLUMNS = (
    "area", "n_units", "n_units_used", "n_trials_used", "bin_ms", "peak_rate_hz", "peak_time_ms",
    "rate_width_ms", "spike_contrast_scale_ms", "synchronous_events_per_trial",
    "largest_event_units",
    *(f"{measure}{suffix}" for measure in MEASURES
      for suffix in ("", "_shuffled", "_z")),
    "correlogram_peak", "correlogram_peak_shuffled", "correlogram_lag_ms", "n_shuffles", "note")


class Curves(NamedTuple):
    """What the figure shows of one area; empty arrays where not computable.

    Attributes
    ----------
    time, rate : (bin,) float, ms and spikes/s per unit
        Population rate relative to the onset; nan where hardly any window lasts so long.
    scale, contrast, contrast_shuffled : (scale,) float, ms and 1
        Spike-contrast over the width of its bins.
    lag, correlogram, correlogram_shuffled : (lag,) float, ms and correlation
        Mean cross-correlogram of the pairs.
    """

    time: np.ndarray
    rate: np.ndarray
    scale: np.ndarray = np.empty(0)
    contrast: np.ndarray = np.empty(0)
    contrast_shuffled: np.ndarray = np.empty(0)
    lag: np.ndarray = np.empty(0)
    correlogram: np.ndarray = np.empty(0)
    correlogram_shuffled: np.ndarray = np.empty(0)


class ElephantResult(NamedTuple):
    """Elephant's measures of a recording.

    Attributes
    ----------
    table : DataFrame
        A row per area: the columns of ``synchrony_elephant.csv``.
    curves : dict of area to Curves
    bin_width : float, ms
    """

    table: pd.DataFrame
    curves: dict[str, Curves]
    bin_width: float


class Measured(NamedTuple):
    """Elephant's measures of one set of trains."""

    spike_contrast: float
    synchronous_spikes: float
    correlation: float
    scale: np.ndarray
    contrast: np.ndarray
    correlogram: np.ndarray
    n_events: int
    largest_event: int


def analyse_with_elephant(recording: Recording, windows: ResponseWindows, *,
                          bin_width: float | None = None, max_units: int = 50,
                          max_trials: int = 100, n_shuffles: int = 10, seed: int = 0,
                          progress: Progress = no_progress) -> ElephantResult:
    """Elephant's measures of every area on a random sample of its units and trials.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    bin_width : float, optional, ms
        Default: a round number near 1/100 of the longest window, but no less than the recording's
        time resolution.
    max_units, max_trials : int
        Size of the sample; units are drawn from those that spike in the sampled trials.
    n_shuffles : int
        Surrogates of the control.
    seed : int
    progress : Progress
    """
    longest = np.nanmax(windows.durations)
    if bin_width is None:
        bin_width = max(_round_down(longest / BINS_PER_WINDOW), recording.resolution or 0.0)
    label = recording.trials.label[windows.used]
    trials = choose_trials(label, max_trials, np.random.default_rng([seed, 2]))
    rows, curves = [], {}
    for index, area in enumerate(recording.areas):
        units = recording.units_in(area)
        row = {"area": area, "n_units": len(units), "n_trials_used": len(trials),
               "bin_ms": bin_width, "note": ""}
        if recording.output_units(windows)[units].all():
            row["note"] = DECISION_NOTE
        else:
            sample = _Sample(recording, windows, units, trials, bin_width)
            rng = np.random.default_rng([seed, 3, index])
            row["n_units_used"], curves[area] = _measure_area(
                sample, row, max_units, n_shuffles, rng, progress, area)
        rows.append(row)
    return ElephantResult(pd.DataFrame(rows, columns=list(COLUMNS)), curves, bin_width)


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
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import (
        correlation_coefficient,
        cross_correlation_histogram,
    )
    from elephant.spike_train_synchrony import Synchrotool, spike_contrast

    unit = 1 * pq.ms  # stands for one bin, so that bins divide the time without remainder
    scaled = [np.minimum(train / bin_width, n_bins) for train in trains]
    # Spike-contrast stops at half the shortest interval within a train, so units that spike once
    # per trial would never be compared at the scale of a packet: two spikes one bin apart after
    # the last trial carry it down to the bin width.
    scaled[0] = np.append(scaled[0], [n_bins + 1.0, n_bins + 2.0])
    _, trace = spike_contrast([_neo_train(train, n_bins + 3) for train in scaled],
                              min_bin=unit, bin_shrink_factor=0.8, return_trace=True)
    scale, contrast = bin_width * trace.bin_size.magnitude, np.array(trace.synchrony)
    within = scale <= max(max_scale, scale.min())
    centred = [_neo_train(_bin_centre(train, bin_width, n_bins), n_bins) for train in trains]
    events = Synchrotool(centred, sampling_rate=1 / unit, bin_size=unit, binary=True)
    complexity = events.epoch.array_annotations["complexity"].astype(int)
    synchronous = complexity[complexity >= 2]
    each = [BinnedSpikeTrain(train, bin_size=unit) for train in centred[:1 + pairs.max()]]
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")  # a surrogate may leave a unit silent: no correlation
        correlation = correlation_coefficient(BinnedSpikeTrain(centred, bin_size=unit),
                                              binary=True)
        correlograms = np.array([cross_correlation_histogram(
            each[i], each[j], window=[-MAX_LAG, MAX_LAG], binary=True,
            cross_correlation_coefficient=True)[0].magnitude.ravel() for i, j in pairs])
        return Measured(
            contrast[within].max(), synchronous.sum() / complexity.sum(),
            np.nanmean(correlation[np.triu_indices(len(trains), k=1)]),
            scale[within], contrast[within], np.nanmean(correlograms, axis=0),
            len(synchronous), int(complexity.max()))


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


def width_at_half_maximum(time: np.ndarray, rate: np.ndarray) -> float:
    """Duration for which the highest peak stays at or above half of its height, in bins' width.

    Parameters
    ----------
    time : (bin,) float, ms
        Equally spaced.
    rate : (bin,) float
        nan counts as 0.
    """
    rate = np.nan_to_num(rate)
    peak = int(np.argmax(rate))
    low = np.flatnonzero(rate < rate[peak] / 2)
    before, after = low[low < peak], low[low > peak]
    first = before[-1] + 1 if len(before) else 0
    last = after[0] - 1 if len(after) else len(rate) - 1
    return float((last - first + 1) * (time[1] - time[0]))


class _Sample:
    """The responses of one area in the sampled trials, ready to be laid end to end."""

    def __init__(self, recording, windows, units, trials, bin_width):
        seen = exchange_windows(recording, windows)
        latency, trial, unit = window_spikes(recording, seen, units)
        row = np.full(windows.used.sum(), -1)
        row[trials] = np.arange(len(trials))
        kept = row[trial] >= 0
        self.latency, self.trial, self.unit = latency[kept], row[trial[kept]], unit[kept]
        self.n_units, self.n_trials, self.bin_width = len(units), len(trials), bin_width
        self.start, self.end = ((border - windows.onset)[windows.used][trials]
                                for border in (windows.start, windows.stop))
        self.slot_bins = int(np.ceil((self.end - self.start).max() / bin_width - 1e-6))
        self.group = exchangeable_groups(recording.trials.label[windows.used][trials])
        self.inside = self.latency < self.end[self.trial]

    def rate(self) -> tuple[np.ndarray, np.ndarray]:
        """Population rate over the time since the onset."""
        start = self.start.min()
        n_bins = int(np.ceil((self.end.max() - start) / self.bin_width - 1e-6))
        observed = self.n_units * observed_time(self.start - start, self.end - start, n_bins,
                                                self.bin_width)
        time, rate = population_rate(self.latency[self.inside] - start, n_bins, self.bin_width,
                                     observed)
        return start + time, rate

    def measure(self, units: np.ndarray, pairs: np.ndarray,
                rng: np.random.Generator | None = None) -> Measured:
        """Measures of some units; with a generator, responses exchanged among trials first."""
        trains = []
        for unit in units:
            mine = self.unit == unit
            latency, trial = self.latency[mine], self.trial[mine]
            if rng is not None:
                trial = self._exchange(rng)[trial]
            inside = latency < self.end[trial]
            times = self.slot_bins * self.bin_width * trial + latency - self.start[trial]
            trains.append(np.sort(times[inside]))
        return measure_trains(trains, self.slot_bins * self.n_trials, self.bin_width,
                              self.slot_bins * self.bin_width, pairs)

    def _exchange(self, rng: np.random.Generator) -> np.ndarray:
        """Where each trial's response goes: to a trial of the same group, or nowhere else."""
        goes_to = np.arange(self.n_trials)
        for each in range(self.group.max() + 1):
            members = np.flatnonzero(self.group == each)
            goes_to[members] = rng.permutation(members)
        return goes_to


def _measure_area(sample, row, max_units, n_shuffles, rng, progress, area) -> tuple[int, Curves]:
    """Fill one row of the table; the number of units used, and the curves."""
    curves = Curves(*sample.rate())
    if sample.inside.any():
        row["peak_rate_hz"] = np.nanmax(curves.rate)
        row["peak_time_ms"] = curves.time[np.nanargmax(curves.rate)]
        row["rate_width_ms"] = width_at_half_maximum(*curves[:2])
    spiking, n_spikes = np.unique(sample.unit[sample.inside], return_counts=True)
    if len(spiking) < 2:
        row["note"] = ("not computable: pairwise measures need two units that spike in the "
                       f"sampled trials; {len(spiking)} of {sample.n_units} do")
        return len(spiking), curves
    chosen = rng.choice(len(spiking), min(max_units, len(spiking)), replace=False)
    # Pairs are taken from the front: the units with most spikes have most to say about lags.
    chosen = spiking[chosen[np.argsort(-n_spikes[chosen], kind="stable")]]
    pairs = _pairs(len(chosen))
    observed = sample.measure(chosen, pairs)
    row["spike_contrast_scale_ms"] = observed.scale[np.argmax(observed.contrast)]
    row["synchronous_events_per_trial"] = observed.n_events / sample.n_trials
    row["largest_event_units"] = observed.largest_event
    for measure in MEASURES:
        row[measure] = getattr(observed, measure)
    lag = sample.bin_width * np.arange(-MAX_LAG, MAX_LAG + 1)
    peak = int(np.argmax(observed.correlogram))
    row["correlogram_peak"], row["correlogram_lag_ms"] = observed.correlogram[peak], lag[peak]
    curves = curves._replace(scale=observed.scale, contrast=observed.contrast, lag=lag,
                             correlogram=observed.correlogram)
    return len(chosen), _add_control(sample, row, curves, chosen, pairs, n_shuffles, rng,
                                     progress, area)


def _add_control(sample, row, curves, chosen, pairs, n_shuffles, rng, progress, area) -> Curves:
    """Compare one row with surrogates whose responses changed places among trials."""
    if not n_shuffles or not (sample.group >= 0).any():
        if n_shuffles:
            row["note"] = "no control: every trial is the only one of its class"
        return curves
    surrogates = [sample.measure(chosen, pairs, child)
                  for child in progress(rng.spawn(n_shuffles), f"Elephant, {area}")]
    row["n_shuffles"] = n_shuffles
    for measure in MEASURES:
        compared = surrogate_comparison(
            row[measure], np.array([getattr(each, measure) for each in surrogates]))
        row[f"{measure}_shuffled"] = compared.null_mean
        row[f"{measure}_z"] = float(compared.z)
    # Scales shrink from the same largest one; how far they go depends on the closest two spikes.
    n_scales = min(len(curves.scale), *(len(each.scale) for each in surrogates))
    correlogram = np.mean([each.correlogram for each in surrogates], axis=0)
    row["correlogram_peak_shuffled"] = correlogram[np.argmax(curves.correlogram)]
    return curves._replace(
        scale=curves.scale[:n_scales], contrast=curves.contrast[:n_scales],
        contrast_shuffled=np.mean([each.contrast[:n_scales] for each in surrogates], axis=0),
        correlogram_shuffled=correlogram)


def _neo_train(times: np.ndarray, stop: float) -> neo.SpikeTrain:
    import neo

    return neo.SpikeTrain(times, units="ms", t_start=0.0, t_stop=float(stop))


def _bin_centre(times: np.ndarray, bin_width: float, n_bins: int) -> np.ndarray:
    """Centre of every spike's bin, in bins; a spike that rounding puts just below a border is on
    it."""
    return np.minimum(np.floor(times / bin_width + 1e-6), n_bins - 1) + 0.5


def _pairs(n_units: int) -> np.ndarray:
    """At most `MAX_PAIRS` pairs of units, each unit in as few as possible; (pair, 2) int."""
    i, j = np.triu_indices(n_units, k=1)
    order = np.lexsort((i, np.maximum(i, j) // 2, (i % 2 == 1) | (j != i + 1)))
    return np.column_stack([i, j])[order[:MAX_PAIRS]]


def _round_down(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above a value."""
    exponent = np.floor(np.log10(value))
    digits = value / 10**exponent
    digit = max(each for each in (1, 2, 5) if each <= digits + 1e-9)
    return float(f"{digit}e{int(exponent)}")
