"""Evoked against spontaneous activity, and the latency of the first spikes beyond it.

*Evoked*: in every trial, a unit's rate in the response window minus that in a baseline window
before it. Is the mean difference more than chance? Under the null each trial's difference
is as likely to have the other sign, so signs are flipped at random, all units of a trial together
(paired permutation test: Fisher 1935; Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060).

*Latency*: with k spikes in all baselines, which last T together, at least n spikes in a time t of
all N trials have the probability

    P = I_x(n, k + 1),     x = N t / (N t + T)

if the rate is the baseline's: the Poisson probability of Chase & Young 2007
(doi:10.1073/pnas.0610368104), with the baseline estimated rather than known, which makes it an
incomplete beta function I (two Poisson rates: Przyborowski & Wilenski 1940,
doi:10.1093/biomet/31.3-4.313). They count from the onset on and ask when P first falls below
1e-6; a response that follows a pause or a slow start is lost so. Here counts begin at any of 64
times, and the first end of any count with P < 1e-6 (2,080 of them: 0.2 % by chance) tells that
there is a response. It began with the spike from which on the spikes until then are least
probable, as a burst does by its Poisson surprise (Legendy & Salcman 1985,
doi:10.1152/jn.1985.53.4.926). All trials together are asked, and those of the class in which the
unit spikes most, at a level divided by the number of classes; the earlier latency counts. Trial by
trial, the first spike from then on is the first that the baseline does not predict.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import betainc

from ephys_snn.analysis.statistics import false_discovery_q
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, Responses, ResponseWindows, is_recorded

SURPRISING = 1e-6  # Chase & Young's threshold
STEPS = 64  # of a response; counts begin and end at them
MAX_CANDIDATES = 4096  # spikes with which the response may have begun
MIN_TRIALS = 5
MIN_FLIPS = 1999
WORK = 1e10  # multiplications; more flips are done up to so many
ROUNDING = 1e-6  # ms; borders that were computed, not stored
CHUNK = 1 << 22  # signs at a time


class Baseline(NamedTuple):
    """Baseline windows and the trials that have them.

    Attributes
    ----------
    start, stop : float, ms
        After the onset; negative: before it.
    windows : ResponseWindows
        Without trials whose baseline was not recorded or which have no response window.
    n_missing : int
        Trials with a response window but without a recorded baseline.
    n_overlapping : int
        Baselines that reach into the response window of an earlier trial.
    """

    start: float
    stop: float
    windows: ResponseWindows
    n_missing: int
    n_overlapping: int


def baseline_windows(windows: ResponseWindows, recording: Recording, start: float, stop: float
                     ) -> Baseline:
    """Windows from `start` to `stop` ms after each onset, before the responses.

    Raises
    ------
    InputError
        If they are empty or reach into the response windows, or fewer than `MIN_TRIALS` trials
        have one.
    """
    first = float(np.nanmin(windows.start - windows.onset))
    if not -np.inf < start < stop <= first:
        raise InputError("--baseline START STOP must end before the responses begin, at "
                         f"{first:g} ms after the onset, as --baseline -500 {min(first, 0):g} "
                         f"does; got {start:g} {stop:g} ms")
    baseline = ResponseWindows(windows.onset, windows.onset + start, windows.onset + stop, False,
                               f"{start:g} to {stop:g} ms after onset")
    recorded = windows.used & is_recorded(baseline, recording)
    if recorded.sum() < MIN_TRIALS:
        raise InputError(
            f"--baseline {start:g} {stop:g}: {recorded.sum()} of {windows.used.sum()} trials have "
            f"a recorded baseline, and {MIN_TRIALS} are needed; choose a shorter one")
    order = np.argsort(windows.start, kind="stable")
    before = np.maximum.accumulate(np.nan_to_num(windows.stop[order], nan=-np.inf))[:-1]
    overlapping = (before > baseline.start[order[1:]] + ROUNDING) & recorded[order[1:]]
    return Baseline(start, stop, baseline._replace(
        start=np.where(recorded, baseline.start, np.nan),
        stop=np.where(recorded, baseline.stop, np.nan)),
        int(windows.used.sum() - recorded.sum()), int(overlapping.sum()))


def sign_flip_p_values(differences: np.ndarray, n_flips: int, rng: np.random.Generator
                       ) -> np.ndarray:
    """Two-sided p of mean differences: how often random signs reach them.

    Parameters
    ----------
    differences : (trial, unit) float
    n_flips : int

    Returns
    -------
    (unit,) float
        (1 + #{|flipped mean| >= |mean|}) / (1 + n_flips).
    """
    n_trials = len(differences)
    observed = np.abs(differences.sum(axis=0))
    tie = 1e-9 * np.abs(differences).sum(axis=0)
    reached = np.zeros(differences.shape[1], dtype=int)
    step = max(1, CHUNK // max(1, n_trials))
    for begin in range(0, n_flips, step):
        signs = rng.integers(0, 2, (min(step, n_flips - begin), n_trials), dtype=np.int8)
        flipped = (2.0 * signs - 1.0) @ differences
        reached += (np.abs(flipped) >= observed - tie).sum(axis=0)
    return (1 + reached) / (1 + n_flips)


def response_latency(times: np.ndarray, length: float, n_trials: int, baseline_spikes: int,
                     baseline_duration: float, resolution: float = 0.0,
                     level: float = SURPRISING) -> float:
    """When the pooled spikes of many trials first exceed what the baseline predicts.

    Parameters
    ----------
    times : (spike,) float, ms
        Spikes of all trials since their onsets, from 0 to `length`, in any order.
    length : float, ms
        How long every trial was observed.
    n_trials : int
    baseline_spikes : int
        In all baselines.
    baseline_duration : float, ms
        Of all baselines together.
    resolution : float, ms
        Steps are whole multiples of it, so that each has as much of the grid of the recording.
    level : float
        Probability below which spikes are too many for the baseline.

    Returns
    -------
    float, ms
        nan where nothing exceeds it.
    """
    times = np.sort(times)
    step = length / STEPS
    if resolution:
        step = resolution * np.ceil(step / resolution - ROUNDING)
    edges = step * np.arange(int(length / step + ROUNDING) + 1)
    before = np.searchsorted(times, edges - ROUNDING)
    begin, end = np.triu_indices(len(edges), k=1)
    n = before[end] - before[begin]
    p = _surprise(n, n_trials * (edges[end] - edges[begin]), baseline_spikes, baseline_duration)
    if not (p < level).any():
        return np.nan
    first = end[p < level].min()
    start = np.append(0.0, times[:before[first]])
    start = np.unique(start[::max(1, len(start) // MAX_CANDIDATES)])
    n_after = before[first] - np.searchsorted(times, start, side="right")
    n_after[0] = before[first]
    p = _surprise(n_after, n_trials * (edges[first] - start), baseline_spikes, baseline_duration)
    return float(max(start[np.argmin(p)], times[0]))


def _surprise(n: np.ndarray, duration: np.ndarray, baseline_spikes: int, baseline_duration: float
              ) -> np.ndarray:
    """P(at least n spikes in a duration), given the spikes of the baseline."""
    p = betainc(np.maximum(n, 1), baseline_spikes + 1, duration / (duration + baseline_duration))
    return np.where(n > 0, p, 1.0)


def analyse_evoked(recording: Recording, windows: ResponseWindows, baseline: Baseline,
                   rng: np.random.Generator) -> pd.DataFrame:
    """Evoked against spontaneous activity of every unit: the rows of ``evoked.csv``.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    baseline : Baseline
        From `baseline_windows`.
    rng : numpy.random.Generator
    """
    both = baseline.windows.used
    response = windows._replace(start=np.where(both, windows.start, np.nan),
                                stop=np.where(both, windows.stop, np.nan))
    before = recording.responses(baseline.windows)
    after = recording.responses(response)
    seconds_before = baseline.windows.durations[both] / 1000
    seconds_after = response.durations[both] / 1000
    differences = after.count / seconds_after[:, None] - before.count / seconds_before[:, None]
    n_trials, n_units = differences.shape
    spiked = (after.count.sum(axis=0) + before.count.sum(axis=0)) > 0
    n_flips = int(max(MIN_FLIPS, min(20 * n_units, WORK / max(1, n_trials * n_units))))
    p_value = np.where(spiked, sign_flip_p_values(differences, n_flips, rng), np.nan)
    deciding = recording.output_units(windows)
    p_value[deciding] = np.nan
    sd = differences.std(axis=0, ddof=1)
    units = recording.units
    latency, of_class, first = _latencies(recording, response, before.count, after,
                                          baseline.stop - baseline.start)
    latency[deciding], of_class[deciding] = np.nan, ""
    first[:, deciding] = np.inf
    responding = np.isfinite(first)
    n_responding = responding.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(responding, first, 0.0).sum(axis=0) / n_responding
        spread = np.sqrt((np.where(responding, first - mean, 0.0) ** 2).sum(axis=0) / n_responding)
        effect = np.where(sd > 0, differences.mean(axis=0) / sd, np.nan)
    note = np.where(deciding, "not computable: this unit makes the decision that ends the response "
                    "window", np.where(spiked, np.where(np.isnan(latency), "no latency: no spikes "
                    "beyond what the baseline predicts", ""), "not computable: no spikes"))
    return pd.DataFrame({
        "unit_id": units.unit_id, "unit": units.name, "area": units.area,
        "cell_type": units.cell_type, "n_trials": n_trials,
        "baseline_rate_hz": before.count.sum(axis=0) / seconds_before.sum(),
        "response_rate_hz": after.count.sum(axis=0) / seconds_after.sum(),
        "difference_hz": differences.mean(axis=0), "effect_size": effect, "p_value": p_value,
        "q_value": false_discovery_q(p_value), "n_flips": n_flips, "latency_ms": latency,
        "latency_class": of_class,
        "n_trials_responding": n_responding, "trial_latency_ms": mean,
        "trial_latency_sd_ms": spread, "note": note})


def _latencies(recording: Recording, response: ResponseWindows, before: np.ndarray,
               after: Responses, baseline_duration: float
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latency of every unit, its class, both (unit,), and first spikes from then on, (trial, unit).

    Spikes count from the start of the response window, or from the onset if that is later, until
    the end of the shortest window, so that all trials are there all the time. The class is 'all'
    where all trials together have the latency, '' where there is none; no first spike is inf.
    """
    used = response.used
    onset = response.onset[used]
    begin = np.maximum(response.start[used], onset)
    length = (response.stop[used] - begin).min()
    classes = np.unique(after.label)
    latency = np.full(len(recording.units), np.nan)
    of_class = np.full(len(recording.units), "", dtype=object)
    first = np.full((len(begin), len(recording.units)), np.inf)

    def find(unit: int, trials: np.ndarray, level: float) -> float:
        spikes, at = recording.spikes_of(unit), begin[trials]
        low, high = np.searchsorted(spikes, at), np.searchsorted(spikes, at + length)
        count = np.maximum(high - low, 0)
        place = np.arange(count.sum()) + np.repeat(low - np.cumsum(count) + count, count)
        return response_latency(spikes[place] - np.repeat(at, count), length, len(trials),
                                int(before[trials, unit].sum()), len(trials) * baseline_duration,
                                recording.resolution or 0.0, level)

    for unit in range(len(recording.units)):
        trials, name = np.arange(len(begin)), "all"
        found = find(unit, trials, SURPRISING)
        if len(classes) > 1:
            mean = [after.count[after.label == each, unit].mean() for each in classes]
            preferred = str(classes[np.argmax(mean)])
            of_preferred = np.flatnonzero(after.label == preferred)
            earlier = find(unit, of_preferred, SURPRISING / len(classes))
            if earlier < found or np.isnan(found):
                trials, name, found = of_preferred, preferred, earlier
        if np.isfinite(found):
            latency[unit], of_class[unit] = found + (begin - onset).min(), name
            spikes = recording.spikes_of(unit)
            at = np.searchsorted(spikes, begin[trials] + found - ROUNDING)
            there = at < np.searchsorted(spikes, response.stop[used][trials])
            first[trials[there], unit] = spikes[at[there]] - onset[trials[there]]
    return latency, of_class, first
