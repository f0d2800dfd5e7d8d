"""Folds and permutations: what shares a fold, and p that hold its level where responses drift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from ephys_snn.analysis.decoding.decoder import decode
from ephys_snn.analysis.decoding.folds import assign_folds, choose_folds, permuted_classes
from ephys_snn.analysis.separability.distances import class_distances, pairwise_distances
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling
from ephys_snn.errors import InputError

N_TRIALS = 320


def responses(drift, tuning, classes, rng):
    """(trial, unit) int, Poisson counts of 8 units, drifting together along the session."""
    slow = gaussian_filter1d(rng.normal(size=N_TRIALS), 20)
    log_rate = drift * slow[:, None] / slow.std() * rng.normal(size=8) \
        + tuning * rng.normal(size=(classes.max() + 1, 8))[classes]
    return rng.poisson(4 * np.exp(log_rate)).astype(float)


def share_found(relabelling, drift, tuning, run, n_recordings, seed):
    """(decoding, distances): shares of recordings with p <= .05, of labels in runs of `run`."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n_recordings):
        runs = np.concatenate([rng.permutation(4) for _ in range(N_TRIALS // (4 * run))])
        classes = np.repeat(runs, run) if run > 1 else rng.permutation(runs)
        features = responses(drift, tuning, classes, rng)
        fold = assign_folds(classes, 5, rng, relabelling)
        labellings = permuted_classes(classes, fold, 39, rng, relabelling)
        accuracy = decode(features, labellings, fold).accuracy
        ratio = class_distances(pairwise_distances(features, "count"), labellings).ratio
        found.append([permutation_p_value(each[0], each[1:]) <= 0.05
                      for each in (accuracy, ratio)])
    return np.mean(found, axis=0)


@pytest.mark.parametrize("relabelling", [Relabelling(40), Relabelling(shift=True)])
def test_drift_is_not_found_when_blocks_or_shifts_say_what_chance_is(relabelling):
    assert share_found(relabelling, 0.4, 0.0, 20, 60, seed=3).max() <= 0.1
    assert share_found(relabelling, 0.4, 0.5, 20, 15, seed=5).min() >= 0.8


def test_drift_deceives_where_single_trials_are_permuted():
    """The control of the test above."""
    assert share_found(SINGLE_TRIALS, 0.4, 0.0, 20, 20, seed=4).min() > 0.5


def test_labels_that_mean_nothing_are_found_as_often_as_promised():
    found = share_found(SINGLE_TRIALS, 0.4, 0.0, 1, 80, seed=6)
    assert (found <= 0.1).all()


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


@given(n_trials=st.integers(20, 120), n_folds=st.integers(2, 5), block=st.integers(2, 10),
       seed=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_neighbours_share_a_fold_whatever_their_labels(n_trials, n_folds, block, seed):
    classes = np.random.default_rng(seed + 1).integers(3, size=n_trials)
    for relabelling, most in ((Relabelling(block), -(-n_trials // block)),
                              (Relabelling(shift=True), n_folds)):
        if n_trials < block * n_folds:
            continue
        fold, of_others = (assign_folds(labels, n_folds, np.random.default_rng(seed), relabelling)
                           for labels in (classes, np.sort(classes)))
        np.testing.assert_array_equal(fold, of_others)
        assert set(fold) == set(range(n_folds))
        assert np.count_nonzero(np.diff(fold)) <= most
        places = permuted_classes(np.arange(n_trials), fold, 3, np.random.default_rng(seed),
                                  relabelling)
        apart = np.count_nonzero(np.diff(places, axis=1) % n_trials != 1, axis=1)
        assert (apart <= (0 if relabelling.shift else most)).all()  # neighbours move together
        assert (np.sort(places, axis=1) == np.arange(n_trials)).all()


def test_fewer_blocks_than_folds_is_an_error():
    with pytest.raises(InputError, match="block-trials 30 makes 4 blocks of 100 trials"):
        assign_folds(np.tile([0, 1], 50), 5, np.random.default_rng(0), Relabelling(30))


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
