"""Any recording, written by the recording contract: ``... ephys_snn.convert IN OUT.nix``.

What the options choose (areas and their order, trials, labels) becomes part of the file, so that
the pipelines need no options afterwards.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ephys_snn.cli import Parser, command
from ephys_snn.errors import InputError
from ephys_snn.recording import add_recording_options, open_recording


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.convert",
        description="Write a recording in NIX format, with areas, trials and classes where the "
                    "pipelines look for them.")
    add_recording_options(options)
    options.add_argument("out", type=Path, metavar="OUT.nix", help="the file to write")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Convert a file as the command line says."""
    args = parser().parse_args(arguments)
    if args.out.exists() and args.recording.exists() and args.out.samefile(args.recording):
        raise InputError(f"{args.out} is the recording itself; name another file to write")
    recording, windows = open_recording(args)
    recording.write(args.out)
    print("\n".join(recording.notes))
    if args.window is not None or args.until is not None:
        print(f"the response window ({windows.description}) is no part of the file; give it to "
              "the pipelines again")
    print(f"wrote {args.out}: {len(recording.units)} units in {len(recording.areas)} areas, "
          f"{len(recording.trials)} trials of {len(recording.trials.classes)} classes")


if __name__ == "__main__":
    raise SystemExit(main())
