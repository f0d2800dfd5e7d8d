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
    NEIGHBOURS,
    ExchangeableSpikes,
    Relabelling,
    dither_spikes,
    exchange_latencies,
    exchange_windows,
    exchangeable_groups,
    permute_within,
    random_sets,
    relabel,
    shift_in_windows,
    shuffle_trials,
)
from ephys_snn.recording import decision_windows

groups = st.lists(st.integers(0, 3), min_size=1, max_size=30).map(np.array)
seeds = st.integers(0, 2**32 - 1)


# --- orders that stay within groups --------------------------------------------------------------


@given(groups, st.integers(1, 4), st.integers(1, 5), seeds)
def test_orders_are_permutations_within_groups(group, n_orders, block_trials, seed):
    rng = np.random.default_rng(seed)
    orders = permute_within(group, rng, n_orders, block_trials)
    assert orders.shape == (n_orders, len(group))
    for order in orders:
        assert sorted(order) == list(range(len(group)))
        np.testing.assert_array_equal(group[order], group)


def test_every_order_within_groups_is_as_likely():
    group = np.array([1, 0, 1, 0, 1])
    orders, counts = np.unique(permute_within(group, np.random.default_rng(0), 6000), axis=0,
                               return_counts=True)
    every = {tuple(np.array([a[0], b[0], a[1], b[1], a[2]])) for a in
             itertools.permutations((0, 2, 4)) for b in itertools.permutations((1, 3))}
    assert {tuple(order) for order in orders} == every
    assert stats.chisquare(counts).pvalue > 1e-3


def test_negative_groups_stay_where_they_are():
    group = np.array([-1, 0, 0, -2, 0, -1])
    for block_trials in (1, 2):
        for order in permute_within(group, np.random.default_rng(0), 20, block_trials):
            np.testing.assert_array_equal(order[group < 0], np.flatnonzero(group < 0))


# --- labels --------------------------------------------------------------------------------------


relabellings = st.builds(Relabelling, st.integers(1, 4), st.booleans())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), relabellings, seeds)
def test_labels_are_the_same_and_stay_in_their_stratum(strata, relabelling, seed):
    strata, labels = np.array(strata), np.arange(len(strata))
    moved = relabel(labels, np.random.default_rng(seed), relabelling, strata)
    assert sorted(moved) == labels.tolist()
    np.testing.assert_array_equal(strata[moved], strata)


def test_blocks_and_shifts_keep_neighbours_together():
    labels = np.repeat([0, 1], 50)
    rng = np.random.default_rng(0)

    def changes(*how):
        return [np.count_nonzero(np.diff(relabel(labels, rng, *how))) for _ in range(50)]

    assert max(changes(Relabelling(10))) < min(changes())
    assert max(changes(Relabelling(shift=True))) <= 2


def test_blocks_as_long_as_runs_keep_the_runs():
    runs = np.repeat([0, 1, 2, 0, 1], 4)
    labels = np.append(runs, [2, 2])
    for seed in range(20):
        moved = relabel(labels, np.random.default_rng(seed), Relabelling(4))
        assert (moved[:20].reshape(-1, 4) == moved[:20:4, None]).all()
        assert moved[20:].tolist() == [2, 2]


def test_every_shift_along_the_session_is_as_likely_that_by_nothing_too():
    rng = np.random.default_rng(0)
    first = [relabel(np.arange(6), rng, Relabelling(shift=True))[0] for _ in range(3000)]
    assert stats.chisquare(np.bincount(first, minlength=6)).pvalue > 1e-3


def drifting(rng, n_trials=200):
    """Slow noise: a random walk without its trend."""
    walk = np.cumsum(rng.normal(size=n_trials))
    return walk - np.linspace(walk[0], walk[-1], n_trials)


@pytest.mark.parametrize(("relabelling", "least", "most"), [
    (Relabelling(), 0.5, 1.0), (Relabelling(shift=True), 0.0, 0.1)])
def test_shifts_stand_slow_responses_under_slow_labels_and_permutations_do_not(
        relabelling, least, most):
    """Nonsense correlations of Harris 2021, arXiv:2012.06862."""
    rng = np.random.default_rng(1)
    significant = []
    for _ in range(60):
        response, label = drifting(rng), drifting(rng)
        null = [abs(np.corrcoef(response, relabel(label, rng, relabelling))[0, 1])
                for _ in range(99)]
        observed = abs(np.corrcoef(response, label)[0, 1])
        significant.append((1 + np.sum(null >= observed)) / 100 <= 0.05)
    assert least <= np.mean(significant) <= most


# --- responses ------------------------------------------------------------------------------------


def test_shuffled_trials_stay_in_their_unit_and_class():
    rng = np.random.default_rng(5)
    binned = rng.random((9, 2, 5)) < 0.5
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1, -1])
    shuffled = shuffle_trials(binned, group, rng)
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


@given(st.integers(1, 20), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_exchanged_latencies_leave_who_responds_in_which_trial(n_trials, n_units, n_groups, seed):
    rng = np.random.default_rng(seed)
    latency = np.where(rng.random((n_trials, n_units)) < 0.5, rng.random((n_trials, n_units)),
                       np.inf)
    group = rng.integers(n_groups, size=n_trials)
    exchanged = exchange_latencies(latency, group, rng)
    np.testing.assert_array_equal(np.isinf(exchanged), np.isinf(latency))
    for each in np.unique(group):
        np.testing.assert_array_equal(np.sort(exchanged[group == each], axis=0),
                                      np.sort(latency[group == each], axis=0))


def test_exchanged_latencies_come_in_every_order_equally_often():
    latency = np.array([[0.0], [1.0], [np.inf], [2.0]])
    rng = np.random.default_rng(0)
    seen = [tuple(exchange_latencies(latency, np.zeros(4, int), rng)[[0, 1, 3], 0])
            for _ in range(1200)]
    counts = [seen.count(each) for each in set(seen)]
    assert len(counts) == 6 and min(counts) > 150 and max(counts) < 250


def test_shifted_responses_keep_their_intervals_and_stay_in_their_window():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(20, 30, (500, 3)), axis=1)
    response = np.repeat(np.arange(500), 3)
    shifted = shift_in_windows(times.ravel(), response, np.full(1500, 20.0), np.full(1500, 30.0),
                               4.0, rng).reshape(500, 3)
    assert shifted.min() >= 20 and shifted.max() <= 30
    moved = shifted - times
    moved -= 10 * np.rint(moved / 10)  # around in the window
    np.testing.assert_allclose(moved, moved[:, :1].repeat(3, axis=1), atol=1e-9)
    assert np.abs(moved).max() <= 4 and moved[:, 0].std() == pytest.approx(8 / np.sqrt(12), rel=0.1)


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


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=99).map(np.array), st.integers(1, 30))
def test_groups_are_neighbours_of_one_kind(repeats, block_trials):
    group = exchangeable_groups(repeats, block_trials)
    for each in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == each)
        (name,) = set(repeats[members])
        between = np.flatnonzero(repeats == name)
        assert 2 <= len(members) < 2 * NEIGHBOURS
        assert set(members) == set(between[(between >= members[0]) & (between <= members[-1])])


def test_blocks_make_groups_reach_over_as_many_trials():
    repeats = np.tile(["a", "b"], 60)
    members = [np.flatnonzero(exchangeable_groups(repeats, 8) == each) for each in range(30)]
    assert max(np.ptp(each) for each in members) < 8
    assert max(map(len, members)) == 4 and len(members) == 30


@given(st.booleans(), seeds)
def test_exchanged_spikes_are_counted_in_the_window_that_they_come_to(together, seed):
    """Against the definition: a response moves as a whole, then its new trial's window cuts it."""
    recording = planted(0.5, n_trials=24, n_classes=2, decisions=True)
    windows = decision_windows(recording.trials)
    units, trials = np.arange(6), np.arange(24)
    group = exchangeable_groups(recording.trials.label)
    spikes = ExchangeableSpikes.observe(recording, windows, units, trials, group)
    as_recorded = recording.responses(windows, units).count
    np.testing.assert_array_equal(spikes.count(spikes.trial), as_recorded)
    moved = spikes.exchange(np.random.default_rng(seed), together)
    expected = np.zeros_like(as_recorded)
    for latency, unit, origin, place in zip(spikes.latency, spikes.unit, spikes.trial, moved,
                                            strict=True):
        assert group[origin] == group[place]
        expected[place, unit] += latency < windows.stop[place] - windows.onset[place]
    np.testing.assert_array_equal(spikes.count(moved), expected)
    for unit in units:  # responses stay whole, and no two of a unit come to one trial
        origin_of = {}
        for origin, place in set(zip(spikes.trial[spikes.unit == unit],
                                     moved[spikes.unit == unit], strict=True)):
            assert origin_of.setdefault(place, origin) == origin
    if together:
        assert len(set(zip(spikes.trial, moved, strict=True))) == len(set(spikes.trial))


# --- units ----------------------------------------------------------------------------------------


def test_random_sets_have_their_size_and_are_uniform():
    sets = random_sets(6, 2, 6000, np.random.default_rng(0))
    assert (sets.sum(axis=1) == 2).all()
    _, counts = np.unique(sets, axis=0, return_counts=True)
    assert len(counts) == 15 and stats.chisquare(counts).pvalue > 1e-3
    assert random_sets(4, 4, 3, np.random.default_rng(0)).all()
