"""Class-specific pathways: units that route the activity of one class from area to area.

Members come from the weights (structural) or from one half of the trials (functional), see
`ephys_snn.analysis.pathways.members`; whether they prefer their class is asked of other trials.

Symbols: p_c and p_other, the fraction of (member, trial) pairs with at least one spike in the
response window, over the trials of class c and over all other trials (or their mean number of
spikes).

    preference = (p_c - p_other) / (p_c + p_other)          from -1 to 1, 0 without preference
    overlap    = mean over other classes of |A and B| / |A or B|, the Jaccard index of members

Chance is what random sets of as many units of the same area and cell type give
(Oberste-Frielinghaus et al. 2025, arXiv:2508.12975).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis.pathways.links import functional_links, structural_links
from ephys_snn.analysis.pathways.members import (
    AreaPathways,
    Pathways,
    PathwaySettings,
    Progress,
    functional_pathways,
    label_codes,
    split_halves,
    structural_pathways,
)
from ephys_snn.analysis.statistics import bootstrap_interval, false_discovery_q, permutation_p_value
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, sort_labels

LAST_EXACT_ORDER = 8  # areas whose orders are all tried; more are sampled
SAMPLED_ORDERS = 10_000
DEFAULTS = PathwaySettings()


# --- how much members prefer their class -------------------------------------------------------


def preference_index(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(own - other) / (own + other); nan where both are 0."""
    own, other = np.asarray(own, dtype=float), np.asarray(other, dtype=float)
    with np.errstate(invalid="ignore"):
        return (own - other) / (own + other)


def random_sets(n_units: int, size: int, n_sets: int, rng: np.random.Generator) -> np.ndarray:
    """(set, unit) bool, sets of `size` units drawn without replacement."""
    chosen = np.zeros((n_sets, n_units), dtype=bool)
    drawn = np.argpartition(rng.random((n_sets, n_units)), min(size, n_units - 1), axis=1)[:, :size]
    np.put_along_axis(chosen, drawn, True, axis=1)
    return chosen


def overlap_with_others(member: np.ndarray) -> np.ndarray:
    """(class,) float, mean Jaccard index of the members of each class with those of the others.

    Pairs of classes of which neither has members do not count; nan where none is left.
    """
    members = member.astype(float)
    both = members @ members.T
    size = members.sum(axis=1)
    either = size[:, None] + size - both
    counted = (either > 0) & ~np.eye(len(member), dtype=bool)
    jaccard = np.divide(both, either, out=np.zeros_like(both), where=counted)
    with np.errstate(invalid="ignore"):
        return jaccard.sum(axis=1) / counted.sum(axis=1)


class Preference(NamedTuple):
    """How much the members of each class prefer it, and random sets of the same size.

    Attributes
    ----------
    own, other, index : (class,) float
    null : (set, class) float
        Index of random sets; nan for sets without a spike.
    p_value : (class,) float
        Sets without a spike count for chance.
    """

    own: np.ndarray
    other: np.ndarray
    index: np.ndarray
    null: np.ndarray
    p_value: np.ndarray


def member_preference(area: AreaPathways, n_sets: int, rng: np.random.Generator) -> Preference:
    """Preference of the members of one area, against random sets of its candidates."""
    n_classes, n_units = area.member.shape
    own, other = np.full((2, n_classes), np.nan)
    null = np.full((n_sets, n_classes), np.nan)
    for c in np.flatnonzero([not note for note in area.notes]):
        member = area.member[c]
        own[c], other[c] = area.own[c, member].mean(), area.other[c, member].mean()
        if n_units > 1:
            sets = random_sets(n_units, member.sum(), n_sets, rng).astype(float)
            null[:, c] = preference_index(sets @ area.own[c], sets @ area.other[c])
    index = preference_index(own, other)
    tested = np.where(n_units > 1, index, np.nan)
    p_value = permutation_p_value(tested, np.where(np.isnan(null), np.inf, null))
    return Preference(own, other, index, null, p_value)


# --- does preference grow with depth? -----------------------------------------------------------


class Trend(NamedTuple):
    """How mean preference changes with depth.

    Attributes
    ----------
    n_areas, n_classes : int
    spearman : float
        Rank correlation of depth and the mean over classes.
    p_value : float
        One-sided, of a growth, against all orders of the areas.
    rise, rise_low, rise_high : float
        Last minus first area, mean over the classes that both have, and its 95 % bootstrap
        interval over classes.
    note : str
    """

    n_areas: int
    n_classes: int
    spearman: float
    p_value: float
    rise: float
    rise_low: float
    rise_high: float
    note: str


def depth_trend(preference: np.ndarray, rng: np.random.Generator) -> Trend:
    """Whether preference grows with depth.

    The areas, not the classes, are permuted: classes share the units and trials of an area.

    Parameters
    ----------
    preference : (class, area) float
        Areas in the order of processing; nan where there is none.
    """
    preference = preference[:, ~np.isnan(preference).all(axis=0)]
    n_areas = preference.shape[1]
    if n_areas < 2:
        return Trend(n_areas, 0, *[np.nan] * 5, "preference is known in fewer than two areas")
    change = preference[:, -1] - preference[:, 0]
    change = change[~np.isnan(change)]
    rise = change.mean() if len(change) else np.nan
    low, high = bootstrap_interval(change, rng)
    note = "" if len(change) else "no class has a preference in both the first and the last area"
    if n_areas < 3:
        return Trend(n_areas, len(change), np.nan, np.nan, rise, low, high,
                     note or "a trend needs three areas")
    ranks = stats.rankdata(np.nanmean(preference, axis=0))
    rho, p_value = _rank_trend(ranks, rng)
    if np.isnan(rho):
        note = note or "preference is the same in all areas"
    elif math.factorial(n_areas) < 20:
        note = note or "three areas have too few orders for p < 0.05"
    return Trend(n_areas, len(change), rho, p_value, rise, low, high, note)


def _rank_trend(ranks: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Spearman correlation of ranks with their position, and p against their other orders."""
    n = len(ranks)
    if n <= LAST_EXACT_ORDER:
        orders = np.array(list(itertools.permutations(range(n))))[1:]  # all but the observed one
    else:
        orders = rng.permuted(np.tile(np.arange(n), (SAMPLED_ORDERS, 1)), axis=1)
    position, values = (np.arange(n) - (n - 1) / 2, ranks - ranks.mean())
    norm = np.sqrt(np.square(position).sum() * np.square(values).sum())
    if norm == 0:
        return np.nan, np.nan
    rho = values @ position / norm
    return rho, float(permutation_p_value(rho, values[orders] @ position / norm))


# --- one recording ------------------------------------------------------------------------------


class PathwayResult(NamedTuple):
    """Everything about the pathways of a recording.

    Attributes
    ----------
    table : DataFrame
        A row per kind, class and area.
    by_area : DataFrame
        A row per kind and area: means over classes.
    trends : DataFrame
        A row per kind.
    members, links, area_links : DataFrame
        A row per member, per link between members, per pair of areas.
    kinds : tuple of Pathways
        For figures: structural, where there are weights, and functional.
    null : dict of (kind, area) to (set,) float
        Mean preference over classes of random sets.
    reasons : dict of str to str
        Kinds that could not be computed, and why.
    n_trials : int
        Trials with a response window.
    max_lag : float, ms
    """

    table: pd.DataFrame
    by_area: pd.DataFrame
    trends: pd.DataFrame
    members: pd.DataFrame
    links: pd.DataFrame
    area_links: pd.DataFrame
    kinds: tuple[Pathways, ...]
    reasons: dict[str, str]
    n_trials: int
    max_lag: float


def _iterate(steps: Iterable, what: str) -> Iterable:
    return steps


def measure_pathways(recording: Recording, windows: ResponseWindows,
                     settings: PathwaySettings = DEFAULTS, progress: Progress = _iterate
                     ) -> PathwayResult:
    """Structural and functional pathways of a recording, their preference, and their links.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
        When a spike makes a unit active; trials without a window are left out.
    settings : PathwaySettings
    progress : callable
        (iterable, description) to iterable, like tqdm.

    Raises
    ------
    InputError
        If the trials are of one class only.
    """
    split_rng, member_rng, null_rng, link_rng = (
        np.random.default_rng([settings.seed, stream]) for stream in range(4))
    responses = recording.responses(windows)._replace(latency=np.empty((0, 0)))  # not needed
    classes = sort_labels(responses.label)
    if len(classes) < 2:
        raise InputError("pathways need trials of at least two classes; "
                         f"all {len(responses.label)} trials with a response window are "
                         f"{classes[0]!r}; choose other labels with --label")
    code = label_codes(responses.label, classes)
    chosen_by = split_halves(code, split_rng, settings.block_trials)
    kinds, links, reasons = [], [], {}
    try:
        if not recording.weights:
            raise InputError("the recording has no weights")
        structural, effects, traced = structural_pathways(recording, responses, settings)
        kinds.append(structural)
        links.append(structural_links(recording, structural, effects, traced, settings.max_links))
    except InputError as error:
        reasons["structural"] = str(error)
    functional = functional_pathways(recording, responses, windows, chosen_by, settings,
                                     member_rng)
    kinds.append(functional)
    max_lag = settings.max_lag or float(min(50.0, np.median(
        windows.durations[responses.trial]) / 2))
    found, area_links = functional_links(recording, responses, windows, functional, code,
                                         chosen_by, max_lag, settings, link_rng, progress)
    table, null = preference_table(kinds, settings.n_permutations, null_rng)
    table = pd.concat([table, _uncomputed_rows(recording, reasons)], ignore_index=True)
    links = pd.concat([*links, found], ignore_index=True)
    by_area = area_table(table, null)
    return PathwayResult(
        table, by_area, trend_table(recording, table, kinds, null_rng),
        member_table(recording, kinds), links, area_links, tuple(kinds), reasons,
        len(responses.label), max_lag)


# --- tables -------------------------------------------------------------------------------------


def preference_table(kinds: list[Pathways], n_sets: int, rng: np.random.Generator
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


def _structural_auc(kinds: list[Pathways], pathways: Pathways, area: AreaPathways
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


def ranking_auc(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve, and the one-sided p of Mann and Whitney's test.

    Parameters
    ----------
    score : (unit,) float
    positive : (unit,) bool

    Returns
    -------
    auc, p_value : float
        nan where all or none are positive.
    """
    if positive.all() or not positive.any():
        return np.nan, np.nan
    test = stats.mannwhitneyu(score[positive], score[~positive], alternative="greater",
                              method="asymptotic")
    p_value = 1.0 if np.ptp(score) == 0 else test.pvalue
    return test.statistic / (positive.sum() * (~positive).sum()), p_value


def mean_without_nan(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there; nan where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)


def _uncomputed_rows(recording: Recording, reasons: dict[str, str]) -> pd.DataFrame:
    """A row per area for structural pathways that the weights do not give."""
    if "structural" not in reasons or not recording.weights:
        return pd.DataFrame()
    return pd.DataFrame([{"kind": "structural", "class": "", "area": area, "n_members": 0,
                          "n_trials": 0, "n_units": len(recording.units_in(area)),
                          "cell_type": "all", "note": f"not computable: {reasons['structural']}"}
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


def trend_table(recording: Recording, table: pd.DataFrame, kinds: list[Pathways],
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
        if recording.areas_ordered:
            trend = depth_trend(values.to_numpy(dtype=float), rng)
        else:
            trend = Trend(len(deep), 0, *[np.nan] * 5,
                          "the areas have no stated order; give one with --areas")
        rows.append({"kind": pathways.kind} | trend._asdict())
    return pd.DataFrame(rows)


def member_table(recording: Recording, kinds: list[Pathways]) -> pd.DataFrame:
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
