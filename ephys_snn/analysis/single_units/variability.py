"""How variable units are: from trial to trial (Fano factor) and from interval to interval (CV2).

The Fano factor is the variance of the spike counts over their mean, 1 of a Poisson process. It
grows with the length of the window and with whatever the trials differ in, so it is measured in
the window that all trials have in common, within each class, and averaged over the classes.
Elephant divides by the number of trials n; here by n - 1, which takes out the bias of few trials.

CV2 compares successive intervals between the spikes of one response, 1 of a Poisson process (Holt
et al. 1996, doi:10.1152/jn.1996.75.5.1806), so that slow changes of the rate do not count.
Responses hold no interval longer than their window: short windows make CV2 smaller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ephys_snn.recording import Recording, ResponseWindows

MIN_PAIRS = 10  # of successive intervals, for a CV2
MIN_SPIKES = 10  # for a Fano factor


def unit_variability(recording: Recording, windows: ResponseWindows) -> pd.DataFrame:
    """Rate, Fano factor and CV2 of every unit: the rows of ``units.csv``."""
    trial = np.flatnonzero(windows.used)
    onset, label = windows.onset[trial], recording.trials.label[trial]
    start = (windows.start[trial] - onset).max()
    stop = (windows.stop[trial] - onset).min()
    duration = windows.durations[trial].sum()
    rows = []
    for unit in range(len(recording.units)):
        responses = _by_window(recording, unit, windows.start[trial], windows.stop[trial])
        shared = _by_window(recording, unit, onset + start, onset + stop) if stop > start else []
        fano = fano_factor(shared, label)
        cv2, n_pairs = pooled_cv2(responses)
        units = recording.units
        rows.append({
            "unit_id": units.unit_id[unit], "unit": units.name[unit], "area": units.area[unit],
            "cell_type": units.cell_type[unit], "n_trials": len(trial),
            "rate_hz": 1000 * sum(map(len, responses)) / duration, "fano_factor": fano,
            "fano_window_ms": max(0.0, stop - start), "cv2": cv2, "n_interval_pairs": n_pairs,
            "note": _note(fano, cv2, stop > start)})
    return pd.DataFrame(rows)


def fano_factor(responses: Sequence[np.ndarray], label: np.ndarray) -> float:
    """Fano factor within classes, averaged over classes by their degrees of freedom.

    Parameters
    ----------
    responses : sequence of (spike,) float
        The spikes of every trial, in windows of one length.
    label : (trial,) str

    Returns
    -------
    float
        nan where there are fewer than `MIN_SPIKES` spikes in classes of two trials or more.
    """
    from elephant.statistics import fanofactor

    factors, freedom, n_spikes = [], [], 0
    for name in np.unique(label) if len(responses) else ():
        of_class = [responses[i] for i in np.flatnonzero(label == name)]
        spikes = sum(map(len, of_class))
        if len(of_class) > 1 and spikes:
            n = len(of_class)
            factors.append(fanofactor(of_class) * n / (n - 1))
            freedom.append(n - 1)
            n_spikes += spikes
    return float(np.average(factors, weights=freedom)) if n_spikes >= MIN_SPIKES else np.nan


def pooled_cv2(responses: Sequence[np.ndarray]) -> tuple[float, int]:
    """CV2 of the intervals inside responses, and the number of pairs of successive intervals.

    Returns
    -------
    cv2 : float
        nan where there are fewer than `MIN_PAIRS` pairs.
    n_pairs : int
    """
    from elephant.statistics import cv2

    # Spikes at one time, as a coarse resolution makes them, count once: 0 / 0 is no variation.
    intervals = [np.diff(np.unique(times)) for times in responses if len(times) > 2]
    intervals = [each for each in intervals if len(each) > 1]
    pairs = [len(each) - 1 for each in intervals]
    if sum(pairs) < MIN_PAIRS:
        return np.nan, sum(pairs)
    return float(np.average([cv2(each) for each in intervals], weights=pairs)), sum(pairs)


def _by_window(recording: Recording, unit: int, start: np.ndarray, stop: np.ndarray
               ) -> list[np.ndarray]:
    first, count = recording.spike_ranges(unit, start, stop)
    return [recording.spike_times[begin:begin + n] for begin, n in zip(first, count, strict=True)]


def _note(fano: float, cv2: float, in_common: bool) -> str:
    reasons = []
    if np.isnan(fano):
        reasons.append(f"no Fano factor: fewer than {MIN_SPIKES} spikes in the time that all "
                       "windows share" if in_common else
                       "no Fano factor: the windows share no time after the onset")
    if np.isnan(cv2):
        reasons.append(f"no CV2: fewer than {MIN_PAIRS} pairs of successive intervals")
    return "; ".join(reasons)
