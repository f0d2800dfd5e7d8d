"""The tables of pathways: by class and area, by area, along the areas, and of single members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ephys_snn.analysis.depth_trend import DepthTrend, depth_trend
from ephys_snn.analysis.pathways.members import AreaPathways, Pathways, PathwaySettings
from ephys_snn.analysis.pathways.preference import (
    member_preference,
    overlap_with_others,
    ranking_auc,
    relabelled_preference,
)
from ephys_snn.analysis.statistics import false_discovery_q, permutation_p_value
from ephys_snn.recording import Recording


def preference_table(kinds: Sequence[Pathways], settings: PathwaySettings,
                     rng: np.random.Generator
                     ) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
    """A row per kind, class and area, and the null of the mean over classes of every area.

    Returns
    -------
    table : DataFrame
    null : dict of (kind, area) to (permutation,) float
    """
    rows, mean_null = [], {}
    for pathways in kinds:
        nulls = relabelled_preference(pathways, settings.n_permutations, rng, settings.relabelling)
        for area, null in zip(pathways.areas, nulls.swapaxes(0, 1), strict=True):
            preference = member_preference(area, settings.n_permutations, rng)
            p_value = permutation_p_value(preference.index, null)
            overlap = overlap_with_others(area.member)
            counted = ~np.isnan(preference.index)
            if counted.any():
                mean_null[pathways.kind, area.area] = null[:, counted].mean(axis=1)
            auc = _structural_auc(kinds, pathways, area)
            for c, label in enumerate(pathways.classes):
                of_sets = preference.of_random_sets[:, c]
                of_sets = of_sets[~np.isnan(of_sets)]
                note = area.notes[c]
                if not note and len(area.units) == 1:
                    note = "one unit: there is no random set to compare it with"
                has_members = area.member[c].any()
                rows.append({
                    "kind": pathways.kind, "class": label, "area": area.area,
                    "n_members": int(area.member[c].sum()),
                    "activity_preferred": preference.own[c],
                    "activity_other": preference.other[c],
                    "preference": preference.index[c], "p_value": p_value[c],
                    "overlap": overlap[c] if has_members else np.nan,
                    **_spread("null", null[:, c] if counted[c] else of_sets[:0]),
                    **_spread("random_sets", of_sets),
                    "auc": auc[c], "n_units": len(area.units),
                    "cell_type": area.cell_type, "n_trials": int(pathways.class_trials[c]),
                    "note": note})
    table = pd.DataFrame(rows)
    table.insert(list(table).index("overlap") + 1, "q_value",
                 table.groupby("kind")["p_value"].transform(false_discovery_q))
    return table, mean_null


def _spread(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name}_mean": values.mean() if len(values) else np.nan,
            f"{name}_sd": values.std(ddof=1) if len(values) > 1 else np.nan}


def _structural_auc(kinds: Sequence[Pathways], pathways: Pathways, area: AreaPathways
                    ) -> np.ndarray:
    """(class,), how well the activity that chooses functional members ranks structural ones."""
    auc = np.full(len(pathways.classes), np.nan)
    structural = kinds[0]
    if pathways.kind == "structural" or structural.kind != "structural":
        return auc
    known = next(other for other in structural.areas if other.area == area.area)
    if not np.array_equal(known.units, area.units):
        return auc
    for c, label in enumerate(pathways.classes):
        if label in structural.classes and not np.isnan(area.effect[c]).any():
            auc[c] = ranking_auc(area.effect[c], known.member[structural.classes.index(label)])
    return auc


def uncomputed_rows(recording: Recording, reason: str) -> pd.DataFrame:
    """A row per area for structural pathways that the weights do not give."""
    return pd.DataFrame([{"kind": "structural", "class": "", "area": area, "n_members": 0,
                          "n_trials": 0, "n_units": len(recording.units_in(area)),
                          "cell_type": "all", "note": f"not computable: {reason}"}
                         for area in recording.areas])


def area_table(table: pd.DataFrame, null: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """A row per kind and area: means over the classes that have a preference there."""
    rows = []
    for (kind, area), group in table.groupby(["kind", "area"], sort=False):
        counted = group[group["preference"].notna()]
        chance = null.get((kind, area), np.empty(0))
        value = counted["preference"].mean()
        notes = [note for note in dict.fromkeys(group["note"]) if note]
        rows.append({
            "kind": kind, "area": area, "cell_type": group["cell_type"].iloc[0],
            "n_units": group["n_units"].iloc[0], "n_classes": len(counted),
            "n_members": group["n_members"].mean(), "preference": value,
            "preference_sd": counted["preference"].std(ddof=1),
            "p_value": float(permutation_p_value(value, chance)) if len(chance) else np.nan,
            **_spread("null", chance),
            "random_sets_mean": group["random_sets_mean"].mean(),
            "random_sets_sd": group["random_sets_sd"].mean(),
            "overlap": group["overlap"].mean(), "auc": group["auc"].mean(),
            "note": "" if len(counted) == len(group) else "; ".join(notes)})
    by_area = pd.DataFrame(rows)
    by_area.insert(list(by_area).index("p_value") + 1, "q_value",
                   by_area.groupby("kind")["p_value"].transform(false_discovery_q))
    return by_area


def trend_table(recording: Recording, table: pd.DataFrame, kinds: Sequence[Pathways],
                rng: np.random.Generator) -> pd.DataFrame:
    """A row per kind: whether preference grows with depth.

    Areas of input units take no part: what they prefer, the stimulus made.
    """
    rows = []
    for pathways in kinds:
        deep = [area for area in recording.areas
                if not (recording.units.cell_type[recording.units_in(area)] == "input").all()]
        values = table[table["kind"] == pathways.kind].pivot(
            index="class", columns="area", values="preference").reindex(columns=deep)
        row = _trend_row(values.to_numpy(dtype=float), rng) if recording.areas_ordered else \
            _describe_trend(len(deep), np.empty(0), DepthTrend(
                np.nan, np.nan, "the areas have no stated order; give one with --areas"))
        rows.append({"kind": pathways.kind} | row)
    return pd.DataFrame(rows)


def _trend_row(preference: np.ndarray, rng: np.random.Generator) -> dict:
    """Whether preference (class, area) grows along the areas that have any, and what limits it."""
    preference = preference[:, ~np.isnan(preference).all(axis=0)]
    change = preference[:, -1] - preference[:, 0] if preference.shape[1] > 1 else np.empty(0)
    trend = depth_trend(np.nanmean(preference, axis=0), rng)
    return _describe_trend(preference.shape[1], change[~np.isnan(change)], trend)


def _describe_trend(n_areas: int, change: np.ndarray, trend: DepthTrend) -> dict:
    return {"n_areas": n_areas, "n_classes": len(change), "spearman_rho": trend.spearman_rho,
            "p_value": trend.p_value, "rise": change.mean() if len(change) else np.nan,
            "note": trend.note}


def member_table(recording: Recording, kinds: Sequence[Pathways]) -> pd.DataFrame:
    """A row per kind, class and member."""
    rows = []
    for pathways in kinds:
        for c, label in enumerate(pathways.classes):
            for area in pathways.areas:
                for at in np.flatnonzero(area.member[c]):
                    unit = area.units[at]
                    rows.append((pathways.kind, label, area.area, recording.units.unit_id[unit],
                                 recording.units.name[unit], area.effect[c, at],
                                 area.own[c, at], area.other[c, at]))
    return pd.DataFrame(rows, columns=["kind", "class", "area", "unit_id", "unit", "effect",
                                       "activity_preferred", "activity_other"])
