"""Separability: can the class of a trial be told from each area, and from when on?"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial

import numpy as np

from ephys_snn.analysis.pipeline import Pipeline, run
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.separability.separability import (
    CODES,
    LEVEL,
    Separability,
    SeparabilitySettings,
    measure_separability,
)
from ephys_snn.cli import number
from ephys_snn.recording import Recording, ResponseWindows

DEFAULTS = SeparabilitySettings()


def add_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--folds", type=number(int, least=2), default=DEFAULTS.n_folds, metavar="N",
                        help="folds of the cross-validation (default: %(default)s)")
    parser.add_argument("--permutations", type=number(int, least=1), metavar="N",
                        default=DEFAULTS.n_permutations,
                        help="permutations of the labels, for chance; the smallest p is "
                        "1 / (N + 1) (default: %(default)s)")
    parser.add_argument("--block-trials", type=number(int, least=1), default=DEFAULTS.block_trials,
                        metavar="N", help="keep so many neighbouring trials together, in folds "
                        "and permutations, where labels or responses drift "
                        "(default: %(default)s)")
    parser.add_argument("--match-units", type=number(int, least=1), nargs="?", const=0, metavar="N",
                        help="decode from N units of every area, drawn at random; without N from "
                        "as many as the smallest area has (default: from all units, which makes "
                        "areas of different size incomparable)")
    parser.add_argument("--draws", type=number(int, least=1), default=DEFAULTS.n_draws, metavar="N",
                        help="random draws of units that are averaged, with --match-units "
                        "(default: %(default)s)")
    parser.add_argument("--steps", type=number(int, least=1), default=DEFAULTS.n_steps, metavar="N",
                        help="ends of the window over time (default: %(default)s)")
    parser.add_argument("--time-code", choices=list(CODES), default=DEFAULTS.time_code,
                        help="what is decoded over time (default: latency where no unit spikes "
                        "twice in a trial, else count)")
    parser.add_argument("--max-trials", type=number(int, least=1), default=DEFAULTS.max_trials,
                        metavar="N", help="decode at most so many trials, every class in "
                        "proportion (default: %(default)s)")


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Decoding, distances and their growth with the window, of every area of a recording."""
    from tqdm import tqdm

    from ephys_snn.analysis.separability.figures import plot_separability

    settings = SeparabilitySettings(
        n_folds=args.folds, n_permutations=args.permutations, block_trials=args.block_trials,
        match_units=args.match_units, n_draws=args.draws, n_steps=args.steps,
        time_code=args.time_code, max_trials=args.max_trials, seed=args.seed)

    def progress(steps: Iterable, what: str) -> Iterable:
        return tqdm(steps, what, disable=args.quiet, leave=False)

    result = measure_separability(recording, windows, settings, progress)
    figures = {}
    if result.table["accuracy"].notna().any():
        name = "recording" if recording.path is None else recording.path.name
        figures["separability"] = plot_separability(
            result, recording.areas_ordered,
            f"{name}: separability in {result.n_trials} trials, {windows.description}")
    return PipelineResult(
        "separability",
        {"separability": result.table, "separability_over_time": result.over_time,
         "separability_onset": result.onsets},
        figures,
        asdict(settings) | {
            "window": windows.description, "classes": list(result.classes),
            "n_trials": result.n_trials, "folds_used": result.n_folds,
            "time_code_used": result.onsets["code"].iloc[0],
            "threshold_over_time": result.threshold, "accuracy": "balanced, cross-validated",
            "decoder": "linear discriminant analysis, equal priors, Ledoit-Wolf shrinkage"},
        _summarise(result), _warnings(result, settings, windows))


def _summarise(result: Separability) -> list[str]:
    """What was found, in plain sentences."""
    table = result.table[result.table["accuracy"].notna()]
    if table.empty:
        return ["The class could be decoded from no area; the notes say why."]
    sentences = [
        f"How well the class of a trial ({len(result.classes)} classes, {result.n_trials} trials, "
        f"{result.n_folds}-fold cross-validation) can be told, as balanced accuracy; guessing "
        f"gives {1 / len(result.classes):.0%}, * marks q < {LEVEL:g} against permuted labels:"]
    for code, meaning in CODES.items():
        rows = table[table["code"] == code]
        sentences.append(f"  from {meaning}: " + ", ".join(
            f"{row.area} {row.accuracy:.1%}{'*' if row.q_value < LEVEL else ''}"
            for row in rows.itertuples()) + ".")
    active = table[table["code"] == "active"]
    if len(active):
        sentences.append(
            "Patterns of active units differ between trials of different classes this many times "
            "as much as between trials of one class: " + ", ".join(
                f"{row.area} {row.distance_ratio:.2f}"
                f"{'*' if row.distance_q_value < LEVEL else ''}"
                for row in active.itertuples()) + ".")
    known = result.onsets[result.onsets["onset_ms"].notna()]
    code = CODES[result.onsets["code"].iloc[0]]
    if known.empty:
        return [*sentences, f"As the window grows, {code} exceed chance in no area (p < {LEVEL:g} "
                "over all areas and times, at two successive ends of the window)."]
    return [*sentences, f"From {code}, the class is first told better than by chance (p < "
            f"{LEVEL:g} over all areas and times) when the window, growing in steps of "
            f"{result.onsets['step_ms'].iloc[0]:.2g} ms, reaches (ms after onset, 95 % "
            "interval): " + ", ".join(
                f"{row.area} {row.onset_ms:.3g} [{row.onset_low_ms:.3g}, "
                f"{row.onset_high_ms:.3g}]".replace("nan", "–") for row in known.itertuples())
            + "."]


def _warnings(result: Separability, settings: SeparabilitySettings, windows: ResponseWindows
              ) -> list[str]:
    """What limits it, and what could not be computed and why."""
    warnings = list(result.notes)
    left_out = int((~windows.used).sum())
    if left_out:
        warnings.append(f"{left_out} of {len(windows.used)} trials have no response window "
                        f"({windows.description}) and are left out")
    computed = result.table[result.table["accuracy"].notna()]
    sizes = computed.groupby("area")["n_units_used"].max()
    if settings.match_units is None and sizes.nunique() > 1:
        warnings.append(f"areas have {sizes.min()} to {sizes.max()} units: more units tell more, "
                        "so their accuracies are not comparable; --match-units decodes from the "
                        "same number in every area")
    elif settings.match_units is not None and len(sizes):
        warnings.append(f"accuracies and distances are means over random draws of {sizes.max()} "
                        "units per area (--match-units)")
    if np.isfinite(result.duration_p) and result.duration_p < LEVEL:
        warnings.append(
            "the durations of the response windows alone tell the class with "
            f"{result.duration_accuracy:.0%} balanced accuracy (p = {result.duration_p:.2g}): a "
            "part of what areas tell may be how long the window lasted; --window START STOP "
            "makes windows equally long")
    reasons = {}
    for row in result.table[result.table["note"] != ""].itertuples():
        reasons.setdefault((row.area, row.note), []).append(row.code)
    for (area, note), codes in reasons.items():
        which = "" if len(codes) == len(CODES) else f" ({', '.join(codes)})"
        warnings.append(f"{area}{which}: {note}")
    return warnings



PIPELINE = Pipeline(
    "separability",
    "Decode the class of a trial from each area, with chance from permuted labels, and find when "
    "each area begins to know it.",
    add_options, analyse)
main = partial(run, PIPELINE)
