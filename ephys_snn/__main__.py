"""Every command in one: ``python -m ephys_snn COMMAND ...`` or ``ephys-snn COMMAND ...``."""

import sys
from collections.abc import Sequence
from importlib import import_module

# The module that ``python -m`` would run, and what it does; the pipelines come from their list.
MODULES = {
    "train": ("ephys_snn.train", "train a network on labelled data"),
    "record": ("ephys_snn.record", "record a network as if it were a brain"),
    "perturb": ("ephys_snn.perturb", "virtual experiments on networks, each beside its controls"),
    "mechanism": ("ephys_snn.mechanism", "why volleys narrow: what spike times average "
                  "over"),
    "study": ("ephys_snn.study.__main__", "many networks: what each ingredient changes"),
    "inspect": ("ephys_snn.inspect", "what a file offers, and how to analyse it"),
    "convert": ("ephys_snn.convert", "write any recording by the contract"),
    "report": ("ephys_snn.report.__main__", "all of these questions, on one page"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name in MODULES:
        return import_module(MODULES[name][0]).main(rest)
    from ephys_snn.analysis import pipelines, run

    for pipeline in pipelines():
        if pipeline.command == name:
            return run(pipeline, rest)
    print(f"error: there is no command '{name}'; choose from {', '.join(commands())}",
          file=sys.stderr)
    return 2


def commands() -> dict[str, str]:
    """Every command and what it does or asks."""
    from ephys_snn.analysis import pipelines

    about = {name: text for name, (_, text) in MODULES.items()}
    report = about.pop("report")  # comes after the questions that it is about
    return {**about, **{pipeline.command: pipeline.question for pipeline in pipelines()},
            "report": report}


def usage() -> str:
    """What the commands are, a line each."""
    about = commands()
    width = max(map(len, about))
    return "\n".join(["usage: ephys-snn COMMAND ...", "",
                      *(f"  {name:{width}}  {text}" for name, text in about.items()), "",
                      "ephys-snn COMMAND --help tells the options."])


if __name__ == "__main__":
    raise SystemExit(main())
