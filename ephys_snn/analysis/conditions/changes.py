"""The change of what is a mean over trials, with its interval and p.

Value and control value are means with the weights of the same strata, so that their difference is
the change. Under the null the two conditions do the same to the trials of a stratum, so trials
change conditions there, and the p-value is two-sided. A trial without a value (no packet, no
decision) has no condition to exchange, and its stratum goes on without it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.conditions.contrast import Contrast
from ephys_snn.analysis.statistics import (
    MIN_SAMPLE,
    mean_interval,
    paired_fraction_interval,
    permutation_p_value,
    proportion_difference_interval,
    stratified_difference_interval,
)
from ephys_snn.analysis.surrogates import permute_within

BATCH_ELEMENTS = 2**22  # of the orders that are drawn at a time


class Change(NamedTuple):
    """What a condition changes, its columns in the tables.

    Attributes
    ----------
    value, control_value, change : float
    low, high : float
        95 % interval of the change.
    p_value : float
        Two-sided, of no change.
    n_trials, n_trials_control : int
        Trials of the condition and of the control that were compared.
    paired : bool
        By stimulus.
    note : str
        What is missing, and why; '' where nothing is.
    """

    value: float
    control_value: float
    change: float
    low: float
    high: float
    p_value: float
    n_trials: int
    n_trials_control: int
    paired: bool
    note: str


def no_change(note: str, paired: bool = False) -> Change:
    """What cannot be computed, and why."""
    return Change(*[np.nan] * 6, 0, 0, paired, note)


def mean_changes(values: np.ndarray, contrast: Contrast, n_permutations: int,
                 rng: np.random.Generator, missing: str = "", proportions: bool = False
                 ) -> list[Change]:
    """Changes of several means over the same trials.

    Parameters
    ----------
    values : (compared, measure) float
        nan in trials without a value.
    contrast : Contrast
    missing : str
        What trials without a value lack, for the note.
    proportions : bool
        Whether the values are 0 or 1.
    """
    present = np.isfinite(values)
    patterns, pattern = np.unique(present.T, axis=0, return_inverse=True)
    changes: list[Change | None] = [None] * values.shape[1]
    for number, kept in enumerate(patterns):
        columns = np.flatnonzero(pattern.ravel() == number)
        part = contrast.part(kept)
        of_part = values[np.isin(contrast.trial, part.trial)][:, columns]
        found = _changes(of_part, part, n_permutations, rng, proportions) if len(part.trial) else \
            [no_change(f"not computable: {missing}", contrast.paired)] * len(columns)
        for column, change in zip(columns, found, strict=True):
            changes[column] = change
    return changes


def _changes(values: np.ndarray, contrast: Contrast, n_permutations: int,
             rng: np.random.Generator, proportions: bool) -> list[Change]:
    """The same where every trial has a value."""
    weights, of = contrast.weights, contrast.is_condition
    value, control = weights[of] @ values[of], -weights[~of] @ values[~of]
    step = max(1, BATCH_ELEMENTS // len(weights))
    null = np.concatenate([
        weights[permute_within(contrast.stratum, rng, min(step, n_permutations - first))] @ values
        for first in range(0, n_permutations, step)])
    p_value = permutation_p_value(np.abs(value - control), np.abs(null))
    n, m = contrast.counts
    sample = len(n) if contrast.paired else min(n.sum(), m.sum())
    what = "stimuli" if contrast.paired else "trials of a condition"
    note = f"fewer than {MIN_SAMPLE} {what}: no interval" if sample < MIN_SAMPLE else ""
    interval = _proportion_interval if proportions else _interval
    return [Change(float(value[i]), float(control[i]), float(value[i] - control[i]),
                   *((np.nan, np.nan) if note else interval(values[:, i], contrast)),
                   float(p_value[i]), int(n.sum()), int(m.sum()), contrast.paired, note)
            for i in range(values.shape[1])]


def _interval(values: np.ndarray, contrast: Contrast) -> tuple[float, float]:
    """Student's of differences by stimulus, or Welch's within neighbourhoods."""
    if contrast.paired:
        return mean_interval(_differences(values, contrast))
    return stratified_difference_interval(values, contrast.is_condition, contrast.stratum)


def _proportion_interval(values: np.ndarray, contrast: Contrast) -> tuple[float, float]:
    """Agresti and Min's by stimulus, or Agresti and Caffo's of as many trials as weights say."""
    if contrast.paired:
        differences = _differences(values, contrast)
        gained, lost = (np.square(differences).sum() + np.array([1, -1]) * differences.sum()) / 2
        return paired_fraction_interval(gained, lost, len(differences))
    weights, of = contrast.weights, contrast.is_condition
    return proportion_difference_interval(
        weights[of] @ values[of], 1 / np.square(weights[of]).sum(),
        -weights[~of] @ values[~of], 1 / np.square(weights[~of]).sum())


def _differences(values: np.ndarray, contrast: Contrast) -> np.ndarray:
    """(stratum,) float, mean of the condition minus mean of the control."""
    means = [np.bincount(contrast.stratum[of], values[of]) / counts for of, counts in
             zip((contrast.is_condition, ~contrast.is_condition), contrast.counts, strict=True)]
    return means[0] - means[1]
