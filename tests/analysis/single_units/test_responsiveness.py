"""Responsiveness: planted responses, all signs by brute force, baselines that cannot be."""

import argparse

import numpy as np
import pytest
from builders import make_recording
from scipy import stats

from ephys_snn.analysis.runner import analyse_besides
from ephys_snn.analysis.single_units.responsiveness import (
    analyse_responsiveness,
    baseline_windows,
    sign_flip_p_values,
)
from ephys_snn.errors import InputError
from ephys_snn.recording import epoch_windows, fixed_windows


def responding(rng, n_trials=60, before=8.0, after=40.0, latency=50.0, label=None, silent=None):
    """A unit at `before` spikes/s that goes to `after` from `latency` ms on, in a 1 s period."""
    onset = 1000.0 * (1 + np.arange(n_trials))
    spikes = [np.concatenate([
        at + rng.uniform(-500, 400, rng.poisson(before * 0.9)),
        at + rng.uniform(latency, 400, rng.poisson(
            (after - before) * (400 - latency) / 1000 * (silent is None or not silent[i])))])
        for i, at in enumerate(onset)]
    return np.concatenate(spikes), onset


def evoked(recording, baseline=(-400.0, 0.0), seed=0):
    windows = epoch_windows(recording.trials)
    baseline = baseline_windows(windows, recording, *baseline)
    return analyse_responsiveness(recording, windows, baseline, np.random.default_rng(seed))


def test_flipped_signs_are_all_signs():
    differences = np.array([[1.0, 0.0], [2.0, 1.0], [-0.5, 1.0], [3.0, -1.0], [1.0, 2.0]])
    signs = np.array([[1 if bits >> i & 1 else -1 for i in range(5)] for bits in range(32)])
    exact = (np.abs(signs @ differences) >= np.abs(differences.sum(axis=0)) - 1e-9).mean(axis=0)
    p = sign_flip_p_values(differences, 20_000, np.random.default_rng(2))
    np.testing.assert_allclose(p, exact, atol=0.02)


def test_flipped_signs_keep_the_level_where_windows_differ_in_length():
    rng = np.random.default_rng(3)
    differences = rng.poisson(2.0, (80, 400)) / 0.5 - rng.poisson(0.8, (80, 400)) / 0.2
    p = sign_flip_p_values(differences, 399, rng)
    assert stats.binom.sf((p <= 0.05).sum() - 1, 400, 0.05) > 0.001
    assert (p <= 0.05).mean() > 0.02


def test_responses_rates_and_latencies_of_units():
    rng = np.random.default_rng(4)
    label = ["a", "b"] * 30
    more, onset = responding(rng)
    less, _ = responding(rng, before=20.0, after=20.0)
    since = (less % 1000.0)
    less = less[~((since > 30) & (since < 400) & (rng.random(len(less)) < 0.7))]
    same, _ = responding(rng, before=10.0, after=10.0)
    selective, _ = responding(rng, before=3.0, after=60.0, latency=120.0,
                              silent=np.array(label) == "a")
    recording = make_recording([more, less, same, selective, []], onset, 400.0, label=label,
                               t_stop=62_000.0)
    table = evoked(recording)
    assert (table["q_value"] < 0.05).tolist() == [True, True, False, True, False]
    assert np.sign(table["difference_hz"])[:2].tolist() == [1, -1]
    assert table["latency_ms"][0] == pytest.approx(50, abs=3)
    assert table["latency_ms"][3] == pytest.approx(120, abs=4)
    assert table["latency_class"].tolist()[1:3] == ["", ""]
    assert table["latency_class"][3] in ("all", "b")
    assert table["trial_latency_ms"][0] > table["latency_ms"][0]
    assert table["note"][4] == "not computable: no spikes" and np.isnan(table["p_value"][4])
    assert table["note"][2].startswith("no latency") and table["note"][0] == ""
    expected = [((more >= at + lo) & (more < at + hi)).sum() for at in onset
                for lo, hi in ((-400, 0),)]
    assert table["baseline_rate_hz"][0] == pytest.approx(np.sum(expected) / (0.4 * 60))


def test_a_response_to_one_class_that_others_hide():
    rng = np.random.default_rng(6)
    label = np.array(["a", "a", "b"] * 20)
    spikes, onset = responding(rng, before=20.0, after=50.0, latency=100.0, silent=label == "a")
    trial = np.clip((spikes // 1000).astype(int) - 1, 0, 59)
    paused = (label[trial] == "a") & (spikes % 1000 > 20) & (spikes % 1000 < 400)
    recording = make_recording([spikes[~paused]], onset, 400.0, label=list(label),
                               t_stop=62_000.0)
    row = evoked(recording).iloc[0]
    assert row["latency_class"] == "b" and row["latency_ms"] == pytest.approx(100, abs=10)
    assert 15 <= row["n_trials_responding"] <= 20


def test_baselines_that_cannot_be():
    recording = make_recording([[1.0]], [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0], 60.0,
                               t_stop=700.0)
    windows = epoch_windows(recording.trials)
    for start, stop in ((-10, 5), (0, 0), (-5, -10), (-np.inf, 0)):
        with pytest.raises(InputError, match="must end before the responses begin, at 0 ms"):
            baseline_windows(windows, recording, start, stop)
    baseline = baseline_windows(windows, recording, -50, 0)
    assert baseline.n_missing == 1 and baseline.n_overlapping == 6
    assert baseline_windows(windows, recording, -40, 0).n_overlapping == 0
    with pytest.raises(InputError, match="4 of 7 trials have a recorded baseline"):
        baseline_windows(windows, recording, -300, -250)
    late = fixed_windows(recording.trials, 40, 60)
    assert baseline_windows(late, recording, 0, 40).n_missing == 0


def test_a_file_that_holds_nothing_before_the_onsets_is_refused():
    onset = 1000.0 * np.arange(1, 11)
    recording = make_recording([(onset[:, None] + [10.0, 20.0]).ravel()], onset, t_stop=12_000.0)
    options = argparse.Namespace(baseline=(-100.0, 0.0), psth=None, seed=0)
    with pytest.raises(InputError, match="no unit ever spikes there"):
        analyse_besides(recording, epoch_windows(recording.trials), options)
