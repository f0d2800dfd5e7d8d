"""Is the class decoded better from one area than from another, at equal numbers of units?

Two areas are decoded from the same trials in the same folds, so they are compared trial by trial:
a decoder is right in a trial from one area and wrong from the other, or the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from ephys_snn.analysis.decoding import (
    accuracy_difference,
    decode_draws,
    encode_draws,
    map_steps,
)
from ephys_snn.analysis.separability.design import Design
from ephys_snn.analysis.statistics import false_discovery_q
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import Recording

COLUMNS = ("area", "other_area", "code", "n_units", "n_trials", "accuracy", "other_accuracy",
           "difference", "low", "high", "p_value", "q_value", "note")


def compare_areas(recording: Recording, design: Design,
                  draws: Mapping[str, list[np.ndarray] | str], progress: Progress = no_progress
                  ) -> pd.DataFrame:
    """Differences of accuracy between every two areas.

    Parameters
    ----------
    recording : Recording
    design : Design
    draws : dict of area to list of (unit,) int, or str
        Equally many units of every area, or why not.
    progress : Progress
        Of the areas.

    Returns
    -------
    DataFrame
        A row per pair of areas, the earlier first: ``separability_between_areas.csv``.
    """
    areas = [area for area in recording.areas if not isinstance(draws[area], str)]
    decoded = dict(zip(areas, map_steps(lambda area: decode_draws(
        encode_draws(recording, design.windows, draws[area], design.code),
        design.labellings[:1], design.folds), areas, progress, "between areas"), strict=True))
    rows = []
    for pair in combinations(recording.areas, 2):
        row = dict.fromkeys(COLUMNS, np.nan) | {
            "area": pair[0], "other_area": pair[1], "code": design.code, "n_units": 0,
            "n_trials": len(design.block), "note": ""}
        reasons = [f"{area}: {draws[area]}" for area in pair if area not in decoded]
        if reasons:
            rows.append(row | {"note": reasons[0]})
        else:
            compared = accuracy_difference(*(decoded[area].correct for area in pair),
                                           design.labellings[0], design.block)
            rows.append(row | {"n_units": len(draws[pair[0]][0])} | compared._asdict())
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["q_value"] = false_discovery_q(table["p_value"])
    return table
