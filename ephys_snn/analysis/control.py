"""A control to compare with: another recording, or the trials of another condition."""

import argparse
from pathlib import Path

from ephys_snn.analysis.pipeline import Options
from ephys_snn.errors import InputError
from ephys_snn.recording import (
    CONTROL,
    PERTURBATION,
    Recording,
    ResponseWindows,
    open_recording,
)


def add_compare_option(parser: Options) -> None:
    """Add ``--compare RECORDING``."""
    parser.add_argument("--compare", type=Path, metavar="RECORDING",
                        help="a control to compare with, such as the untrained network or "
                        "another animal, read with the same options")


def add_condition_options(parser: Options) -> None:
    """Add ``--condition KEY`` and ``--control VALUE``."""
    parser.add_argument("--condition", metavar="KEY",
                        help="array annotation of the trials that names their condition "
                        f"(default: '{PERTURBATION}')")
    parser.add_argument("--control", metavar="VALUE",
                        help="the condition that the others are compared with (default: "
                        f"'{CONTROL}')")


def open_control(args: argparse.Namespace) -> tuple[Recording, ResponseWindows] | None:
    """Read the control as the recording is read; None where there is none.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if args.compare is None:
        return None
    try:
        return open_recording(argparse.Namespace(**{**vars(args), "recording": args.compare}))
    except InputError as error:
        raise InputError(f"--compare {args.compare}: {error}") from error
