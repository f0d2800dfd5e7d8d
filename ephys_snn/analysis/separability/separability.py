"""How well is the class of a trial decodable from an area, how far apart are classes, and when?

Each area is asked in three codes, of every unit in every trial's response window [start, stop):

    active    1 if the unit spikes, else 0
    latency   first spike minus onset, ms; a silent unit counts as late as possible: at the end of
              the longest window, the same in every trial, because the end of the trial's own
              window would make the duration of the trial decodable
    count     number of spikes

*Decoding* (see `ephys_snn.analysis.decoding`): cross-validated balanced accuracy, with chance from
permuted labels, the whole cross-validation repeated for each.

*Distances* (see `distances`) between the trials of one class and of different classes; chance is a
ratio of 1, measured with the same permutations.

*Over time* (see `over_time`): decoding as the response window grows. *Between areas* (see
`between_areas`): differences at equal numbers of units. *Across time* (see `cross_temporal`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.decoding import (
    CODES,
    accuracy_interval,
    decode_draws,
    encode_draws,
    map_steps,
)
from ephys_snn.analysis.separability.between_areas import compare_areas
from ephys_snn.analysis.separability.cross_temporal import decode_across_time
from ephys_snn.analysis.separability.design import (
    LEVEL,
    Design,
    SeparabilitySettings,
    draw_units,
    plan,
)
from ephys_snn.analysis.separability.distances import class_distances, pairwise_distances
from ephys_snn.analysis.separability.over_time import follow_decoding
from ephys_snn.analysis.statistics import false_discovery_q, permutation_p_value
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import Recording, ResponseWindows

STATISTICS = ("accuracy", "sd", "accuracy_low", "accuracy_high", "plain_accuracy", "chance",
              "chance_95", "p_value", "within_distance", "between_distance", "distance_ratio",
              "d_prime", "distance_p_value")
CONTROLS = ("duration_accuracy", "duration_p_value")  # the same in all rows
SINGLE_SPIKES = "as active: no unit spikes twice in a window"


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
    between_areas : DataFrame
        A row per pair of areas: differences at equal numbers of units.
    confusion : DataFrame
        A row per area, class and decoded class.
    cross_temporal : DataFrame or None
        A row per area, bin of training and bin of test, if asked for.
    n_trials, n_folds : int
        Trials that were decoded, and the folds.
    classes : tuple of str
        Classes that were decoded.
    threshold : float
        Accuracy that 95 % of the permutations stay below at every end and in every area.
    notes : list of str
        What was left out, and why.
    """

    table: pd.DataFrame
    over_time: pd.DataFrame
    latencies: pd.DataFrame
    between_areas: pd.DataFrame
    confusion: pd.DataFrame
    cross_temporal: pd.DataFrame | None
    n_trials: int
    n_folds: int
    classes: tuple[str, ...]
    threshold: float
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
    draws = draw_units(recording, design, settings, matched=settings.match_units is not None)
    matched = draw_units(recording, design, settings, matched=True)
    measured = _measure_areas(recording, design, draws, progress)
    table = _with_q_values(pd.DataFrame([row for row, _ in measured]))
    for column, value in zip(CONTROLS, duration_control(design), strict=True):
        table.insert(table.columns.get_loc("note"), column, value)
    for area, of_area in table.groupby("area"):
        if of_area["accuracy"].isna().all():
            draws[area] = matched[area] = of_area["note"].iloc[0]
    over_time = follow_decoding(recording, design, draws, settings, progress)
    between = compare_areas(recording, design, matched, progress)
    across = decode_across_time(recording, design, draws, settings, progress) \
        if settings.n_bins else None
    return Separability(
        table, over_time.table, over_time.latencies, between, _confusion(measured, design),
        across and across.table, len(design.labellings[0]), int(design.folds.max()) + 1,
        design.classes, over_time.threshold, design.notes + (across.notes if across else []))


def _measure_areas(recording: Recording, design: Design,
                   draws: Mapping[str, Sequence[np.ndarray] | str], progress: Progress
                   ) -> list[tuple[dict, np.ndarray | None]]:
    """Each area in each code: its row in ``separability.csv``, and its confusion."""
    single = {area for area, units in draws.items() if not isinstance(units, str) and
              recording.responses(design.windows, np.unique(units)).count.max(initial=0) == 1}
    every = [(area, code) for area in recording.areas for code in CODES]
    steps = [(area, code) for area, code in every if code != "count" or area not in single]
    measured = dict(zip(steps, map_steps(
        lambda step: _measure(recording, design, *step, draws[step[0]]), steps, progress,
        "decoding"), strict=True))
    for area in single:
        row, confusion = measured[area, "active"]
        note = SINGLE_SPIKES if row["n_units_used"] else row["note"]
        measured[area, "count"] = row | {"code": "count", "note": note}, confusion
    return [measured[step] for step in every]


def _measure(recording: Recording, design: Design, area: str, code: str,
             draws: Sequence[np.ndarray] | str) -> tuple[dict, np.ndarray | None]:
    """Decoding and distances of an area in a code, and the confusion of the classes."""
    row = {"area": area, "code": code, "n_units": len(recording.units_in(area)),
           "n_units_used": 0, "n_trials": len(design.labellings[0]),
           "n_classes": len(design.classes)}
    empty = row | dict.fromkeys(STATISTICS, np.nan)
    if isinstance(draws, str):
        return empty | {"note": draws}, None
    features = encode_draws(recording, design.windows, draws, code)
    if all(np.ptp(values, axis=0).max(initial=0) == 0 for values in features):
        spikes = recording.responses(design.windows, draws[0]).count.any()
        return empty | {"note": "not computable: every trial is the same in this code" if spikes
                        else "not computable: no spikes in the response window"}, None
    result = decode_draws(features, design.labellings, design.folds)
    compared, null = result.compared[0], result.compared[1:]
    low, high = accuracy_interval(result.accuracy, design.class_sizes, len(design.folds))
    distances = class_distances(np.mean([pairwise_distances(values, code) for values in features],
                                        axis=0), design.labellings)
    values = (result.accuracy, result.sd, low, high, result.correct.mean(), null.mean(),
              np.quantile(null, 1 - LEVEL), permutation_p_value(compared, null),
              distances.within, distances.between, distances.ratio[0], distances.d_prime,
              # The inverse is finite even where trials of one class never differ.
              permutation_p_value(-1 / distances.ratio[0], -1 / distances.ratio[1:]))
    note = "" if distances.within > 0 else "trials of one class never differ"
    row |= {"n_units_used": len(draws[0])} | dict(
        zip(STATISTICS, map(float, values), strict=True))
    return row | {"note": note}, result.confusion


def _with_q_values(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a q beside each p; single spikes are one test in two codes."""
    same = table["area"] + "/" + table["code"].mask(table["note"] == SINGLE_SPIKES, "active")
    for name in ("", "distance_"):
        table.insert(table.columns.get_loc(f"{name}p_value") + 1, f"{name}q_value",
                     false_discovery_q(table[f"{name}p_value"], same))
    return table


def _confusion(measured: Sequence[tuple[dict, np.ndarray | None]], design: Design
               ) -> pd.DataFrame:
    """``separability_confusion.csv``: what the trials of each class are decoded as."""
    table = []
    for row, confusion in measured:
        if row["code"] != design.code or confusion is None:
            continue
        table += [{"area": row["area"], "code": design.code, "class": name,
                   "decoded_class": decoded, "n_trials": int(size), "fraction": float(fraction)}
                  for name, size, shares in zip(design.classes, design.class_sizes, confusion,
                                                strict=True)
                  for decoded, fraction in zip(design.classes, shares, strict=True)]
    return pd.DataFrame(table, columns=["area", "code", "class", "decoded_class", "n_trials",
                                        "fraction"])


def duration_control(design: Design) -> tuple[float, float]:
    """How well the class is decodable from the durations of the windows alone.

    Returns
    -------
    accuracy, p_value : float
        That of guessing and 1 where all windows last equally long.
    """
    durations = design.windows.durations[design.windows.used]
    if np.ptp(durations) < 1e-6:
        return 1 / len(design.classes), 1.0
    result = decode_draws([durations[:, None]], design.labellings, design.folds)
    return result.accuracy, float(permutation_p_value(result.compared[0], result.compared[1:]))
