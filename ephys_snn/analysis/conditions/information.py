"""The change of what single units say about the class, at equal numbers of trials of every class.

Information is biased by the number of trials, so a condition and the control are compared in pairs
of trials, one of each. Gains are corrected for chance, exactly
(`ephys_snn.analysis.entropy.chance_information_gain`), and averaged over the units that are active
in enough trials of both conditions; under the null, the trials of a pair change conditions, and all
is computed again. Intervals are those of the jackknife over groups of pairs (Quenouille 1956,
doi:10.1093/biomet/43.3-4.353), each with its share of every class: they are of other trials, not of
other units. Where there is little information, they are too wide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.conditions.changes import Change, no_change
from ephys_snn.analysis.entropy import (
    chance_information_gain,
    correct_for_chance,
    information_gain,
    largest_information_gain,
)
from ephys_snn.analysis.statistics import CONFIDENCE, MIN_SAMPLE, permutation_p_value

MEASURES = ("information_gain", "relative_information_gain")
MIN_ACTIVE_TRIALS = 5  # of each condition, for a unit to count
N_GROUPS = 20  # of the jackknife
BATCH_ELEMENTS = 2**23


class PairedTrials(NamedTuple):
    """Equally many trials of a condition and of the control, pair by pair.

    Attributes
    ----------
    active : (2, pair, unit) bool
        Of the condition, then of the control.
    code : (pair,) int
        Class, from 0.
    unit : (pair,) int
        Pairs of equal value are one observation.
    paired : bool
        By stimulus.
    """

    active: np.ndarray
    code: np.ndarray
    unit: np.ndarray
    paired: bool

    def part(self, kept: np.ndarray) -> PairedTrials:
        """Some of the pairs, (pair,) bool."""
        return PairedTrials(self.active[:, kept], self.code[kept], self.unit[kept], self.paired)


def information_changes(pairs: PairedTrials, members: np.ndarray, n_permutations: int,
                        rng: np.random.Generator) -> list[list[tuple[Change, int]]]:
    """Changes of information gain and of relative information gain, of groups of units.

    Parameters
    ----------
    pairs : PairedTrials
    members : (group, unit) bool

    Returns
    -------
    list of list of (Change, int)
        By group, then by `MEASURES`; the change of a mean over units, and how many they are.
    """
    class_counts = np.bincount(pairs.code)
    if np.count_nonzero(class_counts) < 2:
        reason = "not computable: fewer than two classes have trials of both conditions"
        return [[(no_change(reason, pairs.paired), 0)] * len(MEASURES)] * len(members)
    counts = _active_counts(pairs, class_counts)
    enough = _enough(counts)
    means = _means(counts, class_counts, members, enough)  # (measure, condition, group)
    null = np.concatenate([
        _difference(_means(permuted, class_counts, members, _enough(permuted)))
        for permuted in _permuted_counts(pairs, counts, n_permutations, rng)], axis=1)
    # A permutation without units to compare counts for chance.
    null = np.where(np.isnan(null), np.inf, np.abs(null))
    change = _difference(means)
    p_value = permutation_p_value(np.abs(change), null.swapaxes(0, 1))
    low, high = _jackknife(pairs, members, enough, change, rng)
    n_units = members.astype(int) @ enough
    return [[_unit_change(means[m, :, g], (low[m, g], high[m, g]), p_value[m, g], pairs,
                          int(n_units[g])) for m in range(len(MEASURES))]
            for g in range(len(members))]


def _unit_change(means: np.ndarray, interval: tuple[float, float], p_value: float,
                 pairs: PairedTrials, n_units: int) -> tuple[Change, int]:
    if np.isnan(means).any():
        return no_change(
            "not computable: all labels give the same gain" if n_units else
            f"not computable: no unit is active in {MIN_ACTIVE_TRIALS} trials of both conditions",
            pairs.paired), n_units
    note = "too few pairs of trials: no interval" if np.isnan(interval[0]) else ""
    n_pairs = len(pairs.code)
    change = Change(*map(float, (*means, means[0] - means[1], *interval, p_value)),
                    n_pairs, n_pairs, pairs.paired, note)
    return change, n_units


def _active_counts(pairs: PairedTrials, class_counts: np.ndarray) -> np.ndarray:
    """(condition, unit, class) int, trials in which units are active."""
    one_hot = (pairs.code[:, None] == np.arange(len(class_counts))).astype(np.float32)
    return np.rint(pairs.active.swapaxes(1, 2).astype(np.float32) @ one_hot).astype(int)


def _permuted_counts(pairs: PairedTrials, counts: np.ndarray, n_permutations: int,
                     rng: np.random.Generator) -> Iterator[np.ndarray]:
    """(permutation, condition, unit, class) int, batches of what `_active_counts` gives."""
    n_pairs, (_, n_units, n_classes) = len(pairs.code), counts.shape
    both = np.concatenate(list(pairs.active)).astype(np.float32)
    one_hot = np.tile(pairs.code, 2) == np.arange(n_classes)[:, None]
    batch = max(1, BATCH_ELEMENTS // (n_classes * max(n_units, 2 * n_pairs)))
    for first in range(0, n_permutations, batch):
        swapped = rng.random((min(batch, n_permutations - first), n_pairs)) < 0.5
        chosen = np.concatenate([~swapped, swapped], axis=1)[:, None, :] & one_hot
        condition = np.rint(chosen.reshape(-1, 2 * n_pairs).astype(np.float32) @ both).astype(
            int).reshape(len(swapped), n_classes, n_units).swapaxes(1, 2)
        yield np.stack([condition, counts.sum(axis=0) - condition], axis=1)


def _enough(counts: np.ndarray) -> np.ndarray:
    """(..., unit) bool, units that are active in enough trials of both conditions."""
    return (counts.sum(axis=-1) >= MIN_ACTIVE_TRIALS).all(axis=-2)


def _means(counts: np.ndarray, class_counts: np.ndarray, members: np.ndarray, used: np.ndarray
           ) -> np.ndarray:
    """(measure, ..., condition, group) float, mean gains of used units, (..., unit) bool."""
    n_active = counts.sum(axis=-1)
    gain, chance = information_gain(counts, class_counts), chance_information_gain(
        n_active, class_counts)
    most = largest_information_gain(n_active, class_counts)
    gains = np.stack([correct_for_chance(gain, chance), correct_for_chance(gain, chance, most)])
    used = used & np.isfinite(gains).all(axis=-2)
    of_groups = members.T.astype(float)
    with np.errstate(invalid="ignore"):
        return np.where(used[..., None, :], gains, 0.0) @ of_groups / (
            used @ of_groups)[..., None, :]


def _difference(means: np.ndarray) -> np.ndarray:
    """(measure, ..., group) float, the condition's minus the control's."""
    return means[..., 0, :] - means[..., 1, :]


def _jackknife(pairs: PairedTrials, members: np.ndarray, used: np.ndarray, change: np.ndarray,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(measure, group) float, ends of the interval of the change; nan where pairs are too few."""
    n_groups = min(N_GROUPS, len(np.unique(pairs.unit)))
    deleted, without = _deal(pairs.unit, pairs.code, n_groups, rng), []
    for group in range(n_groups):
        rest = pairs.part(deleted != group)
        class_counts = np.bincount(rest.code)
        if n_groups < MIN_SAMPLE or np.count_nonzero(class_counts) < 2:
            return np.full((2, *change.shape), np.nan)
        without.append(_difference(_means(_active_counts(rest, class_counts), class_counts,
                                          members, used)))
    squares = np.square(np.array(without) - np.mean(without, axis=0)).sum(axis=0)
    error = np.sqrt((n_groups - 1) / n_groups * squares)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n_groups - 1) * error
    return change - half, change + half


def _deal(unit: np.ndarray, code: np.ndarray, n_groups: int, rng: np.random.Generator
          ) -> np.ndarray:
    """(pair,) int, the group of each pair: pairs of one unit stay together, classes are spread."""
    each, first, of = np.unique(unit, return_index=True, return_inverse=True)
    order = np.lexsort((rng.random(len(each)), code[first]))
    group = np.empty(len(each), dtype=int)
    group[order] = np.arange(len(each)) % n_groups
    return group[of]
