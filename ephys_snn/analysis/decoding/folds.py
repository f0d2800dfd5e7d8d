"""Which trials are held out together, and in which orders their labels are as likely."""

from __future__ import annotations

import numpy as np

from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling, relabel
from ephys_snn.errors import InputError

MOST_TRIALS = 0.9  # share of the trials whose classes must survive the choice of the folds


def choose_folds(class_sizes: np.ndarray, n_folds: int) -> tuple[int, np.ndarray]:
    """How many folds, and which classes, when some classes have few trials.

    A class must have a trial in every fold. Few rare classes are left out; where many classes are
    small, there are fewer folds instead: the largest number, up to `n_folds`, for which the
    classes that are large enough hold 90 % of the trials.

    Parameters
    ----------
    class_sizes : (class,) int
        Trials per class.

    Returns
    -------
    n_folds : int
    kept : (class,) bool

    Raises
    ------
    InputError
        If fewer than two classes have two trials.

    Examples
    --------
    >>> choose_folds(np.array([50, 50, 2]), 5)
    (5, array([ True,  True, False]))
    >>> choose_folds(np.array([4, 4, 4]), 5)
    (4, array([ True,  True,  True]))
    """
    sizes = np.asarray(class_sizes)
    usable = sizes[sizes >= 2].sum()
    for folds in range(n_folds, 1, -1):
        kept = sizes >= folds
        if kept.sum() >= 2 and sizes[kept].sum() >= MOST_TRIALS * usable:
            return folds, kept
    raise InputError(
        f"decoding needs at least two classes of at least two trials; got {len(sizes)} "
        f"{'class' if len(sizes) == 1 else 'classes'}, {int((sizes >= 2).sum())} of them with two "
        "trials; choose other labels with --label or other trials with --trials")


def assign_folds(classes: np.ndarray, n_folds: int, rng: np.random.Generator,
                 relabelling: Relabelling = SINGLE_TRIALS) -> np.ndarray:
    """Deal the trials into folds, so that permuted labels meet the same folds as the true ones.

    Single trials: every fold has its share of every class. Blocks: neighbouring trials share a
    fold, so that under slow drift the class of a trial is not decodable from its neighbours.
    Shifts: every fold is one stretch of the session. Blocks and stretches begin anywhere, and are
    dealt without a look at the labels: folds that suited the true labels better than those that
    were moved would make the true ones easier, or harder, to decode.

    Parameters
    ----------
    classes : (trial,) int
        In the order in which the trials took place.
    relabelling : Relabelling
        How the labels change places.

    Returns
    -------
    (trial,) int
        The fold in which the trial is held out.

    Raises
    ------
    InputError
        If there are fewer blocks than folds.
    """
    n_trials, block_trials = len(classes), relabelling.block_trials
    place = np.arange(n_trials)
    if relabelling.shift:
        return (place + rng.integers(n_trials)) % n_trials * n_folds // n_trials
    if block_trials == 1:
        return _stratified_folds(classes, n_folds, rng)
    n_blocks = -(-n_trials // block_trials)
    if n_blocks < n_folds:
        raise InputError(f"--block-trials {block_trials} makes {n_blocks} blocks of {n_trials} "
                         f"trials, fewer than the {n_folds} folds; choose shorter blocks or fewer "
                         "--folds")
    block = (place + rng.integers(block_trials)) // block_trials
    return rng.permutation(np.arange(block[-1] + 1) % n_folds)[block]


def _stratified_folds(classes: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    from sklearn.model_selection import StratifiedKFold

    fold = np.empty(len(classes), dtype=int)
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
    for number, (_, held_out) in enumerate(splitter.split(classes, classes)):
        fold[held_out] = number
    return fold


def permuted_classes(classes: np.ndarray, fold: np.ndarray, n_permutations: int,
                     rng: np.random.Generator, relabelling: Relabelling = SINGLE_TRIALS
                     ) -> np.ndarray:
    """The true classes, then their permutations; single trials change places within the folds.

    Permuting within folds leaves every fold its share of every class. Folds that are stratified
    for the true labels, but not for the permuted ones, would not compare like with like. Blocks
    and shifts move along the whole session; their folds are not stratified.

    Returns
    -------
    (1 + n_permutations, trial) int
    """
    strata = fold if relabelling == SINGLE_TRIALS else None
    return np.stack([classes, *(relabel(classes, rng, relabelling, strata)
                                for _ in range(n_permutations))])
