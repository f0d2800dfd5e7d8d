"""Semantization by area: where units are about the class, which ones, and more so with depth?

Units are the sample: means, intervals and contrasts are over the units of an area that are active
in enough trials. Effects are tested on measures in which chance is 0: the corrected information
gain, which activity bounds, and two that it does not bound, relative information gain and the
uncertainty coefficient (see `entropy`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ephys_snn.analysis.depth_trend import DepthTrend, depth_trend
from ephys_snn.analysis.entropy import activity_entropy
from ephys_snn.analysis.information.contrasts import NO_CONTRAST, contrast
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.statistics import (
    MIN_SAMPLE,
    SIGNIFICANT_Q,
    area_tests,
    false_discovery_q,
    mean_interval,
    permutation_p_value,
)
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

CLASS_SPECIFIC = 0.9  # information gain above which a unit is active for hardly more than one class
MEASURES = {  # and the column of each that is 0 at chance
    "information_gain": "information_gain_corrected",
    "relative_information_gain": "relative_information_gain",
    "uncertainty_coefficient": "uncertainty_coefficient",
}
RELATIVE_MEANS = ("mean_relative", "mean_uncertainty_coefficient")
FEW_UNITS = f"fewer than {MIN_SAMPLE} units: no interval"


def information_by_area(recording: Recording, windows: ResponseWindows,
                        information: UnitInformation) -> pd.DataFrame:
    """Information by area and cell type, the columns of ``information_gain_by_area.csv``.

    Intervals are 95 % intervals of the mean over units. p-values compare the mean over units, for
    given labels, with that of permuted labels, the same for all units, so units need not be
    independent; q-values are Benjamini-Hochberg over areas and cell types, in which an area of one
    type counts once.
    """
    deciding = recording.output_units(windows)
    rows = []
    for area in recording.areas:
        for cell_type in recording.cell_types_in(area):
            members = recording.units_in(area, cell_type)
            used = members[information.used[members]]
            row = {"area": area, "cell_type": cell_type, "n_units": len(members),
                   "n_units_used": len(used), **_describe(information.units.iloc[used]),
                   **_test_means(information, used), "n_trials": information.n_trials, "note": ""}
            if deciding[members].all():
                row["note"] = DECISION_NOTE
            elif not len(used):
                row["note"] = "not computable: no unit is active in enough trials"
            elif len(used) < MIN_SAMPLE:
                row["note"] = FEW_UNITS
            elif np.isnan(row["mean_relative"]) or np.isnan(row["mean_uncertainty_coefficient"]):
                row["note"] = "no unit is silent in enough trials for measures relative to activity"
            rows.append(row)
    table = pd.DataFrame(rows)
    for measure in RELATIVE_MEANS:
        insert_q(table, f"{measure}_p_value", "n_units_used")
    return table


def insert_q(table: pd.DataFrame, p_column: str, *counts: str) -> None:
    """Insert q-values behind the p-values of a table; `counts` as in `area_tests`."""
    table.insert(table.columns.get_loc(p_column) + 1, p_column.replace("p_value", "q_value"),
                 false_discovery_q(table[p_column], area_tests(table, *counts)))


def _describe(units: pd.DataFrame) -> dict[str, float]:
    gain = units["information_gain"].to_numpy()
    corrected, relative, uncertainty = (units[column].dropna().to_numpy()
                                        for column in MEASURES.values())
    return {
        "mean": mean_of(gain), "median": np.median(gain) if len(gain) else np.nan,
        "fraction_above_0.9": mean_of(gain > CLASS_SPECIFIC),
        "mean_corrected": mean_of(corrected),
        "fraction_significant": mean_of(units["q_value"] < SIGNIFICANT_Q),
        **_interval("mean", gain), **_interval("mean_corrected", corrected),
        "mean_chance": mean_of(units["information_gain_chance"]),
        "mean_max": mean_of(units["information_gain_max"]),
        "mean_mutual_information_bits": mean_of(units["mutual_information_bits"]),
        "fraction_significant_mutual_information": mean_of(
            units["mutual_information_q_value"] < SIGNIFICANT_Q),
        "fraction_significant_spike_count": mean_of(units["spike_count_q_value"] < SIGNIFICANT_Q),
        "mean_relative": mean_of(relative), **_interval("mean_relative", relative),
        "mean_uncertainty_coefficient": mean_of(uncertainty),
        **_interval("mean_uncertainty_coefficient", uncertainty),
    }


def _interval(mean: str, values: np.ndarray) -> dict[str, float]:
    return dict(zip((f"{mean}_low", f"{mean}_high"), mean_interval(values), strict=True))


def _test_means(information: UnitInformation, members: np.ndarray) -> dict[str, float]:
    """p of the mean relative gain and of the mean (plug-in) uncertainty coefficient of units."""
    units = information.units.iloc[members]
    column = np.searchsorted(np.flatnonzero(information.used), members)
    span = (units["information_gain_max"] - units["information_gain_chance"]).to_numpy()
    uncertainty = activity_entropy(units["n_active"].to_numpy(), information.n_trials)
    p_values = {}
    for name, measure, observed, null, unit in (
            ("mean_relative", "relative_information_gain", "information_gain",
             information.permuted.information_gain, span),
            ("mean_uncertainty_coefficient", "uncertainty_coefficient",
             "mutual_information_plugin_bits", information.permuted.mutual_information,
             uncertainty)):
        has_one = units[measure].notna().to_numpy()
        weight = 1 / unit[has_one] / max(has_one.sum(), 1)
        p_values[f"{name}_p_value"] = float(permutation_p_value(
            units[observed].to_numpy()[has_one] @ weight, null[:, column[has_one]] @ weight)
        ) if has_one.any() else np.nan
    return p_values


def mean_of(values) -> float:
    """Mean; nan of nothing."""
    return float(np.mean(values)) if len(values) else np.nan


def unit_values(recording: Recording, information: UnitInformation, measure: str, area: str,
                cell_type: str) -> pd.Series:
    """(unit,) a measure of `MEASURES` of those units of an area that have one, by unit."""
    units = information.units.iloc[recording.units_in(area, cell_type)]
    return units[MEASURES[measure]].dropna()


def few_units(values: np.ndarray, others: np.ndarray) -> str:
    """Why there is no interval of a difference; '' where there is one."""
    return FEW_UNITS if min(len(values), len(others)) < MIN_SAMPLE else ""


# --- depth ---------------------------------------------------------------------------------------


def information_by_depth(recording: Recording, information: UnitInformation,
                         rng: np.random.Generator) -> pd.DataFrame:
    """Trend of every measure with depth, a row per measure and cell type.

    Areas without units of a cell type that have the measure are passed over.
    """
    types = dict.fromkeys(cell_type for area in recording.areas
                          for cell_type in recording.cell_types_in(area))
    rows = []
    for measure in MEASURES:
        for cell_type in types:
            values = {area: unit_values(recording, information, measure, area, cell_type)
                      for area in recording.areas}
            values = {area: each.to_numpy() for area, each in values.items() if len(each)}
            if cell_type != "all" and len(values) < 2 and recording.areas_ordered:
                continue  # a cell type of one area, like a network's input
            rows.append({"cell_type": cell_type, "measure": measure,
                         **_trend(values, recording.areas_ordered, rng),
                         "n_trials": information.n_trials})
    table = pd.DataFrame(rows)
    table["note"] = table.pop("note")  # the last column
    return table


def _trend(values: dict[str, np.ndarray], areas_ordered: bool, rng: np.random.Generator) -> dict:
    """The trend of the mean with depth, and the last area against the first."""
    areas = list(values)
    first, last = (values[areas[0]], values[areas[-1]]) if areas else (np.empty(0),) * 2
    change = contrast(last, first)
    trend = depth_trend(np.array([mean_of(each) for each in values.values()]), rng)
    if not areas_ordered:
        change, trend = NO_CONTRAST, DepthTrend(
            np.nan, np.nan, "not computable: nobody stated the order of the areas "
            "(--areas A,B,...)")
    return {"n_areas": len(areas), "n_units": sum(map(len, values.values())),
            "first_area": areas[0] if areas else "", "last_area": areas[-1] if areas else "",
            "difference": change.difference, "difference_low": change.low,
            "difference_high": change.high, "spearman_rho": trend.spearman_rho,
            "p_value": trend.p_value, "note": trend.note or few_units(last, first)}
