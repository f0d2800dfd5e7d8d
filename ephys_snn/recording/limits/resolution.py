"""How finely a recording tells time: as stated, or as its spikes show.

Spikes that were sampled, binned or simulated in steps lie on a grid, t = t_0 + k g, in the
recording's time or, where trials were cut out and put together, in the time since the onset. The
step g is the greatest common divisor of their differences, found by Euclid's algorithm with a
tolerance for rounding and sharpened over growing distances.

Counts in bins that were made into spikes again hide their grid: one spike lies in the middle of
its bin, two at its quarters, and so on. But spikes that are far from the others of their unit are
alone in their bin, and all of those lie on the grid of the bins.

Times in single precision have a grid of their own, as fine as the latest of them allows.
Synchrony finer than any of these is made by the recording, not by the brain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ephys_snn.recording.recording import Recording

FINEST = 1e-3  # ms; finer steps limit nobody
MIN_SPIKES = 30  # fewer differences may have a common divisor by accident
SAMPLE = 200_000  # spikes; enough for a common divisor, however long the recording
DIVISOR_SAMPLE = 256  # smallest differences, which step down to the divisor fastest
COARSER = 1.5  # by which bins must exceed a grid of all spikes to be more than that


class Resolution(NamedTuple):
    """A time resolution and where it is known from."""

    step: float  # ms
    reason: str  # what shows it, in words


def with_resolution(recording: Recording, given: float | None = None) -> Recording:
    """The recording with its time resolution, ms: given, else the coarser of stated and detected.

    The notes say what was taken, and any contradiction to it.
    """
    stated, found = recording.resolution, detect_resolution(recording)
    detected = 0.0 if found is None else found.step
    if given is not None:
        note = f"the time resolution is {given:g} ms, as given"
        if detected > given * (1 + 1e-6):
            note += f", although {found.reason}"
        return replace(recording, resolution=given).noted(note)
    if stated is not None and stated >= detected * (1 - 1e-6):
        return recording.noted(f"the time resolution is {stated:g} ms, as the file says")
    if found is None:
        return recording
    claim = "" if stated is None else f", although the file states {stated:g} ms"
    return replace(recording, resolution=detected).noted(
        f"the time resolution is {detected:.4g} ms: {found.reason}{claim}")


def detect_resolution(recording: Recording) -> Resolution | None:
    """The time resolution that the spikes show; None if none above `FINEST`.

    The coarsest of the grid of all spikes, that of spikes which are far from others of their
    unit, both in the recording's time and in the time since the onset, and that of single
    precision. At most `SAMPLE` spikes, spread over all units, are looked at.
    """
    times = recording.spike_times
    chosen = np.arange(0, len(times), max(1, len(times) // SAMPLE))
    sample = times[chosen]
    # Where one unit ends and another begins, the distance means nothing and is seldom short.
    isolation = np.minimum(np.abs(sample - times[chosen - 1]),
                           np.abs(sample - times[(chosen + 1) % max(1, len(times))]))
    alone = isolation >= np.median(isolation) if len(chosen) else np.empty(0, dtype=bool)
    onset = recording.trials.onset
    trial = np.searchsorted(onset, sample, side="right") - 1
    inside = (trial >= 0) & (sample < onset[trial] + recording.trials.duration[trial]) \
        if len(onset) else np.zeros(len(sample), dtype=bool)
    since_onset = sample[inside] - onset[trial[inside]]
    magnitude = np.abs(sample).max(initial=0.0)
    found = []
    for clock, what in ((sample, ""), (since_onset, " since the onset of their trial")):
        step = grid_step(clock, magnitude)
        if step is not None:
            found.append(Resolution(step, f"all spikes lie on a grid of {step:.4g} ms{what}"))
        mask = alone if clock is sample else alone[inside]
        bins = grid_step(clock[mask], magnitude)
        if bins is not None and bins > COARSER * (step or 0.0):
            found.append(Resolution(bins, f"spikes look like counts in bins of {bins:.4g} ms, "
                                          f"spread evenly inside them{what}"))
    precision = single_precision_step(sample)
    if precision is not None:
        found.append(Resolution(precision, "spike times were stored in single precision"))
    return max(found, default=None, key=lambda resolution: resolution.step)


def grid_step(times: np.ndarray, magnitude: float | None = None) -> float | None:
    """The step of the coarsest grid that all these times lie on, ms.

    Parameters
    ----------
    times : (spike,) float, ms
        In any order.
    magnitude : float, optional, ms
        Largest time that these were computed from, which bounds their rounding errors; default:
        the largest of them.

    Returns
    -------
    float or None
        None where there are too few distinct times to tell, or the step is below `FINEST`.
    """
    times = np.sort(np.asarray(times, dtype=np.float64))
    magnitude = np.abs(times).max(initial=0.0) if magnitude is None else magnitude
    tolerance = max(FINEST / 4, 64 * np.spacing(magnitude))
    if not len(times) or not np.isfinite(times).all():
        return None
    distinct = times[np.concatenate([[True], np.diff(times) > tolerance])]
    if len(distinct) < MIN_SPIKES:
        return None
    step = _common_divisor(np.sort(np.diff(distinct))[:DIVISOR_SAMPLE], tolerance)
    if step < FINEST:
        return None
    # Each pass doubles the distance, over which the step of the pass before is still sharp enough
    # to count its multiples.
    lag = 1
    while lag < len(distinct):
        differences = distinct[lag:] - distinct[:-lag]
        multiple = np.rint(differences / step)
        step = float(multiple @ differences / (multiple @ multiple))
        lag *= 2
    phase = (times - times[0]) / step
    phase -= np.rint(phase)
    # Where rounding errors reach a tenth of a step, times off the grid could not be told from those
    # on it.
    allowed = max(0.01, 64 * np.spacing(magnitude) / step)
    return _rounded(step) if np.abs(phase - np.median(phase)).max() <= allowed < 0.1 else None


def single_precision_step(times: np.ndarray) -> float | None:
    """Spacing of single-precision numbers at the latest of these times, ms.

    Returns
    -------
    float or None
        None unless all times are single-precision numbers, of ms or of s, and no finer grid of
        few digits explains that.
    """
    if len(times) < MIN_SPIKES:
        return None
    for unit in (1.0, 1000.0):  # ms
        stored = (times / unit).astype(np.float32)
        if np.allclose(stored.astype(np.float64) * unit, times, rtol=4e-16, atol=0.0):
            return float(np.spacing(np.abs(stored).max())) * unit
    return None


def _common_divisor(values: np.ndarray, tolerance: float) -> float:
    """Greatest common divisor of ascending values that are rounded; 0 if below `FINEST`."""
    divisor = 0.0
    for value in values:
        larger, divisor = (value, divisor) if divisor else (0.0, value)
        while larger > tolerance:
            larger, divisor = divisor, abs(larger - divisor * round(larger / divisor))
            if divisor <= tolerance:
                divisor, larger = larger, 0.0
        if divisor < FINEST:
            return 0.0
        # Values ascend: the longer the distance, the sharper the divisor that it is a multiple of.
        divisor = value / round(value / divisor)
    return divisor


def _rounded(step: float) -> float:
    """The shortest decimal that rounding errors cannot tell from the step."""
    for digits in range(1, 7):
        short = float(f"{step:.{digits}g}")
        if abs(short / step - 1) < 1e-8:
            return short
    return step
