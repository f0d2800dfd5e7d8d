"""What all pipelines have in common: read the recording, analyse, write, say what was found."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ephys_snn.analysis.results import PipelineResult, results_folder, write_results
from ephys_snn.analysis.single_units import pipeline as single_units
from ephys_snn.cli import Parser, command, number
from ephys_snn.recording import Recording, ResponseWindows, add_recording_options, open_recording


class Pipeline(NamedTuple):
    """One analysis as a command.

    Attributes
    ----------
    name : str
    description : str
        One sentence for ``--help``.
    add_options : callable
        Adds the options of this pipeline alone to a parser.
    analyse : callable
        (recording, windows, options) to `PipelineResult`.
    """

    name: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    analyse: Callable[[Recording, ResponseWindows, argparse.Namespace], PipelineResult]


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add where results go, in which form, and the seed."""
    group = parser.add_argument_group("results")
    group.add_argument("--out", metavar="DIR", type=Path,
                       help="folder for the results (default: results/<file stem>)")
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


@command
def run(pipeline: Pipeline, argv: Sequence[str] | None = None) -> None:
    """Run a pipeline as a command line."""
    parser = Parser(prog=f"ephys-snn {pipeline.name.replace('_', '-')}",
                    description=pipeline.description)
    add_recording_options(parser)
    pipeline.add_options(parser.add_argument_group("analysis"))
    add_output_options(parser)
    args = parser.parse_args(argv)
    recording, windows = open_recording(args)
    results_folder(results_path(args))  # before the work, not after it
    # What may ask for another choice comes before the long work, but is told after it.
    besides = single_units.analyse(recording, windows, args)
    results = [pipeline.analyse(recording, windows, args), *besides]
    written = [path for result in results for path in write_results(
        result, recording, results_path(args), args.format, args.dpi)]
    for warning in [*recording.notes, *(line for result in results for line in result.warnings)]:
        print(f"note: {warning}", file=sys.stderr)
    if not args.quiet:
        print("\n".join(line for result in results for line in result.summary))
        print("\n".join(f"wrote {path}" for path in written))
