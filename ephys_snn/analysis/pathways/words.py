"""Pathways in words: what was found, what limits it, what the figures show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ephys_snn.analysis.depth_trend import ONE_RECORDING
from ephys_snn.analysis.pathways.members import Pathways, PathwaySettings
from ephys_snn.analysis.pathways.pathways import PathwayResult
from ephys_snn.analysis.statistics import SIGNIFICANT_Q

FEW_TRIALS = 5  # of a class, in the half that evaluates: below, activity is hardly known
SATURATED = 0.9  # active in so many trials, a unit can hardly be more active for any class
MADE_OF = {"structural": "the pathways in the weights",
           "functional": "the pathways in the activity"}
CAPTIONS = {
    "pathways": "Areas from left to right; units that belong to the pathway of a class, and the "
                "strongest links between them. One class is highlighted.",
    "pathways_preference": "How much more active a pathway is for its own class than for others, "
                           "beside random sets of as many units of the same area; areas are "
                           "tested with the labels of the trials in another order.",
}
BEYOND = {"stimulus": "locking to the stimulus", "class": "the class average"}


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """How much pathways prefer their class, and where more than with labels in another order."""
    by_area, sentences = tables["pathways_by_area"], []
    for kind, rows in by_area[by_area["preference"].notna()].groupby("kind", sort=False):
        significant = int((rows["q_value"] < SIGNIFICANT_Q).sum())
        values = [f"{row.preference:.2f} in {row.area}" for row in rows.itertuples()]
        shown = [values[0], values[-1]] if areas_ordered and len(values) > 1 else values[:4]
        scale = "" if sentences else " (0: not at all, 1: active for it alone)"
        sentences.append(f"{MADE_OF[kind]} prefer their own class by {', '.join(shown)}{scale}, "
                         f"more than with labels in another order in {significant} of "
                         f"{len(rows)} areas")
    text = "; ".join(sentences) or "no area has a pathway that could be evaluated"
    return text[0].upper() + text[1:] + "."


def summarise(result: PathwayResult) -> list[str]:
    """What was found, in plain sentences."""
    return [*(sentence for pathways in result.kinds for sentence in _preference(result, pathways)),
            *([f"{ONE_RECORDING[0].upper()}{ONE_RECORDING[1:]}."]
              if result.trends["spearman_rho"].notna().any() else []),
            *_found_by_activity(result.by_area), *_links(result.area_links, result.repeats_of)]


def _preference(result: PathwayResult, pathways: Pathways) -> list[str]:
    """Of one kind of pathways, by area and from the first area to the last."""
    of_kind = result.by_area["kind"] == pathways.kind
    rows = result.by_area[of_kind & result.by_area["preference"].notna()]
    trials = int(pathways.class_trials.sum())
    if rows.empty:
        return [f"No {pathways.kind} pathway has a preference to report ({trials} trials)."]
    sentences = [
        f"Preference of {pathways.kind} pathways for their class in {trials} trials that did "
        "not choose them (1: active for it alone, 0: none; * more than with labels in another "
        f"order, q < {SIGNIFICANT_Q:g}; in brackets the same of random sets of as many units, "
        "mean ± SD over sets): " + ", ".join(
            f"{row.area} {row.preference:.2f}{'*' if row.q_value < SIGNIFICANT_Q else ''} "
            f"[{row.random_sets_mean:.2f} ± {row.random_sets_sd:.2f}]".replace("nan", "–")
            + (f" ({row.n_classes} of {len(pathways.classes)} classes)"
               if row.n_classes < len(pathways.classes) else "")
            for row in rows.itertuples()) + "."]
    trend = result.trends[result.trends["kind"] == pathways.kind].iloc[0]
    if np.isfinite(trend["rise"]):
        rank = f"; Spearman {trend['spearman_rho']:.2f} with depth, p = {trend['p_value']:.2g}" \
            if np.isfinite(trend["p_value"]) else ""
        classes = f"{trend['n_classes']} class{'es' if trend['n_classes'] > 1 else ''}"
        sentences.append(f"From the first to the last of {trend['n_areas']} areas it changes by "
                         f"{trend['rise']:+.2f} (mean over {classes}{rank}).")
    return sentences


def _found_by_activity(by_area: pd.DataFrame) -> list[str]:
    auc = by_area[by_area["auc"].notna()]
    return ["How well activity alone finds the members that the weights name (area under the ROC "
            "curve, 0.5 chance): " + ", ".join(
                f"{row.area} {row.auc:.2f}" for row in auc.itertuples()) + "."] if len(auc) else []


def _links(area_links: pd.DataFrame, repeats_of: str) -> list[str]:
    linked = area_links[area_links["n_pairs"] > 0]
    if linked.empty:
        return []
    strongest = linked.nlargest(8, "fraction_linked")
    return ["Pairs of units in two areas that vary together from trial to trial beyond "
            f"{BEYOND[repeats_of]}, slow drift and the length of the window (q < "
            f"{SIGNIFICANT_Q:g}; shared variability of any origin, not a synapse): "
            f"{linked['n_linked'].sum()} of {linked['n_pairs'].sum()}; " + ", ".join(
                f"{row.source_area} and {row.target_area} {row.fraction_linked:.1%}"
                for row in strongest.itertuples())
            + (", fewer elsewhere." if len(linked) > len(strongest) else ".")]


def limits(result: PathwayResult, settings: PathwaySettings) -> list[str]:
    """What limits it, and what could not be computed and why."""
    return [*settings.relabelling.limits(len(result.kinds[-1].code)),
            *(f"no {kind} pathways: {reason}" for kind, reason in result.reasons.items()),
            *_activity(result.kinds[-1], settings.activity),
            *_notes(result),
            *(f"{trend.kind}, trend with depth: {trend.note}"
              for trend in result.trends.itertuples() if trend.note)]


def _activity(functional: Pathways, activity: str) -> list[str]:
    said = []
    few = int((functional.class_trials < FEW_TRIALS).sum())
    if few:
        said.append(f"fewer than {FEW_TRIALS} trials are left to evaluate functional pathways of "
                    f"{few} of {len(functional.classes)} classes")
    saturated = _saturated(functional)
    if activity == "active" and saturated > 0.25:
        said.append(f"{saturated:.0%} of the units are active in more than {SATURATED:.0%} of the "
                    "trials, which leaves little to prefer: --activity count or a shorter "
                    "--window leaves more")
    return said


def _saturated(functional: Pathways) -> float:
    activity = [np.nanmean(area.own, axis=0) for area in functional.areas
                if area.own.size and not np.isnan(area.own).all()]
    return float(np.mean(np.concatenate(activity) > SATURATED)) if activity else 0.0


def _notes(result: PathwayResult) -> list[str]:
    """What the table notes, with the number of classes where it is not all."""
    table, said = result.table, []
    for kind, rows in table[table["note"] != ""].groupby("kind", sort=False):
        if kind in result.reasons:
            continue
        for (area, note), group in rows.groupby(["area", "note"], sort=False):
            n_classes = int(((table["kind"] == kind) & (table["area"] == area)).sum())
            which = "" if len(group) == n_classes else f", {len(group)} of {n_classes} classes"
            said.append(f"{kind}, {area}{which}: {note}")
    return said
