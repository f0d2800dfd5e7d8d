"""Do two decoders differ in accuracy on the same trials, or on trials that come in pairs?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.decoding.decoder import effective_trials


class AccuracyDifference(NamedTuple):
    """Two balanced accuracies, their difference, its 95 % interval and its two-sided p."""

    accuracy: float
    other_accuracy: float
    difference: float
    low: float
    high: float
    p_value: float


def accuracy_difference(correct: np.ndarray, other_correct: np.ndarray, classes: np.ndarray,
                        block: np.ndarray) -> AccuracyDifference:
    """Difference of two balanced accuracies on the same trials, with interval and p.

    The interval is that of two proportions on paired trials (Agresti & Min 2005,
    doi:10.1002/sim.1781): as if there had been two trials more, one in which only the first
    decoder was right and one in which only the other was, half of each. p is of no difference.
    It generalises to other trials, not to other units, and not to other recordings.

    Parameters
    ----------
    correct, other_correct : (assignment, trial) float
        Whether the trial was decoded right, in the same folds; or the share of draws of units.
    classes : (trial,) int
    block : (trial,) int
        Neighbouring trials of equal value count as one observation; ascending.

    Notes
    -----
    Measured on made-up areas of equal information, 40 to 400 trials, 2 to 10 classes: p <= .05 in
    0 to 7 % of the recordings.
    """
    sizes = np.bincount(classes)
    share = 1 / (len(sizes) * sizes[classes])
    accuracy, other = ((each * share).sum(axis=1).mean() for each in (correct, other_correct))
    of_blocks = np.add.reduceat((correct - other_correct) * share,
                                np.unique(block, return_index=True)[1], axis=1)
    n_trials, mean = effective_trials(sizes), accuracy - other
    # Of each assignment: averaged over assignments, trials vary less, but not independently.
    square = n_trials * float(np.square(of_blocks).sum(axis=1).mean())
    shrunk = mean * n_trials / (n_trials + 2)
    variance = max((n_trials * square + 1) / (n_trials + 2) - shrunk**2, 1 / (n_trials + 2))
    error = np.sqrt(variance / (n_trials + 2))
    low, high = shrunk + error * stats.norm.ppf([0.025, 0.975])
    return AccuracyDifference(float(accuracy), float(other), float(mean), float(max(low, -1)),
                              float(min(high, 1)), float(2 * stats.norm.sf(abs(shrunk) / error)))
