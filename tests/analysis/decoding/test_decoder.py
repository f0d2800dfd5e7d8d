"""Decoding against scikit-learn, against chance, and against itself with the trials tampered."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from ephys_snn.analysis.decoding.decoder import (
    accuracy_interval,
    balanced_accuracy,
    decode,
    decode_draws,
    decode_elsewhere,
    effective_trials,
)
from ephys_snn.analysis.decoding.folds import assign_folds, permuted_classes
from ephys_snn.analysis.statistics import permutation_p_value


class _PlusRidge:
    """A covariance estimator for scikit-learn: the empirical one plus a ridge."""

    def __init__(self, ridge):
        self.ridge = ridge

    def fit(self, x):
        self.covariance_ = np.cov(x.T, ddof=0) + self.ridge * np.eye(x.shape[1])
        return self


def _decode_by_sklearn(features, labels, fold):
    """The decoder again, one fit per fold, by scikit-learn's own classes."""
    decoded = np.empty(len(labels), dtype=int)
    for number in np.unique(fold):
        training = fold != number
        scaler = StandardScaler().fit(features[training])
        x = scaler.transform(features[training])
        shrinkage = np.clip(LedoitWolf(assume_centered=True).fit(x).shrinkage_, 0.001, 0.999)
        estimator = LinearDiscriminantAnalysis(
            solver="lsqr", covariance_estimator=_PlusRidge(shrinkage / (1 - shrinkage)))
        estimator.fit(x, labels[training])
        x = scaler.transform(features[~training])
        if len(estimator.classes_) == 2:
            score = estimator.decision_function(x) - np.diff(np.log(estimator.priors_))
            decoded[~training] = score > 0
        else:
            score = estimator.decision_function(x) - np.log(estimator.priors_)  # equal priors
            decoded[~training] = estimator.classes_[score.argmax(axis=1)]
    return decoded


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("n_units", [3, 90])
def test_decodes_what_scikit_learn_decodes_for_every_permutation(n_classes, n_units):
    rng = np.random.default_rng(n_units)
    classes = np.repeat(np.arange(n_classes), 8 * np.arange(1, n_classes + 1))
    common = rng.normal(size=(len(classes), 1))  # correlations, for the covariance to matter
    features = (rng.normal(size=(len(classes), n_units)) + common
                + 0.6 * rng.normal(size=(n_classes, n_units))[classes])
    fold = assign_folds(classes, 4, rng)
    labellings = permuted_classes(classes, fold, 5, rng)
    decoded = decode(features, labellings, fold)
    for row, labelling in enumerate(labellings):
        expected = _decode_by_sklearn(features, labelling, fold)
        np.testing.assert_array_equal(decoded.classes[row], expected)
        assert decoded.accuracy[row] == pytest.approx(balanced_accuracy_score(labelling, expected))


def test_held_out_trials_reach_nobody_but_themselves():
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(3), 20)
    features = rng.normal(size=(60, 8)) + classes[:, None]
    fold = assign_folds(classes, 5, rng)
    before = decode(features, classes[None], fold).classes[0]
    tampered = features.copy()
    trial = np.flatnonzero(fold == 2)[0]
    tampered[trial] += 1e3
    after = decode(tampered, classes[None], fold).classes[0]
    others_held_out = (fold == 2) & (np.arange(60) != trial)
    np.testing.assert_array_equal(after[others_held_out], before[others_held_out])
    relabelled = classes.copy()
    relabelled[fold == 2] = 0  # their labels are not looked at, either
    again = decode(features, relabelled[None], fold).classes[0]
    np.testing.assert_array_equal(again[fold == 2], before[fold == 2])


def test_a_unit_that_names_the_trial_makes_no_class_decodable():
    rng = np.random.default_rng(2)
    classes = rng.permutation(np.repeat(np.arange(4), 25))
    features = np.eye(100)  # every trial has a unit of its own
    fold = assign_folds(classes, 5, rng)
    decoded = decode(features, permuted_classes(classes, fold, 50, rng), fold)
    assert abs(decoded.accuracy[0] - 0.25) < 0.1
    assert permutation_p_value(decoded.accuracy[0], decoded.accuracy[1:]) > 0.05


def test_the_majority_gains_nothing():
    rng = np.random.default_rng(5)
    classes = np.repeat([0, 1], [90, 10])
    fold = assign_folds(classes, 5, rng)
    decoded = decode(np.ones((100, 3)), classes[None], fold)
    assert (decoded.classes == decoded.classes[0, 0]).all()  # nothing varies: always the same
    assert decoded.accuracy[0] == pytest.approx(0.5)
    assert balanced_accuracy(np.zeros((1, 100), dtype=int), classes[None])[0] == pytest.approx(0.5)


def test_class_that_is_missing_from_the_training_is_never_decoded():
    classes = np.repeat([0, 1], 10)
    features = np.random.default_rng(0).normal(size=(20, 2)) + 5 * classes[:, None]
    decoded = decode(features, classes[None], classes)  # a fold per class
    np.testing.assert_array_equal(decoded.classes[0], 1 - classes)


def test_balanced_accuracy_varies_as_a_plain_one_on_effective_trials():
    rng = np.random.default_rng(0)
    sizes, truth = np.array([60, 20, 10]), 0.7
    recall = rng.binomial(sizes, truth, size=(20000, 3)) / sizes
    assert recall.mean(axis=1).var() == pytest.approx(
        truth * (1 - truth) / effective_trials(sizes), rel=0.03)
    assert accuracy_interval(1.0, [15] * 10, 5)[0] < 0.98  # all right is not certainly all right


@pytest.mark.parametrize(("n_repeats", "n_recordings"), [(1, 150), (5, 60)])
def test_interval_covers_the_accuracy_to_be_expected(n_repeats, n_recordings):
    """Of decoders trained on so many trials: the mean over recordings of the same area."""
    rng = np.random.default_rng(n_repeats)
    classes = np.repeat(np.arange(4), 15)
    tuning = 0.8 * rng.normal(size=(4, 10))
    accuracies = []
    for _ in range(n_recordings):
        features = (tuning[classes] + rng.normal(size=(60, 10)) > 0.3).astype(float)
        folds = np.stack([assign_folds(classes, 5, rng) for _ in range(n_repeats)])
        accuracies.append(decode_draws([features], classes[None], folds).accuracy)
    truth = np.mean(accuracies)
    assert 0.4 < truth < 0.8
    intervals = np.array([accuracy_interval(each, [15] * 4, n_repeats) for each in accuracies])
    assert np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])) >= 0.9
    assert 0.9 < np.ptp(intervals, axis=1).mean() / (2 * 1.96 * np.std(accuracies)) < 1.3


def test_repeats_and_draws_are_averaged_and_the_confusion_counts():
    rng = np.random.default_rng(8)
    classes = rng.permutation(np.repeat(np.arange(3), [8, 10, 12]))
    draws = [rng.normal(size=(30, 4)) + classes[:, None] for _ in range(2)]
    folds = np.stack([assign_folds(classes, 4, rng) for _ in range(2)])
    labellings = permuted_classes(classes, folds[0], 3, rng)
    result = decode_draws(draws, labellings, folds)
    # The first assignment decodes both draws, the other one the second draw.
    first = [decode(features, labellings, folds[0]) for features in draws]
    other = decode(draws[1], labellings, folds[1])
    np.testing.assert_allclose(result.compared, np.mean([each.accuracy for each in first], axis=0))
    assert result.accuracy == pytest.approx((result.compared[0] + other.accuracy[0]) / 2)
    np.testing.assert_allclose(result.confusion.sum(axis=1), 1)
    assert np.diag(result.confusion).mean() == pytest.approx(result.accuracy)
    taken = [np.mean(each.classes[0][classes == 2] == 1) for each in (*first, other)]
    assert result.confusion[2, 1] == pytest.approx((np.mean(taken[:2]) + taken[2]) / 2)
    np.testing.assert_allclose(result.correct[1], other.classes[0] == classes)


def test_decoders_are_tested_elsewhere_on_trials_they_were_not_trained_on():
    rng = np.random.default_rng(9)
    classes = rng.permutation(np.repeat(np.arange(3), 20))
    features = rng.normal(size=(60, 5)) + 2 * np.eye(3, 5)[classes]
    fold = assign_folds(classes, 5, rng)
    moved = rng.permutation(5)
    elsewhere = np.stack([features, features[:, moved]])
    decoded = decode_elsewhere(features, elsewhere, classes[None], fold)
    np.testing.assert_array_equal(decoded[0], decode(features, classes[None], fold).classes)
    for number in range(5):  # another fold at a time, by fitting anew on features as they are
        held_out = fold == number
        both = np.where(held_out[:, None], elsewhere[1], features)
        again = decode(both, classes[None], fold).classes[0, held_out]
        np.testing.assert_array_equal(decoded[1, 0, held_out], again)
