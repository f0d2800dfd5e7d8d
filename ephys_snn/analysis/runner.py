"""A pipeline as a command line: read the recording, analyse, write, say what was found."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ephys_snn.analysis.pipeline import Addition, Options, Pipeline
from ephys_snn.analysis.results import PipelineResult, results_folder, write_results
from ephys_snn.analysis.single_units import ADDITIONS
from ephys_snn.cli import Parser, command, number
from ephys_snn.recording import Recording, ResponseWindows, add_recording_options, open_recording


def analysis_parser(prog: str, description: str, add_options: Callable[[Options], None]) -> Parser:
    """The options of a command that analyses: the recording, its own, single units, results."""
    parser = Parser(prog=prog, description=description)
    add_recording_options(parser)
    besides = parser.add_argument_group("single units besides")
    for addition in ADDITIONS:
        addition.add_options(besides)
    analysis = parser.add_argument_group("analysis")
    add_options(analysis)
    _add_relabelling_options(analysis)
    _add_output_options(parser.add_argument_group("results"))
    return parser


def _add_relabelling_options(group: Options) -> None:
    """Add how labels and responses change places under the null of any analysis."""
    moved = group.add_mutually_exclusive_group()
    moved.add_argument("--block-trials", type=number(int, least=1), default=1, metavar="N",
                       help="where labels come in runs or responses drift: permutations of the "
                            "labels move blocks of N neighbouring trials, and responses change "
                            "places only among about N successive trials (default: %(default)s)")
    moved.add_argument("--shift-labels", action="store_true",
                       help="shift the labels along the session instead of permuting them, which "
                            "keeps how slow labels and responses are")


def _add_output_options(group: Options) -> None:
    """Add where results go, in which form, and the seed."""
    group.add_argument("--out", metavar="DIR", type=Path,
                       help="folder for the results (default: results/<file stem>)")
    add_result_options(group)


def add_result_options(group: Options) -> None:
    """Add the form of the results, the seed and how much is told, as every analysis has them."""
    group.add_argument("--format", choices=("png", "svg", "pdf"), default="png",
                       help="format of the figures (default: %(default)s)")
    group.add_argument("--dpi", type=number(int, least=1), default=150, metavar="N",
                       help="resolution of PNG figures (default: %(default)s)")
    group.add_argument("--seed", type=number(int, least=0), default=0, metavar="N",
                       help="seed of everything random (default: %(default)s)")
    group.add_argument("--quiet", action="store_true",
                       help="no progress bars and no summary; errors and warnings still show")


def results_path(args: argparse.Namespace) -> Path:
    """Folder of the results: as asked, else results/<file stem>."""
    return args.out or Path("results") / args.recording.stem


def analyse_besides(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
                    ) -> list[tuple[Addition, PipelineResult]]:
    """What the options ask for besides, whatever the pipeline."""
    found = ((addition, addition.analyse(recording, windows, args)) for addition in ADDITIONS)
    return [(addition, result) for addition, result in found if result is not None]


@command
def run(pipeline: Pipeline, arguments: Sequence[str] | None = None) -> None:
    """Run a pipeline as a command line."""
    args = analysis_parser(f"ephys-snn {pipeline.command}", pipeline.description,
                           pipeline.add_options).parse_args(arguments)
    recording, windows = open_recording(args)
    results_folder(results_path(args))  # before the work, not after it
    # What may ask for another choice comes before the long work, but is told after it.
    besides = [result for _, result in analyse_besides(recording, windows, args)]
    results = [pipeline.analyse(recording, windows, args), *besides]
    written = [path for result in results for path in write_results(
        result, recording, results_path(args), args.format, args.dpi)]
    tell([*recording.notes, *(line for result in results for line in result.warnings)],
         [line for result in results for line in result.summary], written, args.quiet)


def tell(warnings: Iterable[str], summary: Iterable[str], written: Iterable[Path], quiet: bool
         ) -> None:
    """Say what limits results, on stderr, what was found and what was written."""
    for warning in warnings:
        print(f"note: {warning}", file=sys.stderr)
    if not quiet:
        print("\n".join([*summary, *(f"wrote {path}" for path in written)]))
