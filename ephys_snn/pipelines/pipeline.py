"""What all pipelines have in common: read the recording, analyse, write, say what was found."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ephys_snn.errors import Parser, command
from ephys_snn.options import (
    add_output_options,
    add_recording_options,
    open_recording,
    results_path,
)
from ephys_snn.pipelines import single_units
from ephys_snn.recording import Recording, ResponseWindows
from ephys_snn.results import PipelineResult, results_folder, write_results


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
