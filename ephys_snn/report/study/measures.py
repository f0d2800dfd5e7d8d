"""The values that a study compares, gathered from the tables of its recordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ephys_snn.report.study.table import finished

ALL_TYPES = "all"


class Source(NamedTuple):
    """Where values come from.

    Attributes
    ----------
    pipeline, table : str
        Whose table, and its file stem.
    names : dict of str to str
        A column of it, and what the measure is called; columns that it lacks are passed over.
    by : str
        A column whose values stand before the names.
    """

    pipeline: str
    table: str
    names: Mapping[str, str]
    by: str = ""


# A row per unit, or per area and cell type.
COMPARED = (
    Source("information_gain", "information_gain", {column: column for column in (
        "information_gain_corrected", "relative_information_gain", "uncertainty_coefficient")}),
    Source("synchrony", "synchrony", {column: column for column in (
        "shortest_half_ms", "shortest_half_equal_ms")}),
    Source("separability", "separability", {"accuracy": "decoding_accuracy"}, "code"),
    Source("pathways", "pathways_by_area", {"preference": "pathway_preference"}, "kind"))
# A row per trend along the areas.
TRENDS = (
    Source("information_gain", "information_gain_depth", {"spearman_rho": "trend"}, "measure"),
    Source("pathways", "pathways_trend", {"spearman_rho": "pathway_preference_trend"}, "kind"))


def gather(folders: Iterable[Path], sources: Iterable[Source]) -> pd.DataFrame:
    """Values of many recordings, without those that could not be computed.

    Parameters
    ----------
    folders : iterable of Path
        What `analyse` wrote; their names are those of the recordings.
    sources : iterable of Source

    Returns
    -------
    DataFrame
        `recording`, `measure`, `area`, `cell_type`, `value`: a row per unit and measure, or per
        recording and measure. Units count for their cell type and for all; of an area with one
        cell type, all are enough.
    """
    parts = [_values(Path(folder), source).assign(recording=Path(folder).name)
             for folder in folders for source in sources
             if source.pipeline in finished(Path(folder))]
    columns = ["recording", "measure", "area", "cell_type", "value"]
    values = pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True)[columns]
    return values.dropna(subset=["cell_type", "value"]).astype({"value": float})


def _values(folder: Path, source: Source) -> pd.DataFrame:
    table = pd.read_csv(folder / f"{source.table}.csv")
    if "unit_id" in table:
        table = pd.concat([table.assign(cell_type=ALL_TYPES), table], ignore_index=True)
        table["n_units"] = table.groupby(["area", "cell_type"])["unit_id"].transform("size")
    if "cell_type" not in table:
        table["cell_type"] = ALL_TYPES
    if "area" in table:
        table = _without_copies(table, ["area", source.by] if source.by else ["area"])
    before = table[source.by] + "_" if source.by else ""
    return pd.concat([pd.DataFrame({
        "measure": before + name, "area": table.get("area", ""),
        "cell_type": table["cell_type"], "value": table[column]})
        for column, name in source.names.items() if column in table])


def _without_copies(table: pd.DataFrame, place: list[str]) -> pd.DataFrame:
    """The table without the cell types to which all units of their place belong."""
    is_all = table["cell_type"] == ALL_TYPES
    n_all = table["n_units"].where(is_all).groupby([table[key] for key in place]).transform("max")
    return table[is_all | (table["n_units"] != n_all)]
