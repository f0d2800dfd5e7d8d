"""One page with everything: ``ephys-snn report RECORDING``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ephys_snn.analysis import (
    add_compare_option,
    add_condition_options,
    analyse_besides,
    analysis_parser,
    open_control,
    results_folder,
    results_path,
    write_results,
)
from ephys_snn.cli import Parser, command, number
from ephys_snn.files import atomic_write
from ephys_snn.recording import open_recording
from ephys_snn.report.page import lead, render
from ephys_snn.report.sections import Section, make_section, run_pipelines


def parser() -> Parser:
    """The options of the command line."""
    return analysis_parser("ephys-snn report", "Run every pipeline on a recording and write one "
                           "page.", _add_options)


def _add_options(group: argparse._ActionsContainer) -> None:
    group.add_argument("--permutations", type=number(int, least=1), metavar="N",
                       help="permutations in every pipeline (default: each pipeline's own)")
    add_compare_option(group)
    add_condition_options(group)
    group.add_argument("--processes", type=number(int, least=1), default=2, metavar="N",
                       help="processes that share the pipelines (default: %(default)s)")


class Report(NamedTuple):
    """A page that was written, and what it says.

    Attributes
    ----------
    page : Path
    sections : list of Section
        One per pipeline, then what was asked for besides.
    summary : str
        What was recorded, found and could not be asked, a sentence per line.
    notes : list of str
        What limits all of it, and why a pipeline gave nothing.
    """

    page: Path
    sections: list[Section]
    summary: str
    notes: list[str]


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report as the command line says."""
    args = parser().parse_args(arguments)
    report = write_report(args)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    if not args.quiet:
        print(report.summary)
        print(f"wrote {report.page}")


def write_report(args: argparse.Namespace) -> Report:
    """Run every pipeline on the recording that the options name, and write the page."""
    recording, windows = open_recording(args)
    open_control(args)  # errors before the work
    folder = results_folder(results_path(args))
    besides = [make_section(addition, result, args.dpi, write_results(
                   result, recording, folder, args.format, args.dpi))
               for addition, result in analyse_besides(recording, windows, args)]
    sections = [*run_pipelines(recording, windows, args, folder), *besides]
    page = folder / "report.html"
    with atomic_write(page) as temporary:
        temporary.write_text(render(recording, windows, sections, args), encoding="utf-8")
    answers = lead(sections, recording, windows)
    failed = [f"{section.name}: {section.error}" for section in sections if section.error]
    return Report(page, sections, "\n".join(answer.text for answer in answers),
                  [*recording.notes, *failed])
