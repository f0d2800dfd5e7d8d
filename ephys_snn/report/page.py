"""The page: one self-contained HTML file of what was found, what limits it, figures and tables."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd

from ephys_snn.analysis import PipelineResult, provenance
from ephys_snn.errors import listed
from ephys_snn.recording import Recording, ResponseWindows
from ephys_snn.report.limitations import limitations
from ephys_snn.report.sections import Section

NAMING = ("unit_id", "unit", "kind", "class", "area", "cell_type", "code")  # the row of a table
ROWS_SHOWN = 40  # of a table; the whole is in its CSV
ROWS_OPEN = 20  # tables up to this size are unfolded
CLASSES_NAMED = 20


class Answer(NamedTuple):
    """A sentence, and the question that it answers, if there is one."""

    text: str
    question: str = ""


def render(recording: Recording, windows: ResponseWindows, sections: Sequence[Section],
           args: argparse.Namespace) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(
        files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    about = PipelineResult("report", {}, {}, {
        key: value for key, value in vars(args).items() if value is not None})
    return template.render(
        title=recording.path.name if recording.path else "recording",
        lead=lead(sections, recording, windows), limits=limits(sections, recording),
        units=_table_for_page(units_by_area(recording)),
        trials=describe_trials(recording, windows),
        sections=[_section_for_page(section) for section in sections],
        provenance=json.dumps(provenance(about, recording), indent=2))


def lead(sections: Sequence[Section], recording: Recording, windows: ResponseWindows
         ) -> list[Answer]:
    """What was recorded, found and could not be asked, before any table."""
    units, areas, trials = len(recording.units), len(recording.areas), len(recording.trials)
    recorded = Answer(f"{units} units in {areas} area{'s' if areas > 1 else ''}, {trials} trials "
                      f"of {len(recording.trials.classes)} classes.")
    found = [Answer(section.finding, section.question) for section in sections if section.finding]
    nothing = Answer("Nothing could be computed; the reasons stand below.")
    not_asked = Answer(limitations(recording, windows))
    return [recorded, *(found or [nothing]), *([not_asked] if not_asked.text else [])]


def limits(sections: Sequence[Section], recording: Recording) -> dict[str, str]:
    """What limits the answers, each line once, and the titles of the sections that say so."""
    said: dict[str, list[str]] = {note: [] for note in recording.notes}
    for section in sections:
        for line in [section.error] if section.error else section.warnings:
            said.setdefault(line, []).append(section.title)
    return {line: "; ".join(titles) for line, titles in said.items()}


def units_by_area(recording: Recording) -> pd.DataFrame:
    """Numbers of units by area and cell type."""
    rows = [{"area": area, "cell_type": cell_type,
             "n_units": len(recording.units_in(area, cell_type))}
            for area in recording.areas for cell_type in recording.cell_types_in(area)]
    return pd.DataFrame(rows)


def describe_trials(recording: Recording, windows: ResponseWindows) -> str:
    """Trials, classes and response window in words."""
    trials = recording.trials
    counts = [f"{name or 'no label'} ({int((trials.label == name).sum())})"
              for name in trials.classes]
    order = "in the order of processing" if recording.areas_ordered else \
        "in no stated order, so that there is no trend with depth"
    return (f"{len(trials)} trials of {len(trials.classes)} classes: "
            f"{listed(counts, CLASSES_NAMED)}. Response window: {windows.description}, "
            f"{int(windows.used.sum())} trials have one. Areas are {order}.")


class Column(NamedTuple):
    """A column of a table on the page."""

    name: str
    text: bool


def _section_for_page(section: Section) -> dict[str, Any]:
    return {
        **section._asdict(),
        "summary": _nested(section.summary),
        "figures": [{"name": stem, "caption": figure.caption,
                     "data": base64.b64encode(figure.png).decode()}
                    for stem, figure in section.figures.items()],
        "tables": [{"name": f"{name}.csv", **_table_for_page(table)}
                   for name, table in section.tables.items()],
        "parameters": json.dumps(section.parameters, indent=2, default=str),
    }


def _nested(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Sentences, each with the indented ones that follow it."""
    nested: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith(" ") and nested:
            nested[-1]["below"].append(line.strip())
        else:
            nested.append({"text": line, "below": []})
    return nested


def _table_for_page(table: pd.DataFrame) -> dict[str, Any]:
    shown = table.head(ROWS_SHOWN)
    columns = [Column(name, not pd.api.types.is_numeric_dtype(table[name])) for name in table]
    # Reasons stand beside the name of their row, not beyond the right border of the page.
    named = next((i for i, column in enumerate(columns) if column.name not in NAMING), 0)
    notes = [column for column in columns if column.name == "note" and (shown["note"] != "").any()]
    others = [column for column in columns if column.name != "note"]
    columns = [*others[:named], *notes, *others[named:]]
    return {"columns": columns, "n_rows": len(table), "n_shown": len(shown),
            "open": len(table) <= ROWS_OPEN, "rows": list(_rows(shown, columns))}


def _rows(table: pd.DataFrame, columns: Sequence[Column]) -> Iterator[list[tuple[Column, str]]]:
    names = [column.name for column in columns]
    for row in table[names].itertuples(index=False):
        yield [(column, _cell(value)) for column, value in zip(columns, row, strict=True)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None else str(value)
