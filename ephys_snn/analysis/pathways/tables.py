"""The tables of pathways: by class and area, by area, along the areas, and of single members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ephys_snn.analysis.depth_trend import DepthTrend, depth_trend
from ephys_snn.analysis.pathways.members import AreaPathways, Pathways
from ephys_snn.analysis.pathways.preference import (
    member_preference,
    overlap_with_others,
    ranking_auc,
)
from ephys_snn.analysis.statistics import false_discovery_q, mean_interval, permutation_p_value
from ephys_snn.recording import Recording


def preference_table(kinds: Sequence[Pathways], n_sets: int, rng: np.random.Generator
                     ) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
    """A row per kind, class and area, and the null of the mean over classes of every area.

    Returns
    -------
    table : DataFrame
    null : dict of (kind, area) to (set,) float
    """
    rows, mean_null = [], {}
    for pathways in kinds:
        for area in pathways.areas:
            preference = member_preference(area, n_sets, rng)
            overlap = overlap_with_others(area.member)
            counted = ~np.isnan(preference.index)
            if counted.any() and len(area.units) > 1:
                mean_null[pathways.kind, area.area] = mean_without_nan(preference.null[:, counted])
            auc, auc_p = _structural_auc(kinds, pathways, area)
            for c, label in enumerate(pathways.classes):
                null = preference.null[:, c]
                null = null[~np.isnan(null)]
                note = area.notes[c]
                if not note and len(area.units) == 1:
                    note = "one unit: there is no random set to compare it with"
                has_members = area.member[c].any()
                rows.append({
                    "kind": pathways.kind, "class": label, "area": area.area,
                    "n_members": int(area.member[c].sum()),
                    "activity_preferred": preference.own[c],
                    "activity_other": preference.other[c],
                    "preference": preference.index[c], "p_value": preference.p_value[c],
                    "overlap": overlap[c] if has_members else np.nan,
                    "null_mean": null.mean() if len(null) else np.nan,
                    "null_sd": null.std(ddof=1) if len(null) > 1 else np.nan,
                    "auc": auc[c], "auc_p_value": auc_p[c], "n_units": len(area.units),
                    "cell_type": area.cell_type, "n_trials": int(pathways.class_trials[c]),
                    "note": note})
    table = pd.DataFrame(rows)
    table.insert(list(table).index("overlap") + 1, "q_value",
                 table.groupby("kind")["p_value"].transform(false_discovery_q))
    return table, mean_null


def _structural_auc(kinds: Sequence[Pathways], pathways: Pathways, area: AreaPathways
                    ) -> tuple[np.ndarray, np.ndarray]:
    """How well the activity that chooses functional members ranks the structural ones."""
    auc, p_value = np.full((2, len(pathways.classes)), np.nan)
    structural = kinds[0]
    if pathways.kind == "structural" or structural.kind != "structural":
        return auc, p_value
    known = next(other for other in structural.areas if other.area == area.area)
    if not np.array_equal(known.units, area.units):
        return auc, p_value
    for c, label in enumerate(pathways.classes):
        if label in structural.classes and not np.isnan(area.effect[c]).any():
            auc[c], p_value[c] = ranking_auc(area.effect[c],
                                             known.member[structural.classes.index(label)])
    return auc, p_value


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
        chance = chance[~np.isnan(chance)]
        value = counted["preference"].mean()
        notes = [note for note in dict.fromkeys(group["note"]) if note]
        rows.append({
            "kind": kind, "area": area, "cell_type": group["cell_type"].iloc[0],
            "n_units": group["n_units"].iloc[0], "n_classes": len(counted),
            "n_members": group["n_members"].mean(), "preference": value,
            "preference_sd": counted["preference"].std(ddof=1),
            "p_value": float(permutation_p_value(value, chance)) if len(chance) else np.nan,
            "null_mean": chance.mean() if len(chance) else np.nan,
            "null_sd": chance.std(ddof=1) if len(chance) > 1 else np.nan,
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
    low, high = mean_interval(change)
    return {"n_areas": n_areas, "n_classes": len(change), "spearman": trend.spearman_rho,
            "p_value": trend.p_value, "rise": change.mean() if len(change) else np.nan,
            "rise_low": low, "rise_high": high, "note": trend.note}


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


def mean_without_nan(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there; nan where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)
