"""The change of what can be decoded about the class, at equal numbers of trials of every class.

*Within*: decoders are trained and tested in the condition, and others in the control. *From the
control*: decoders are trained in the control alone, and tested on trials of the condition and of
the control that they were not trained on. Both in the same folds, which keep a stimulus together
where the comparison is paired, so that no decoder has seen a stimulus that it is tested on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.conditions.changes import Change
from ephys_snn.analysis.decoding import (
    accuracy_difference,
    assign_folds,
    choose_folds,
    decode_elsewhere,
)
from ephys_snn.errors import InputError

MEASURES = ("decoding", "decoding_from_control")


class Design(NamedTuple):
    """Which pairs of trials are decoded, and how; the same for every group of units.

    Attributes
    ----------
    pairs : (2, pair) int
        Trials of the condition, and those of the control that they are compared with.
    code : (pair,) int
        Class, from 0.
    fold : (assignment, pair) int
    unit : (pair,) int
        Pairs of equal value are one observation, ascending.
    paired : bool
        By stimulus.
    """

    pairs: np.ndarray
    code: np.ndarray
    fold: np.ndarray
    unit: np.ndarray
    paired: bool


def plan_decoding(pairs: np.ndarray, code: np.ndarray, unit: np.ndarray, paired: bool,
                  n_folds: int, n_repeats: int, rng: np.random.Generator) -> Design | str:
    """Choose the classes and folds, or say why nothing can be decoded.

    Parameters
    ----------
    pairs, code, unit, paired
        As of `Design`.
    """
    try:
        n_folds, kept = choose_folds(np.bincount(code[np.unique(unit, return_index=True)[1]]),
                                     n_folds)
    except InputError:
        return "not computable: decoding needs two classes with two trials of both conditions"
    chosen = kept[code]
    pairs, unit = pairs[:, chosen], unit[chosen]
    code = np.unique(code[chosen], return_inverse=True)[1]
    _, first, place = np.unique(unit, return_index=True, return_inverse=True)
    folds = np.stack([assign_folds(code[first], n_folds, rng)[place] for _ in range(n_repeats)])
    return Design(pairs, code, folds, unit, paired)


def decoding_changes(features: np.ndarray, design: Design) -> list[Change]:
    """Changes of accuracy within and from the control, `MEASURES`.

    Accuracies are balanced. Intervals and p are those of `accuracy_difference`, of pairs of trials:
    training decoders again for thousands of exchanges would take hours, and exchanging which
    decoding of a pair was right is too liberal, for the trials of a decoder are right or wrong
    together.

    Parameters
    ----------
    features : (2, pair, unit) float
        Of the condition, then of the control.

    Notes
    -----
    Measured where conditions are alike (``benchmarks/calibration.py``), with drift, bursts, common
    gain, repeated stimuli, decisions and unequal conditions: p <= .05 in 4.8 % within and in 3.2 %
    from the control.
    """
    condition, control = features
    labels, right = design.code[None], []
    for fold in design.fold:
        own, across = decode_elsewhere(control, np.stack([control, condition]), labels, fold)[:, 0]
        within = decode_elsewhere(condition, condition[None], labels, fold)[0, 0]
        right.append(np.stack([within, across, own]) == design.code)
    within, across, own = np.array(right).swapaxes(0, 1).astype(float)
    n_pairs = len(design.code)
    return [Change(*accuracy_difference(each, own, design.code, design.unit), n_pairs, n_pairs,
                   design.paired, "") for each in (within, across)]
