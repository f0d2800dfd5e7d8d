"""What each ingredient of networks changes: ``python -m ephys_snn study networks.csv``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ephys_snn.cli import Parser, command, number
from ephys_snn.study.network_results import network_result, read_networks, write_network_result


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn study",
        description="Compare the conditions of a study of networks, which pipelines/Networks "
                    "makes, with its base: effects paired by seed, a figure, and sentences.")
    add = options.add_argument
    add("table", type=Path, metavar="networks.csv", help="a row per network")
    add("--out", type=Path, metavar="DIR",
        help="folder for the results (default: that of the table)")
    add("--format", choices=("png", "svg", "pdf"), default="png",
        help="format of the figure (default: %(default)s)")
    add("--dpi", type=number(int, least=1), default=150, metavar="N",
        help="resolution of a PNG figure (default: %(default)s)")
    add("--quiet", action="store_true", help="no summary; errors and warnings still show")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Compare conditions as the command line says."""
    options = parser().parse_args(arguments)
    result = network_result(read_networks(options.table), options.table.stem)
    written = write_network_result(result, options.out or options.table.parent, options.format,
                                   options.dpi)
    for warning in result.warnings:
        print(f"note: {warning}", file=sys.stderr)
    if not options.quiet:
        print("\n".join([*result.summary, *(f"wrote {path}" for path in written)]))


if __name__ == "__main__":
    raise SystemExit(main())
