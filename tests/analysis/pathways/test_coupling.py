"""Coupling: all exchanges by brute force, Pearson, and no coupling where there is none."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.pathways import coupling
from ephys_snn.analysis.pathways.links import residuals_of_areas
from ephys_snn.analysis.surrogates import ExchangeableSpikes
from ephys_snn.recording import Recording, Trials, Units, decision_windows, epoch_windows


def spikes_of(counts, group, rng, stop=None):
    """Spikes 0 to 1 ms after the onset, in windows of 1 ms unless said otherwise."""
    trial, unit = np.nonzero(np.ones_like(counts))
    n = counts[trial, unit]
    stop = np.ones(len(counts)) if stop is None else stop
    return ExchangeableSpikes(rng.random(n.sum()), np.repeat(trial, n), np.repeat(unit, n), stop,
                              np.asarray(group), counts.shape[1])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_expected_count_is_the_mean_over_all_exchanges(seed):
    rng = np.random.default_rng(seed)
    group = np.array([1, 0, 1, 1, 0, -1])
    spikes = spikes_of(rng.poisson(1.5, (6, 2)), group, rng, rng.choice([0.2, 0.5, 1.0], 6))
    counts = []
    for first in itertools.permutations([0, 2, 3]):
        for second in itertools.permutations([1, 4]):
            goes_to = np.arange(6)
            goes_to[[0, 2, 3]], goes_to[[1, 4]] = first, second
            counts.append(spikes.count(goes_to[spikes.trial]))
    np.testing.assert_allclose(coupling.expected_count(spikes), np.mean(counts, axis=0))


def test_slow_changes_are_taken_away():
    trial, group = np.arange(200), np.repeat(np.arange(20), 10)
    noise = np.random.default_rng(0).normal(size=(200, 1))
    slow = (20 * np.sin(2 * np.pi * trial / 200) + 0.1 * trial)[:, None]
    left, alone = (coupling.without_slow_changes(values, trial, group)
                   for values in (slow + noise, noise))
    assert np.abs(left - alone).max() < 0.02 * np.abs(slow).max()
    for each in range(20):
        of_group, at = left[group == each, 0], trial[group == each]
        np.testing.assert_allclose([of_group.sum(), at @ of_group], 0, atol=1e-8)


def test_noise_correlation_is_pearson_within_classes():
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2], 50)
    common = rng.poisson(1.0, 150)
    source = rng.poisson(1.0, (150, 4)) + 5 * code[:, None]  # the class is not coupling
    target = rng.poisson(1.0, (150, 3)) + 5 * code[:, None]
    source[:, 0] += common
    target[:, 0] += common
    found = coupling.noise_correlation(*(coupling.count_residuals(
        spikes_of(counts, code, rng), code, np.arange(150)) for counts in (source, target)), rng)
    residuals = [values - np.array([values[code == c].mean(axis=0) for c in range(3)])[code]
                 for values in (source, target)]
    expected = np.corrcoef(*(r.T for r in residuals))[:4, 4:]
    np.testing.assert_allclose(found.correlation, expected, atol=0.1)  # drift is taken away
    assert found.correlation[0, 0] == pytest.approx(0.5, abs=0.1)
    assert found.p_value[0, 0] < 1e-3
    assert np.delete(found.p_value.ravel(), 0).min() > 1e-3


def test_p_is_that_of_the_pair_and_beyond_it_of_comparable_pairs():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(200, 2000)) * np.repeat([1.0, 30.0], 1000)
    observed = np.full(2000, 1.0)
    observed[[0, 1000]] = 4.0, 4.0 * 30
    z, p = coupling.pooled_tail_p_values(observed, null, np.repeat([0, 1], 1000))
    reached = (null >= observed).sum(axis=0)
    np.testing.assert_allclose(np.delete(p, [0, 1000]),
                               np.delete((1 + reached) / 201, [0, 1000]), atol=1.01 / 201)
    np.testing.assert_allclose(z[[0, 1000]], 4, rtol=0.2)
    assert (np.abs(np.log10(p[[0, 1000]] / stats.norm.sf(4))) < 0.5).all()


# --- units that are independent given what they are locked to ------------------------------------


def independent_units(rng, n_trials=200, decide=False, drift=0.0, n_stimuli=0):
    """Two areas of sparse and dense Poisson units."""
    rates = np.array([0.02, 0.04, 0.08, 1.0, 5.0, 20.0] * 8)
    label = rng.integers(2, size=n_trials)
    stimulus = label * max(n_stimuli, 1) + rng.integers(max(n_stimuli, 1), size=n_trials)
    slow = 1 + drift * np.sin(2 * np.pi * (np.arange(n_trials) / n_trials + rng.random()))
    onset = 200.0 * np.arange(n_trials)
    spikes = []
    for rate in rates:
        locked = rng.gamma(2.0, 0.5, 2 * n_stimuli)[stimulus] if n_stimuli else 1.0
        count = rng.poisson(rate * locked * slow)
        spikes.append(np.sort(np.repeat(onset, count) + rng.uniform(0, 100, count.sum())))
    decision = onset + rng.uniform(20, 100, n_trials) if decide else np.full(n_trials, np.nan)
    trials = Trials(onset, np.full(n_trials, 100.0), label.astype(str), decision,
                    np.where(np.isnan(decision), "", "0"),
                    {"stimulus": stimulus} if n_stimuli else {})
    area = np.repeat(["A", "B"], 24)
    recording = Recording.from_spike_trains(
        spikes, Units(np.arange(48), np.arange(48).astype(str), area, np.full(48, "")), trials,
        areas=("A", "B"), areas_ordered=True)
    return recording, rates[:24] >= 1


@pytest.mark.parametrize("block_trials, made", [
    (1, {"decide": True}), (1, {"drift": 0.5}), (20, {"drift": 0.5}), (1, {"n_stimuli": 6})])
def test_independent_units_are_not_linked(block_trials, made):
    """Sparse and sparse, sparse and dense, dense and dense pairs, each at its level."""
    p_values = {0: [], 1: [], 2: []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        recording, dense = independent_units(rng, **made)
        windows = decision_windows(recording.trials) if "decide" in made \
            else epoch_windows(recording.trials)
        found = coupling.noise_correlation(*residuals_of_areas(
            recording, windows, [recording.units_in(area) for area in "AB"], np.arange(200),
            block_trials), rng, 200)
        for kind, p in p_values.items():
            p.append(found.p_value[np.add.outer(dense * 1, dense) == kind])
    for p in p_values.values():
        p = np.concatenate(p)
        p = p[~np.isnan(p)]
        assert len(p) > 100
        assert np.mean(p <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p))
        assert p.min() > 1e-5
