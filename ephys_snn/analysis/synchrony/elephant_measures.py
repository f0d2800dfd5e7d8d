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
large; the control exchanges each unit's responses among neighbouring trials that repeat each other
(`ephys_snn.analysis.surrogates.ExchangeableSpikes`). What units share in a single trial beyond that
may be timing, or how active they are. The peak of the correlogram is the greatest of all lags, and
so is that of every surrogate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.statistics import false_discovery_q, surrogate_comparison
from ephys_snn.analysis.surrogates import ExchangeableSpikes
from ephys_snn.analysis.synchrony.elephant_trains import (
    Measured,
    measure_trains,
    observed_time,
    population_rate,
    width_at_half_maximum,
)
from ephys_snn.analysis.trial_subsets import exchangeable_trials
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

MEASURES = ("spike_contrast", "synchronous_spikes", "correlation",
            "correlogram_peak")  # those with a control
MIN_SHUFFLES = 19  # fewer allow no p of 0.05: z is an effect size then
BINS_PER_WINDOW = 100  # by default
MAX_PAIRS = 10  # of the cross-correlogram

COLUMNS = (
    "area", "n_units", "n_units_used", "n_trials_used", "bin_ms", "peak_rate_hz", "peak_time_ms",
    "rate_width_ms", "spike_contrast_scale_ms", "synchronous_events_per_trial",
    "largest_event_units",
    *(f"{measure}{suffix}" for measure in MEASURES
      for suffix in ("", "_shuffled", "_z", "_p_value", "_q_value")),
    "correlogram_lag_ms", "shuffled_within", "n_shuffles", "note")


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


def analyse_with_elephant(recording: Recording, windows: ResponseWindows, *,
                          bin_width: float | None = None, max_units: int = 50,
                          max_trials: int = 100, n_shuffles: int = 10, block_trials: int = 1,
                          seed: int = 0, progress: Progress = no_progress) -> ElephantResult:
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
        Surrogates of the control, at least one; p-values need `MIN_SHUFFLES`.
    block_trials : int
        See `ephys_snn.analysis.surrogates.exchangeable_groups`.
    seed : int
    progress : Progress
        Of the surrogates of an area.
    """
    longest = np.nanmax(windows.durations)
    if bin_width is None:
        bin_width = max(_round_down(longest / BINS_PER_WINDOW), recording.resolution or 0.0)
    trials, group = exchangeable_trials(recording, windows, block_trials, max_trials,
                                        np.random.default_rng([seed, 2]))
    rows, curves = [], {}
    for index, area in enumerate(recording.areas):
        units = recording.units_in(area)
        row = {"area": area, "n_units": len(units), "n_trials_used": len(trials),
               "bin_ms": bin_width, "shuffled_within": recording.trials.repeats.of,
               "note": ""}
        if recording.output_units(windows)[units].all():
            row["note"] = DECISION_NOTE
        else:
            sample = _Sample.of(recording, windows, units, trials, group, bin_width)
            rng = np.random.default_rng([seed, 3, index])
            curves[area] = _measure_area(sample, row, max_units, n_shuffles, rng, progress)
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for measure in MEASURES:
        table[f"{measure}_q_value"] = false_discovery_q(table[f"{measure}_p_value"])
    return ElephantResult(table, curves, bin_width)


class _Sample(NamedTuple):
    """The responses of one area in the sampled trials, ready to be laid end to end."""

    spikes: ExchangeableSpikes
    start: np.ndarray
    bin_width: float

    @classmethod
    def of(cls, recording: Recording, windows: ResponseWindows, units: np.ndarray,
           trials: np.ndarray, group: np.ndarray, bin_width: float) -> _Sample:
        kept = np.flatnonzero(windows.used)[trials]
        return cls(ExchangeableSpikes.observe(recording, windows, units, kept, group),
                   (windows.start - windows.onset)[kept], bin_width)

    @property
    def slot_bins(self) -> int:
        return int(np.ceil((self.spikes.stop - self.start).max() / self.bin_width - 1e-6))

    @property
    def inside(self) -> np.ndarray:
        """(spike,) bool, within the window of the trial that it was recorded in."""
        return self.spikes.inside(self.spikes.trial)

    def rate(self) -> tuple[np.ndarray, np.ndarray]:
        """Population rate over the time since the onset."""
        start, stop = self.start.min(), self.spikes.stop
        n_bins = int(np.ceil((stop.max() - start) / self.bin_width - 1e-6))
        observed = self.spikes.n_units * observed_time(self.start - start, stop - start, n_bins,
                                                       self.bin_width)
        time, rate = population_rate(self.spikes.latency[self.inside] - start, n_bins,
                                     self.bin_width, observed)
        return start + time, rate

    def measure(self, units: np.ndarray, pairs: np.ndarray, trial: np.ndarray) -> Measured:
        """Measures of some units, were the spikes in these trials, (spike,) int."""
        slot, inside = self.slot_bins * self.bin_width, self.spikes.inside(trial)
        times = slot * trial + self.spikes.latency - self.start[trial]
        trains = [np.sort(times[inside & (self.spikes.unit == unit)]) for unit in units]
        return measure_trains(trains, self.slot_bins * len(self.start), self.bin_width, slot, pairs)


def _measure_area(sample: _Sample, row: dict, max_units: int, n_shuffles: int,
                  rng: np.random.Generator, progress: Progress) -> Curves:
    """Fill one row of the table in, and return what is drawn."""
    curves = Curves(*sample.rate())
    if sample.inside.any():
        row["peak_rate_hz"] = np.nanmax(curves.rate)
        row["peak_time_ms"] = curves.time[np.nanargmax(curves.rate)]
        row["rate_width_ms"] = width_at_half_maximum(curves.rate, sample.bin_width)
    spiking, n_spikes = np.unique(sample.spikes.unit[sample.inside], return_counts=True)
    row["n_units_used"] = min(max_units, len(spiking))
    if len(spiking) < 2:
        row["note"] = ("not computable: pairwise measures need two units that spike in the "
                       f"sampled trials; {len(spiking)} of {sample.spikes.n_units} do")
        return curves
    if sample.slot_bins * len(sample.start) < 2:
        row["note"] = "not computable: the sampled trials are one bin together"
        return curves
    chosen = rng.choice(len(spiking), row["n_units_used"], replace=False)
    # Pairs are taken from the front: the units with most spikes have most to say about lags.
    chosen = spiking[chosen[np.argsort(-n_spikes[chosen], kind="stable")]]
    pairs = _pairs(len(chosen))
    observed = sample.measure(chosen, pairs, sample.spikes.trial)
    row["spike_contrast_scale_ms"] = observed.scale[np.argmax(observed.contrast)]
    row["synchronous_events_per_trial"] = observed.n_events / len(sample.start)
    row["largest_event_units"] = observed.largest_event
    for measure in MEASURES:
        row[measure] = getattr(observed, measure)
    n_lags = len(observed.correlogram)
    lag = sample.bin_width * (np.arange(n_lags) - n_lags // 2)
    row["correlogram_lag_ms"] = lag[np.argmax(observed.correlogram)]
    curves = curves._replace(scale=observed.scale, contrast=observed.contrast, lag=lag,
                             correlogram=observed.correlogram)
    if not (sample.spikes.group >= 0).any():
        row["note"] = f"no control: every trial is the only one of its {row['shuffled_within']}"
        return curves
    surrogates = [sample.measure(chosen, pairs, sample.spikes.exchange(child, together=False))
                  for child in progress(rng.spawn(n_shuffles), f"Elephant, {row['area']}",
                                        n_shuffles)]
    return _add_control(row, curves, surrogates)


def _add_control(row: dict, curves: Curves, surrogates: list[Measured]) -> Curves:
    """Compare one row with surrogates whose responses changed places among trials."""
    row["n_shuffles"] = len(surrogates)
    for measure in MEASURES:
        compared = surrogate_comparison(
            row[measure], np.array([getattr(each, measure) for each in surrogates]))
        row[f"{measure}_shuffled"] = compared.null_mean
        row[f"{measure}_z"] = float(compared.z)
        if len(surrogates) >= MIN_SHUFFLES:
            row[f"{measure}_p_value"] = float(compared.p_value)
    if len(surrogates) < MIN_SHUFFLES:
        row["note"] = (f"{len(surrogates)} shuffles give z, an effect size, and no p of Elephant's "
                       f"measures, which needs {MIN_SHUFFLES} (--elephant-shuffles)")
    # Scales shrink from the same largest one; how far they go depends on the closest two spikes.
    n_scales = min(len(curves.scale), *(len(each.scale) for each in surrogates))
    correlogram = np.mean([each.correlogram for each in surrogates], axis=0)
    return curves._replace(
        scale=curves.scale[:n_scales], contrast=curves.contrast[:n_scales],
        contrast_shuffled=np.mean([each.contrast[:n_scales] for each in surrogates], axis=0),
        correlogram_shuffled=correlogram)


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
