"""PSTHs: by hand, one spike at a time, and bins that meet the onset."""

import numpy as np
import pytest
from builders import make_recording
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.analysis.single_units.psth import bin_edges, measure_psth
from ephys_snn.recording import epoch_windows, fixed_windows


def test_the_psth_counts_spikes_by_class_while_trials_last():
    recording = make_recording([[5.0, 15.0, 115.0, 118.0, 219.9, 150.0]], [0.0, 100.0, 200.0],
                               label=["a", "a", "b"], t_stop=400.0)
    recording.trials.duration[:] = [20.0, 40.0, 20.0]
    windows = epoch_windows(recording.trials)
    psth = measure_psth(recording, windows, 0, np.arange(0.0, 41.0, 10.0))
    assert psth.classes == ("a", "b")
    np.testing.assert_allclose(psth.rate[0], [50, 150, 0, 0])
    np.testing.assert_allclose(psth.rate[1], [0, 100, np.nan, np.nan])
    assert psth.n_trials.tolist() == [[2, 2, 1, 1], [1, 1, 0, 0]]
    np.testing.assert_allclose(psth.sem[0][:2], [50, 50])
    assert [len(trial) for trial in psth.spikes[0]] == [2, 2]


@pytest.mark.parametrize(("span", "resolution", "width"), [
    ((-300, 500), None, 20.0), ((0, 90), 1.0, 2.0), ((-3, 8.5), None, 0.2), ((0, 90), 10.0, 10.0)])
def test_bins_are_round_and_meet_the_onset(span, resolution, width):
    edges = bin_edges(*span, resolution)
    np.testing.assert_allclose(np.diff(edges), width)
    assert np.abs(edges).min() < 1e-9 and edges[0] <= span[0] and edges[-1] >= span[1] - 1e-9


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_psth_is_that_of_the_definition(seed):
    """Trials of different lengths, spikes on the borders of bins, windows that end before them."""
    rng = np.random.default_rng(seed)
    onset = 200.0 * np.arange(1, 7)
    train = np.sort(np.round(rng.uniform(0, 1400, 200)))
    recording = make_recording([train], onset, label=list(rng.permutation(list("aabbbc"))),
                               t_stop=1600.0)
    recording.trials.duration[:] = rng.choice([20.0, 35.0, 60.0], 6)
    windows = fixed_windows(recording.trials, 0.0, 30.0)
    edges = np.arange(-20.0, 51.0, 10.0)
    psth = measure_psth(recording, windows, 0, edges)
    for c, name in enumerate(psth.classes):
        trials = np.flatnonzero(recording.trials.label == name)
        end = np.maximum(30.0, recording.trials.duration[trials])
        for trial, at in enumerate(trials):
            since = train - onset[at]
            np.testing.assert_array_equal(
                psth.spikes[c][trial],
                since[(since >= -20) & (since < min(50.0, end[trial]))])
        for b, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            counts = [((train - onset[at] >= low) & (train - onset[at] < high)).sum()
                      for at, last in zip(trials, end, strict=True) if high <= last]
            assert psth.n_trials[c, b] == len(counts)
            if counts:
                assert psth.rate[c, b] == pytest.approx(np.mean(counts) / 0.01)
            if len(counts) > 1:
                error = np.std(counts, ddof=1) / np.sqrt(len(counts)) / 0.01
                assert psth.sem[c, b] == pytest.approx(error)
