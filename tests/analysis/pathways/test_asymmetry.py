"""Lead and lag: Elephant's correlogram, the definition by brute force, gains without a lead."""

import numpy as np
import pytest
from builders import planted_pathways

from ephys_snn.analysis.pathways.asymmetry import BinnedUnit, bin_spikes, correlogram_asymmetry
from ephys_snn.analysis.surrogates import ExchangeableSpikes, exchangeable_groups
from ephys_snn.recording import epoch_windows


def before_and_after(source, target, lag):
    pairs = [(i, j) for i in np.repeat(np.arange(len(source)), source)
             for j in np.repeat(np.arange(len(target)), target) if 0 < abs(i - j) <= lag]
    return np.array([sum(j > i for i, j in pairs), sum(j < i for i, j in pairs)])


def test_it_is_the_asymmetry_of_elephants_histogram():
    """Over trials far apart, Elephant's cross-correlation histogram of the whole recording."""
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import cross_correlation_histogram

    rng = np.random.default_rng(5)
    recording, _ = planted_pathways(rng, n_trials=100, n_units=4, areas=("A",), planted=1)
    windows, trials = epoch_windows(recording.trials), np.arange(100)
    group = exchangeable_groups(recording.trials.label)
    source, target = (bin_spikes(ExchangeableSpikes.observe(
        recording, windows, np.array([unit]), trials, group), 0.0, 1.0) for unit in (0, 1))
    found = correlogram_asymmetry(source, target, 20, rng.choice([-1.0, 1.0], (50, 100)))
    binned = [BinnedSpikeTrain(train, bin_size=1 * pq.ms)
              for train in recording.spike_trains([0, 1], 0.0, 10000.0)]
    histogram, lags = cross_correlation_histogram(*binned, window=[-20, 20])
    counts = histogram.magnitude.ravel()
    after, before = counts[lags > 0].sum(), counts[lags < 0].sum()
    assert min(after, before) > 2 and after != before
    assert found.observed == pytest.approx((after - before) / (after + before))


def binned(spikes, group):
    """A unit's spikes, and their mean in each group."""
    mean = np.array([spikes[group == each].mean(axis=0) for each in group])
    return BinnedUnit(spikes, mean, group)


def test_shuffled_asymmetry_is_that_of_all_pairs_of_trials():
    """Every pair of different trials of a group, weighed by the counts in each of its trials."""
    rng = np.random.default_rng(6)
    group = np.array([0, 0, 0, 1, 1])
    source, target = rng.integers(0, 3, (2, 5, 8))
    found = correlogram_asymmetry(binned(source, group), binned(target, group), 3,
                                  rng.choice([-1.0, 1.0], (10, 5)))
    expected = np.zeros(2)
    for t in range(5):
        members = np.flatnonzero(group == group[t])
        pairs = np.mean([before_and_after(source[s], target[r], 3)
                         for s in members for r in members if s != r], axis=0)
        expected += source[t].sum() * target[t].sum() * pairs / (
            source[members].sum(axis=1).mean() * target[members].sum(axis=1).mean())
    after, before = sum(before_and_after(*trains, 3) for trains in zip(source, target, strict=True))
    assert found.observed == pytest.approx((after - before) / (after + before))
    assert found.shuffled == pytest.approx(
        (expected[0] - expected[1]) / (expected[0] + expected[1]))


def trains(rng, n_trials, lead, gain_sd=1.0, decide=True):
    """Units whose gain varies, the target's mean response later, windows of random length."""
    gain = rng.gamma(1 / gain_sd**2, gain_sd**2, n_trials) if gain_sd else np.ones(n_trials)
    source = [rng.normal(40, 12, n) for n in rng.poisson(6 * gain)]
    target = [rng.normal(48, 12, n) for n in rng.poisson(6 * gain)]
    target = [np.append(own, x[rng.random(len(x)) < lead] + 2.0)
              for own, x in zip(target, source, strict=True)]
    stop = rng.uniform(30, 90, n_trials) if decide else np.full(n_trials, 90.0)
    group = np.repeat(np.arange(n_trials // 10), 10)
    return [bin_spikes(ExchangeableSpikes(
        np.concatenate(times), np.repeat(np.arange(n_trials), [len(t) for t in times]),
        np.zeros(sum(map(len, times)), dtype=int), stop, group, 1), 0.0, 1.0)
        for times in (source, target)]


@pytest.mark.parametrize("lead, low, high", [(0.0, 0.01, 0.09), (0.3, 0.8, 1.0)])
def test_a_common_gain_and_a_later_mean_response_are_no_lead(lead, low, high):
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (200, 150))
    p = [correlogram_asymmetry(*trains(rng, 150, lead), 10, signs).p_value for _ in range(200)]
    assert low <= np.mean(np.array(p) <= 0.05) <= high


def test_without_pairs_of_spikes_there_is_none():
    rng = np.random.default_rng(0)
    silent = binned(np.zeros((4, 5), dtype=int), np.zeros(4))
    signs = rng.choice([-1.0, 1.0], (10, 4))
    assert np.isnan(correlogram_asymmetry(silent, silent, 2, signs)).all()
