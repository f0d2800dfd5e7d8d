"""Why volleys narrow in a network: ``python -m ephys_snn.mechanism model.pt``.

What spike times average over, in the network and its untrained twin.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ephys_snn.analysis import (
    MODEL_PACKAGES,
    PipelineResult,
    add_result_options,
    provenance_of,
    results_folder,
    tell,
    write_files,
)
from ephys_snn.cli import Parser, command, number, progress_bar
from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.perturbation import control_responses
from ephys_snn.perturbation.mechanism import (
    jitter_table,
    mechanism_figure,
    mechanism_findings,
    mechanism_limitations,
    mechanism_table,
    trial_measures,
)
from ephys_snn.training import load_own_stimuli

JITTERED_TRIALS = 40  # each is jittered many times


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.mechanism",
        description="Say why volleys narrow in a trained network: by how much its neurons average "
                    "over their inputs, what of a volley's width comes from the averages and what "
                    "from delays, and whether jitter travels as averaging predicts.")
    add = options.add_argument
    add("model", type=Path, metavar="MODEL", help="a file that ephys_snn.train wrote")
    add("--out", type=Path, metavar="DIR",
        help="folder for the results (default: results/<file stem>)")
    add("--trials", type=number(int, least=5), default=100, metavar="N",
        help="how many test stimuli, the first in file order (default: %(default)s)")
    add("--data", metavar="DATA", help="where the data are, if not where they were in training")
    add_result_options(options)
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the mechanism as the command line says."""
    options = parser().parse_args(arguments)
    folder = options.out or Path("results") / options.model.stem
    network = Network.load(options.model)
    stimuli = load_own_stimuli(network, options.data, options.model)
    results_folder(folder)  # before the work, not after it
    times = stimuli.part("test")[0][:options.trials]
    digest = network.sha256()
    # Small jitter is lost in single precision.
    responses = control_responses(network.double(), times)
    measured, limits = trial_measures(network, responses), []
    try:
        twin = network.float().untrained().double()
        untrained = trial_measures(twin, control_responses(twin, times))
    except InputError as error:
        untrained, limits = None, [str(error)]
    table = mechanism_table(measured, untrained)
    jitter = jitter_table(network.double(), {area: each[:JITTERED_TRIALS] for area, each
                                             in responses.items()}, seed=options.seed,
                          progress=progress_bar(options.quiet))
    result = PipelineResult(
        "mechanism", {"mechanism": table, "mechanism_jitter": jitter},
        {"mechanism": mechanism_figure(table, jitter, options.model.stem)},
        {"trials": len(times), "split": "test", "seed": options.seed, "data": options.data},
        mechanism_findings(table, jitter), [*limits, *mechanism_limitations(table)])
    source = {"network": {"path": str(options.model.resolve()), "sha256": digest}}
    written = write_files(result, provenance_of(result, source, versioned=MODEL_PACKAGES), folder,
                          options.format, options.dpi)
    tell(result.warnings, result.summary, written, options.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
