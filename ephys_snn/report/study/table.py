"""One table across recordings: the main measures of every pipeline, by area and cell type."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from ephys_snn.analysis import Pipeline, StudyColumns, pipelines
from ephys_snn.report.study.one_recording import STATUS

ALL_TYPES = "all"
KEY = ["area", "cell_type"]
NOTE = "note of "  # before the names of columns that become one


def collect(folders: Iterable[Path]) -> pd.DataFrame:
    """The main measures of many recordings, a row per recording, area and cell type.

    Parameters
    ----------
    folders : iterable of Path
        What `analyse` wrote; their names are those of the recordings.

    Returns
    -------
    DataFrame
        A recording that could not be analysed has one row with the reason in `note`.
    """
    tables = [_rows_of(Path(folder)) for folder in folders]
    columns = list(dict.fromkeys(column for table in tables for column in table))
    rows = [row for table in tables for row in table.to_dict("records")]
    order = [column for column in columns if column != "note"] + ["note"]
    return pd.DataFrame(rows, columns=order)


def broken(table: pd.DataFrame) -> dict[str, str]:
    """The recordings of a table that could not be analysed, and why."""
    rows = table[table["area"].isna()]
    return dict(zip(rows["recording"], rows["note"], strict=True))


def summarize(table: pd.DataFrame) -> str:
    """How many recordings there are, and which are broken, a line each."""
    reasons = broken(table)
    total = table["recording"].nunique()
    lines = [f"{total - len(reasons)} of {total} recordings analysed"]
    return "\n".join([*lines, *(f"broken: {name}: {why}" for name, why in reasons.items())])


def finished(folder: Path) -> dict[str, Pipeline]:
    """The pipelines that gave results on a recording, by their names."""
    status = _status(folder)
    return {} if status["error"] else {
        pipeline.name: pipeline for pipeline in pipelines()
        if (folder / f"{pipeline.name}.json").exists() and pipeline.name not in status["failed"]}


def _status(folder: Path) -> dict[str, Any]:
    return json.loads((folder / STATUS).read_text(encoding="utf-8"))


def _rows_of(folder: Path) -> pd.DataFrame:
    """The rows of a recording, its areas in the order of the first pipeline."""
    status = _status(folder)
    failed = "; ".join(f"{name}: {why}" for name, why in status["failed"].items())
    parts = [_measures(folder, pipeline.study) for pipeline in finished(folder).values()]
    if not parts:
        return pd.DataFrame([{"recording": folder.name, "area": None, "cell_type": None,
                              "note": status["error"] or failed}])
    rows = _beside(parts)
    notes = rows[[column for column in rows if column.startswith(NOTE)]]
    order = {area: rank for rank, area in enumerate(dict.fromkeys(parts[0]["area"]))}
    rows = rows.drop(columns=notes.columns).assign(
        note=[_join([*line, failed]) for line in notes.itertuples(index=False)])
    rows.insert(0, "recording", folder.name)
    return rows.sort_values("area", key=lambda area: area.map(order), kind="stable")


def read_table(folder: Path, study: StudyColumns) -> pd.DataFrame:
    """The table of a pipeline; where it has no cell types, its rows are about all units."""
    table = pd.read_csv(folder / f"{study.table}.csv")
    return table if "cell_type" in table else table.assign(cell_type=ALL_TYPES)


def _measures(folder: Path, study: StudyColumns) -> pd.DataFrame:
    """What a pipeline adds to the table, a row per area and cell type."""
    table = read_table(folder, study)
    if not study.by:
        return _renamed(table, study)
    return _beside([_renamed(rows, study, "".join(f"{value}_" for value in values))
                    for values, rows in table.groupby(list(study.by), sort=False)])


def _renamed(rows: pd.DataFrame, study: StudyColumns, prefix: str = "") -> pd.DataFrame:
    names = {**{column: prefix + name for column, name in study.names.items()},
             "note": f"{NOTE}{prefix}{study.table}"}
    return rows[[*KEY, *names]].rename(columns=names)


def _beside(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return reduce(lambda left, right: left.merge(right, on=KEY, how="outer", sort=False), parts)


def _join(notes: Iterable[Any]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if isinstance(note, str) and note))
