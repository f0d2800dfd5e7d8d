"""One step of a study: ``python -m ephys_snn.report.study report|collect|compare ...``."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ephys_snn.cli import Parser, command
from ephys_snn.files import atomic_write
from ephys_snn.report.study.comparison_figure import plot_comparison
from ephys_snn.report.study.comparison_table import compare_recordings
from ephys_snn.report.study.measures import ALL_RECORDINGS, study_values
from ephys_snn.report.study.one_recording import analyse
from ephys_snn.report.study.table import collect


def parser() -> Parser:
    """The options of the command line."""
    options = Parser(prog="python -m ephys_snn.report.study", description=(
        "One step of a study; pipelines/Snakefile runs them."))
    steps = options.add_subparsers(dest="step", required=True)
    one = steps.add_parser("report", help="the report on one recording")
    one.add_argument("recording", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("options", nargs="...", help="of the report")
    table = steps.add_parser("collect", help="the table across recordings")
    table.add_argument("table", type=Path)
    table.add_argument("folders", type=Path, nargs="+")
    compared = steps.add_parser("compare", help="groups of recordings, and trends over them")
    compared.add_argument("table", type=Path, help="the figure gets its name, too")
    compared.add_argument("folders", type=Path, nargs="+")
    for option in ("--group", "--subject"):
        compared.add_argument(option, nargs="+", action="append", default=[], metavar="NAME",
                              help="its name, then those of its recordings")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step."""
    args = parser().parse_args(arguments)
    if args.step == "report":
        error = analyse(args.recording, args.folder, args.options)
        print(f"broken: {args.recording}: {error}" if error else f"analysed {args.recording}")
        return
    if args.step == "collect":
        write_table(collect(args.folders), args.table)
        return
    groups, subjects = ({recording: name for name, *recordings in sets for recording in recordings}
                        for sets in (args.group, args.subject))
    names = [name for name, *_ in args.group]
    values = study_values(args.folders, groups, subjects)
    table = compare_recordings(values, names)
    write_table(table, args.table)
    figure = plot_comparison(values, table, names or [ALL_RECORDINGS])
    with atomic_write(args.table.with_suffix(".png")) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    raise SystemExit(main())
