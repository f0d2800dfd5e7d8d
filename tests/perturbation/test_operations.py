"""What operations do to spike times and weights, as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ephys_snn.perturbation.operations import (
    Delay,
    Drive,
    Drop,
    Jitter,
    Shuffle,
    Silence,
    Stretch,
    Synchronize,
    Time,
    WeightBits,
    WeightNoise,
)
from ephys_snn.perturbation.targets import Target

LAYER = Target("layer_1")
RNG = np.random.default_rng


@st.composite
def spikes(draw):
    """Times of which some are inf, and the packet of those before a decision."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 8)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    times = draw(hnp.arrays(dtype, shape, elements=st.floats(0, 64, width=16) | st.just(np.inf)))
    decision = draw(hnp.arrays(dtype, (shape[0], 1),
                               elements=st.floats(0, 64, width=16) | st.just(np.inf)))
    return times, times < decision


@given(spikes(), st.integers(0, 9))
def test_no_dose_changes_no_bit(given_spikes, seed):
    times, packet = given_spikes
    for operation in (Jitter(LAYER, Time(0.0)), Jitter(LAYER, Time(0.0, True)),
                      Delay(LAYER, Time(0.0)), Drop(LAYER, 0.0), Stretch(LAYER, 1.0)):
        changed = operation.spikes(times, packet, 3.0, RNG(seed))
        assert changed.dtype == times.dtype
        np.testing.assert_array_equal(changed, times, err_msg=operation.words)


@given(spikes(), st.integers(0, 9))
def test_a_shuffled_packet_has_the_same_times_and_units(given_spikes, seed):
    times, packet = given_spikes
    shuffled = Shuffle(LAYER).spikes(times, packet, 0.0, RNG(seed))
    np.testing.assert_array_equal(np.isfinite(shuffled), np.isfinite(times))
    np.testing.assert_array_equal(shuffled[~packet], times[~packet])  # later spikes and silence
    for after, before, inside in zip(shuffled, times, packet, strict=True):
        np.testing.assert_array_equal(np.sort(after[inside]), np.sort(before[inside]))


def test_shuffling_gives_every_order_equally_often():
    n_trials = 6000
    times = np.tile([7.0, 1.0, 2.0, 3.0, np.inf], (n_trials, 1))
    packet = times < 5
    shuffled = Shuffle(LAYER).spikes(times, packet, 0.0, RNG(1))
    orders, counts = np.unique(shuffled[:, 1:4], axis=0, return_counts=True)
    assert len(orders) == 6
    np.testing.assert_allclose(counts, n_trials / 6, atol=5 * np.sqrt(n_trials / 6))


@given(spikes())
def test_synchronized_spikes_come_at_the_median_of_the_packet(given_spikes):
    times, packet = given_spikes
    changed = Synchronize(LAYER).spikes(times, packet, 0.0, RNG(0))
    np.testing.assert_array_equal(
        changed, Stretch(LAYER, 0.0).spikes(times, packet, 0.0, RNG(0)))
    for after, before, inside in zip(changed, times, packet, strict=True):
        np.testing.assert_array_equal(after[~inside], before[~inside])
        if inside.any():
            median = np.median(before[inside].astype(float)).astype(times.dtype)
            np.testing.assert_array_equal(after[inside], median)


@given(spikes(), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_stretched_distances_from_the_median_grow_by_the_factor(given_spikes, factor):
    times, packet = given_spikes
    changed = Stretch(LAYER, factor).spikes(times, packet, 0.0, RNG(0))
    np.testing.assert_array_equal(changed[~packet], times[~packet])
    for after, before, inside in zip(changed, times, packet, strict=True):
        if inside.any():
            median = np.median(before[inside].astype(float))
            expected = np.maximum(median + factor * (before[inside].astype(float) - median), 0)
            np.testing.assert_allclose(after[inside], expected, rtol=1e-6)


def test_jitter_has_its_sd_and_is_independent():
    times = np.full((500, 200), 50.0)
    packet = np.ones(times.shape, dtype=bool)
    for operation in (Jitter(LAYER, Time(2.0)), Jitter(LAYER, Time(4.0, in_widths=True))):
        shift = operation.spikes(times, packet, 0.5, RNG(3)) - times
        assert np.std(shift) == pytest.approx(2.0, rel=0.02)
        assert np.mean(shift) == pytest.approx(0.0, abs=0.03)
        assert np.std(shift.mean(axis=0)) == pytest.approx(2 / np.sqrt(500), rel=0.2)  # by unit
        assert np.std(shift.mean(axis=1)) == pytest.approx(2 / np.sqrt(200), rel=0.2)  # by trial


def test_jitter_is_reflected_at_the_onset():
    """A half-normal has the mean sd·sqrt(2/π)."""
    times = np.zeros((500, 200), dtype=np.float32)
    changed = Jitter(LAYER, Time(1.5)).spikes(times, times < 1, 0.0, RNG(0))
    assert changed.min() >= 0 and changed.dtype == np.float32
    assert changed.mean() == pytest.approx(1.5 * np.sqrt(2 / np.pi), rel=0.01)


def test_silent_units_stay_silent_unless_driven():
    times = np.full((3, 4), np.inf)
    packet = np.zeros(times.shape, dtype=bool)
    for operation in (Silence(LAYER), Jitter(LAYER, Time(1.0)), Delay(LAYER, Time(-5.0)),
                      Drop(LAYER, 0.5), Shuffle(LAYER), Synchronize(LAYER), Stretch(LAYER, 2.0)):
        assert np.isinf(operation.spikes(times, packet, 1.0, RNG(0))).all(), operation.words
    np.testing.assert_array_equal(Drive(LAYER, 4.0).spikes(times, packet, 1.0, RNG(0)), 4.0)


def test_delay_shifts_and_stops_at_the_onset():
    times = np.array([[3.0, 10.0, np.inf]])
    packet = times < 5
    for by, expected in ((2.0, [5, 12, np.inf]), (-4.0, [0, 6, np.inf])):
        np.testing.assert_array_equal(
            Delay(LAYER, Time(by)).spikes(times, packet, 0.0, RNG(0))[0], expected)
    np.testing.assert_array_equal(
        Delay(LAYER, Time(2.0, in_widths=True)).spikes(times, packet, 0.5, RNG(0))[0],
        [4, 11, np.inf])


def test_driven_units_spike_at_the_time_or_have_before():
    times = np.array([[3.0, 10.0, np.inf]])
    np.testing.assert_array_equal(
        Drive(LAYER, 4.0).spikes(times, times < 5, 0.0, RNG(0))[0], [3, 4, 4])


def test_dropped_spikes_are_lost_with_the_probability():
    times = np.full((1000, 100), 5.0)
    packet = times < 9
    lost = np.isinf(Drop(LAYER, 0.3).spikes(times, packet, 0.0, RNG(0)))
    assert lost.mean() == pytest.approx(0.3, abs=0.005)
    assert np.isinf(Drop(LAYER, 1.0).spikes(times, packet, 0.0, RNG(0))).all()


WEIGHTS = hnp.arrays(st.sampled_from([np.float32, np.float64]), (4, 5),
                     elements=st.floats(-8, 8, width=32))


@given(WEIGHTS, st.integers(2, 10))
def test_weights_of_few_bits(weights, bits):
    """On a grid of 2^bits - 1 values from -scale to scale, each the nearest, in the same order."""
    scale = float(np.abs(weights).max())
    rounded = WeightBits(LAYER, bits).synapses(weights, scale, RNG(0))
    assert rounded.dtype == weights.dtype
    grid = np.linspace(-scale, scale, 2**bits - 1)
    nearest = np.abs(rounded.ravel()[:, None] - grid).min(axis=1)
    step = scale / (2 ** (bits - 1) - 1)
    assert nearest.max() <= 1e-5 * scale
    assert np.abs(rounded - weights).max() <= step / 2 + 1e-5 * scale
    assert (np.diff(rounded.ravel()[np.argsort(weights, axis=None)]) >= 0).all()
    assert (rounded * weights >= 0).all()


@given(WEIGHTS, st.floats(0, 5), st.integers(0, 9))
def test_noise_keeps_the_sign_of_every_weight(weights, noise, seed):
    assert (WeightNoise(LAYER, noise).synapses(weights, 1.0, RNG(seed)) * weights >= 0).all()


def test_noise_is_a_fraction_of_each_weight():
    weights = np.where(np.arange(400_000) % 2, 3.0, -0.2).reshape(-1, 100)
    noisy = WeightNoise(LAYER, 0.1).synapses(weights, 1.0, RNG(0)) / weights
    assert np.mean(noisy) == pytest.approx(1, abs=1e-3)
    for sign in (weights > 0, weights < 0):
        assert np.std(noisy[sign]) == pytest.approx(0.1, rel=0.01)


@given(WEIGHTS)
def test_no_noise_changes_no_weight(weights):
    np.testing.assert_array_equal(WeightNoise(LAYER, 0.0).synapses(weights, 1.0, RNG(0)), weights)
