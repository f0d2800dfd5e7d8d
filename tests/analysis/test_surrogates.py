"""Surrogates: what is exchanged or moved, what stays, and that every order is as likely."""

import itertools

import numpy as np
import pytest
from builders import planted
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ephys_snn.analysis.surrogates import (
    dither_spikes,
    exchange_windows,
    exchangeable_groups,
    permute_labels,
    permute_within,
    random_sets,
    shuffle_trials,
    shuffle_unit_trials,
    shuffle_within,
    sort_within,
)
from ephys_snn.recording import decision_windows

groups = st.lists(st.integers(0, 3), min_size=1, max_size=30).map(np.array)
seeds = st.integers(0, 2**32 - 1)


# --- orders that stay within groups --------------------------------------------------------------


@given(groups, st.integers(1, 4), st.integers(1, 5), seeds)
def test_orders_are_permutations_within_groups(group, n_orders, block_trials, seed):
    rng = np.random.default_rng(seed)
    for orders in (permute_within(group, rng, n_orders, block_trials),
                   sort_within(group, rng.random((n_orders, len(group))))):
        assert orders.shape == (n_orders, len(group))
        for order in orders:
            assert sorted(order) == list(range(len(group)))
            np.testing.assert_array_equal(group[order], group)


def permuted_orders(group, n, rng):
    return permute_within(group, rng, n)


def sorted_orders(group, n, rng):
    return sort_within(group, rng.random((n, len(group))))


@pytest.mark.parametrize("draw", [permuted_orders, sorted_orders])
def test_every_order_within_groups_is_as_likely(draw):
    group = np.array([1, 0, 1, 0, 1])
    orders, counts = np.unique(draw(group, 6000, np.random.default_rng(0)), axis=0,
                               return_counts=True)
    every = {tuple(np.array([a[0], b[0], a[1], b[1], a[2]])) for a in
             itertools.permutations((0, 2, 4)) for b in itertools.permutations((1, 3))}
    assert {tuple(order) for order in orders} == every
    assert stats.chisquare(counts).pvalue > 1e-3


def test_negative_groups_stay_where_they_are():
    group = np.array([-1, 0, 0, -2, 0, -1])
    for order in permute_within(group, np.random.default_rng(0), 20):
        np.testing.assert_array_equal(order[group < 0], np.flatnonzero(group < 0))


def test_units_that_are_shuffled_together_and_apart():
    """One order for all units keeps what they share in a trial; one for each does not."""
    rng = np.random.default_rng(0)
    trial = np.repeat(np.arange(40.0)[:, None], 3, axis=1)
    code = np.repeat([0, 1], 20)
    together, apart = trial[shuffle_within(code, rng)], shuffle_trials(trial, code, rng)
    assert (together == together[:, :1]).all() and (together != trial).any()
    assert (apart != apart[:, :1]).mean() > 0.5
    binned = np.repeat(np.eye(40, dtype=bool)[:, None], 3, axis=1)  # (trial, unit, bin)
    of_units = shuffle_unit_trials(binned, code, rng).argmax(axis=2)
    assert (of_units != of_units[:, :1]).mean() > 0.5


# --- labels --------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_permuted_labels_are_the_same_labels(n_trials, block_trials, seed):
    labels = np.arange(n_trials)
    permuted = permute_labels(labels, np.random.default_rng(seed), block_trials)
    assert sorted(permuted) == labels.tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 4),
       st.integers(0, 2**32 - 1))
def test_labels_stay_in_their_stratum(strata, block_trials, seed):
    strata, labels = np.array(strata), np.arange(len(strata))
    permuted = permute_labels(labels, np.random.default_rng(seed), block_trials, strata)
    assert sorted(permuted) == labels.tolist()
    np.testing.assert_array_equal(strata[permuted], strata)


def test_blocks_keep_neighbours_together():
    labels = np.repeat([0, 1], 50)
    rng = np.random.default_rng(0)
    changes = [np.count_nonzero(np.diff(permute_labels(labels, rng, 10))) for _ in range(50)]
    singly = [np.count_nonzero(np.diff(permute_labels(labels, rng))) for _ in range(50)]
    assert max(changes) < min(singly)


# --- responses ------------------------------------------------------------------------------------


def test_shuffles_stay_within_classes():
    rng = np.random.default_rng(0)
    code = rng.integers(3, size=30)
    shuffled = shuffle_within(code, rng)
    np.testing.assert_array_equal(code[shuffled], code)
    assert sorted(shuffled) == list(range(30))


def test_shuffled_trials_stay_in_their_unit_and_class():
    rng = np.random.default_rng(5)
    binned = rng.random((9, 2, 5)) < 0.5
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1, -1])
    shuffled = shuffle_unit_trials(binned, group, rng)
    np.testing.assert_array_equal(shuffled[8], binned[8])
    for each, unit in itertools.product((0, 1), (0, 1)):
        assert sorted(map(tuple, shuffled[group == each, unit])) == sorted(
            map(tuple, binned[group == each, unit]))
    assert (shuffled != binned).any()


@given(st.integers(1, 20), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_shuffling_keeps_every_units_responses_within_their_class(n_trials, n_units, n_classes,
                                                                  seed):
    rng = np.random.default_rng(seed)
    latency = np.where(rng.random((n_trials, n_units)) < 0.5, rng.random((n_trials, n_units)),
                       np.inf)
    group = rng.integers(n_classes, size=n_trials)
    shuffled = shuffle_trials(latency, group, rng)
    for each in np.unique(group):
        np.testing.assert_array_equal(np.sort(shuffled[group == each], axis=0),
                                      np.sort(latency[group == each], axis=0))


def test_shuffling_makes_units_independent():
    latency = np.repeat(np.arange(4.0)[:, None], 2, axis=1)  # two units in step, 4 trials
    rng = np.random.default_rng(0)
    seen = [tuple(np.argsort(s[:, 0])[s[:, 1].argsort().argsort()])
            for s in (shuffle_trials(latency, np.zeros(4, int), rng) for _ in range(2400))]
    counts = [seen.count(each) for each in set(seen)]
    assert len(counts) == 24  # every relative order, equally often
    assert min(counts) > 60 and max(counts) < 145


@given(hnp.arrays(np.float64, 20, elements=st.floats(0, 9.99)), st.floats(0.01, 30),
       st.integers(0, 2**32 - 1))
def test_dithered_spikes_stay_in_their_window_and_near(times, dither, seed):
    start, stop = np.zeros(20), np.full(20, 10.0)
    moved = dither_spikes(times, start, stop, dither, np.random.default_rng(seed))
    assert (moved >= 0).all() and (moved <= 10).all()
    assert (np.abs(moved - times) <= dither + 1e-9).all()


def test_dither_leaves_a_constant_rate_constant():
    rng = np.random.default_rng(0)
    times = rng.uniform(0, 10, 100_000)
    moved = dither_spikes(times, np.zeros(len(times)), np.full(len(times), 10.0), 3.0, rng)
    assert np.histogram(moved, bins=10, range=(0, 10))[0] == pytest.approx(10_000, rel=0.05)


def test_responses_are_observed_as_long_as_the_longest_window_of_their_class():
    recording = planted(0.0, n_trials=20, n_classes=2, decisions=True)
    windows = decision_windows(recording.trials)
    seen = exchange_windows(recording, windows)
    for label in recording.trials.classes:
        members = recording.trials.label == label
        np.testing.assert_allclose(seen.durations[members], windows.durations[members].max())


def test_trials_with_nobody_to_exchange_with_have_no_group():
    group = exchangeable_groups(np.array(["a", "b", "a", "c"]))
    assert group.tolist() == [0, -1, 0, -1]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40).map(np.array), st.integers(2, 6))
def test_neighbours_that_exchange_are_of_one_class_and_successive(label, neighbours):
    group = exchangeable_groups(label, neighbours)
    for each in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == each)
        (name,) = set(label[members])
        between = np.flatnonzero(label == name)
        assert 2 <= len(members) < 2 * neighbours
        assert set(members) == set(between[(between >= members[0]) & (between <= members[-1])])


# --- units ----------------------------------------------------------------------------------------


def test_random_sets_have_their_size_and_are_uniform():
    sets = random_sets(6, 2, 6000, np.random.default_rng(0))
    assert (sets.sum(axis=1) == 2).all()
    _, counts = np.unique(sets, axis=0, return_counts=True)
    assert len(counts) == 15 and stats.chisquare(counts).pvalue > 1e-3
    assert random_sets(4, 4, 3, np.random.default_rng(0)).all()
