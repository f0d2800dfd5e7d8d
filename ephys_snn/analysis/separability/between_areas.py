"""Is the class decoded better from one area than from another, at equal numbers of units?

Two areas are decoded from the same trials in the same folds, so they are compared trial by trial:
a decoder is right in a trial from one area and wrong from the other, or the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis.decoding import (
    Decoding,
    decode_draws,
    effective_trials,
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
            rows.append(row | {"n_units": len(draws[pair[0]][0])} | accuracy_difference(
                *(decoded[area] for area in pair), design.labellings[0], design.block))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["q_value"] = false_discovery_q(table["p_value"])
    return table


def accuracy_difference(one: Decoding, other: Decoding, classes: np.ndarray, block: np.ndarray
                        ) -> dict[str, float]:
    """Difference of two balanced accuracies on the same trials, with interval and p.

    The interval is that of two proportions on paired trials (Agresti & Min 2005,
    doi:10.1002/sim.1781): as if there had been two trials more, one in which only the first area
    was right and one in which only the other was, half of each. p is two-sided, of no difference.
    It generalises to other trials, not to other units, and not to other recordings.

    Parameters
    ----------
    one, other : Decoding
        In the same folds.
    classes : (trial,) int
    block : (trial,) int
        Neighbouring trials of equal value count as one observation; ascending.

    Notes
    -----
    Measured on made-up areas of equal information, 40 to 400 trials, 2 to 10 classes: p <= .05 in
    0 to 7 % of the recordings.
    """
    sizes = np.bincount(classes)
    weighted = (one.correct - other.correct) / (len(sizes) * sizes[classes])  # by assignment
    of_blocks = np.add.reduceat(weighted, np.unique(block, return_index=True)[1], axis=1)
    n_trials, mean = effective_trials(sizes), one.accuracy - other.accuracy
    # Of each assignment: averaged over assignments, trials vary less, but not independently.
    square = n_trials * float(np.square(of_blocks).sum(axis=1).mean())
    shrunk = mean * n_trials / (n_trials + 2)
    variance = max((n_trials * square + 1) / (n_trials + 2) - shrunk**2, 1 / (n_trials + 2))
    error = np.sqrt(variance / (n_trials + 2))
    low, high = shrunk + error * stats.norm.ppf([0.025, 0.975])
    return {"accuracy": one.accuracy, "other_accuracy": other.accuracy, "difference": mean,
            "low": float(max(low, -1)), "high": float(min(high, 1)),
            "p_value": float(2 * stats.norm.sf(abs(shrunk) / error))}
