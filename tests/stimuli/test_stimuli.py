"""Stimuli: the latency code, jitter, loading by name and path."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.stimuli import LatencyCode, jitter_times, load_stimuli


def test_ink_is_early_and_background_late():
    times = LatencyCode(1.5, 20.0).times(np.array([0, 128, 255], np.uint8))
    np.testing.assert_allclose(times, [20.0, 10.75, 1.5 + 18.5 / 256])
    np.testing.assert_allclose(LatencyCode().times([0.0, 1.0]), [20.0, 1.5])


@given(st.floats(0, 50), st.floats(0.01, 50), st.lists(st.floats(0, 1), min_size=2))
def test_more_intense_is_never_later(early, span, intensities):
    times = LatencyCode(early, early + span).times(np.sort(intensities))
    assert (np.diff(times) <= 0).all()
    assert times.min() >= early - 1e-9 and times.max() <= early + span + 1e-9


@pytest.mark.parametrize("early, late", [(20.0, 1.5), (-1.0, 5.0), (1.0, np.inf), (np.nan, 2.0)])
def test_an_impossible_code_is_refused(early, late):
    with pytest.raises(InputError, match="0 <= early < late"):
        LatencyCode(early, late)


def test_digits_are_encoded_over_the_full_range():
    stimuli = load_stimuli("digits")
    assert stimuli.times.shape == (1797, 64) and stimuli.times.dtype == np.float64
    assert stimuli.shape == (8, 8)
    assert stimuli.times.min() == 1.5 and stimuli.times.max() == 20.0
    sizes = {part: len(stimuli.part(part)[1]) for part in ("train", "validation", "test")}
    np.testing.assert_allclose(np.array(list(sizes.values())) / 1797, [0.6, 0.2, 0.2], atol=0.005)


def test_many_pixels_take_little_memory():
    """MNIST in memory, as it is trained on, has to leave room for the rest of 1 GB."""
    assert LatencyCode().times(np.zeros((2, 3), np.uint8)).nbytes == 4 * 6


def test_points_become_five_times():
    stimuli = load_stimuli("yin-yang", LatencyCode(1.5, 20.0))
    assert stimuli.times.shape == (7000, 5) and stimuli.shape is None
    x, y, flipped_x, flipped_y, bias = ((stimuli.times - 1.5) / 18.5).T
    np.testing.assert_allclose(x + flipped_x, 1)
    np.testing.assert_allclose(y + flipped_y, 1)
    np.testing.assert_allclose(bias, (9.0 - 1.5) / 18.5)


def test_times_of_the_user_stay_as_they_are(tmp_path):
    times = np.random.default_rng(0).random((20, 3)) * 50
    times[0, 0] = np.inf
    np.savez(tmp_path / "own.npz", times=times, labels=np.arange(20) % 2)
    stimuli = load_stimuli(tmp_path / "own.npz")
    assert stimuli.name == "own" and stimuli.shape is None
    np.testing.assert_array_equal(stimuli.times, times)


def test_an_unknown_part_is_refused():
    with pytest.raises(InputError, match="train, validation, test; got 'testing'"):
        load_stimuli("digits").part("testing")


@given(st.integers(0, 1000), st.floats(0.01, 5))
def test_jitter_is_reflected_at_zero_and_leaves_the_silent(seed, sd):
    times = np.array([[0.0, 1.0, np.inf, 30.0]])
    jittered = jitter_times(times, sd, np.random.default_rng(seed))
    assert (jittered >= 0).all() and np.isinf(jittered[0, 2])
    noise = np.random.default_rng(seed).standard_normal(times.shape)
    np.testing.assert_allclose(jittered, np.abs(times + sd * noise))


def test_jitter_has_the_standard_deviation_asked_for():
    times = np.full((200, 500), 30.0, np.float32)
    jittered = jitter_times(times, 3.0, np.random.default_rng(1))
    assert jittered.dtype == np.float32
    assert abs(jittered.std() - 3.0) < 0.05 and abs(jittered.mean() - 30.0) < 0.05


def test_every_trial_may_have_its_own_jitter():
    times = np.full((3, 50000), 30.0, np.float32)
    sd = np.array([[0.0], [1.0], [3.0]])
    jittered = jitter_times(times, sd, np.random.default_rng(1))
    assert jittered.dtype == np.float32
    np.testing.assert_allclose(jittered.std(axis=1), sd[:, 0], rtol=0.02, atol=1e-6)


def test_no_jitter_changes_nothing_and_a_negative_one_is_refused():
    times = np.ones((2, 2))
    assert jitter_times(times, 0.0, np.random.default_rng(0)) is times
    with pytest.raises(InputError, match="at least 0 ms; got -1"):
        jitter_times(times, -1.0, np.random.default_rng(0))


def test_a_silent_background():
    pixels = np.array([[0, 1, 255]], dtype=np.uint8)
    late, silent = (LatencyCode(background=background).times(pixels)
                    for background in ("late", "silent"))
    assert np.isinf(silent[0, 0]) and late[0, 0] == 20.0
    np.testing.assert_array_equal(silent[0, 1:], late[0, 1:])
    with pytest.raises(InputError, match="`background` must be one of late, silent; got 'dark'"):
        LatencyCode(background="dark")
