"""One step of a study: ``python -m ephys_snn.report.study report|collect ...``."""

from collections.abc import Sequence
from pathlib import Path

from ephys_snn.cli import Parser, command
from ephys_snn.files import atomic_write
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
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step."""
    args = parser().parse_args(arguments)
    if args.step == "report":
        error = analyse(args.recording, args.folder, args.options)
        print(f"broken: {args.recording}: {error}" if error else f"analysed {args.recording}")
        return
    with atomic_write(args.table) as temporary:
        collect(args.folders).to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    raise SystemExit(main())
