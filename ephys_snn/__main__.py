"""Every command in one: ``python -m ephys_snn COMMAND ...`` or ``ephys-snn COMMAND ...``."""

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "train": ("ephys_snn.train", "train a network on labelled data"),
    "record": ("ephys_snn.record", "record a network as if it were a brain"),
    "inspect": ("ephys_snn.inspect", "what a file offers, and how to analyse it"),
    "convert": ("ephys_snn.convert", "write any recording by the contract"),
    "synchrony": ("ephys_snn.analysis.synchrony.pipeline", "pulse packets of every area"),
    "information-gain": ("ephys_snn.analysis.information.pipeline",
                         "what active units tell about the class"),
    "pathways": ("ephys_snn.analysis.pathways.pipeline",
                 "class-specific pathways through the areas"),
    "separability": ("ephys_snn.analysis.separability.pipeline",
                     "decoding of the class from every area"),
    "report": ("ephys_snn.report.page", "all of these, on one page"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"error: there is no command '{name}'; choose from {', '.join(COMMANDS)}",
              file=sys.stderr)
        return 2
    return import_module(COMMANDS[name][0]).main(rest)


def usage() -> str:
    """What the commands are, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(["usage: ephys-snn COMMAND ...", "", *lines, "",
                      "ephys-snn COMMAND --help tells the options."])


if __name__ == "__main__":
    raise SystemExit(main())
