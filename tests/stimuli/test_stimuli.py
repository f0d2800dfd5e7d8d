"""Stimuli: the latency code, loading by name and path."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.stimuli import LatencyCode, load_stimuli


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


def test_a_silent_background():
    pixels = np.array([[0, 1, 255]], dtype=np.uint8)
    late, silent = (LatencyCode(background=background).times(pixels)
                    for background in ("late", "silent"))
    assert np.isinf(silent[0, 0]) and late[0, 0] == 20.0
    np.testing.assert_array_equal(silent[0, 1:], late[0, 1:])
    with pytest.raises(InputError, match="`background` must be one of late, silent; got 'dark'"):
        LatencyCode(background="dark")
