"""The values that a study compares, gathered from the tables of its recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ephys_snn.analysis import StudyColumns
from ephys_snn.report.study.table import ALL_TYPES, finished, read_table

ALL_RECORDINGS = "all recordings"
# By pipeline: a row per unit, or per area and cell type.
COMPARED = {
    "information_gain": StudyColumns("information_gain", {column: column for column in (
        "information_gain_corrected", "relative_information_gain", "uncertainty_coefficient")}),
    "synchrony": StudyColumns("synchrony", {column: column for column in (
        "shortest_half_ms", "shortest_half_equal_ms")}),
    "separability": StudyColumns("separability", {"accuracy": "decoding_accuracy"}, ("code",)),
    "pathways": StudyColumns("pathways_by_area", {"preference": "pathway_preference"}, ("kind",)),
    "conditions": StudyColumns("conditions", {"change": "change"}, ("condition", "measure"))}
# By pipeline: a row per trend along the areas.
TRENDS = {
    "information_gain": StudyColumns("information_gain_depth", {"spearman_rho": "trend"},
                                     ("measure",)),
    "pathways": StudyColumns("pathways_trend", {"spearman_rho": "pathway_preference_trend"},
                             ("kind",))}
COLUMNS = ["recording", "measure", "area", "cell_type", "value", "is_trend"]


def study_values(folders: Sequence[Path], groups: Mapping[str, str], subjects: Mapping[str, str]
                 ) -> pd.DataFrame:
    """Every value that a study compares, without those that could not be computed.

    Parameters
    ----------
    folders : sequence of Path
        What `analyse` wrote; their names are those of the recordings.
    groups : dict of str to str
        Recording to group; recordings of none are left out. Without any, all are one group.
    subjects : dict of str to str
        Recording to subject; a recording of none is a subject of its own.

    Returns
    -------
    DataFrame
        `recording`, `measure`, `area`, `cell_type`, `value`, `is_trend`, `group`, `subject`: a row
        per unit and measure, or per recording and measure. Units count for their cell type and for
        all; of an area with one cell type, all are enough.
    """
    parts = [_values(folder, columns).assign(recording=folder.name, is_trend=sources is TRENDS)
             for sources in (COMPARED, TRENDS) for folder in map(Path, folders)
             for pipeline, columns in sources.items() if pipeline in finished(folder)]
    values = pd.concat([pd.DataFrame(columns=COLUMNS), *parts], ignore_index=True)[COLUMNS]
    values = values.dropna(subset=["cell_type", "value"]).astype({"value": float, "is_trend": bool})
    group = values["recording"].map(groups) if groups else ALL_RECORDINGS
    subject = values["recording"].map(subjects).fillna(values["recording"])
    return values.assign(group=group, subject=subject).dropna(subset=["group"])


def _values(folder: Path, columns: StudyColumns) -> pd.DataFrame:
    table = read_table(folder, columns)
    if "unit_id" in table:
        table = pd.concat([table.assign(cell_type=ALL_TYPES), table], ignore_index=True)
        table["n_units"] = table.groupby(["area", "cell_type"])["unit_id"].transform("size")
    if "area" in table:
        table = _without_copies(table, ["area", *columns.by])
    before = table[list(columns.by)].astype(str).agg("_".join, axis=1) + "_" if columns.by else ""
    return pd.concat([pd.DataFrame({
        "measure": before + name, "area": table.get("area", ""),
        "cell_type": table["cell_type"], "value": table[column]})
        for column, name in columns.names.items() if column in table])


def _without_copies(table: pd.DataFrame, place: list[str]) -> pd.DataFrame:
    """The table without the cell types to which all units of their place belong."""
    is_all = table["cell_type"] == ALL_TYPES
    n_all = table["n_units"].where(is_all).groupby([table[key] for key in place]).transform("max")
    return table[is_all | (table["n_units"] != n_all)]
