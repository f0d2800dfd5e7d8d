import numpy as np
import pytest

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
