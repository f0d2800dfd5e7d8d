"""Coupling: all shuffles by brute force, Pearson, Elephant, and no coupling where there is none."""

import itertools

import numpy as np
import pytest
from builders import planted_pathways

from ephys_snn.analysis.pathways import coupling
from ephys_snn.analysis.pathways.links import binned_spikes
from ephys_snn.recording import epoch_windows


def test_shuffle_variance_is_that_over_all_shuffles():
    rng = np.random.default_rng(0)
    code = np.array([0, 0, 0, 1, 1, 1, 2])
    x, y = (coupling.class_residuals(rng.poisson(1.0, (7, n)), code) for n in (3, 2))
    sums = [x[[*first, *(3 + np.array(second)), 6]].T @ y
            for first in itertools.permutations(range(3))
            for second in itertools.permutations(range(3))]
    np.testing.assert_allclose(np.mean(sums, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.var(sums, axis=0), coupling.shuffle_variance(x, y, code),
                               rtol=1e-5)


def test_noise_correlation_is_pearson_within_classes():
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2], 50)
    common = rng.poisson(1.0, 150)
    source = rng.poisson(1.0, (150, 4)) + 5 * code[:, None]  # the class is not coupling
    target = rng.poisson(1.0, (150, 3)) + 5 * code[:, None]
    source[:, 0] += common
    target[:, 0] += common
    found = coupling.noise_correlation(source, target, code, rng, 200)
    residuals = [values - np.array([values[code == c].mean(axis=0) for c in range(3)])[code]
                 for values in (source, target)]
    expected = np.corrcoef(*(r.T for r in residuals))[:4, 4:]
    np.testing.assert_allclose(found.correlation, expected, atol=1e-5)
    assert found.p_value[0, 0] < 1e-3
    assert np.delete(found.p_value.ravel(), 0).min() > 1e-3


def test_p_of_uncoupled_units_is_uniform():
    rng = np.random.default_rng(1)
    code = rng.integers(4, size=200)
    active = [(rng.random((200, 30)) < 0.1 + 0.2 * code[:, None]).astype(int) for _ in range(2)]
    p = coupling.noise_correlation(*active, code, rng, 1000).p_value.ravel()
    assert abs(np.mean(p < 0.05) - 0.05) < 0.03
    assert p.min() > 1e-5


def test_it_is_the_asymmetry_of_elephants_histogram():
    """Over trials far apart, Elephant's cross-correlation histogram of the whole recording."""
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import cross_correlation_histogram

    rng = np.random.default_rng(5)
    recording, _ = planted_pathways(rng, n_trials=100, n_units=4, areas=("A",), planted=1)
    windows = epoch_windows(recording.trials)
    source, target = (binned_spikes(recording, windows, unit, np.arange(100), 1.0)
                      for unit in (0, 1))
    code = (recording.trials.label == "0").astype(int)
    pairs = coupling.trial_pairs(code, 50, rng)
    found = coupling.correlogram_asymmetry(source, target, pairs, 20)
    binned = [BinnedSpikeTrain(train, bin_size=1 * pq.ms)
              for train in recording.spike_trains([0, 1], 0.0, 10000.0)]
    histogram, lags = cross_correlation_histogram(*binned, window=[-20, 20])
    counts = histogram.magnitude.ravel()
    after, before = counts[lags > 0].sum(), counts[lags < 0].sum()
    assert min(after, before) > 2 and after != before
    assert found.observed == pytest.approx((after - before) / (after + before))


def test_shuffled_asymmetry_is_the_mean_over_all_shuffles():
    rng = np.random.default_rng(6)
    code = np.array([0, 0, 0, 1, 1])
    source, target = rng.integers(0, 2, (2, 5, 8)).astype(np.float32)

    def before_and_after(order):
        pairs = [(i, j) for t, u in enumerate(order) for i in np.flatnonzero(source[t])
                 for j in np.flatnonzero(target[u]) if 0 < abs(i - j) <= 3]
        return np.array([sum(j > i for i, j in pairs), sum(j < i for i, j in pairs)])

    counts = np.mean([before_and_after([*first, *second])
                      for first in itertools.permutations(range(3))
                      for second in itertools.permutations((3, 4))], axis=0)
    found = coupling.correlogram_asymmetry(source, target, coupling.trial_pairs(code, 10, rng), 3)
    after, before = before_and_after(range(5))
    assert found.observed == pytest.approx((after - before) / (after + before))
    assert found.shuffled == pytest.approx((counts[0] - counts[1]) / counts.sum())
