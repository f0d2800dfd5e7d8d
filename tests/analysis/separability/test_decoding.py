"""Decoding against scikit-learn, against chance, and against itself with the trials tampered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from ephys_snn.analysis.separability.decoding import (
    accuracy_interval,
    assign_folds,
    balanced_accuracy,
    choose_folds,
    decode,
    permuted_classes,
)
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.errors import InputError


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


def test_a_unit_that_names_the_trial_does_not_tell_its_class():
    rng = np.random.default_rng(2)
    classes = rng.permutation(np.repeat(np.arange(4), 25))
    features = np.eye(100)  # every trial has a unit of its own
    fold = assign_folds(classes, 5, rng)
    decoded = decode(features, permuted_classes(classes, fold, 50, rng), fold)
    assert abs(decoded.accuracy[0] - 0.25) < 0.1
    assert permutation_p_value(decoded.accuracy[0], decoded.accuracy[1:]) > 0.05


@pytest.mark.parametrize(("block_trials", "drift"), [(1, False), (10, True)])
def test_p_values_are_calibrated_on_labels_that_mean_nothing(block_trials, drift):
    rng = np.random.default_rng(3)
    p_values, accuracies, chances = [], [], []
    for _ in range(80):
        features = rng.normal(size=(120, 6))
        classes = rng.choice(3, 120, p=[0.5, 0.3, 0.2])
        if drift:  # slow responses and slow labels that know nothing of each other
            features = np.cumsum(features, axis=0)
            classes = np.repeat(rng.integers(3, size=24), 5)
        fold = assign_folds(classes, 4, rng, block_trials)
        labellings = permuted_classes(classes, fold, 39, rng, Relabelling(block_trials))
        decoded = decode(features, labellings, fold)
        p_values.append(permutation_p_value(decoded.accuracy[0], decoded.accuracy[1:]))
        accuracies.append(decoded.accuracy[0])
        chances.append(decoded.accuracy[1:].mean())
    assert np.mean(np.array(p_values) <= 0.05) <= 0.10
    assert abs(np.mean(accuracies) - np.mean(chances)) < 0.02
    assert 0.35 < np.mean(p_values) < 0.68


def test_drift_deceives_without_blocks():
    """The control of the test above: single trials permuted find what is not there."""
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(20):
        features = np.cumsum(rng.normal(size=(120, 6)), axis=0)
        classes = np.repeat(rng.integers(3, size=24), 5)
        fold = assign_folds(classes, 4, rng)
        accuracy = decode(features, permuted_classes(classes, fold, 39, rng), fold).accuracy
        found += permutation_p_value(accuracy[0], accuracy[1:]) <= 0.05
    assert found > 15


def test_the_majority_gains_nothing():
    rng = np.random.default_rng(5)
    classes = np.repeat([0, 1], [90, 10])
    fold = assign_folds(classes, 5, rng)
    decoded = decode(np.ones((100, 3)), classes[None], fold)
    assert (decoded.classes == decoded.classes[0, 0]).all()  # nothing varies: always the same
    assert decoded.accuracy[0] == pytest.approx(0.5)
    assert balanced_accuracy(np.zeros((1, 100), dtype=int), classes[None])[0] == pytest.approx(0.5)


@given(sizes=st.lists(st.integers(2, 12), min_size=2, max_size=5), n_folds=st.integers(2, 6),
       seed=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_permutations_leave_every_fold_its_classes(sizes, n_folds, seed):
    n_folds, kept = choose_folds(np.array(sizes), n_folds)
    classes = np.repeat(np.arange(kept.sum()), np.array(sizes)[kept])
    rng = np.random.default_rng(seed)
    fold = assign_folds(classes, n_folds, rng)
    labellings = permuted_classes(classes, fold, 5, rng)
    np.testing.assert_array_equal(labellings[0], classes)
    for number in range(n_folds):
        assert set(classes[fold == number]) == set(range(kept.sum()))
        expected = np.sort(classes[fold == number])
        for labelling in labellings:
            np.testing.assert_array_equal(np.sort(labelling[fold == number]), expected)


def test_blocks_stay_in_one_fold():
    classes = np.tile([0, 1], 50)
    fold = assign_folds(classes, 5, np.random.default_rng(0), block_trials=4)
    assert all(len(set(fold[i:i + 4])) == 1 for i in range(0, 100, 4))
    with pytest.raises(InputError, match="block-trials 30 makes 4 blocks of 100 trials"):
        assign_folds(classes, 5, np.random.default_rng(0), block_trials=30)


def test_class_that_is_missing_from_the_training_is_never_decoded():
    classes = np.repeat([0, 1], 10)
    features = np.random.default_rng(0).normal(size=(20, 2)) + 5 * classes[:, None]
    decoded = decode(features, classes[None], classes)  # a fold per class
    np.testing.assert_array_equal(decoded.classes[0], 1 - classes)


@pytest.mark.parametrize("sizes", [[30], [30, 1], [1, 1, 1], []])
def test_too_few_classes_is_an_error(sizes):
    with pytest.raises(InputError, match="at least two classes of at least two trials"):
        choose_folds(np.array(sizes, dtype=int), 5)


@pytest.mark.parametrize(("sizes", "n_folds", "kept"), [
    ([20, 20, 20], 5, [1, 1, 1]), ([50, 50, 2], 5, [1, 1, 0]), ([4] * 10 + [5, 5], 4, [1] * 12),
    ([2, 2], 2, [1, 1]), ([50, 50] + [1] * 30, 5, [1, 1] + [0] * 30)])
def test_folds_follow_the_sizes_of_the_classes(sizes, n_folds, kept):
    assert choose_folds(np.array(sizes), 5)[0] == n_folds
    np.testing.assert_array_equal(choose_folds(np.array(sizes), 5)[1], np.array(kept, dtype=bool))


def test_interval_is_wilsons_and_covers():
    from scipy.stats import binomtest

    expected = binomtest(45, 60).proportion_ci(method="wilson")
    np.testing.assert_allclose(accuracy_interval(0.75, [20, 20, 20]), expected, rtol=1e-5)
    assert accuracy_interval(1.0, [15] * 10)[0] < 0.98  # all right is not certainly all right
    rng = np.random.default_rng(0)
    sizes, truth = np.array([60, 20, 10]), 0.7
    recall = rng.binomial(sizes, truth, size=(2000, 3)) / sizes
    inside = [low <= truth <= high for low, high in
              (accuracy_interval(value, sizes) for value in recall.mean(axis=1))]
    assert 0.92 < np.mean(inside) < 0.98
