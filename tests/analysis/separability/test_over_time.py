"""Growing windows: their ends, two successive ends above chance, resampled accuracy."""

import numpy as np
import pytest
from builders import make_recording

from ephys_snn.analysis.separability.over_time import (
    cut_windows,
    first_sustained,
    resample_accuracy,
    window_ends,
)
from ephys_snn.recording import fixed_windows


def test_ends_of_the_window_and_the_recordings_resolution():
    recording = make_recording([[1.0]], 100.0 * np.arange(5), 90.0)
    windows = fixed_windows(recording.trials, 20, 60)
    np.testing.assert_allclose(window_ends(windows, 4), [30, 40, 50, 60])
    np.testing.assert_allclose(window_ends(windows, 100, resolution=10), [30, 40, 50, 60])
    cut = cut_windows(windows, 30)
    np.testing.assert_allclose(cut.stop - cut.onset, 30)
    np.testing.assert_allclose(cut_windows(windows, 90).stop, windows.stop)


def test_first_sustained_wants_two_in_a_row():
    np.testing.assert_array_equal(first_sustained(np.array(
        [[1, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)), [2, 0, 4, 4])
    np.testing.assert_array_equal(first_sustained(np.ones((2, 1), dtype=bool)), [1, 1])


def test_resampled_accuracy_varies_as_binomials_do():
    rng = np.random.default_rng(4)
    classes = np.repeat([0, 1], [50, 200])
    correct = np.concatenate([np.arange(50) < 40, np.arange(200) < 120]).astype(float)[None]
    resampled = resample_accuracy(correct, classes, rng)
    assert resampled.mean() == pytest.approx((0.8 + 0.6) / 2, abs=0.005)
    assert resampled.std() == pytest.approx(np.sqrt(0.16 / 50 + 0.24 / 200) / 2, rel=0.1)
