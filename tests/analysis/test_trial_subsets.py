"""Random parts of the trials: their sizes, their shares of the classes, and repetitions."""

import numpy as np
from builders import make_recording
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.analysis.surrogates import exchangeable_groups
from ephys_snn.analysis.trial_subsets import (
    first_halves,
    keep_windows,
    match_trials,
    proportional_trials,
    split_halves,
    stratified_quarters,
    whole_groups,
)
from ephys_snn.recording import epoch_windows


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 40),
       st.integers(0, 99))
def test_chosen_trials_stay_with_those_they_exchange_responses_with(labels, max_trials, seed):
    labels = np.array(labels)
    group = exchangeable_groups(labels)
    chosen = whole_groups(group, labels, max_trials, np.random.default_rng(seed))
    assert len(chosen) == min(max_trials, len(labels)) and (np.diff(chosen) > 0).all()
    cut = [each for each in np.unique(group[chosen][group[chosen] >= 0])
           if (group[chosen] == each).sum() < (group == each).sum()]
    assert len(cut) <= 1
    if (group[chosen] < 0).any():  # come last
        assert np.isin(np.flatnonzero(group >= 0), chosen).all()


def test_classes_have_a_group_in_turn_and_groups_of_neighbours():
    labels = np.tile(np.arange(5), 200)
    group = exchangeable_groups(labels)
    chosen = whole_groups(group, labels, 100, np.random.default_rng(0))
    assert np.unique(labels[chosen], return_counts=True)[1].tolist() == [20] * 5
    assert max(np.ptp(chosen[group[chosen] == each]) for each in np.unique(group[chosen])) == 45
    stimuli = np.repeat(np.arange(100), 20)  # many: some are left out rather than all thinned
    some = whole_groups(exchangeable_groups(stimuli), stimuli // 50, 100,
                        np.random.default_rng(0))
    assert set(np.unique(stimuli[some], return_counts=True)[1]) <= {10, 20}
    assert abs((stimuli[some] < 50).sum() - 50) <= 10


@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.integers(2, 100),
       st.integers(0, 99))
def test_thinned_trials_keep_the_proportions_of_the_classes(labels, n_trials, seed):
    labels = np.array(labels)
    n_trials = min(n_trials, len(labels))
    chosen = proportional_trials(labels, n_trials, np.random.default_rng(seed))
    assert (np.diff(chosen) > 0).all()
    for each in np.unique(labels):
        size = (labels == each).sum()
        expected = min(size, max(2, size * n_trials / len(labels)))
        assert abs((labels[chosen] == each).sum() - expected) <= 0.5


@given(st.integers(0, 1000))
def test_matched_trials_are_as_many_of_each_class(seed):
    rng = np.random.default_rng(seed)
    labels, others = (rng.permutation([*"abc", *rng.choice(list("abc"), n)]) for n in (20, 9))
    ours, theirs = match_trials(labels, others, rng)
    assert sorted(labels[ours]) == sorted(others[theirs])
    for label in "abc":
        assert (labels[ours] == label).sum() == min((labels == label).sum(),
                                                    (others == label).sum())
    assert len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)


def test_other_classes_are_matched_in_number_alone():
    ours, theirs = match_trials(np.array(list("aabb")), np.array(list("xyxyxyxy")),
                                np.random.default_rng(0))
    assert len(ours) == len(theirs) == 4


def test_kept_windows_are_counted_among_trials_that_have_one():
    recording = make_recording([[1.0]], 100.0 * np.arange(6))
    windows = epoch_windows(recording.trials)
    start = windows.start.copy()
    start[:3] = np.nan
    kept = keep_windows(windows._replace(start=start), np.array([0, 2]))
    assert np.flatnonzero(kept.used).tolist() == [3, 5]


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
@settings(max_examples=30, deadline=None)
def test_halves_split_every_class(seed, n_trials):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=n_trials), [0, 0, 1, 1, 2, 2])
    half = split_halves(code, rng)
    for c in range(3):
        assert abs((half & (code == c)).sum() - (~half & (code == c)).sum()) <= 1
    blocks = split_halves(code, rng, 3)
    for first in range(0, len(code), 3):
        assert len(set(blocks[first:first + 3])) == 1


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 1000))
def test_first_halves_are_half_of_every_class_rounded_down(code, seed):
    code = np.array(code)
    first = first_halves(code, np.random.default_rng(seed))
    for c in np.unique(code):
        assert first[code == c].sum() == (code == c).sum() // 2


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.integers(0, 1000))
def test_quarters_spread_every_class_evenly(code, seed):
    code = np.array(code)
    for quarter in stratified_quarters(code, 3, np.random.default_rng(seed)):
        sizes = np.bincount(quarter, minlength=4)
        assert sizes.sum() == len(code) and np.ptp(sizes) <= 1
        for c in np.unique(code):
            assert np.ptp(np.bincount(quarter[code == c], minlength=4)) <= 2
