"""Cross-validated decoding of the class of a trial, with the chance of all permutations at once.

The decoder is linear discriminant analysis with equal priors and a regularised covariance. Of the
training trials, standardised unit by unit, let S be the total covariance, m_k the mean of class k
and pi_k its share of the trials. The covariance within classes is S - sum_k pi_k m_k m_k', and

    C         = S - sum_k pi_k m_k m_k' + lambda I
    score_k   = x' C^-1 m_k - 1/2 m_k' C^-1 m_k
    decoded   = argmax_k score_k

lambda = s / (1 - s) with s the shrinkage of Ledoit & Wolf (2004, doi:10.1016/S0047-259X(03)00096-4)
for S, so that it follows from the training trials, but not from their labels.

Permuting labels moves only the K means. With S + lambda I = L L', z = L^-1 x, the means M (class,
unit) of z and Q = M M', Pi = diag(pi), the Woodbury identity turns the inverse above into one of
K x K:

    x' C^-1 m_k  = [z' M' (I - Pi Q)^-1]_k          m_k' C^-1 m_k = [Q (I - Pi Q)^-1]_kk

so a fold is factorised once, and the true labels and all permutations are decoded by the same few
matrix products. The result is that of ``sklearn.discriminant_analysis``, which would have to fit
anew for every permutation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from ephys_snn.analysis.statistics import wilson_interval
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling, relabel
from ephys_snn.errors import InputError

MOST_TRIALS = 0.9  # share of the trials whose classes must survive the choice of the folds
SHRINKAGE = (1e-3, 0.999)  # bounds: below, copies of one unit would make C singular
CHUNK = 1 << 24  # one-hot entries held at a time


class Decoded(NamedTuple):
    """What a decoder said of every held-out trial.

    Attributes
    ----------
    classes : (labelling, trial) int
        The decoded class, for the true labels (first) and for every permutation.
    accuracy : (labelling,) float
        Balanced accuracy.
    accuracy_by_fold : (fold,) float
        Balanced accuracy inside each fold, with the true labels.
    """

    classes: np.ndarray
    accuracy: np.ndarray
    accuracy_by_fold: np.ndarray


class Decoding(NamedTuple):
    """Decoding averaged over draws of units.

    Attributes
    ----------
    accuracy : (labelling,) float
        Balanced accuracy; first with the true labels.
    sd : float
        Standard deviation over folds (and draws), ddof 1.
    correct : (trial,) float
        Share of the draws in which the trial was decoded right.
    """

    accuracy: np.ndarray
    sd: float
    correct: np.ndarray


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
                 block_trials: int = 1) -> np.ndarray:
    """Deal the trials into folds in which every class has its share.

    Parameters
    ----------
    classes : (trial,) int
        In the order in which the trials took place.
    block_trials : int
        Neighbouring trials that share a fold, so that under slow drift the class of a trial is not
        decodable from its neighbours.

    Returns
    -------
    (trial,) int
        The fold in which the trial is held out.

    Raises
    ------
    InputError
        If there are fewer blocks than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_trials = len(classes)
    seed = int(rng.integers(2**31))
    if block_trials == 1:
        splits = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(classes, classes)
    else:
        block = np.arange(n_trials) // block_trials
        if block[-1] + 1 < n_folds:
            raise InputError(f"--block-trials {block_trials} makes {block[-1] + 1} blocks of "
                             f"{n_trials} trials, fewer than the {n_folds} folds; choose shorter "
                             "blocks or fewer --folds")
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        splits = splitter.split(classes, classes, block)
    fold = np.empty(n_trials, dtype=int)
    for number, (_, held_out) in enumerate(splits):
        fold[held_out] = number
    return fold


def permuted_classes(classes: np.ndarray, fold: np.ndarray, n_permutations: int,
                     rng: np.random.Generator, relabelling: Relabelling = SINGLE_TRIALS
                     ) -> np.ndarray:
    """The true classes, then their permutations, each within the folds.

    Permuting within folds leaves every fold its share of every class. Folds that are stratified
    for the true labels, but not for the permuted ones, would not compare like with like.

    Returns
    -------
    (1 + n_permutations, trial) int
    """
    return np.stack([classes, *(relabel(classes, rng, relabelling, strata=fold)
                                for _ in range(n_permutations))])


def decode(features: np.ndarray, labellings: np.ndarray, fold: np.ndarray) -> Decoded:
    """Decode every trial by a decoder trained on the other folds, for many labellings at once.

    Parameters
    ----------
    features : (trial, unit) float
    labellings : (labelling, trial) int
        Classes 0, 1, ...; the first row are the true ones.
    fold : (trial,) int
        The fold in which a trial is held out.
    """
    n_classes = labellings.max() + 1
    decoded = np.empty(labellings.shape, dtype=np.int32)
    for number in np.unique(fold):
        training, held_out = fold != number, fold == number
        whitened = whiten(features[training], features[held_out])
        step = max(1, CHUNK // (n_classes * len(fold)))
        for begin in range(0, len(labellings), step):
            rows = slice(begin, begin + step)
            decoded[rows, held_out] = _discriminate(
                *whitened, labellings[rows, training], n_classes)
    by_fold = [balanced_accuracy(decoded[:1, fold == number], labellings[:1, fold == number])[0]
               for number in np.unique(fold)]
    return Decoded(decoded, balanced_accuracy(decoded, labellings), np.array(by_fold))


def decode_draws(features: Iterable[np.ndarray], labellings: np.ndarray, fold: np.ndarray
                 ) -> Decoding:
    """Decode from each draw of units and average.

    Parameters
    ----------
    features : iterable of (trial, unit) float
    labellings, fold
        As in `decode`.
    """
    results = [decode(values, labellings, fold) for values in features]
    by_fold = np.concatenate([result.accuracy_by_fold for result in results])
    correct = np.mean([result.classes[0] == labellings[0] for result in results], axis=0)
    return Decoding(np.mean([result.accuracy for result in results], axis=0),
                    float(by_fold.std(ddof=1)), correct)


def whiten(training: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise by the training trials and make their regularised total covariance unity.

    Units that never vary in the training trials are left out.

    Parameters
    ----------
    training, held_out : (trial, unit) float

    Returns
    -------
    training, held_out : (trial, dimension) float
        z = L^-1 x.
    """
    # A unit that is nearly constant up to rounding has no scale to standardise by.
    mean, scale = training.mean(axis=0), training.std(axis=0)
    varies = scale > 1e-10 * np.abs(mean)
    if not varies.any():
        return np.zeros((len(training), 1)), np.zeros((len(held_out), 1))
    x, y = ((values[:, varies] - mean[varies]) / scale[varies] for values in (training, held_out))
    total = x.T @ x / len(x)
    shrinkage = np.clip(ledoit_wolf_shrinkage(x, total), *SHRINKAGE)
    total[np.diag_indices_from(total)] += shrinkage / (1 - shrinkage)
    root = np.linalg.cholesky(total)
    z = solve_triangular(root, np.concatenate([x, y]).T, lower=True, check_finite=False).T
    return z[:len(x)], z[len(x):]


def ledoit_wolf_shrinkage(x: np.ndarray, covariance: np.ndarray) -> float:
    """Weight of the identity in the best mixture of a covariance and the identity.

    The estimate of ``sklearn.covariance``, which would form two more matrix products of the size
    of the covariance; its noise needs only the lengths of the trials' vectors.

    Parameters
    ----------
    x : (trial, unit) float
        Centred.
    covariance : (unit, unit) float
        ``x' x / n_trials``.
    """
    total, square = np.trace(covariance), np.square(covariance).sum()
    noise = (np.square(np.square(x).sum(axis=1)).mean() - square) / len(x)
    spread = square - total**2 / len(covariance)
    return 1.0 if spread <= 0 else min(noise / spread, 1.0)


def balanced_accuracy(decoded: np.ndarray, labellings: np.ndarray) -> np.ndarray:
    """Share of trials decoded right, averaged over classes; 1 / n_classes by guessing.

    Classes of any size weigh the same, so that always naming the most frequent class gains
    nothing (Brodersen et al. 2010, doi:10.1109/ICPR.2010.764).

    Parameters
    ----------
    decoded, labellings : (labelling, trial) int
        Every labelling has the same number of trials in every class.

    Returns
    -------
    (labelling,) float
    """
    sizes = np.bincount(labellings[0])
    share = 1 / (np.count_nonzero(sizes) * np.maximum(sizes, 1))
    return ((decoded == labellings) * share[labellings]).sum(axis=1)


def accuracy_interval(accuracy: float, class_sizes: np.ndarray) -> tuple[float, float]:
    """95 % interval of a balanced accuracy (`ephys_snn.analysis.statistics.wilson_interval`).

    A balanced accuracy has the variance of a plain one on n = K^2 / sum_k(1 / n_k) trials.

    Parameters
    ----------
    class_sizes : (class,) int
        Trials per class.
    """
    return wilson_interval(accuracy, len(class_sizes)**2 / np.sum(1 / np.asarray(class_sizes)))


def _discriminate(training: np.ndarray, held_out: np.ndarray, labellings: np.ndarray,
                  n_classes: int) -> np.ndarray:
    """(labelling, held-out trial) int, decoded classes from whitened features."""
    n_labellings, n_training = labellings.shape
    member = (labellings[:, None, :] == np.arange(n_classes)[:, None]).astype(float)
    sizes = member.sum(axis=2)  # (labelling, class)
    means = (member.reshape(-1, n_training) @ training).reshape(n_labellings, n_classes, -1)
    means /= np.maximum(sizes, 1)[:, :, None]
    products = means @ means.transpose(0, 2, 1)  # Q
    shares = sizes / n_training
    inverse = np.linalg.inv(np.eye(n_classes) - shares[:, :, None] * products)
    offsets = np.einsum("lij,lji->li", products, inverse)
    # A class without training trials (blocks can do that) cannot be decoded.
    offsets[sizes == 0] = np.inf
    projections = held_out @ means.reshape(n_labellings * n_classes, -1).T
    projections = projections.reshape(len(held_out), n_labellings, n_classes).transpose(1, 0, 2)
    return (projections @ inverse - offsets[:, None, :] / 2).argmax(axis=2)
