"""How selective units are for a class: information gain without its bias."""

from __future__ import annotations

import numpy as np

from ephys_snn.analysis import class_sums, correct_for_chance, information_gain
from ephys_snn.analysis.information import permuted_information

MIN_ACTIVE = 5  # trials; of units active in fewer nobody can say it
N_PERMUTATIONS = 100  # of labels, whose mean gain is the bias


def corrected_information_gain(active: np.ndarray, code: np.ndarray, seed: int = 0) -> np.ndarray:
    """Information gain of units beyond that of permuted labels (`ephys_snn.analysis.entropy`).

    Parameters
    ----------
    active : (trial, unit) bool
    code : (trial,) int
        Class of each trial.
    seed : int
        Of the permutations.

    Returns
    -------
    (unit,) float
        nan in units that are active in fewer than `MIN_ACTIVE` trials.
    """
    enough = active.sum(axis=0) >= MIN_ACTIVE
    gain = np.full(active.shape[1], np.nan)
    if enough.any() and len(np.unique(code)) > 1:
        class_counts = np.bincount(code)
        observed = information_gain(class_sums(active[:, enough], code, len(class_counts)).T,
                                    class_counts)
        chance = permuted_information(active[:, enough], code, N_PERMUTATIONS,
                                      np.random.default_rng(seed)).information_gain.mean(axis=0)
        gain[enough] = correct_for_chance(observed, chance)
    return gain
