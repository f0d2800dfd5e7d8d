"""Pathways: which units route the activity of a class, and do they prefer it more with depth?"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial

import numpy as np
from tqdm import tqdm

from ephys_snn.analysis.pathways.figures import plot_pathways, plot_preference
from ephys_snn.analysis.pathways.members import ACTIVITIES, SIGNIFICANT_Q, PathwaySettings
from ephys_snn.analysis.pathways.preference import PathwayResult, measure_pathways
from ephys_snn.analysis.pipeline import Pipeline, run
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.cli import number
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows

DEFAULTS = PathwaySettings()
FEW_TRIALS = 5  # of a class, in the half that evaluates: below, activity is hardly known
SATURATED = 0.9  # active in so many trials, a unit can hardly be more active for any class


def add_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--k", type=number(float, least=0), default=DEFAULTS.k, metavar="K",
                        help="an effect of the weights is strong if it exceeds the mean of its "
                        "area by K standard deviations (default: %(default)g)")
    parser.add_argument("--permutations", type=number(int, least=1), metavar="N",
                        default=DEFAULTS.n_permutations,
                        help="random sets of units and shuffles of trials, for chance; the "
                        "smallest p is 1 / (N + 1) (default: %(default)s)")
    parser.add_argument("--block-trials", type=number(int, least=1), default=DEFAULTS.block_trials,
                        metavar="N", help="keep so many neighbouring trials together, in halves "
                        "and permutations, where labels or responses drift "
                        "(default: %(default)s)")
    parser.add_argument("--activity", choices=ACTIVITIES, default=DEFAULTS.activity,
                        help="fraction of trials in which a unit is active, or its mean spike "
                        "count, which tells more of units that are active in nearly every trial "
                        "(default: %(default)s)")
    parser.add_argument("--links", type=number(int, least=1), default=DEFAULTS.max_links,
                        metavar="N", help="keep the N strongest links per class and pair of areas "
                        "(default: %(default)s)")
    parser.add_argument("--max-lag", type=number(float, above=0), metavar="MS",
                        help="largest difference of spike times in lead and lag (default: half of "
                        "the median response window, at most 50 ms)")
    parser.add_argument("--highlight", metavar="CLASS",
                        help="the class that the figure shows in full (default: the first that "
                        "has members in most areas)")


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Run the analysis with the options of `add_options`, ``seed`` and ``quiet``."""
    settings = PathwaySettings(
        k=args.k, n_permutations=args.permutations, block_trials=args.block_trials,
        activity=args.activity, max_links=args.links, max_lag=args.max_lag, seed=args.seed)

    def progress(steps: Iterable, what: str) -> Iterable:
        return tqdm(steps, what, disable=args.quiet, leave=False)

    result = measure_pathways(recording, windows, settings, progress)
    classes = list(dict.fromkeys(label for kind in result.kinds for label in kind.classes))
    if args.highlight is not None and args.highlight not in classes:
        raise InputError(f"--highlight {args.highlight}: no such class; there are "
                         f"{', '.join(classes[:20])}")
    figures = {
        "pathways": plot_pathways(recording, result, windows.description, args.activity,
                                  args.highlight),
        "pathways_preference": plot_preference(recording, result, windows.description),
    }
    tables = {"pathways": result.table, "pathways_by_area": result.by_area,
              "pathways_trend": result.trends, "pathway_members": result.members,
              "pathway_links": result.links, "pathway_area_links": result.area_links}
    return PipelineResult("pathways", tables, figures, asdict(settings) | {
        "window": windows.description, "n_trials": result.n_trials, "classes": classes,
        "max_lag_used": result.max_lag, "significant_q": SIGNIFICANT_Q,
        "not_computed": result.reasons}, summarise(result), warn(recording, windows, result, args))


def summarise(result: PathwayResult) -> list[str]:
    """What was found, in plain sentences."""
    sentences = []
    for pathways in result.kinds:
        rows = result.by_area[(result.by_area["kind"] == pathways.kind)
                              & result.by_area["preference"].notna()]
        trials = int(pathways.class_trials.sum())
        if rows.empty:
            sentences.append(f"No {pathways.kind} pathway has a preference to report "
                             f"({trials} trials).")
            continue
        sentences.append(
            f"Preference of {pathways.kind} pathways for their class in {trials} trials that did "
            "not choose them (1: active for it alone, 0: none; in brackets random sets of as many "
            f"units, mean ± SD; * q < {SIGNIFICANT_Q:g}): " + ", ".join(
                f"{row.area} {row.preference:.2f}{'*' if row.q_value < SIGNIFICANT_Q else ''} "
                f"[{row.null_mean:.2f} ± {row.null_sd:.2f}]".replace("nan", "–")
                + (f" ({row.n_classes} of {len(pathways.classes)} classes)"
                   if row.n_classes < len(pathways.classes) else "")
                for row in rows.itertuples()) + ".")
        trend = result.trends[result.trends["kind"] == pathways.kind].iloc[0]
        if np.isfinite(trend["rise"]):
            p = f", Spearman {trend['spearman']:.2f} with depth, p = {trend['p_value']:.2g}" \
                if np.isfinite(trend["spearman"]) else ""
            classes = f"{trend['n_classes']} class{'es' if trend['n_classes'] > 1 else ''}"
            sentences.append(
                f"From the first to the last of {trend['n_areas']} areas it changes by "
                f"{trend['rise']:+.2f} [{trend['rise_low']:.2f}, {trend['rise_high']:.2f}] (95 % "
                f"over {classes}{p}).".replace("[nan, nan]", "[no interval]"))
    auc = result.by_area[result.by_area["auc"].notna()]
    if len(auc):
        sentences.append("How well activity alone finds the members that the weights name (area "
                         "under the ROC curve, 0.5 chance): " + ", ".join(
                             f"{row.area} {row.auc:.2f}" for row in auc.itertuples()) + ".")
    linked = result.area_links[result.area_links["n_pairs"] > 0]
    if len(linked):
        strongest = linked.nlargest(8, "fraction_linked")
        sentences.append(
            "Pairs of units in two areas that vary together within classes more than in shuffled "
            f"trials (q < {SIGNIFICANT_Q:g}): {linked['n_linked'].sum()} of "
            f"{linked['n_pairs'].sum()}; " + ", ".join(
                f"{row.source_area} and {row.target_area} {row.fraction_linked:.1%}"
                for row in strongest.itertuples())
            + (", fewer elsewhere." if len(linked) > len(strongest) else "."))
    return sentences


def warn(recording: Recording, windows: ResponseWindows, result: PathwayResult,
         args: argparse.Namespace) -> list[str]:
    """What limits it, and what could not be computed and why."""
    warnings = [f"no {kind} pathways: {reason}" for kind, reason in result.reasons.items()]
    functional = result.kinds[-1]
    few = [label for label, n in zip(functional.classes, functional.class_trials, strict=True)
           if n < FEW_TRIALS]
    if few:
        warnings.append(f"fewer than {FEW_TRIALS} trials are left to evaluate functional pathways "
                        f"of {len(few)} of {len(functional.classes)} classes")
    saturated = _saturated(functional)
    if args.activity == "active" and saturated > 0.25:
        warnings.append(f"{saturated:.0%} of the units are active in more than {SATURATED:.0%} of "
                        "the trials, which leaves little to prefer; --activity count or a "
                        "shorter --window tells more")
    for kind, rows in result.table[result.table["note"] != ""].groupby("kind", sort=False):
        if kind in result.reasons:
            continue
        for (area, note), group in rows.groupby(["area", "note"], sort=False):
            n_classes = (result.table[(result.table["kind"] == kind)
                                      & (result.table["area"] == area)]).shape[0]
            which = "" if len(group) == n_classes else f", {len(group)} of {n_classes} classes"
            warnings.append(f"{kind}, {area}{which}: {note}")
    for trend in result.trends.itertuples():
        if trend.note:
            warnings.append(f"{trend.kind}, trend with depth: {trend.note}")
    return warnings


def _saturated(functional) -> float:
    activity = [np.nanmean(area.own, axis=0) for area in functional.areas
                if area.own.size and not np.isnan(area.own).all()]
    return float(np.mean(np.concatenate(activity) > SATURATED)) if activity else 0.0




PIPELINE = Pipeline(
    "pathways",
    "Find the units that route the activity of each class, from the weights and from activity, "
    "and ask whether they prefer their class, more so with depth.",
    add_options, analyse)
main = partial(run, PIPELINE)
