"""One page with everything: ``python pipelines/report.py out.nix``.

The recording is read once, two processes run the pipelines, and their figures, tables, warnings
and parameters go into one self-contained HTML page, with the files beside it.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from ephys_snn.analysis.information import pipeline as information_gain
from ephys_snn.analysis.pathways import pipeline as pathways
from ephys_snn.analysis.pipeline import Pipeline, add_output_options, results_path
from ephys_snn.analysis.results import PipelineResult, provenance, results_folder, write_results
from ephys_snn.analysis.separability import pipeline as separability
from ephys_snn.analysis.single_units import pipeline as single_units
from ephys_snn.analysis.synchrony import pipeline as synchrony
from ephys_snn.cli import Parser, command, number
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.recording import Recording, ResponseWindows, add_recording_options, open_recording
from ephys_snn.report.headlines import write_headlines, write_unasked

TITLES = {
    "synchrony": "Synchronization: pulse packets",
    "information_gain": "Semantization: information gain",
    "pathways": "Class-specific pathways",
    "separability": "Separability of the classes",
}
BESIDES = {"evoked": "Evoked and spontaneous activity", "psth": "Single units"}
PIPELINES = (synchrony.PIPELINE, information_gain.PIPELINE, pathways.PIPELINE,
             separability.PIPELINE)
CAPTIONS = {
    "synchrony": "Spikes of example trials (a); width and size of every area's packet of first "
                 "spikes against two controls: responses shuffled across the trials of a class, "
                 "which keeps what the stimulus does to each unit, and spikes dithered in time "
                 "(b); both together, from area to area (c).",
    "synchrony_elephant": "Elephant's measures of the same responses, against responses shuffled "
                          "across the trials of a class.",
    "information_gain": "Left, how much each unit's being active says about the class (dots: one "
                        "unit each; bars: how many units; dashed: what permuted labels give, by "
                        "mere chance). Right, the mean over the units with that chance taken out.",
    "activity_by_class": "Every unit a row, every class a column. A dark column's block is a group "
                         "of units active for one class: the blocks were sorted by one half of the "
                         "trials and are shown in the other, so sorting alone does not make them.",
    "pathways": "Areas from left to right; units that belong to the pathway of a class, and the "
                "strongest links between them. One class is highlighted.",
    "pathways_preference": "How much more active a pathway is for its own class than for others, "
                           "against random sets of as many units of the same area.",
    "separability": "How often the class of a trial is decoded right from each area, when it first "
                    "can be, and how far apart the classes are; grey: permuted labels.",
    "evoked": "Left, every unit's rate in the response window against that in the baseline; on the "
              "line nothing changes. Right, when each unit's spikes first exceed what its baseline "
              "predicts.",
    "psth": "Above, a row of spikes per trial, sorted by class; below, the mean rates of classes.",
}
NAMING = ("unit_id", "unit", "kind", "class", "area", "cell_type", "code")  # the row of a table
ROWS_SHOWN = 40  # of a table; the whole is in its CSV
ROWS_OPEN = 20  # tables up to this size are unfolded


class Section(NamedTuple):
    """What the page says of one pipeline.

    Attributes
    ----------
    name, title : str
    summary, warnings : list of str
    figures : dict of str to bytes
        File stem to PNG.
    tables : dict of str to DataFrame
    parameters : dict
    error : str
        Why the pipeline gave nothing, or ''.
    """

    name: str
    title: str
    summary: list[str]
    warnings: list[str]
    figures: dict[str, bytes]
    tables: dict[str, pd.DataFrame]
    parameters: dict[str, Any]
    error: str = ""


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="ephys-snn report",
        description="Run every pipeline on a recording and write one page.")
    add_recording_options(options)
    group = options.add_argument_group("analysis")
    group.add_argument("--permutations", type=number(int, least=1), metavar="N",
                       help="permutations in every pipeline (default: each pipeline's own)")
    group.add_argument("--processes", type=number(int, least=1), default=2, metavar="N",
                       help="processes that share the pipelines (default: %(default)s)")
    add_output_options(options)
    return options


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Write the report as the command line says."""
    args = parser().parse_args(argv)
    page, sections, summary = write_report(args)
    for section in sections:
        if section.error:
            print(f"note: {section.name}: {section.error}", file=sys.stderr)
    if not args.quiet:
        print(summary)
        print(f"wrote {page}")


def write_report(args: argparse.Namespace) -> tuple[Path, list[Section], str]:
    """Run every pipeline on the recording that the options name, and write the page.

    Returns
    -------
    page : Path
    sections : list of Section
        One per pipeline, then what was asked for besides.
    summary : str
        What was found, in one paragraph.
    """
    recording, windows = open_recording(args)
    folder = results_folder(results_path(args))
    besides = [_section(result, write_results(result, recording, folder, args.format, args.dpi),
                        BESIDES[result.name], args.dpi)
               for result in single_units.analyse(recording, windows, args)]
    sections = [*run_pipelines(recording, windows, args, folder), *besides]
    page = folder / "report.html"
    with atomic_write(page) as temporary:
        temporary.write_text(render(recording, windows, sections, args), encoding="utf-8")
    return page, sections, lead(sections, recording, windows)


def run_pipelines(recording: Recording, windows: ResponseWindows, args: argparse.Namespace,
                  folder: Path) -> list[Section]:
    """Run every pipeline on a recording that is in memory, several at a time."""
    # Forked processes share the recording's memory; elsewhere it is sent to them.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(args.processes, context, _start_worker,
                             ((recording, windows, folder),)) as pool:
        futures: dict[Future, Pipeline] = {
            pool.submit(_run, index, pipeline_options(pipeline, args)): pipeline
            for index, pipeline in enumerate(PIPELINES)}
        sections = {}
        with tqdm(total=len(futures), desc="pipelines", disable=args.quiet) as bar:
            for future in as_completed(futures):
                sections[futures[future].name] = future.result()
                bar.set_postfix_str(futures[future].name)
                bar.update()
    return [sections[pipeline.name] for pipeline in PIPELINES]


_JOB: tuple[Recording, ResponseWindows, Path] | None = None


def _start_worker(job: tuple[Recording, ResponseWindows, Path]) -> None:
    global _JOB
    from threadpoolctl import threadpool_limits

    _JOB = job
    threadpool_limits(1)  # the processes already share the cores


def _run(index: int, options: argparse.Namespace) -> Section:
    recording, windows, folder = _JOB
    pipeline = PIPELINES[index]
    try:
        result = pipeline.analyse(recording, windows, options)
        written = write_results(result, recording, folder, options.format, options.dpi)
    except InputError as error:
        return Section(pipeline.name, TITLES[pipeline.name], [], [], {}, {}, {}, str(error))
    return _section(result, written, TITLES[pipeline.name], options.dpi)


def _section(result: PipelineResult, written: Sequence[Path], title: str, dpi: int) -> Section:
    """A section of the page, which shows PNG whatever the format of the files is."""
    figures = {path.stem: path.read_bytes() for path in written if path.suffix == ".png"}
    for stem, figure in result.figures.items():
        if stem not in figures:
            image = BytesIO()
            figure.savefig(image, format="png", dpi=dpi)
            figures[stem] = image.getvalue()
    return Section(result.name, title, list(result.summary), list(result.warnings), figures,
                   dict(result.tables), dict(result.parameters))


def pipeline_options(pipeline: Pipeline, args: argparse.Namespace) -> argparse.Namespace:
    """The options of a pipeline: its own defaults, and what the report was told."""
    options = argparse.ArgumentParser()
    pipeline.add_options(options)
    namespace = argparse.Namespace(**{**vars(args), **vars(options.parse_args([]))})
    if args.permutations is not None and hasattr(namespace, "permutations"):
        namespace.permutations = args.permutations
    namespace.quiet = True  # bars of several processes would overwrite each other
    return namespace


def render(recording: Recording, windows: ResponseWindows, sections: Sequence[Section],
           args: argparse.Namespace) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(
        files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    about = PipelineResult("report", {}, {}, {
        key: value for key, value in vars(args).items() if value is not None})
    not_asked = list(dict.fromkeys(
        [*recording.notes, *(line for section in sections for line in
                             ([section.error] if section.error else section.warnings))]))
    return template.render(
        title=recording.path.name if recording.path else "recording",
        lead=lead(sections, recording, windows), not_asked=not_asked,
        units=_table_for_page(units_by_area(recording)), trials=describe_trials(recording, windows),
        sections=[_section_for_page(section) for section in sections],
        provenance=json.dumps(provenance(about, recording), indent=2))


def lead(sections: Sequence[Section], recording: Recording, windows: ResponseWindows) -> str:
    """What was found and what could not be asked, in one paragraph."""
    tables = {name: table for section in sections for name, table in section.tables.items()}
    found = write_headlines(tables, recording.areas_ordered) or \
        ["Nothing could be computed; the reasons stand below."]
    units, areas, trials = len(recording.units), len(recording.areas), len(recording.trials)
    return " ".join(filter(None, [
        f"{units} units in {areas} area{'s' if areas > 1 else ''}, {trials} trials of "
        f"{len(recording.trials.classes)} classes.", *found, write_unasked(recording, windows)]))


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
              for name in trials.classes[:20]]
    more = f" and {len(trials.classes) - 20} more" if len(trials.classes) > 20 else ""
    order = "in the order of processing" if recording.areas_ordered else \
        "in no stated order, so that there is no trend with depth"
    return (f"{len(trials)} trials of {len(trials.classes)} classes: {', '.join(counts)}{more}. "
            f"Response window: {windows.description}, "
            f"{int(windows.used.sum())} trials have one. Areas are {order}.")


class Column(NamedTuple):
    """A column of a table on the page."""

    name: str
    text: bool


def _section_for_page(section: Section) -> dict[str, Any]:
    return {
        **section._asdict(),
        "summary": _nested(section.summary),
        "figures": [{"name": stem, "caption": CAPTIONS.get(stem.partition("_page_")[0], ""),
                     "data": base64.b64encode(image).decode()}
                    for stem, image in section.figures.items()],
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


if __name__ == "__main__":
    raise SystemExit(main())
