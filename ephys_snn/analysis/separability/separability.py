"""How well is the class of a trial decodable from an area, how far apart are classes, and when?

Each area is asked in three codes, of every unit in every trial's response window [start, stop):

    active    1 if the unit spikes, else 0
    latency   first spike minus onset, ms; a silent unit counts as late as possible: at the end of
              the longest window, the same in every trial, because the end of the trial's own
              window would make the duration of the trial decodable
    count     number of spikes

*Decoding* (see `decoding`): cross-validated balanced accuracy, with chance from permuted
labels, the whole cross-validation repeated for each.

*Distances* (see `distances`) between the trials of one class and of different classes; chance is a
ratio of 1, measured with the same permutations.

*Over time* (see `over_time`): decoding as the response window grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.separability.decoding import accuracy_interval, decode, decode_draws
from ephys_snn.analysis.separability.design import (
    CODES,
    LEVEL,
    Design,
    SeparabilitySettings,
    draw_units,
    encode_draws,
    plan,
)
from ephys_snn.analysis.separability.distances import class_distances, pairwise_distances
from ephys_snn.analysis.separability.over_time import follow_decoding
from ephys_snn.analysis.separability.parallel import map_steps
from ephys_snn.analysis.statistics import false_discovery_q, permutation_p_value
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import Recording, ResponseWindows

STATISTICS = ("accuracy", "sd", "accuracy_low", "accuracy_high", "plain_accuracy", "chance",
              "chance_95", "p_value", "within_distance", "between_distance", "distance_ratio",
              "d_prime", "distance_p_value")


class Separability(NamedTuple):
    """How separable the classes are in every area.

    Attributes
    ----------
    table : DataFrame
        A row per area and code: the columns of ``separability.csv``.
    over_time : DataFrame
        A row per area and end of the window.
    latencies : DataFrame
        A row per area: from when on the class is decodable.
    n_trials, n_folds : int
        Trials that were decoded, and the folds.
    classes : tuple of str
        Classes that were decoded.
    threshold : float
        Accuracy that 95 % of the permutations stay below at every end and in every area.
    duration_accuracy, duration_p : float
        How well the class is decodable from the durations of the response windows alone; nan where
        all last equally long.
    notes : list of str
        What was left out, and why.
    """

    table: pd.DataFrame
    over_time: pd.DataFrame
    latencies: pd.DataFrame
    n_trials: int
    n_folds: int
    classes: tuple[str, ...]
    threshold: float
    duration_accuracy: float
    duration_p: float
    notes: list[str]


def measure_separability(recording: Recording, windows: ResponseWindows,
                         settings: SeparabilitySettings | None = None,
                         progress: Progress = no_progress) -> Separability:
    """Decoding, distances and their growth with the window, area by area.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    settings : SeparabilitySettings, optional
    progress : Progress
        Of the areas and codes, then of the areas and ends of the window.

    Raises
    ------
    InputError
        If fewer than two classes have two trials, or a setting cannot be met.
    """
    settings = settings or SeparabilitySettings()
    design = plan(recording, windows, settings)
    draws = draw_units(recording, design, settings)
    steps = [(area, code) for area in recording.areas for code in CODES]
    table = pd.DataFrame(map_steps(
        lambda step: _row(recording, design, *step, draws[step[0]]), steps, progress, "decoding"))
    for area, rows in table.groupby("area"):
        if rows["accuracy"].isna().all():
            draws[area] = rows["note"].iloc[0]
    for name in ("", "distance_"):
        table.insert(table.columns.get_loc(f"{name}p_value") + 1, f"{name}q_value",
                     false_discovery_q(table[f"{name}p_value"]))
    over_time = follow_decoding(recording, design, draws, settings, progress)
    accuracy, p_value = duration_control(design)
    return Separability(table, over_time.table, over_time.latencies, len(design.fold),
                        int(design.fold.max()) + 1, design.classes, over_time.threshold, accuracy,
                        p_value, design.notes)


def _row(recording: Recording, design: Design, area: str, code: str,
         draws: Sequence[np.ndarray] | str) -> dict:
    """One row of ``separability.csv``."""
    row = {"area": area, "code": code, "n_units": len(recording.units_in(area)),
           "n_units_used": 0, "n_trials": len(design.fold), "n_classes": len(design.classes)}
    empty = row | dict.fromkeys(STATISTICS, np.nan)
    if isinstance(draws, str):
        return empty | {"note": draws}
    features = encode_draws(recording, design.windows, draws, code)
    if all(np.ptp(values, axis=0).max(initial=0) == 0 for values in features):
        spikes = recording.responses(design.windows, draws[0]).count.any()
        return empty | {"note": "not computable: every trial is the same in this code" if spikes
                        else "not computable: no spikes in the response window"}
    result = decode_draws(features, design.labellings, design.fold)
    null = result.accuracy[1:]
    low, high = accuracy_interval(result.accuracy[0], design.class_sizes)
    distances = class_distances(np.mean([pairwise_distances(values, code) for values in features],
                                        axis=0), design.labellings)
    values = (result.accuracy[0], result.sd, low, high, result.correct.mean(), null.mean(),
              np.quantile(null, 1 - LEVEL), permutation_p_value(result.accuracy[0], null),
              distances.within, distances.between, distances.ratio[0], distances.d_prime,
              # The inverse is finite even where trials of one class never differ.
              permutation_p_value(-1 / distances.ratio[0], -1 / distances.ratio[1:]))
    note = "" if distances.within > 0 else "trials of one class never differ"
    return row | {"n_units_used": len(draws[0])} | dict(
        zip(STATISTICS, map(float, values), strict=True)) | {"note": note}


def duration_control(design: Design) -> tuple[float, float]:
    """How well the class is decodable from the durations of the windows alone.

    Returns
    -------
    accuracy, p_value : float
        nan where all windows last equally long.
    """
    durations = design.windows.durations[design.windows.used]
    if np.ptp(durations) < 1e-6:
        return np.nan, np.nan
    accuracy = decode(durations[:, None], design.labellings, design.fold).accuracy
    return float(accuracy[0]), float(permutation_p_value(accuracy[0], accuracy[1:]))
