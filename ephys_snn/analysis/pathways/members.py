"""Members of class-specific pathways: chosen by the weights, or by one half of the trials.

Structural members have strong effects on the output unit of a class (see `connectivity`).
Functional members are more active in trials of a class than in the others, by a one-sided test
with false discovery controlled over units and classes of an area: Fisher's exact test of the trials
in which a unit is active, or the rank-sum test of its spike counts. What members do is asked of
trials that did not choose them: of all trials for structural members, of the other half for
functional ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.pathways.connectivity import (
    Effects,
    area_chain,
    excitatory_weights,
    output_classes,
    pathway_effects,
)
from ephys_snn.analysis.statistics import false_discovery_q, permute_labels
from ephys_snn.errors import InputError
from ephys_snn.recording import DECISION_NOTE, Recording, Responses, ResponseWindows, sort_labels

SIGNIFICANT_Q = 0.05
ACTIVITIES = ("active", "count")
MIN_EXPECTED = 5  # expected active trials of a class for a rank-sum test (Cochran's rule)

Progress = Callable[[Iterable, str], Iterable]


@dataclass(frozen=True)
class PathwaySettings:
    """What the numbers depend on.

    Attributes
    ----------
    k : float
        Standard deviations above the mean at which an effect of the weights is strong.
    n_permutations : int
        Random sets, shuffles and permutations.
    block_trials : int
        Neighbouring trials that stay together in halves and permutations, against drift.
    activity : {'active', 'count'}
        Whether activity is the fraction of trials with a spike, or the mean number of spikes,
        which says more of units that are active in nearly every trial.
    max_links : int
        Strongest links kept per class and pair of areas.
    max_lag : float or None, ms
        Largest difference of spike times in lead and lag; by default half of the median response
        window, at most 50 ms.
    seed : int
    """

    k: float = 1.0
    n_permutations: int = 1000
    block_trials: int = 1
    activity: str = "active"
    max_links: int = 20
    max_lag: float | None = None
    seed: int = 0


class AreaPathways(NamedTuple):
    """Members of the pathways of all classes in one area, and what the area's units do.

    Attributes
    ----------
    area, cell_type : str
        Candidates are the excitatory units where there are any, else all units.
    units : (unit,) int
        The candidates, as indices into the recording.
    effect : (class, unit) float
        What members were chosen by: effect on the output neuron, or difference of activity in the
        half of the trials that chose them.
    member : (class, unit) bool
    own, other : (class, unit) float
        Mean activity in the evaluated trials of the class and of the others.
    notes : (class,) tuple of str
        Why there is no preference; '' where there may be one.
    """

    area: str
    cell_type: str
    units: np.ndarray
    effect: np.ndarray
    member: np.ndarray
    own: np.ndarray
    other: np.ndarray
    notes: tuple[str, ...]


class Pathways(NamedTuple):
    """The pathways of one kind.

    Attributes
    ----------
    kind : {'structural', 'functional'}
    classes : tuple of str
    class_trials : (class,) int
        Trials of each class in which members were evaluated.
    areas : tuple of AreaPathways
    output : (class,) int
        The output unit of each class, for structural pathways; else empty.
    """

    kind: str
    classes: tuple[str, ...]
    class_trials: np.ndarray
    areas: tuple[AreaPathways, ...]
    output: np.ndarray


def activity_of(responses: Responses, units: np.ndarray, activity: str) -> np.ndarray:
    """(trial, unit) bool or int, whether each unit is active or how many spikes it has."""
    counts = responses.count[:, units]
    return counts > 0 if activity == "active" else counts


def class_activity(activity: np.ndarray, code: np.ndarray, n_classes: int
                   ) -> tuple[np.ndarray, np.ndarray]:
    """Mean activity of every unit, in trials of each class and in all other trials.

    Parameters
    ----------
    activity : (trial, unit) bool or int
    code : (trial,) int
        Class of each trial; -1 for trials of none of the classes.

    Returns
    -------
    own, other : (class, unit) float
        nan where there are no such trials.
    """
    n_own = (code == np.arange(n_classes)[:, None]).sum(axis=1)[:, None]
    total = class_sums(activity, code, n_classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / n_own, (activity.sum(axis=0) - total) / (len(code) - n_own)


def class_sums(activity: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """(class, unit) float, sum of the activity of each unit over the trials of each class."""
    one_hot = (code == np.arange(n_classes)[:, None]).astype(np.float32)
    return (one_hot @ activity.astype(np.float32)).astype(float)  # exact below 2**24 spikes


# --- functional members: chosen by one half of the trials ---------------------------------------


def split_halves(code: np.ndarray, rng: np.random.Generator, block_trials: int = 1) -> np.ndarray:
    """(trial,) bool, a random half of the trials; of every class half, where trials are single.

    Parameters
    ----------
    code : (trial,) int
        Class of each trial, in the order in which the trials took place.
    block_trials : int
        Neighbouring trials that stay in one half.
    """
    block = np.arange(len(code)) // block_trials
    group = code if block_trials == 1 else np.zeros(len(code), dtype=int)
    chosen = np.zeros(len(code), dtype=bool)
    for g in np.unique(group):
        blocks = rng.permutation(np.unique(block[group == g]))
        half = (len(blocks) + rng.integers(2)) // 2  # the odd one goes to either
        half = min(max(half, 1), max(len(blocks) - 1, 1))
        chosen |= (group == g) & np.isin(block, blocks[:half])
    return chosen


def fisher_p_values(active: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """One-sided Fisher's exact test: active in more trials of a class than of the others.

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
    doi:10.1214/aoms/1177730491).

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


def block_p_values(activity: np.ndarray, code: np.ndarray, n_classes: int, n_permutations: int,
                   block_trials: int, rng: np.random.Generator) -> np.ndarray:
    """One-sided p of the activity for a class, against labels permuted in blocks of trials.

    Returns
    -------
    (class, unit) float
        At least 1 / (1 + n_permutations).
    """
    observed = class_sums(activity, code, n_classes)
    reached = np.zeros_like(observed)
    for _ in range(n_permutations):
        permuted = permute_labels(code, rng, block_trials)
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
        chosen = activity[chosen_by]
        own, other = class_activity(chosen, code[chosen_by], len(classes))
        effect = own - other
        if note:
            member = np.zeros(effect.shape, dtype=bool)
        else:
            p = _selection_p_values(chosen, code[chosen_by], len(classes), settings, rng)
            # Never active is nothing to test; a p of 1 would only dilute the others.
            p[:, ~chosen.any(axis=0)] = np.nan
            p[too_few] = np.nan
            member = (false_discovery_q(p) < SIGNIFICANT_Q) & (effect > 0)
        notes = tuple(note or class_note or _no_members(
            row.any(), f"no unit is more active than for other classes (q < {SIGNIFICANT_Q:g})")
            for class_note, row in zip(class_notes, member, strict=True))
        evaluated = class_activity(activity[~chosen_by], code[~chosen_by], len(classes))
        areas.append(AreaPathways(area, cell_type, units, effect, member, *evaluated,
                                  _silent_notes(notes, member, *evaluated)))
    return Pathways("functional", classes, sizes[1], tuple(areas), np.empty(0, dtype=int))


def _selection_p_values(activity: np.ndarray, code: np.ndarray, n_classes: int,
                        settings: PathwaySettings, rng: np.random.Generator) -> np.ndarray:
    if settings.block_trials > 1:
        return block_p_values(activity, code, n_classes, settings.n_permutations,
                              settings.block_trials, rng)
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


def label_codes(labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """(trial,) int, index of the class of each trial; -1 where it is none of them."""
    index = {label: c for c, label in enumerate(classes)}
    return np.array([index.get(str(label), -1) for label in labels], dtype=int)


def _no_members(any_member: bool, reason: str) -> str:
    return "" if any_member else f"no members: {reason}"


def _silent_notes(notes: tuple[str, ...], member: np.ndarray, own: np.ndarray, other: np.ndarray
                  ) -> tuple[str, ...]:
    """Add to the notes the classes whose members are silent in all evaluated trials."""
    return tuple(note or ("" if (o[m] + x[m]).sum() > 0
                          else "not computable: the members are silent in all evaluated trials")
                 for note, m, o, x in zip(notes, member, own, other, strict=True))


# --- structural members: chosen by the weights --------------------------------------------------


def structural_pathways(recording: Recording, responses: Responses,
                        settings: PathwaySettings
                        ) -> tuple[Pathways, list[Effects], tuple[str, ...]]:
    """Members chosen by the weights, evaluated in all trials.

    Returns
    -------
    pathways : Pathways
        With all areas of the recording.
    effects : list of Effects
    traced : tuple of str
        The areas of `effects`, a chain that the output area follows.

    Raises
    ------
    InputError
        If the weights are no chain onto one unit per class, do not fit the units, or do not come
        from excitatory units, or no trial is of such a class.
    """
    chain = area_chain(recording.weights)
    classes = output_classes(recording, chain[-1])
    code = label_codes(responses.label, classes)
    sizes = np.bincount(code[code >= 0], minlength=len(classes))
    if not sizes.any():
        raise InputError("structural pathways need trials labelled with the classes of the output "
                         f"units ({', '.join(classes[:10])}); got "
                         f"{', '.join(sort_labels(responses.label)[:10])}; choose the labels with "
                         "--label")
    traced = tuple(itertools.takewhile(
        lambda area: len(recording.units_in(area, "excitatory")), chain[-2::-1]))[::-1]
    if not traced:
        raise InputError("structural pathways are made of excitatory units, and no unit of "
                         f"'{chain[-2]}', the area before the last, is of cell type 'excitatory'")
    effects = pathway_effects(
        [excitatory_weights(recording, source, target, onto_all=target == chain[-1])
         for source, target in itertools.pairwise([*traced, chain[-1]])], settings.k)
    by_area = dict(zip(traced, effects, strict=True))
    areas = []
    for area in recording.areas:
        if area in by_area:
            later = by_area.get(chain[chain.index(area) + 1])
            notes = _structural_notes(by_area[area], later, chain[chain.index(area) + 1], sizes,
                                      settings.k)
            areas.append(_structural_area(recording, responses, area, by_area[area], code, notes,
                                          settings.activity))
        else:
            units = recording.units_in(area)
            empty = np.full((len(classes), len(units)), np.nan)
            note = _untraced_note(recording, area, chain, traced)
            areas.append(AreaPathways(area, "all", units, empty, np.zeros(empty.shape, dtype=bool),
                                      empty, empty, (note,) * len(classes)))
    return (Pathways("structural", classes, sizes, tuple(areas), recording.units_in(chain[-1])),
            effects, traced)


def _structural_area(recording: Recording, responses: Responses, area: str, effects: Effects,
                     code: np.ndarray, notes: tuple[str, ...], kind: str) -> AreaPathways:
    units = recording.units_in(area, "excitatory")
    activity = class_activity(activity_of(responses, units, kind), code, len(effects.effect))
    return AreaPathways(area, "excitatory", units, effects.effect, effects.member, *activity,
                        _silent_notes(notes, effects.member, *activity))


def _structural_notes(effects: Effects, later: Effects | None, later_area: str, sizes: np.ndarray,
                      k: float) -> tuple[str, ...]:
    notes = []
    for c, member in enumerate(effects.member):
        if later is not None and not later.member[c].any():
            notes.append(f"no members: none in {later_area} to lead to")
        elif not member.any():
            notes.append(f"no members: no effect exceeds the mean by {k:g} SD")
        else:
            notes.append("" if sizes[c] else "not computable: no trials of this class")
    return tuple(notes)


def _untraced_note(recording: Recording, area: str, chain: tuple[str, ...],
                   traced: tuple[str, ...]) -> str:
    if area == chain[-1]:
        return "not computable: the pathways end here, at one output unit per class"
    if area not in chain:
        return "not computable: no weights"
    if not len(recording.units_in(area, "excitatory")):
        return "not computable: no unit is of cell type 'excitatory'"
    return (f"not computable: the pathways begin in {traced[0]}, the area before it has no "
            "excitatory units")
