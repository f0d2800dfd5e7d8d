"""The analysis of separability: decoding from each area, over time, with what limits it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ephys_snn.analysis.decoding import CODES
from ephys_snn.analysis.pipeline import Options, Pipeline, StudyColumns
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.separability.design import SeparabilitySettings
from ephys_snn.analysis.separability.separability import Separability, measure_separability
from ephys_snn.analysis.separability.words import CAPTIONS, findings, limits, summarise
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import number, progress_bar
from ephys_snn.recording import Recording, ResponseWindows

DEFAULTS = SeparabilitySettings()


def add_options(parser: Options) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--folds", type=number(int, least=2), default=DEFAULTS.n_folds, metavar="N",
                        help="folds of the cross-validation (default: %(default)s)")
    parser.add_argument("--repeats", type=number(int, least=1), default=DEFAULTS.n_repeats,
                        metavar="N", help="random assignments of the trials to folds, over which "
                        "accuracies are averaged; with one, differences between areas seem "
                        "surer than they are (default: %(default)s)")
    parser.add_argument("--permutations", type=number(int, least=1), metavar="N",
                        default=DEFAULTS.n_permutations,
                        help="permutations of the labels, for chance; the smallest p is "
                        "1 / (N + 1) (default: %(default)s)")
    parser.add_argument("--match-units", type=number(int, least=1), nargs="?", const=0, metavar="N",
                        help="decode from N units of every area, drawn at random; without N from "
                        "as many as the smallest area has (default: from all units; only areas "
                        "are compared at as many as the smallest has)")
    parser.add_argument("--draws", type=number(int, least=1), default=DEFAULTS.n_draws, metavar="N",
                        help="random draws of units that are averaged, where an area has more "
                        "than are decoded (default: %(default)s)")
    parser.add_argument("--steps", type=number(int, least=1), default=DEFAULTS.n_steps, metavar="N",
                        help="ends of the window over time (default: %(default)s)")
    parser.add_argument("--time-code", choices=list(CODES), default=DEFAULTS.time_code,
                        help="what is decoded over time, between areas and in the confusions "
                        "(default: latency where no unit spikes twice in a trial, else count)")
    parser.add_argument("--cross-temporal", type=number(int, least=2), nargs="?", const=8,
                        default=DEFAULTS.n_bins, metavar="BINS",
                        help="also train decoders in each of so many time bins and test them in "
                        "all (without a number: 8)")
    parser.add_argument("--max-trials", type=number(int, least=1), default=DEFAULTS.max_trials,
                        metavar="N", help="decode at most so many trials, every class in "
                        "proportion (default: %(default)s)")


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Decoding, distances and their growth with the window, of every area of a recording."""
    settings = SeparabilitySettings(
        n_folds=args.folds, n_repeats=args.repeats, n_permutations=args.permutations,
        relabelling=Relabelling(args.block_trials, args.shift_labels),
        match_units=args.match_units, n_draws=args.draws, n_steps=args.steps,
        n_bins=args.cross_temporal, time_code=args.time_code, max_trials=args.max_trials,
        seed=args.seed)
    result = measure_separability(recording, windows, settings, progress_bar(args.quiet))
    return PipelineResult(
        name="separability",
        tables={"separability": result.table, "separability_over_time": result.over_time,
                "separability_latency": result.latencies,
                "separability_between_areas": result.between_areas,
                "separability_confusion": result.confusion,
                **({} if result.cross_temporal is None else
                   {"separability_cross_temporal": result.cross_temporal})},
        figures=_draw(recording, windows, result),
        parameters=asdict(settings) | {
            "window": windows.description, "classes": list(result.classes),
            "n_trials": result.n_trials, "folds_used": result.n_folds,
            "time_code_used": result.latencies["code"].iloc[0],
            "threshold_over_time": result.threshold, "accuracy": "balanced, cross-validated",
            "decoder": "linear discriminant analysis, equal priors, Ledoit-Wolf shrinkage"},
        summary=summarise(result),
        warnings=limits(result, settings, windows))


def _draw(recording: Recording, windows: ResponseWindows, result: Separability) -> dict:
    from ephys_snn.analysis.separability.figures import (
        plot_confusion,
        plot_cross_temporal,
        plot_separability,
    )

    if result.table["accuracy"].isna().all():
        return {}
    name, where = name_of(recording), f"in {result.n_trials} trials, {windows.description}"
    figures = {"separability": plot_separability(result, recording.areas_ordered,
                                                 f"{name}: separability {where}")}
    if len(result.confusion):
        code = CODES[result.confusion["code"].iloc[0]]
        figures["separability_confusion"] = plot_confusion(
            result, f"{name}: classes decoded from {code}\n{where}")
    across = result.cross_temporal
    if across is not None and across["accuracy"].notna().any():
        n_trials = int(across["n_trials"].max())
        figures["separability_cross_temporal"] = plot_cross_temporal(
            result, f"{name}: decoding across time\nin {n_trials} trials")
    return figures


PIPELINE = Pipeline(
    name="separability",
    title="Separability of the classes",
    question="Can the class of a trial be decoded from each area, and from when on?",
    description="Decode the class of a trial from each area, with chance from permuted labels, "
                "and find from when on it can be decoded.",
    measure="cross-validated decoding",
    null="permuted labels",
    add_options=add_options, analyse=analyse, captions=CAPTIONS, findings=findings,
    study=StudyColumns("separability", {
        "accuracy": "decoding_accuracy", "chance": "decoding_chance",
        "q_value": "decoding_q_value"}, by=("code",)))
