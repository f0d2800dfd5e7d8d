"""Fano factor and CV2: known processes, windows that trials share, reasons where there is none."""

import numpy as np
import pytest
from builders import make_recording
from scipy import stats

from ephys_snn.analysis.single_units.variability import fano_factor, pooled_cv2, unit_variability
from ephys_snn.recording import epoch_windows


def responses(rng, n_trials, rate, shape=1.0):
    """Gamma intervals of mean 1 / rate in windows of 1 s, from an equilibrium; shape 1: Poisson."""
    intervals = rng.gamma(shape, 1 / (shape * rate), (n_trials, int(rate * 40)))
    times = np.cumsum(intervals, axis=1) - 5.0
    return [row[(row >= 0) & (row < 1)] for row in times]


@pytest.mark.parametrize("n_trials", [2, 4, 20])
def test_fano_factor_of_poisson_spikes_is_one_for_few_trials_too(n_trials):
    rng = np.random.default_rng(n_trials)
    found = [fano_factor(responses(rng, 2 * n_trials, 12.0), np.repeat(["a", "b"], n_trials))
             for _ in range(200)]
    assert np.mean(found) == pytest.approx(1.0, abs=4 * np.std(found) / np.sqrt(200))


def test_selectivity_is_no_variability():
    rng = np.random.default_rng(0)
    label = np.repeat(["a", "b"], 200)
    spikes = [*responses(rng, 200, 4.0), *responses(rng, 200, 30.0)]
    assert fano_factor(spikes, label) == pytest.approx(1.0, abs=0.15)
    assert fano_factor(spikes, np.full(400, "a")) > 5


def test_regular_spikes_vary_less():
    """Intervals of a gamma process of order 9: x / (x + y) has a beta distribution."""
    rng = np.random.default_rng(1)
    poisson, regular = responses(rng, 300, 20.0), responses(rng, 300, 20.0, shape=9.0)
    assert pooled_cv2(poisson)[0] == pytest.approx(1.0, abs=0.06)
    expected = stats.beta(9, 9).expect(lambda part: 2 * abs(2 * part - 1))
    assert pooled_cv2(regular)[0] == pytest.approx(expected, abs=0.03)
    label = np.full(300, "a")
    assert fano_factor(regular, label) == pytest.approx(1 / 9, abs=0.08)


def test_intervals_between_trials_do_not_count():
    spikes = [np.array([0.0, 10.0, 20.0]) + at for at in 1000.0 * np.arange(20)]
    assert pooled_cv2(spikes) == (0.0, 20)


def test_windows_that_differ_share_what_all_have():
    rng = np.random.default_rng(2)
    onset = 1000.0 * np.arange(60)
    recording = make_recording([np.sort(rng.uniform(0, 60_000, 3000)), [5.0]], onset, 500.0,
                               t_stop=61_000.0)
    recording.trials.duration[:] = rng.uniform(200, 800, 60)
    recording.trials.duration[3] = 200.0
    table = unit_variability(recording, epoch_windows(recording.trials))
    assert table["fano_window_ms"].tolist() == [200.0, 200.0]
    assert table["fano_factor"][0] == pytest.approx(1.0, abs=0.5)
    assert table["rate_hz"][0] == pytest.approx(50, rel=0.1)
    assert table["note"][0] == "" and "no Fano factor" in table["note"][1]
    assert "no CV2" in table["note"][1]
