"""Semantization by area: where units are about the class, which ones, and more so with depth?

Units are the sample: means, intervals and tests are over the units of an area that are active in
enough trials. Effects are tested on the corrected information gain, in which chance is 0; the
plug-in stands beside it. AUC is the probability that a unit drawn from the first group has more
than one drawn from the second (ties count half): 0.5 where there is no difference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.depth_trend import DepthTrend, depth_trend
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.statistics import (
    MIN_SAMPLE,
    difference_interval,
    false_discovery_q,
    mean_interval,
    rank_sum,
)
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

SIGNIFICANT_Q = 0.05
CLASS_SPECIFIC = 0.9  # information gain above which a unit is active for hardly more than one class

FEW_UNITS = f"fewer than {MIN_SAMPLE} units: no interval"


def information_by_area(recording: Recording, windows: ResponseWindows,
                        information: UnitInformation, rng: np.random.Generator) -> pd.DataFrame:
    """Information gain by area and cell type, the columns of ``information_gain_by_area.csv``.

    Intervals are 95 % intervals of the mean over units.
    """
    deciding = recording.output_units(windows)
    rows = []
    for area in recording.areas:
        for cell_type in recording.cell_types_in(area):
            members = recording.units_in(area, cell_type)
            used = members[information.used[members]]
            row = {"area": area, "cell_type": cell_type, "n_units": len(members),
                   "n_units_used": len(used), **_describe(information.units.iloc[used]),
                   "n_trials": information.n_trials, "note": ""}
            if deciding[members].all():
                row["note"] = DECISION_NOTE
            elif not len(used):
                row["note"] = "not computable: no unit is active in enough trials"
            elif len(used) < MIN_SAMPLE:
                row["note"] = FEW_UNITS
            rows.append(row)
    return pd.DataFrame(rows)


def _describe(units: pd.DataFrame) -> dict[str, float]:
    gain = units["information_gain"].to_numpy()
    corrected = units["information_gain_corrected"].dropna().to_numpy()
    mean_low, mean_high = mean_interval(gain)
    corrected_low, corrected_high = mean_interval(corrected)
    return {
        "mean": _mean(gain), "median": np.median(gain) if len(gain) else np.nan,
        "fraction_above_0.9": _mean(gain > CLASS_SPECIFIC),
        "mean_corrected": _mean(corrected),
        "fraction_significant": _mean(units["q_value"] < SIGNIFICANT_Q),
        "mean_low": mean_low, "mean_high": mean_high,
        "mean_corrected_low": corrected_low, "mean_corrected_high": corrected_high,
        "mean_chance": _mean(units["information_gain_chance"]),
        "mean_mutual_information_bits": _mean(units["mutual_information_bits"]),
        "fraction_significant_mutual_information": _mean(
            units["mutual_information_q_value"] < SIGNIFICANT_Q),
        "fraction_significant_spike_count": _mean(units["spike_count_q_value"] < SIGNIFICANT_Q),
    }


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else np.nan


class Contrast(NamedTuple):
    """Corrected information gain of one group of units against another.

    Attributes
    ----------
    difference, low, high : float
        Difference of the means with its 95 % interval over units.
    u_statistic, p_value : float
        Mann-Whitney U of the first group, two-sided p.
    auc : float
        U / (n m), the effect size: 0.5 is none.
    """

    difference: float
    low: float
    high: float
    u_statistic: float
    p_value: float
    auc: float


NO_CONTRAST = Contrast(*[np.nan] * 6)


def contrast(values: np.ndarray, others: np.ndarray) -> Contrast:
    """Compare two groups of units; nan throughout where one is empty."""
    if not len(values) or not len(others):
        return NO_CONTRAST
    return Contrast(_mean(values) - _mean(others), *difference_interval(values, others),
                    *rank_sum(values, others))


def _few_units(values: np.ndarray, others: np.ndarray) -> str:
    return FEW_UNITS if min(len(values), len(others)) < MIN_SAMPLE else ""


def excitatory_against_inhibitory(recording: Recording, windows: ResponseWindows,
                                  information: UnitInformation, rng: np.random.Generator
                                  ) -> pd.DataFrame:
    """Corrected information gain of excitatory against inhibitory units, a row per area.

    q-values are Benjamini-Hochberg over the areas.
    """
    deciding = recording.output_units(windows)
    rows = []
    for area in recording.areas:
        excitatory, inhibitory = (corrected_gain(recording, information, area, cell_type)
                                  for cell_type in ("excitatory", "inhibitory"))
        missing = [f"{name} units" for name, values in (
            ("excitatory", excitatory), ("inhibitory", inhibitory)) if not len(values)]
        note = "not computable: no " + " and no ".join(missing) + " with information gain"
        if deciding[recording.units_in(area)].all():
            note = DECISION_NOTE
        rows.append({"area": area, "n_excitatory": len(excitatory),
                     "n_inhibitory": len(inhibitory),
                     "mean_corrected_excitatory": _mean(excitatory),
                     "mean_corrected_inhibitory": _mean(inhibitory),
                     **contrast(excitatory, inhibitory)._asdict(),
                     "n_trials": information.n_trials,
                     "note": note if missing else _few_units(excitatory, inhibitory)})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "q_value",
                 false_discovery_q(table["p_value"]))
    return table


def corrected_gain(recording: Recording, information: UnitInformation, area: str,
                   cell_type: str) -> np.ndarray:
    """(unit,) corrected information gain of the units of an area that have one."""
    units = information.units.iloc[recording.units_in(area, cell_type)]
    return units["information_gain_corrected"].dropna().to_numpy()


def information_by_depth(recording: Recording, information: UnitInformation,
                         rng: np.random.Generator) -> pd.DataFrame:
    """Trend of corrected information gain with depth, a row per cell type.

    Areas without units of a cell type that have an information gain are passed over.
    """
    types = dict.fromkeys(cell_type for area in recording.areas
                          for cell_type in recording.cell_types_in(area))
    rows = []
    for cell_type in types:
        values = {area: corrected_gain(recording, information, area, cell_type)
                  for area in recording.areas}
        values = {area: gain for area, gain in values.items() if len(gain)}
        areas = list(values)
        if cell_type != "all" and len(areas) < 2 and recording.areas_ordered:
            continue  # a cell type of one area, like a network's input
        change = contrast(values[areas[-1]], values[areas[0]]) if areas else NO_CONTRAST
        trend = depth_trend(np.array([_mean(gain) for gain in values.values()]), rng)
        if not recording.areas_ordered:
            change, trend = NO_CONTRAST, DepthTrend(
                np.nan, np.nan, "not computable: nobody stated the order of the areas "
                "(--areas A,B,...)")
        rows.append({"cell_type": cell_type, "n_areas": len(areas),
                     "n_units": sum(map(len, values.values())),
                     "first_area": areas[0] if areas else "",
                     "last_area": areas[-1] if areas else "",
                     "difference": change.difference, "difference_low": change.low,
                     "difference_high": change.high, "spearman_rho": trend.spearman_rho,
                     "p_value": trend.p_value, "n_trials": information.n_trials,
                     "note": trend.note or _few_units(values[areas[0]], values[areas[-1]])})
    return pd.DataFrame(rows)


# --- a recording against its control -------------------------------------------------------------


def compare_areas(recording: Recording, information: UnitInformation, control: Recording,
                  control_information: UnitInformation, rng: np.random.Generator) -> pd.DataFrame:
    """Corrected information gain of a recording against its control, by area and cell type.

    q-values are Benjamini-Hochberg over the rows.
    """
    rows = []
    for area in recording.areas:
        for cell_type in recording.cell_types_in(area):
            values = corrected_gain(recording, information, area, cell_type)
            others = corrected_gain(control, control_information, area, cell_type)
            missing = [name for name, each in (("recording", values), ("control", others))
                       if not len(each)]
            note = f"not computable: no such unit with information gain in the {missing[0]}" \
                if missing else _few_units(values, others)
            rows.append({"area": area, "cell_type": cell_type, "n_units_used": len(values),
                         "n_units_used_control": len(others),
                         "mean_corrected": _mean(values), "mean_corrected_control": _mean(others),
                         **contrast(values, others)._asdict(),
                         "n_trials": information.n_trials,
                         "n_trials_control": control_information.n_trials, "note": note})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "q_value",
                 false_discovery_q(table["p_value"]))
    return table
