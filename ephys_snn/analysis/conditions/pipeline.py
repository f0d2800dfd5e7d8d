"""The comparison of conditions: what is asked for, computed, drawn and said."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ephys_snn.analysis.conditions.comparison import Comparison, compare_conditions
from ephys_snn.analysis.conditions.measures import ConditionSettings
from ephys_snn.analysis.conditions.words import CAPTIONS, findings, limits, summarise
from ephys_snn.analysis.control import add_condition_options
from ephys_snn.analysis.pipeline import Options, Pipeline, StudyColumns
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import number, progress_bar
from ephys_snn.recording import PERTURBATION, Recording, ResponseWindows

DEFAULTS = ConditionSettings()


def add_options(parser: Options) -> None:
    """Add the options of this pipeline."""
    add_condition_options(parser)
    parser.add_argument("--permutations", type=number(int, least=1),
                        default=DEFAULTS.n_permutations, metavar="N",
                        help="times that trials change conditions (default: %(default)s)")
    parser.add_argument("--folds", type=number(int, least=2), default=DEFAULTS.n_folds,
                        metavar="N", help="folds of the decoding (default: %(default)s)")
    parser.add_argument("--max-pairs", type=number(int, least=2), default=DEFAULTS.max_pairs,
                        metavar="N", help="information and decoding use at most so many trials of "
                        "each condition (default: %(default)s)")


def applies(recording: Recording, args: argparse.Namespace) -> bool:
    """Whether somebody named the condition, or the trials state several."""
    if args.condition is not None or PERTURBATION not in recording.trials.annotations:
        return args.condition is not None
    return len(set(recording.trials.values_of(PERTURBATION)) - {""}) > 1


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Every condition of a recording against the control."""
    settings = ConditionSettings(args.condition, args.control, args.permutations,
                                 args.block_trials, args.folds, max_pairs=args.max_pairs,
                                 seed=args.seed)
    comparison = compare_conditions(recording, windows, settings, progress_bar(args.quiet))
    key, control, others, _ = comparison.conditions
    return PipelineResult(
        name="conditions",
        tables={"conditions": comparison.table, "conditions_decisions": comparison.decisions},
        figures=_draw(recording, windows, comparison),
        parameters=asdict(settings) | {
            "condition": key, "control": control, "conditions": list(others),
            "window": windows.description, "decoded": comparison.code,
            "null": "conditions change places among trials of a stimulus, if paired, else of a "
                    "class that are near each other",
            "intervals": {
                "means": "Student, of differences by stimulus or with HC2 variance within "
                         "neighbourhoods",
                "shares of decisions": "Agresti & Min by stimulus, else Agresti & Caffo",
                "information": "jackknife over groups of pairs of trials",
                "decoding": "Agresti & Min, of pairs of trials"}},
        summary=summarise(comparison),
        warnings=limits(recording, windows, comparison,
                        Relabelling(args.block_trials, args.shift_labels)))


def _draw(recording: Recording, windows: ResponseWindows, comparison: Comparison) -> dict:
    from ephys_snn.analysis.conditions.figures import plot_conditions, plot_decisions

    title = f"{name_of(recording)}: change of responses ({windows.description})"
    figures = {}
    if comparison.table["change"].notna().any():
        figures["conditions"] = plot_conditions(comparison, recording.areas, title)
    if comparison.decisions["change"].notna().any():
        figures["conditions_decisions"] = plot_decisions(
            comparison, f"{name_of(recording)}: decisions by class")
    return figures


PIPELINE = Pipeline(
    name="conditions",
    title="Conditions of the trials",
    question="What is different in trials of one condition from those of another?",
    description="Compare conditions of trials (laser on and off, attended or not, perturbed or "
                "not) with a control, by area and cell type: activity, timing, information, "
                "decoding and decisions.",
    measure="change of activity, packets, information, decoding and decisions",
    null="conditions exchanged within a stimulus, or within a class among neighbours",
    add_options=add_options, analyse=analyse, captions=CAPTIONS, findings=findings,
    study=StudyColumns("conditions", {"change": "change", "q_value": "change_q_value"},
                       by=("condition", "measure")),
    applies=applies)
