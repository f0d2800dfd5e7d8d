"""Spike patterns: counts by brute force, planted ones, borders of trials, and the null."""

from itertools import combinations

import numpy as np
import pytest
from builders import analysis_options, make_recording
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.analysis.runner import run
from ephys_snn.analysis.surrogates import ExchangeableSpikes
from ephys_snn.analysis.synchrony.patterns import pipeline
from ephys_snn.analysis.synchrony.patterns.analysis import (
    PatternSettings,
    analyse_patterns,
    pattern_table,
)
from ephys_snn.analysis.synchrony.patterns.mining import (
    MAX_SPIKES_PER_WINDOW,
    MIN_OCCURRENCES,
    BinnedResponses,
    Pattern,
    choose_units,
    largest_counts,
    mine,
    pattern_p_values,
    reduce_patterns,
)
from ephys_snn.analysis.synchrony.pipeline import PIPELINE
from ephys_snn.recording import epoch_windows

SETTINGS = PatternSettings(5.0, 12, 39)


def poisson_recording(seed, n_units=5, n_trials=30, rate=8.0, planted=0.0, gain=0.0,
                      lags=(0, 20, 35)):
    """Poisson units in trials of 300 ms; the first three fire with fixed lags in some trials."""
    rng = np.random.default_rng(seed)
    onset = 500.0 * np.arange(n_trials)
    of_trial = rate * np.exp(rng.normal(0, gain, n_trials) if gain else np.zeros(n_trials))
    spikes = [[at + rng.uniform(0, 300, rng.poisson(0.3 * hz))
               for at, hz in zip(onset, of_trial, strict=True)] for _ in range(n_units)]
    for trial in np.flatnonzero(rng.random(n_trials) < planted):
        at = onset[trial] + rng.uniform(0, 250)
        for unit, lag in enumerate(lags):
            spikes[unit][trial] = np.append(spikes[unit][trial], at + lag)
    return make_recording([np.sort(np.concatenate(train)) for train in spikes], onset, 300.0)


def analyse(recording, **options):
    windows = epoch_windows(recording.trials)
    found, largest_p = analyse_patterns(recording, windows, SETTINGS, **options)
    return pattern_table(recording, found, largest_p, SETTINGS)


def occurrences(binned, spikes):
    """Bins of a first spike at which all spikes (unit, lag) of a pattern are, one by one."""
    return [at for at in range(binned.shape[1])
            if all(at + lag < binned.shape[1] and binned[unit, at + lag] for unit, lag in spikes)]


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_mined_patterns_occur_where_they_are_said_to(seed):
    rng = np.random.default_rng(seed)
    binned = rng.random((4, 150)) < 0.15
    found = mine(binned, 4)
    for pattern in found:
        spikes = list(zip(pattern.unit.tolist(), pattern.lag.tolist(), strict=True))
        assert occurrences(binned, spikes) == pattern.start.tolist()
        assert pattern.lag[0] == 0 and (np.diff(pattern.lag) >= 0).all()
        assert len(set(pattern.unit.tolist())) >= 3
    # Every triple of units, with the lags of any occurrence, is counted in M_3.
    most = 0
    for units in combinations(range(4), 3):
        for lags in np.ndindex(4, 4, 4):
            if min(lags) == 0:
                most = max(most, len(occurrences(binned, list(zip(units, lags, strict=True)))))
    expected = most if most >= MIN_OCCURRENCES else 0
    assert largest_counts(binned, 4, 4)[3] == expected


def test_planted_patterns_are_found_with_their_units_and_lags():
    found = 0
    for seed in range(3):
        table = analyse(poisson_recording(seed, planted=0.5))
        passed = table[table["significant"]]
        found += len(passed) > 0 and passed["units"].iloc[0] == "u0+u1+u2" and np.abs(
            np.array(passed["lags_ms"].iloc[0].split("+"), float) - [0, 20, 35]).max() <= 5
    assert found == 3


@pytest.mark.parametrize(("gain", "n_recordings"), [
    (0.7, 2), pytest.param(0.0, 40, marks=pytest.mark.slow),
    pytest.param(0.7, 40, marks=pytest.mark.slow)])
def test_independent_units_have_no_patterns_whether_or_not_their_rates_covary(gain, n_recordings):
    significant = [analyse(poisson_recording(seed, rate=12.0, gain=gain))["significant"].any()
                   for seed in range(n_recordings)]
    # At most 0.05 expected, binomial: more in 1 of 400 cases, of 40 in 1 of 1000.
    assert np.sum(significant) <= {2: 1, 40: 7}[n_recordings]


def test_locked_units_have_no_patterns_beyond_their_locking():
    """Single spikes, precisely locked and otherwise independent, recur with fixed lags."""
    significant = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        onset = 500.0 * np.arange(40)
        trains = [onset[rng.random(40) < 0.6] + 100 + 10.0 * unit + 1.0 for unit in range(5)]
        recording = make_recording(trains, onset, 300.0)
        significant.append(analyse(recording)["significant"].any())
    assert np.sum(significant) <= 2


def test_no_pattern_reaches_from_one_trial_into_the_next():
    """Spikes at the end of every trial and at the start of the next would make one."""
    onset = 100.0 * np.arange(40)
    trains = [onset + 97.0, onset + 98.0, onset + 1.0]
    recording = make_recording(trains, onset, 100.0)
    windows = epoch_windows(recording.trials)
    responses = BinnedResponses(ExchangeableSpikes.observe(
        recording, windows, np.arange(3), np.arange(40), np.zeros(40, int)), np.zeros(40), 5.0, 12)
    assert responses.observed().sum() == 120
    assert not mine(responses.observed(), 12)
    assert not mine(responses.shuffled(np.random.default_rng(0)), 12)
    assert not [each for each in mine(responses.shifted(np.random.default_rng(0)), 12)
                if (each.start % responses.slot_bins + each.lag.max() >= 20).any()]
    close = mine(np.tile(np.eye(3, 12, dtype=bool), 40), 12)  # without a gap there are
    assert close


def test_surrogates_have_as_many_spikes_as_the_responses():
    recording = poisson_recording(3)
    windows = epoch_windows(recording.trials)
    responses = BinnedResponses(ExchangeableSpikes.observe(
        recording, windows, np.arange(5), np.arange(30), np.zeros(30, int)), np.zeros(30), 1.0, 12)
    rng = np.random.default_rng(0)
    n_spikes = responses.observed().sum(axis=1)
    np.testing.assert_array_equal(responses.shuffled(rng).sum(axis=1), n_spikes)
    assert np.abs(responses.shifted(rng).sum(axis=1) - n_spikes).max() <= 2  # clipped by rounding


def test_p_counts_all_patterns_of_a_size_and_is_the_larger_of_both():
    null = np.zeros((19, 2, 5), dtype=int)
    null[:4, 0, 3] = 9  # four shuffled surrogates have patterns as frequent as the first
    null[:1, 1, 4] = 7
    p = pattern_p_values(np.array([3, 4, 3]), np.array([9, 7, 10]), null)
    assert p.tolist() == [5 / 20, 2 / 20, 1 / 20]


def test_parts_of_a_significant_pattern_are_dropped():
    whole = Pattern(np.arange(4), np.array([0, 1, 2, 3]), np.arange(0, 200, 10))
    part = Pattern(np.arange(3), np.array([0, 1, 2]), np.arange(0, 210, 10))
    significant = np.zeros((5, 30), dtype=bool)
    significant[3:, 15:] = True
    assert reduce_patterns([whole, part], significant, 5) == [whole]


def test_units_are_few_enough_to_be_mined():
    rng = np.random.default_rng(0)
    assert len(choose_units(np.full(50, 20), 1000.0, rng)) == 10
    assert len(choose_units(np.full(50, 200), 100.0, rng)) == MAX_SPIKES_PER_WINDOW / 2
    assert choose_units(np.array([4, 5, 5, 5]), 100.0, rng).tolist() == [1, 2, 3]


@pytest.mark.parametrize(("fields", "reason"), [
    ({"n_units": 2}, "2 units have 5 spikes, and patterns need 3"),
    ({"rate": 300.0, "n_trials": 6}, "shorten --pattern-window"),
    ({"rate": 4.0, "n_trials": 10}, "no pattern of 3 units occurs 5 times"),
])
def test_what_cannot_be_mined_is_said(fields, reason):
    table = analyse(poisson_recording(5, **fields))
    assert reason in table["note"][0] and not table["significant"].any()


def test_the_pipeline_draws_and_tells(tmp_path, capsys):
    path = tmp_path / "planted.nix"
    poisson_recording(1, planted=0.5).write(path)
    assert run(PIPELINE, [str(path), "--patterns", "--pattern-surrogates", "39", "--surrogates",
                          "2", "--elephant-shuffles", "1", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "recur more often than where each unit's responses are shuffled" in said.out
    assert "A 1 (most spikes: u0+u1+u2 at 0+" in said.out
    assert "patterns: mined in 30 trials and a random sample of units (A 5)" in said.err
    assert {"patterns.png", "patterns.csv"} <= {each.name for each in tmp_path.iterdir()}


def test_nothing_is_mined_unless_asked_and_the_same_seed_gives_the_same_table():
    recording = poisson_recording(2)
    windows = epoch_windows(recording.trials)
    assert not pipeline.analyse(recording, windows, analysis_options(PIPELINE.add_options)).tables
    first, again = (analyse(recording, seed=4) for _ in range(2))
    assert first.equals(again)
