"""Are units responsive: do they spike more, or less, after the onset than in a baseline before?

Spikes of the response window are compared with those in windows of the same length that the
baseline is cut into. Under the null, which of these windows of a trial is the response is chance,
so another one is taken for it at random, in all units of the trial alike (Fisher 1935; Winkler et
al. 2014, doi:10.1016/j.neuroimage.2014.01.060). Counts of equally long windows are exchangeable
however skewed they are; rates of a long baseline and a short response are not. Bursts stay in
their windows, and what all windows of a trial share stays in the null.

Symbols: x_tw the spikes in window w of trial t, w = 0 the response, m_t the number of baseline
windows, d_t = x_t0 - mean of x_tw over all w.

    T = sum_t d_t                  p = 2 min(P(T* >= T), P(T* <= T)), T* with a random w in each t
    Z = max_c T_c / SD(T_c*)       class p = P(Z* >= Z), T_c the sum over the trials of class c

T is of all trials, more or fewer spikes; Z finds units that spike more in response to some class,
which the others may hide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from ephys_snn.analysis.single_units.baseline import ROUNDING, Baseline
from ephys_snn.analysis.single_units.response_latency import response_latencies
from ephys_snn.analysis.statistics import SIGNIFICANT_Q, false_discovery_q
from ephys_snn.recording import Recording, ResponseWindows

MIN_PERMUTATIONS = 1999
WORK = 3e9  # additions; more permutations are done up to so many
CHUNK = 1 << 22  # choices of a window at a time
MOST_WINDOWS = 20  # of a baseline


class EqualWindows(NamedTuple):
    """Counts in the response and in as long windows of the baseline.

    Attributes
    ----------
    count : (trial, window, unit) int
        First the response, then the baseline's; 0 in windows that a trial does not have.
    n_windows : (trial,) int
        Windows of each trial, the response among them.
    n_cut : int
        Trials whose response is longer than the baseline, and counts only as long as that.
    """

    count: np.ndarray
    n_windows: np.ndarray
    n_cut: int


def equal_windows(recording: Recording, response: ResponseWindows, baseline: Baseline
                  ) -> EqualWindows:
    """Cut every trial's baseline into windows as long as its response, from its end on.

    Parameters
    ----------
    response : ResponseWindows
        Of the trials that have a baseline.
    """
    trials, extent = np.flatnonzero(response.used), baseline.stop - baseline.start
    length = np.minimum(response.durations[trials], extent)
    possible = np.where(length > ROUNDING, extent / np.maximum(length, ROUNDING), 1.0)
    n_windows = 1 + np.clip((possible + ROUNDING).astype(int), 1, MOST_WINDOWS)
    place = np.arange(n_windows.max())
    start = baseline.windows.stop[trials, None] - length[:, None] * place
    start[:, 0] = response.start[trials]
    stop = np.where(place < n_windows[:, None], start + length[:, None], start)
    spikes = recording.window_spikes(start.ravel(), stop.ravel(), np.arange(len(recording.units)))
    count = np.zeros((start.size, len(recording.units)), dtype=np.int32)
    np.add.at(count, (spikes.window, spikes.unit), 1)
    n_cut = int((response.durations[trials] > extent + ROUNDING).sum())
    return EqualWindows(count.reshape(*start.shape, -1), n_windows, n_cut)


class WindowTest(NamedTuple):
    """How often another window of every trial would be as much of a response.

    Attributes
    ----------
    p_value : (unit,) float
        Two-sided, of all trials.
    class_p_value : (unit,) float
        One-sided, of the class in which the unit's response exceeds the baseline most.
    """

    p_value: np.ndarray
    class_p_value: np.ndarray


def window_test(windows: EqualWindows, code: np.ndarray, n_permutations: int,
                rng: np.random.Generator) -> WindowTest:
    """Test the response against the other windows of its trials.

    Parameters
    ----------
    windows : EqualWindows
    code : (trial,) int
        Class of each trial.
    """
    order = np.argsort(code, kind="stable")
    count, n_windows = windows.count[order], windows.n_windows[order]
    n_trials, most, n_units = count.shape
    class_start = np.flatnonzero(np.diff(code[order], prepend=-1))
    n_classes = len(class_start)
    mean = count.sum(axis=1) / n_windows[:, None]
    variance = (count.astype(float) ** 2).sum(axis=1) / n_windows[:, None] - mean ** 2
    mean, variance = (np.add.reduceat(each, class_start) for each in (mean, variance))
    scale = np.sqrt(np.where(variance > ROUNDING, variance, np.inf))
    observed = np.add.reduceat(count[:, 0], class_start)
    largest = ((observed - mean) / scale).max(axis=0)
    flat, first = count.reshape(-1, n_units).astype(float), most * np.arange(n_trials)
    above, below, reached = np.zeros((3, n_units), dtype=int)
    step = max(1, CHUNK // (n_trials + n_classes * n_units))
    for begin in range(0, n_permutations, step):
        size = min(step, n_permutations - begin)
        chosen = first + (rng.random((size, n_trials)) * n_windows).astype(int)
        rows = np.append((n_trials * np.arange(size)[:, None] + class_start).ravel(), chosen.size)
        choice = sparse.csr_array((np.ones(chosen.size), chosen.ravel(), rows),
                                  shape=(size * n_classes, len(flat)))
        by_class = np.rint(choice @ flat).reshape(size, n_classes, n_units)
        total = by_class.sum(axis=1)
        above += (total >= observed.sum(axis=0)).sum(axis=0)
        below += (total <= observed.sum(axis=0)).sum(axis=0)
        reached += (((by_class - mean) / scale).max(axis=1) >= largest - ROUNDING).sum(axis=0)
    either = 2 * (1 + np.minimum(above, below)) / (1 + n_permutations)
    return WindowTest(np.minimum(1.0, either), (1 + reached) / (1 + n_permutations))


def analyse_responsiveness(recording: Recording, windows: ResponseWindows, baseline: Baseline,
                           rng: np.random.Generator) -> pd.DataFrame:
    """Responsiveness test and response latency of every unit: the rows of ``responsiveness.csv``.

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
    before, after = recording.responses(baseline.windows), recording.responses(response)
    compared = equal_windows(recording, response, baseline)
    n_trials, _, n_units = compared.count.shape
    spiked = compared.count.any(axis=(0, 1))
    deciding = recording.output_units(windows)
    n_permutations = int(max(MIN_PERMUTATIONS, min(40 * n_units, WORK / (n_trials * n_units + 1))))
    code = np.unique(after.label, return_inverse=True)[1]
    test = window_test(compared, code, n_permutations, rng)
    p_value, class_p_value = (np.where(spiked & ~deciding, each, np.nan) for each in test)
    q_value, class_q_value = false_discovery_q(p_value), false_discovery_q(class_p_value)
    rates = [counts.sum(axis=0) / max(duration, ROUNDING) * 1000 for counts, duration in
             ((before.count, baseline.windows.durations[both].sum()),
              (after.count, response.durations[both].sum()))]
    effect = effect_size(compared)
    more = (q_value < SIGNIFICANT_Q) & (effect > 0), class_q_value < SIGNIFICANT_Q
    found = response_latencies(recording, response, before.count, after, baseline, more, rng)
    units = recording.units
    return pd.DataFrame({
        "unit_id": units.unit_id, "unit": units.name, "area": units.area,
        "cell_type": units.cell_type, "n_trials": n_trials,
        "n_baseline_windows": int(np.median(compared.n_windows)) - 1,
        "n_trials_cut": compared.n_cut,
        "baseline_rate_hz": rates[0], "response_rate_hz": rates[1],
        "difference_hz": rates[1] - rates[0], "effect_size": effect, "p_value": p_value,
        "q_value": q_value, "class_p_value": class_p_value, "class_q_value": class_q_value,
        "n_permutations": n_permutations, "latency_ms": found.latency,
        "latency_class": found.of_class, **_trial_latencies(found.first),
        "note": _notes(deciding, spiked, np.logical_or(*more), found.latency)})


def effect_size(windows: EqualWindows) -> np.ndarray:
    """(unit,) float, mean over SD of a trial's response minus mean baseline count."""
    mean = windows.count[:, 1:].sum(axis=1) / (windows.n_windows - 1)[:, None]
    difference = windows.count[:, 0] - mean
    sd = difference.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sd > 0, difference.mean(axis=0) / sd, np.nan)


def _trial_latencies(first: np.ndarray) -> dict[str, np.ndarray]:
    """How many trials have a first spike (trial, unit) ms, and its mean and SD over them."""
    known = np.ma.masked_invalid(first)
    return {"n_trials_responding": known.count(axis=0),
            "trial_latency_ms": known.mean(axis=0).filled(np.nan),
            "trial_latency_sd_ms": known.std(axis=0).filled(np.nan)}


def _notes(deciding: np.ndarray, spiked: np.ndarray, more: np.ndarray, latency: np.ndarray
           ) -> np.ndarray:
    """Why something is missing of each unit."""
    return np.select(
        [deciding, ~spiked, ~more, np.isnan(latency)],
        ["not computable: this unit makes the decision that ends the response window",
         "not computable: no spikes",
         "no latency: no significant increase, in all trials or in those of a class",
         "no latency: no spikes beyond what pseudo-onsets in the baseline have by chance"], "")
