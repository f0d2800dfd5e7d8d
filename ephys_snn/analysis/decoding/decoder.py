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

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from ephys_snn.analysis.statistics import wilson_interval

SHRINKAGE = (1e-3, 0.999)  # bounds: below, copies of one unit would make C singular
SHARED_TRAINING, DEAL_OF_FOLDS = 1.1, 0.4  # variance of an accuracy over that of a binomial's
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
    """Decoding averaged over draws of units, and over repeated assignments of the folds.

    Attributes
    ----------
    accuracy : float
        Balanced accuracy with the true labels, all assignments.
    compared : (labelling,) float
        Balanced accuracy in the first assignment; first with the true labels, then with each
        permutation, for which decoding in all assignments would take too long.
    sd : float
        Standard deviation over folds (assignments, and draws), ddof 1.
    correct : (assignment, trial) float
        Share of the draws in which the trial was decoded right.
    confusion : (class, decoded class) float
        Share of the trials of a class.
    """

    accuracy: float
    compared: np.ndarray
    sd: float
    correct: np.ndarray
    confusion: np.ndarray


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
    decoded = decode_elsewhere(features, features[None], labellings, fold)[0]
    by_fold = [balanced_accuracy(decoded[:1, fold == number], labellings[:1, fold == number])[0]
               for number in np.unique(fold)]
    return Decoded(decoded, balanced_accuracy(decoded, labellings), np.array(by_fold))


def decode_elsewhere(features: np.ndarray, elsewhere: np.ndarray, labellings: np.ndarray,
                     fold: np.ndarray) -> np.ndarray:
    """Train on some features of the trials of the other folds, decode from others of this fold.

    Parameters
    ----------
    features : (trial, unit) float
        What the decoders are trained on.
    elsewhere : (place, trial, unit) float
        What they decode from, in one place after the other: other times, say.
    labellings, fold
        As in `decode`.

    Returns
    -------
    (place, labelling, trial) int
        The decoded class.
    """
    n_places, n_labellings, n_classes = len(elsewhere), len(labellings), labellings.max() + 1
    decoded = np.empty((n_places, *labellings.shape), dtype=np.int32)
    step = max(1, CHUNK // (n_classes * len(fold)))
    for number in np.unique(fold):
        training, held_out = fold != number, fold == number
        tested = elsewhere[:, held_out].reshape(-1, features.shape[1])
        whitened = whiten(features[training], tested)
        for begin in range(0, n_labellings, step):
            rows = slice(begin, begin + step)
            classes = _discriminate(*whitened, labellings[rows, training], n_classes)
            decoded[:, rows, held_out] = classes.reshape(
                len(classes), n_places, -1).transpose(1, 0, 2)
    return decoded


def decode_draws(draws: Sequence[np.ndarray], labellings: np.ndarray, folds: np.ndarray
                 ) -> Decoding:
    """Decode from draws of units, in each assignment of the folds, and average.

    All draws are decoded in the first assignment; where there are many, the other assignments
    share them.

    Parameters
    ----------
    draws : list of (trial, unit) float
    labellings : (labelling, trial) int
        As in `decode`; all but the true ones are decoded in the first assignment alone.
    folds : (assignment, trial) int
    """
    from sklearn.metrics import confusion_matrix

    true, n_classes = labellings[0], labellings.max() + 1
    results = [[decode(features, labellings, folds[0]) for features in draws]]
    results += [[decode(features, labellings[:1], fold)
                 for features in draws[number::len(folds)] or draws]
                for number, fold in enumerate(folds[1:], start=1)]
    def average(measure: Callable[[Decoded], np.ndarray]) -> np.ndarray:
        """(assignment, ...) of what is measured, over draws."""
        return np.array([np.mean([measure(result) for result in each], axis=0)
                         for each in results])

    by_fold = [result.accuracy_by_fold for each in results for result in each]
    return Decoding(
        float(average(lambda result: result.accuracy[0]).mean()),
        np.mean([result.accuracy for result in results[0]], axis=0),
        float(np.std(np.concatenate(by_fold), ddof=1)),
        average(lambda result: result.classes[0] == true),
        average(lambda result: confusion_matrix(
            true, result.classes[0], labels=np.arange(n_classes), normalize="true")).mean(axis=0))


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
    decoded : (..., labelling, trial) int
    labellings : (labelling, trial) int
        Every labelling has the same number of trials in every class.

    Returns
    -------
    (..., labelling) float
    """
    sizes = np.bincount(labellings[0])
    share = 1 / (np.count_nonzero(sizes) * np.maximum(sizes, 1))
    return ((decoded == labellings) * share[labellings]).sum(axis=-1)


def accuracy_interval(accuracy: float, class_sizes: np.ndarray, n_repeats: int
                      ) -> tuple[float, float]:
    """95 % interval of a cross-validated balanced accuracy.

    Wilson's (`ephys_snn.analysis.statistics.wilson_interval`) on fewer trials than were decoded:
    the trials of a fold share a decoder, so they are right or wrong together, and how they happen
    to be dealt into folds adds to the variance, less where that is repeated. The accuracy meant is
    that to be expected of decoders that are trained on so many trials.

    Parameters
    ----------
    class_sizes : (class,) int
        Trials per class.
    n_repeats : int
        Assignments of the trials to folds, over which the accuracy is averaged.

    Notes
    -----
    Measured with 5 folds on made-up areas of 5 to 40 units, 40 to 400 trials, 2 to 10 classes and
    true accuracies from chance to .9: the interval covers the truth in 91 to 99 % (mean 95).
    """
    inflation = SHARED_TRAINING + DEAL_OF_FOLDS / n_repeats
    return wilson_interval(accuracy, effective_trials(class_sizes) / inflation)


def effective_trials(class_sizes: np.ndarray) -> float:
    """Trials of which a plain accuracy varies as a balanced one does: K^2 / sum_k(1 / n_k)."""
    return len(class_sizes)**2 / np.sum(1 / np.asarray(class_sizes))


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
