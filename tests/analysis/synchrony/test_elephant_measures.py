"""Elephant's measures: what the trains hold, their controls, and what they say of known input."""

import warnings

import numpy as np
import pytest
import quantities as pq
from builders import make_recording, planted
from elephant.spike_train_synchrony import spike_contrast
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.analysis.synchrony.elephant_measures import _round_down, analyse_with_elephant
from ephys_snn.analysis.synchrony.elephant_trains import (
    _neo_train,
    measure_trains,
    observed_time,
    population_rate,
    width_at_half_maximum,
)
from ephys_snn.recording import decision_windows, epoch_windows

PAIR = np.array([[0, 1]])


def test_equal_trains_are_synchronous_and_distant_ones_are_not():
    rng = np.random.default_rng(0)
    train = np.sort(rng.choice(1000, 60, replace=False)) + 0.5
    same = measure_trains([train, train], 1000, 1.0, 100.0, PAIR)
    assert same.correlation == pytest.approx(1)
    assert same.synchronous_spikes == 1 and same.n_events == 60 and same.largest_event == 2
    assert np.argmax(same.correlogram) == len(same.correlogram) // 2
    late = measure_trains([train[:30], train[30:]], 1000, 1.0, 100.0, PAIR)
    assert late.synchronous_spikes == 0 and late.correlation < 0
    assert same.spike_contrast > 2 * late.spike_contrast


def test_correlogram_finds_a_planted_lag():
    train = np.sort(np.random.default_rng(1).choice(900, 80, replace=False)) + 0.5
    measured = measure_trains([train, train + 7], 1000, 1.0, 100.0, PAIR)
    assert np.argmax(measured.correlogram) - len(measured.correlogram) // 2 == 7


def test_marker_spikes_hardly_change_spike_contrast():
    rng = np.random.default_rng(2)
    trains = [np.sort(rng.uniform(0, 1000, 200)) for _ in range(10)]
    measured = measure_trains(trains, 1000, 1.0, 1000.0, PAIR)
    plain = spike_contrast([_neo_train(train, 1000) for train in trains], min_bin=1 * pq.ms,
                           bin_shrink_factor=0.8)
    assert measured.spike_contrast == pytest.approx(plain, rel=0.03)


def test_spike_contrast_reaches_packets_of_units_that_spike_once_per_trial():
    slots = 100.0 * np.arange(50)
    rng = np.random.default_rng(3)
    tight = [slots + 40 + rng.uniform(0, 1, 50) for _ in range(20)]
    measured = measure_trains(tight, 5000, 1.0, 100.0, PAIR)
    assert measured.scale.min() < 2
    assert measured.contrast[measured.scale < 4].max() > 0.8


def test_measures_do_not_depend_on_the_unit_of_time():
    rng = np.random.default_rng(4)
    trains = [np.sort(rng.uniform(0, 500, 60)) for _ in range(4)]
    slow = measure_trains(trains, 500, 1.0, 50.0, PAIR)
    fast = measure_trains([train * 0.01 for train in trains], 500, 0.01, 0.5, PAIR)
    assert fast.spike_contrast == pytest.approx(slow.spike_contrast)
    assert fast.correlation == pytest.approx(slow.correlation)
    assert fast.synchronous_spikes == pytest.approx(slow.synchronous_spikes)


def test_population_rate_counts_every_spike_once():
    times = np.array([0.0, 0.3, 0.3, 0.7, 0.999])  # 0.3 / 0.1 is just below 3 in floating point
    time, rate = population_rate(times, 10, 0.1, observed=np.full(10, 5 * 0.1))
    assert time[0] == pytest.approx(0.05)
    assert (rate * 5 * 0.1 / 1000).tolist() == pytest.approx([1, 0, 0, 2, 0, 0, 0, 1, 0, 1])


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=5))
def test_observed_time_against_the_definition(windows):
    start, end = np.sort(np.array(windows), axis=1).T
    expected = [sum(max(0.0, min(stop, at + 0.5) - max(begin, at))
                    for begin, stop in zip(start, end, strict=True)) for at in 0.5 * np.arange(18)]
    np.testing.assert_allclose(observed_time(start, end, 18, 0.5), expected, atol=1e-9)


def test_a_constant_rate_is_constant_where_windows_end_at_different_times():
    rng = np.random.default_rng(0)
    end = rng.uniform(20, 100, 2000)  # as of decisions
    times = np.concatenate([spikes[spikes < last] for last in end
                            for spikes in [rng.uniform(0, 100, 50)]])  # 500 spikes/s
    _, rate = population_rate(times, 20, 5.0, observed_time(np.zeros(2000), end, 20, 5.0))
    assert np.isnan(rate[-2:]).all()  # observed in hardly any trial
    np.testing.assert_allclose(rate[:-2], 500, rtol=0.15)


def test_width_at_half_maximum():
    assert width_at_half_maximum(np.array([0, 0, 1, 5, 9, 6, 2, 0, 7, 0.0]), 1.0) == 3
    assert width_at_half_maximum(np.ones(10), 1.0) == 10
    assert width_at_half_maximum(np.ones(1), 5.0) == 5


@pytest.mark.parametrize(("n_trials", "bin_width"), [(1, 20.0), (1, 10.0), (2, 20.0), (3, 20.0)])
def test_few_bins_are_measured_or_have_a_reason(n_trials, bin_width):
    recording = make_recording([[1.0, 22.0, 41.0], [2.0, 15.0, 43.0]], 20.0 * np.arange(n_trials),
                               20.0)
    result = analyse_with_elephant(recording, epoch_windows(recording.trials),
                                   bin_width=bin_width, n_shuffles=2)
    (row,) = result.table.to_dict("records")
    n_bins = n_trials * 20 / bin_width
    assert row["rate_width_ms"] == bin_width * round(row["rate_width_ms"] / bin_width) > 0
    if n_bins < 2:
        assert "one bin" in row["note"]
    else:
        curves = result.curves["A"]
        assert len(curves.lag) == len(curves.correlogram) == 2 * n_bins - 1


@given(st.lists(st.integers(0, 6), min_size=2, max_size=30).filter(any), st.floats(0.05, 20))
def test_width_at_half_maximum_is_that_of_the_bins_around_the_peak(counts, observed):
    """Bins at exactly half of the height are frequent, and belong to the peak."""
    rate = 1000 * np.array(counts) / observed
    first = last = int(np.argmax(counts))
    while first and 2 * counts[first - 1] >= max(counts):
        first -= 1
    while last + 1 < len(counts) and 2 * counts[last + 1] >= max(counts):
        last += 1
    found = width_at_half_maximum(rate, 0.1)
    assert found == pytest.approx(0.1 * (last - first + 1))


@pytest.mark.parametrize(("value", "rounded"), [(0.16, 0.1), (2.5, 2), (7.5, 5), (10, 10),
                                                (0.02, 0.02)])
def test_round_down(value, rounded):
    assert _round_down(value) == rounded


def test_control_tells_common_jitter_from_locking():
    shared, private = (
        analyse_with_elephant(each, epoch_windows(each.trials), bin_width=1.0, n_shuffles=20).table
        for each in (planted(5.0, n_trials=100), planted(0.0, n_trials=100)))
    for measure in ("correlation", "synchronous_spikes"):
        assert abs(private[f"{measure}_z"][0]) < 3.5 < shared[f"{measure}_z"][0]


def test_peaks_of_correlograms_are_compared_over_all_lags():
    """Against surrogates at its own lag, every peak would stand out, as it was chosen there."""
    p = []
    for seed in range(12):
        recording = planted(0.0, seed, n_trials=30, n_units=3)
        row = analyse_with_elephant(recording, epoch_windows(recording.trials), bin_width=1.0,
                                    n_shuffles=19).table.iloc[0]
        p.append(row["correlogram_peak_p_value"])
        assert row["correlogram_peak_q_value"] == p[-1] and row["note"] == ""
    assert np.mean(np.array(p) <= 0.05) <= 0.25  # 0.05 expected; 4 of 12 in 1 of 400 cases
    assert 0.25 < np.mean(p) < 0.8  # 0.525 expected, SD 0.083
    shared = planted(3.0, n_trials=100, n_units=8)
    row = analyse_with_elephant(shared, epoch_windows(shared.trials), bin_width=1.0,
                                n_shuffles=19).table.iloc[0]
    assert row["correlogram_peak_p_value"] == 0.05


def test_sample_is_stated_and_elephant_is_quiet(reference_recording, caplog):
    windows = decision_windows(reference_recording.trials)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # between Elephant and quantities
        result = analyse_with_elephant(reference_recording, windows, max_units=6, max_trials=12,
                                       n_shuffles=2)
    table = result.table.set_index("area")
    assert table.loc["layer_1", "n_units_used"] == 6
    assert (table["n_trials_used"] == 12).all()
    assert "make the decision" in table.loc["output", "note"]
    assert result.bin_width == table["bin_ms"].iloc[0] == 0.1
    assert not caplog.records


def test_two_units_have_pairwise_measures_and_one_has_none():
    two = planted(0.0, n_units=2)
    table = analyse_with_elephant(two, epoch_windows(two.trials), n_shuffles=2).table
    assert np.isfinite(table["correlation"][0])
    assert table["note"][0].startswith("2 shuffles give z, an effect size, and no p")
    one = planted(0.0, n_units=1)
    table = analyse_with_elephant(one, epoch_windows(one.trials), n_shuffles=2).table
    assert "need two units" in table["note"][0] and table["peak_rate_hz"][0] > 0


def test_the_same_seed_gives_the_same_table():
    recording = planted(0.0, n_units=6)
    tables = [analyse_with_elephant(recording, epoch_windows(recording.trials), n_shuffles=2,
                                    max_units=4, seed=seed).table for seed in (1, 1, 2)]
    assert tables[0].equals(tables[1]) and not tables[0].equals(tables[2])
