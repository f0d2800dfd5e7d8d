"""Distances between the trials of one class and of different classes, per unit.

For `active` the share of units that differ (Hamming), for `latency` and `count` the root mean
square difference (ms, spikes). ratio = between / within;
d' = (between - within) / sqrt((var_b + var_w) / 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Distances(NamedTuple):
    """Mean distances between trials, of one class and of different ones.

    Attributes
    ----------
    within, between, d_prime : float
    ratio : (labelling,) float
        between / within; first with the true labels.
    """

    within: float
    between: float
    d_prime: float
    ratio: np.ndarray


def pairwise_distances(features: np.ndarray, code: str) -> np.ndarray:
    """Distance per unit between every two trials.

    Parameters
    ----------
    features : (trial, unit) float

    Returns
    -------
    (trial, trial) float
        Share of units that differ for `active`, else the root mean square difference.
    """
    centered = features - features.mean(axis=0)
    squares = np.square(centered).sum(axis=1)
    squared = squares[:, None] + squares - 2 * centered @ centered.T
    np.fill_diagonal(squared, 0.0)
    # Equal trials must have the distance 0, not the root of a rounding error.
    squared[squared < 1e-9 * max(squares.max(), 1e-300)] = 0.0
    squared /= features.shape[1]
    return squared if code == "active" else np.sqrt(squared)


def class_distances(distances: np.ndarray, labellings: np.ndarray) -> Distances:
    """Distances within and between classes.

    Every pair of different trials weighs the same.

    Parameters
    ----------
    distances : (trial, trial) float
    labellings : (labelling, trial) int
        Classes; the first row are the true ones.
    """
    n_trials, n_classes = len(distances), labellings.max() + 1
    sizes = np.bincount(labellings[0])
    n_within = (sizes * (sizes - 1)).sum()
    n_between = n_trials * (n_trials - 1) - n_within
    within = np.empty(len(labellings))
    for row, labelling in enumerate(labellings):
        member = (labelling[:, None] == np.arange(n_classes)).astype(float)
        within[row] = np.einsum("tc,tc->", distances @ member, member) / n_within
    between = (distances.sum() - within * n_within) / n_between
    same = labellings[0][:, None] == labellings[0]
    spread = np.sqrt((distances[same & ~np.eye(n_trials, dtype=bool)].var()
                      + distances[~same].var()) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Distances(within[0], between[0], (between[0] - within[0]) / spread,
                         between / within)
