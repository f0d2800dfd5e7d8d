"""The analysis of synchrony: pulse packets, Elephant's measures, unitary events, patterns."""

import argparse

from ephys_snn.analysis.pipeline import Options, Pipeline, StudyColumns
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.synchrony.elephant_measures import (
    MIN_SHUFFLES,
    ElephantResult,
    analyse_with_elephant,
)
from ephys_snn.analysis.synchrony.packet_widths import DITHER, SynchronyResult, analyse_synchrony
from ephys_snn.analysis.synchrony.patterns import pipeline as patterns
from ephys_snn.analysis.synchrony.unitary_events import pipeline as unitary_events
from ephys_snn.analysis.synchrony.words import CAPTIONS, findings, limits, summarise
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import number, progress_bar
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows


def add_options(parser: Options) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--surrogates", type=number(int, least=1), default=200, metavar="N",
                        help="surrogates of each null (default: %(default)s)")
    parser.add_argument("--null-trials", type=number(int, least=1), default=200, metavar="N",
                        help="the nulls use at most so many trials (default: %(default)s)")
    parser.add_argument("--dither", type=number(float, above=0), metavar="MS",
                        help=f"half-width of the dither (default: {DITHER:g} ms, within which "
                             "spikes coincide in Riehle et al. 1997, but no less than the "
                             "recording's resolution)")
    parser.add_argument("--bin", type=number(float, above=0), metavar="MS",
                        help="bin width of Elephant's measures (default: near 1/100 of the "
                             "longest window, but no less than the recording's resolution)")
    parser.add_argument("--elephant-units", type=number(int, least=2), default=50, metavar="N",
                        help="Elephant's measures use at most so many units of an area "
                             "(default: %(default)s)")
    parser.add_argument("--elephant-trials", type=number(int, least=1), default=100, metavar="N",
                        help="and at most so many trials (default: %(default)s)")
    parser.add_argument("--elephant-shuffles", type=number(int, least=1), default=10, metavar="N",
                        help="surrogates of their control (default: %(default)s, for an effect "
                             f"size; p-values need {MIN_SHUFFLES})")
    unitary_events.add_options(parser)
    patterns.add_options(parser)


def analyse(recording: Recording, windows: ResponseWindows,
            args: argparse.Namespace) -> PipelineResult:
    """Pulse packets and Elephant's measures of a recording."""
    for option, value in (("--dither", args.dither), ("--bin", args.bin),
                          ("--pattern-bin", args.pattern_bin)):
        _refuse_finer(recording, option, value)
    # First, because they may ask for a choice before the long work.
    besides = [part.analyse(recording, windows, args) for part in (unitary_events, patterns)]
    progress = progress_bar(args.quiet)
    packets = analyse_synchrony(
        recording, windows, n_surrogates=args.surrogates, max_null_trials=args.null_trials,
        dither=args.dither, block_trials=args.block_trials, seed=args.seed, progress=progress)
    elephant = analyse_with_elephant(
        recording, windows, bin_width=args.bin, max_units=args.elephant_units,
        max_trials=args.elephant_trials, n_shuffles=args.elephant_shuffles,
        block_trials=args.block_trials, seed=args.seed, progress=progress)
    return PipelineResult(
        name="synchrony",
        tables={"synchrony": packets.table, "synchrony_elephant": elephant.table,
                **{name: table for part in besides for name, table in part.tables.items()}},
        figures={**_draw(recording, windows, packets, elephant, args),
                 **{name: drawn for part in besides for name, drawn in part.figures.items()}},
        parameters={
            "window": windows.description, "n_trials": int(windows.used.sum()), "seed": args.seed,
            "surrogates": args.surrogates, "null_trials": packets.n_null_trials,
            "block_trials": args.block_trials, "dither_ms": packets.dither,
            "elephant": {
                "bin_ms": elephant.bin_width, "shuffles": args.elephant_shuffles,
                "sample": elephant.table[["area", "n_units_used", "n_trials_used"]].to_dict(
                    "records")},
            **{name: value for part in besides for name, value in part.parameters.items()}},
        summary=[*summarise(recording, windows, packets.table),
                 *(line for part in besides for line in part.summary)],
        warnings=[*limits(recording, windows, [packets.table, elephant.table], args.shift_labels),
                  *(line for part in besides for line in part.warnings)])


def _refuse_finer(recording: Recording, option: str, value: float | None) -> None:
    if None not in (value, recording.resolution) and value < recording.resolution * (1 - 1e-6):
        raise InputError(
            f"{option} {value:g} is finer than the recording's time resolution of "
            f"{recording.resolution:.4g} ms, where synchrony is an artefact; choose at least that, "
            "or say with --resolution MS what the resolution is")


def _draw(recording: Recording, windows: ResponseWindows, packets: SynchronyResult,
          elephant: ElephantResult, args: argparse.Namespace) -> dict:
    from ephys_snn.analysis.synchrony.figures import plot_elephant, plot_synchrony

    title = f"{name_of(recording)}: responses in {windows.used.sum()} trials, {windows.description}"
    if recording.resolution is not None:
        title += f", at a time resolution of {recording.resolution:.4g} ms"
    return {"synchrony": plot_synchrony(recording, windows, packets.table, title),
            "synchrony_elephant": plot_elephant(
                elephant.curves, elephant.table,
                f"Elephant's measures of {title}\n(b to d: on a random sample of at most "
                f"{args.elephant_units} units of an area; all: on at most {args.elephant_trials} "
                "trials)")}


PIPELINE = Pipeline(
    name="synchrony",
    title="Synchronization: pulse packets",
    question="How tight are pulse packets, and where do they spread or re-converge?",
    description="Pulse packets by area and cell type, tested against shuffled trials and dithered "
                "spikes, with Elephant's own measures beside them.",
    measure="shortest half, SD, size of pulse packets",
    null="latencies shuffled within a stimulus or class; dithered spikes",
    add_options=add_options, analyse=analyse, captions=CAPTIONS, findings=findings,
    study=StudyColumns("synchrony", {column: column for column in (
        "n_units", "n_trials", "active_fraction", "latency_ms", "sd_ms", "shortest_half_ms",
        "shortest_half_equal_ms", "n_equal_spikes", "shuffled_within",
        "shuffled_shortest_half_ratio", "shuffled_shortest_half_q_value")}))
