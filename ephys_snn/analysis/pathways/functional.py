"""Functional members: units that one half of the trials shows to be more active for a class.

By a one-sided test with false discovery controlled over units and classes of an area: Fisher's
exact test of the trials in which a unit is active, or the rank-sum test of its spike counts; where
labels are moved in blocks or shifted, against these. The other half of the trials says what the
members do.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ephys_snn.analysis.classes import class_sums, label_codes
from ephys_snn.analysis.pathways.members import (
    Pathways,
    PathwaySettings,
    activity_of,
    class_activity,
    evaluated_area,
)
from ephys_snn.analysis.statistics import SIGNIFICANT_Q, false_discovery_q
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling, relabel
from ephys_snn.recording import DECISION_NOTE, Recording, Responses, ResponseWindows, sort_labels

MIN_EXPECTED = 5  # expected active trials of a class for a rank-sum test (Cochran's rule)
NO_MEMBERS = ("no members: no unit is more active than for other classes "
              f"(q < {SIGNIFICANT_Q:g})")


def fisher_p_values(active: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """One-sided Fisher's exact test: active in more trials of a class than of the others.

    The hypergeometric tail for all units and classes in one call.

    Parameters
    ----------
    active : (trial, unit) bool
    code : (trial,) int

    Returns
    -------
    (class, unit) float
    """
    counts = class_sums(active, code, n_classes)
    sizes = np.bincount(code, minlength=n_classes)[:, None]
    return stats.hypergeom.sf(counts - 1, len(code), sizes, active.sum(axis=0))


def rank_sum_p_values(counts: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """One-sided rank-sum test: more spikes in trials of a class than in the others.

    Normal approximation with correction for ties and continuity (Mann & Whitney 1947,
    doi:10.1214/aoms/1177730491). `scipy.stats.mannwhitneyu` gives the same, but ranks all trials
    anew for every class, which takes six times as long.

    Parameters
    ----------
    counts : (trial, unit) int
    code : (trial,) int

    Returns
    -------
    (class, unit) float
        1 for units whose count never varies.
    """
    n_trials = len(code)
    ranks = stats.rankdata(counts, axis=0)
    sizes = np.bincount(code, minlength=n_classes)[:, None]
    one_hot = (code == np.arange(n_classes)[:, None]).astype(float)
    excess = one_hot @ ranks - sizes * (n_trials + 1) / 2
    variance = sizes * (n_trials - sizes) / n_trials * ranks.var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, stats.norm.sf((excess - 0.5) / np.sqrt(variance)), 1.0)


def relabelled_p_values(activity: np.ndarray, code: np.ndarray, n_classes: int,
                        n_permutations: int, relabelling: Relabelling, rng: np.random.Generator
                        ) -> np.ndarray:
    """One-sided p of the activity for a class, against labels moved in blocks or shifted.

    Returns
    -------
    (class, unit) float
        At least 1 / (1 + n_permutations).
    """
    observed = class_sums(activity, code, n_classes)
    reached = np.zeros_like(observed)
    for _ in range(n_permutations):
        permuted = relabel(code, rng, relabelling)
        reached += class_sums(activity, permuted, n_classes) >= observed
    return (1 + reached) / (1 + n_permutations)


def functional_pathways(recording: Recording, responses: Responses, windows: ResponseWindows,
                        chosen_by: np.ndarray, settings: PathwaySettings,
                        rng: np.random.Generator) -> Pathways:
    """Members chosen by half of the trials, evaluated in the other half.

    Parameters
    ----------
    chosen_by : (trial,) bool
        The trials of `responses` that choose members.
    """
    classes = sort_labels(responses.label)
    code = label_codes(responses.label, classes)
    sizes = np.array([np.bincount(code[half], minlength=len(classes))
                      for half in (chosen_by, ~chosen_by)])
    too_few = ((sizes == 0) | (sizes == sizes.sum(axis=1, keepdims=True))).any(axis=0)
    class_notes = tuple("not computable: too few trials, one half must choose members and the "
                        "other evaluate them" if few else "" for few in too_few)
    areas = []
    for area in recording.areas:
        units, cell_type, note = candidates(recording, windows, area)
        activity = activity_of(responses, units, settings.activity)
        if not note and not activity.any():
            note = "not computable: no unit is active in the response window"
        chosen, choosing = activity[chosen_by], code[chosen_by]
        effect = np.subtract(*class_activity(chosen, choosing, len(classes)))
        member = np.zeros(effect.shape, dtype=bool) if note else _choose_members(
            chosen, choosing, effect, too_few, settings, rng)
        notes = tuple(note or class_note or ("" if row.any() else NO_MEMBERS)
                      for class_note, row in zip(class_notes, member, strict=True))
        areas.append(evaluated_area(area, cell_type, units, effect, member, activity[~chosen_by],
                                    code[~chosen_by], notes))
    return Pathways("functional", classes, code[~chosen_by], tuple(areas), np.empty(0, dtype=int))


def functional_members(active: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """Units that are active in more trials of a class than of the others.

    By Fisher's exact test, false discovery controlled over units and classes.

    Parameters
    ----------
    active : (trial, unit) bool
    code : (trial,) int

    Returns
    -------
    (class, unit) bool
    """
    return _significant(fisher_p_values(active, code, n_classes), active)


def _significant(p: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """(class, unit) bool, p below the level of false discovery, of units that are ever active."""
    # Never active is nothing to test; a p of 1 would only dilute the others.
    tested = np.where(activity.any(axis=0), p, np.nan)
    return false_discovery_q(tested) < SIGNIFICANT_Q


def _choose_members(activity: np.ndarray, code: np.ndarray, effect: np.ndarray,
                    too_few: np.ndarray, settings: PathwaySettings, rng: np.random.Generator
                    ) -> np.ndarray:
    """(class, unit) bool, units that are significantly more active for a class."""
    p = _selection_p_values(activity, code, len(effect), settings, rng)
    p[too_few] = np.nan
    return _significant(p, activity) & (effect > 0)


def _selection_p_values(activity: np.ndarray, code: np.ndarray, n_classes: int,
                        settings: PathwaySettings, rng: np.random.Generator) -> np.ndarray:
    if settings.relabelling != SINGLE_TRIALS:
        return relabelled_p_values(activity, code, n_classes, settings.n_permutations,
                                   settings.relabelling, rng)
    active = activity > 0
    exact = fisher_p_values(active, code, n_classes)
    if settings.activity == "active":
        return exact
    # Few active trials are no normal distribution, and hardly more than active or silent.
    expected = np.bincount(code, minlength=n_classes)[:, None] * active.mean(axis=0)
    return np.where(expected >= MIN_EXPECTED, rank_sum_p_values(activity, code, n_classes), exact)


def candidates(recording: Recording, windows: ResponseWindows, area: str
               ) -> tuple[np.ndarray, str, str]:
    """Units of an area that may be members, their cell type, and why there are none, if so."""
    excitatory = recording.units_in(area, "excitatory")
    cell_type = "excitatory" if len(excitatory) else "all"
    units = excitatory if len(excitatory) else recording.units_in(area)
    free = units[~recording.output_units(windows)[units]]
    if len(free):
        return free, cell_type, ""
    return units, cell_type, DECISION_NOTE
