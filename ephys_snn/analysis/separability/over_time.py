"""When does the class become decodable from an area: accuracy as the response window grows.

The windows are cut at `end` ms after the onset, for growing ends. The decoding latency of an area
is the first end at which, and at the next one, its accuracy exceeds the threshold that 95 % of the
permutations stay below at every end and in every area (maximum statistic: Nichols & Holmes 2002,
doi:10.1002/hbm.1058). All curves are of the first assignment of the trials to folds, as the
permutations are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.decoding import (
    Decoding,
    accuracy_interval,
    decode_draws,
    encode_draws,
    map_steps,
)
from ephys_snn.analysis.separability.design import (
    LEVEL,
    Design,
    SeparabilitySettings,
)
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import Recording, ResponseWindows

N_RESAMPLES = 1000  # bootstrap samples of the trials for the interval of a decoding latency
TIME_COLUMNS = ("accuracy", "accuracy_low", "accuracy_high", "chance", "chance_95", "p_value",
                "p_value_corrected")
LATENCY_COLUMNS = ("latency_ms", "latency_low_ms", "latency_high_ms", "share_with_latency")


class OverTime(NamedTuple):
    """Decoding from growing windows.

    Attributes
    ----------
    table : DataFrame
        A row per area and end of the window: ``separability_over_time.csv``.
    latencies : DataFrame
        A row per area: ``separability_latency.csv``.
    threshold : float
        Accuracy that 95 % of the permutations stay below at every end and in every area.
    """

    table: pd.DataFrame
    latencies: pd.DataFrame
    threshold: float


def follow_decoding(recording: Recording, design: Design,
                    draws: Mapping[str, list[np.ndarray] | str], settings: SeparabilitySettings,
                    progress: Progress = no_progress) -> OverTime:
    """Decode every area from growing windows.

    Parameters
    ----------
    recording : Recording
    design : Design
    draws : dict of area to list of (unit,) int, or str
        From `ephys_snn.analysis.separability.design.draw_units`.
    settings : SeparabilitySettings
    progress : Progress
        Of the areas and ends.
    """
    code = design.code
    ends = window_ends(design.windows, settings.n_steps, recording.resolution)
    starts = (design.windows.start - design.windows.onset)[design.windows.used]
    step_ms = ends[-1] - (ends[-2] if len(ends) > 1 else starts.min())
    cut = [cut_windows(design.windows, end) for end in ends]
    areas = [area for area in recording.areas if not isinstance(draws[area], str)]
    decoded = map_steps(lambda step: decode_draws(
        encode_draws(recording, step[1], draws[step[0]], code), design.labellings,
        design.folds[:1]),
        [(area, windows) for area in areas for windows in cut], progress, "over time")
    curves = {area: decoded[i * len(ends):(i + 1) * len(ends)] for i, area in enumerate(areas)}
    # The same permutations everywhere make the largest of all areas and ends one statistic.
    largest = np.max([result.compared[1:] for result in decoded], axis=0) if areas else np.ones(1)
    threshold = float(np.quantile(largest, 1 - LEVEL, method="higher"))
    table = pd.DataFrame([
        {"area": area, "code": code, "end_ms": end, **_time_row(result, largest, design)}
        for area, curve in curves.items() for end, result in zip(ends, curve, strict=True)],
        columns=["area", "code", "end_ms", *TIME_COLUMNS])
    latencies = []
    for area in recording.areas:
        row = {"area": area, "code": code, "n_units": len(recording.units_in(area)),
               "threshold": threshold, "step_ms": step_ms} | dict.fromkeys(LATENCY_COLUMNS, np.nan)
        found = {"note": draws[area]} if area not in curves else _decoding_latency(
            curves[area], ends, threshold, design, np.random.default_rng(settings.seed))
        latencies.append(row | found)
    return OverTime(table, pd.DataFrame(latencies), threshold)


def _time_row(result: Decoding, largest: np.ndarray, design: Design) -> dict:
    """What ``separability_over_time.csv`` says of an area and an end."""
    accuracy, null = result.accuracy, result.compared[1:]
    values = (accuracy, *accuracy_interval(accuracy, design.class_sizes, 1), null.mean(),
              np.quantile(null, 1 - LEVEL), permutation_p_value(accuracy, null),
              permutation_p_value(accuracy, largest))
    return dict(zip(TIME_COLUMNS, map(float, values), strict=True))


def _decoding_latency(curve: list[Decoding], ends: np.ndarray, threshold: float, design: Design,
                      rng: np.random.Generator) -> dict:
    """What ``separability_latency.csv`` says of an area that was decoded."""
    later = np.append(ends, np.inf)
    latency = later[first_sustained(np.array([each.accuracy for each in curve]) > threshold)]
    resampled = later[first_sustained(resample_accuracy(
        np.array([each.correct[0] for each in curve]), design.labellings[0], rng) > threshold)]
    share = float(np.isfinite(resampled).mean())
    if np.isinf(latency):
        return {"share_with_latency": share,
                "note": "accuracy exceeds chance at no two successive ends"}
    low, high = np.quantile(resampled, [0.025, 0.975], method="nearest")
    found = {"latency_ms": latency, "latency_low_ms": low, "share_with_latency": share}
    if np.isinf(high):
        return found | {"note": "no upper limit: accuracy exceeds chance in only "
                                f"{share:.0%} of the resamples of the trials"}
    return found | {"latency_high_ms": high, "note": ""}


def window_ends(windows: ResponseWindows, n_steps: int, resolution: float | None = None
                ) -> np.ndarray:
    """Ends of the growing window, ms after the onset, evenly spaced.

    The last one is the end of the windows; where they differ in length, the time at which 95 % of
    them have ended.

    Parameters
    ----------
    n_steps : int
    resolution : float, optional, ms
        Finer steps would show nothing.

    Returns
    -------
    (end,) float, ms
    """
    used = windows.used
    first = (windows.start - windows.onset)[used].min()
    last = np.quantile((windows.stop - windows.onset)[used], 0.95)
    if resolution:
        n_steps = int(np.clip((last - first) // resolution, 1, n_steps))
    return np.linspace(first, last, n_steps + 1)[1:]


def cut_windows(windows: ResponseWindows, end: float) -> ResponseWindows:
    """The same windows, none lasting longer than until `end` ms after the onset."""
    return windows._replace(stop=np.minimum(windows.stop, windows.onset + end))


def first_sustained(above: np.ndarray) -> np.ndarray:
    """Index of the first of two successive True along the last axis; its length where none is.

    >>> first_sustained(np.array([[False, True, False, True, True], [False] * 4 + [True]]))
    array([3, 5])
    """
    sustained = above & np.roll(above, -1, axis=-1)
    sustained[..., -1] = False  # nothing comes after the last
    return np.where(sustained.any(axis=-1), sustained.argmax(axis=-1), above.shape[-1])


def resample_accuracy(correct: np.ndarray, classes: np.ndarray, rng: np.random.Generator
                      ) -> np.ndarray:
    """Balanced accuracy of trials drawn with replacement within their classes.

    Parameters
    ----------
    correct : (end, trial) float
        Whether a trial is decoded right, or in which share of the draws.
    classes : (trial,) int

    Returns
    -------
    (resample, end) float
    """
    accuracy = np.zeros((N_RESAMPLES, len(correct)))
    sizes = np.bincount(classes)
    for number, size in enumerate(sizes):
        times_drawn = rng.multinomial(size, np.full(size, 1 / size), N_RESAMPLES)
        accuracy += times_drawn @ correct[:, classes == number].T / (size * len(sizes))
    return accuracy
