"""Stimuli varied at random: distorted images, jittered spikes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.stimuli import LatencyCode, Stimuli, augment, jitter_times
from ephys_snn.stimuli.augmentation import (
    BEND,
    BENDS,
    SHIFT,
    _bending,
    _transformations,
    distort,
)

LATE = 20.0


def blob(height=28, width=28, row=14, column=14):
    """An image with a smooth spot of ink, as spike times (1, input)."""
    y, x = np.mgrid[:height, :width]
    ink = 18 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    return (LATE - ink).reshape(1, -1).astype(np.float32)


def centre(times, shape=(28, 28)):
    ink = (LATE - times).reshape(shape)
    y, x = np.mgrid[:shape[0], :shape[1]]
    return (ink * y).sum() / ink.sum(), (ink * x).sum() / ink.sum()


def test_no_strength_leaves_images_as_they_are():
    times = blob()
    assert distort(times, (28, 28), LATE, 0.0, np.random.default_rng(0)) is times


class Still:
    """A generator that draws no distortion."""

    def uniform(self, low, high, size):
        return np.zeros(size)

    def standard_normal(self, size, dtype):
        return np.zeros(size, dtype)


def test_identity_reproduces_the_image():
    np.testing.assert_allclose(distort(blob(), (28, 28), LATE, 1.0, Still()), blob(), atol=1e-4)


@pytest.mark.parametrize("shape", [(28, 28), (20, 36)])
def test_a_shift_moves_the_ink_by_so_many_pixels(shape):
    class Right(Still):
        def uniform(self, low, high, size):
            drawn = np.zeros(size)
            drawn[4] = high
            return drawn

    times = blob(*shape, row=10, column=15)
    row, column = centre(times, shape)
    moved_row, moved_column = centre(distort(times, shape, LATE, 1.0, Right()), shape)
    assert moved_row == pytest.approx(row, abs=0.01)
    assert abs(moved_column - column) == pytest.approx(shape[1] * SHIFT, abs=0.05)


@pytest.mark.parametrize("shape", [(28, 28), (20, 36)])
def test_a_bend_moves_the_ink_near_its_points_only(shape):
    class Bent(Still):
        def standard_normal(self, size, dtype):
            drawn = np.zeros(size, dtype)
            drawn[:, 0, :3] = 1.0  # sideways, in the upper half
            return drawn

    near, far = ((shape[0] - 1) * part for part in (0.25, 0.75))
    for row, displacement in ((near, BEND * shape[1]), (far, 0.0)):
        times = blob(*shape, row=row, column=shape[1] / 2)
        before, after = (centre(spikes, shape)
                         for spikes in (times, distort(times, shape, LATE, 1.0, Bent())))
        assert abs(after[1] - before[1]) == pytest.approx(displacement, rel=0.1, abs=0.15)
        assert after[0] == pytest.approx(before[0], abs=0.12)


def test_bends_are_smooth_and_of_the_stated_size():
    bends = np.random.default_rng(0).standard_normal((2000, 2, BENDS, BENDS), dtype=np.float32)
    field = _bending(bends, 29, 29).numpy()
    at_points = field[:, ::7, ::7]
    assert at_points.shape[1:3] == (BENDS, BENDS)
    # Coordinates from -1 to 1: a displacement by the width is 2.
    assert at_points.std() == pytest.approx(2 * BEND, rel=0.02)
    between = np.abs(np.diff(field, axis=1)).max() / np.abs(field).max()
    assert between < 0.35


def test_a_rotation_keeps_lengths():
    matrix = _transformations(*np.array([[1.0], [0], [0], [0], [0], [0]]))[0, :, :2].numpy()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-6)


def test_distorted_images_stay_latencies_and_differ():
    times = np.repeat(blob(), 50, axis=0)
    distorted = distort(times, (28, 28), LATE, 1.0, np.random.default_rng(0))
    assert distorted.dtype == np.float32
    assert distorted.min() >= times.min() - 1e-4
    assert distorted.max() <= LATE
    assert len(np.unique(distorted[:, 14 * 28 + 10])) == 50
    centres = np.array([centre(one) for one in distorted])
    assert 0.15 < centres.std(axis=0).min() < 1.5


def test_silent_pixels_stay_silent():
    times = blob()
    times[times > 19.5] = np.inf
    distorted = distort(times, (28, 28), LATE, 1.0, np.random.default_rng(1))
    assert np.isinf(distorted).mean() == pytest.approx(np.isinf(times).mean(), abs=0.05)
    assert np.isfinite(distorted).any()


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


def stimuli_of(times, shape) -> Stimuli:
    n = len(times)
    return Stimuli("some", times, np.arange(n) % 2, ("a", "b"), np.repeat("train", n), shape,
                   code=LatencyCode(late=LATE))


def test_images_are_distorted_and_then_jittered_and_other_stimuli_jittered_alone():
    times = np.repeat(blob(), 40, axis=0)
    for shape in ((28, 28), None):
        rng = np.random.default_rng(5)
        expected = times if shape is None else distort(times, shape, LATE, 0.7, rng)
        sd = 0.5 * rng.random((40, 1))
        expected = jitter_times(expected, sd, rng)
        augmented = augment(times, stimuli_of(times, shape), 0.5, 0.7, np.random.default_rng(5))
        np.testing.assert_array_equal(augmented, expected)
        assert augmented.dtype == np.float32


def test_the_jitter_of_a_trial_is_drawn_evenly_up_to_the_largest():
    times = np.full((400, 500), 30.0, np.float32)
    sd = augment(times, stimuli_of(times, None), 2.0, 0.0, np.random.default_rng(0)).std(axis=1)
    assert sd.max() < 2.2 and sd.min() < 0.05
    np.testing.assert_allclose(np.quantile(sd, [0.25, 0.5, 0.75]), [0.5, 1.0, 1.5], atol=0.15)
