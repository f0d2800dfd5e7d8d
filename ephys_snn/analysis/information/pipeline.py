"""The analysis of information: which units are about the class, and more so with depth?"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import pandas as pd

from ephys_snn.analysis.control import add_compare_option, open_control
from ephys_snn.analysis.information.areas import information_by_area, information_by_depth
from ephys_snn.analysis.information.cell_types import excitatory_against_inhibitory
from ephys_snn.analysis.information.comparison import (
    Comparison,
    Measure,
    compare_areas,
    measure_control,
)
from ephys_snn.analysis.information.limits import comparison_limits, limits
from ephys_snn.analysis.information.permuted import MIN_PERMUTATIONS
from ephys_snn.analysis.information.unit_information import UnitInformation, unit_information
from ephys_snn.analysis.information.words import (
    CAPTIONS,
    findings,
    summarise,
    summarise_comparison,
)
from ephys_snn.analysis.pipeline import Options, Pipeline, StudyColumns
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import number, progress_bar
from ephys_snn.recording import Recording, ResponseWindows


def add_options(parser: Options) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--permutations", type=number(int, least=1), metavar="N",
                        help="permutations of the labels, for chance and significance; the "
                        f"smallest p is 1 / (N + 1) (default: {MIN_PERMUTATIONS}, or as many "
                        "more as it takes to find a single significant unit, where that is "
                        "quick)")
    parser.add_argument("--within", metavar="KEY",
                        help="array annotation of the trials, such as a position or a session: "
                        "permute labels among trials of equal value only, and test spike counts "
                        "at each of its values (default: all trials together)")
    parser.add_argument("--min-active", type=number(int, least=1), default=5, metavar="N",
                        help="units active in fewer trials have no statistics "
                        "(default: %(default)s)")
    add_compare_option(parser)


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Information gain of every unit, by area, cell type and depth, and against a control."""
    measure: Measure = partial(_measure, args)
    opened = open_control(args)  # errors before the work
    information = measure(recording, windows, 0)
    rng = np.random.default_rng([args.seed, 1])
    tables = _tables(recording, windows, information, rng)
    summary = summarise(information, tables, Relabelling(args.block_trials, args.shift_labels),
                        args.within)
    warnings = limits(recording, windows, information, tables, args)
    pair = None
    if opened is not None:
        pair = measure_control(recording, windows, information, *opened, args.seed, measure)
        tables["information_gain_comparison"] = compared = compare_areas(
            recording, pair.information, pair.control, pair.control_information)
        summary += summarise_comparison(compared, args.compare.name)
        warnings += comparison_limits(information, pair, compared, args.compare)
    return PipelineResult(
        name="information_gain",
        tables=tables,
        figures=_draw(recording, windows, information, tables, pair, rng),
        parameters={
            "window": windows.description, "n_trials": information.n_trials,
            "trials_per_class": dict(zip(information.classes, information.class_counts.tolist(),
                                         strict=True)),
            "permutations": information.n_permutations, "block_trials": args.block_trials,
            "shift_labels": args.shift_labels, "within": args.within,
            "min_active": args.min_active, "seed": args.seed,
            "compare": None if args.compare is None else str(args.compare)},
        summary=summary,
        warnings=warnings)


def _measure(args: argparse.Namespace, recording: Recording, windows: ResponseWindows, stream: int
             ) -> UnitInformation:
    return unit_information(
        recording, windows, np.random.default_rng([args.seed, 2, stream]), args.permutations,
        Relabelling(args.block_trials, args.shift_labels), args.min_active, within=args.within,
        progress=progress_bar(args.quiet))


def _tables(recording: Recording, windows: ResponseWindows, information: UnitInformation,
            rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    return {
        "information_gain": information.units,
        "information_gain_by_area": information_by_area(recording, windows, information),
        "information_gain_excitatory_inhibitory": excitatory_against_inhibitory(
            recording, windows, information, rng),
        "information_gain_depth": information_by_depth(recording, information, rng)}


def _draw(recording: Recording, windows: ResponseWindows, information: UnitInformation,
          tables: dict[str, pd.DataFrame], pair: Comparison | None, rng: np.random.Generator
          ) -> dict:
    """The figures; the gain is drawn over that of the control, from as many trials."""
    from ephys_snn.analysis.information.gain_figure import Control, plot_information_gain
    from ephys_snn.analysis.information.unit_figures import plot_activity_by_class, plot_bound

    def title(what: str, shown: UnitInformation) -> str:
        return (f"{name_of(recording)}: {what} {len(information.classes)} classes in "
                f"{shown.n_trials} trials, {windows.description}")

    shown, by_area, control = information, tables["information_gain_by_area"], None
    if pair is not None:
        shown = pair.information
        if shown is not information:
            by_area = information_by_area(recording, pair.windows, shown)
        control = Control(pair.control, pair.control_information, information_by_area(
            pair.control, pair.control_windows, pair.control_information),
            name_of(pair.control))
    return {
        "information_gain": plot_information_gain(
            recording, shown, by_area, title("information about", shown), control),
        "information_gain_bound": plot_bound(
            recording, information, title("information about", information)),
        "activity_by_class": plot_activity_by_class(
            recording, information, title("activity in", information)),
    }


PIPELINE = Pipeline(
    name="information_gain",
    title="Semantization: information gain",
    question="What does the activity of one unit say about the class of the trial?",
    description="Measure how informative the activity of every unit is about the class of the "
                "trial, corrected for chance and relative to what its activity allows, by area, "
                "cell type and depth.",
    measure="information gain, relative information gain, uncertainty coefficient",
    null="permuted labels, false discovery rate",
    add_options=add_options, analyse=analyse, captions=CAPTIONS, findings=findings,
    study=StudyColumns("information_gain_by_area", {
        "n_units_used": "information_gain_n_units", "mean": "information_gain",
        "mean_corrected": "information_gain_corrected",
        "mean_relative": "relative_information_gain",
        "mean_uncertainty_coefficient": "uncertainty_coefficient",
        "fraction_significant": "information_gain_fraction_significant"}))
