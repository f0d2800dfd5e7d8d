"""Responsiveness: all choices of windows by brute force, units with and without a response."""

import argparse
import itertools

import numpy as np
import pytest
from builders import make_recording
from scipy import stats

from ephys_snn.analysis.runner import analyse_besides
from ephys_snn.analysis.single_units.baseline import baseline_windows
from ephys_snn.analysis.single_units.responsiveness import (
    EqualWindows,
    analyse_responsiveness,
    equal_windows,
    window_test,
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


def responsiveness(recording, baseline=(-400.0, 0.0), seed=0):
    windows = epoch_windows(recording.trials)
    baseline = baseline_windows(windows, recording, *baseline)
    return analyse_responsiveness(recording, windows, baseline, np.random.default_rng(seed))


def test_p_is_that_of_all_choices_of_a_window():
    rng = np.random.default_rng(2)
    n_windows, code = np.array([2, 4, 3, 3]), np.array([1, 0, 1, 0])
    count = rng.poisson(2.0, (4, 4, 5)) + np.array([3, 0, 0, 0])[:, None] * [1, 0, 1, 0, 0]
    count[np.arange(4) >= n_windows[:, None]] = 0
    chosen = np.array([count[np.arange(4), list(choice)]
                       for choice in itertools.product(*map(range, n_windows))])
    total, observed = chosen.sum(axis=1), count[:, 0].sum(axis=0)
    exact = np.minimum(1, 2 * np.minimum((total >= observed).mean(axis=0),
                                         (total <= observed).mean(axis=0)))
    by_class = np.stack([chosen[:, code == c].sum(axis=1) for c in (0, 1)], axis=1)
    z = ((by_class - by_class.mean(axis=0)) / by_class.std(axis=0)).max(axis=1)
    test = window_test(EqualWindows(count, n_windows, 0), code, 20_000, rng)
    np.testing.assert_allclose(test.p_value, exact, atol=0.02)
    # The first choice is that of the responses.
    np.testing.assert_allclose(test.class_p_value, (z >= z[0] - 1e-9).mean(axis=0), atol=0.02)


def test_baselines_are_cut_into_windows_as_long_as_the_response():
    """Against a loop over the definition, where responses differ in length."""
    rng = np.random.default_rng(5)
    onset = 1000.0 * np.arange(1, 9)
    recording = make_recording([np.sort(rng.uniform(0, 9500, 900)) for _ in range(3)], onset,
                               300.0, t_stop=10_000.0)
    recording.trials.duration[:] = [50, 100, 130, 30, 200, 300, 250, 400]
    windows = epoch_windows(recording.trials)
    found = equal_windows(recording, windows, baseline_windows(windows, recording, -260, -10))
    assert found.n_windows.tolist() == [6, 3, 2, 9, 2, 2, 2, 2] and found.n_cut == 2
    for trial, (at, duration) in enumerate(zip(onset, recording.trials.duration, strict=True)):
        length = min(duration, 250.0)
        for unit in range(3):
            spikes = recording.spikes_of(unit)
            expected = [((spikes >= start) & (spikes < start + length)).sum() for start in
                        [at, *(at - 10 - length * k for k in range(1, found.n_windows[trial]))]]
            expected += [0] * (found.count.shape[1] - len(expected))
            assert found.count[trial, :, unit].tolist() == expected


def made_up(rng, kind, rate, n_trials, n_units):
    """Unresponsive units whose rates drift and share a gain, Poisson or in bursts of three."""
    onset = 1000.0 * np.arange(1, n_trials + 1)
    gain = rng.gamma(4, 1 / 4, n_trials) * (1 + 0.5 * np.sin(np.linspace(0, 6, n_trials)))
    burst = np.array([0.0, 4.0, 8.0] if kind == "bursts" else [0.0])
    spikes = [np.concatenate([
        (at + rng.uniform(-500, 500, rng.poisson(rate * g / len(burst)))[:, None] + burst).ravel()
        for at, g in zip(onset, gain, strict=True)]) for _ in range(n_units)]
    return make_recording(spikes, onset, 400.0, t_stop=1000.0 * (n_trials + 1),
                          label=list("abc" * n_trials)[:n_trials])


@pytest.mark.parametrize("kind", ["Poisson", "bursts"])
@pytest.mark.parametrize(("rate", "n_trials", "stop"), [(1, 20, 50), (20, 40, 50), (8, 40, 400)])
def test_unresponsive_units_are_seldom_called_responsive(kind, rate, n_trials, stop):
    """Baselines of 500 ms: responses ten times shorter, rare spikes, bursts, drift and gain."""
    rng = np.random.default_rng(rate)
    found, latency = {"p_value": [], "class_p_value": []}, []
    for _ in range(4):
        recording = made_up(rng, kind, rate, n_trials, 30)
        windows = fixed_windows(recording.trials, 0, stop)
        baseline = baseline_windows(windows, recording, -500, 0)
        table = analyse_responsiveness(recording, windows, baseline, rng)
        for column, p in found.items():
            p += table[column].dropna().tolist()
        latency += table["latency_ms"].notna().tolist()
    for p in found.values():
        assert stats.binom.sf((np.array(p) <= 0.05).sum() - 1, len(p), 0.05) > 0.01
    assert np.mean(latency) <= 0.03


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
    table = responsiveness(recording)
    assert (table["q_value"] < 0.05).tolist() == [True, True, False, True, False]
    assert np.sign(table["difference_hz"])[:2].tolist() == [1, -1]
    assert table["latency_ms"][0] == pytest.approx(50, abs=3)
    assert table["latency_ms"][3] == pytest.approx(120, abs=4)
    assert table["latency_class"].tolist()[1:3] == ["", ""]
    assert table["latency_class"][3] in ("all", "b")
    assert table["trial_latency_ms"][0] > table["latency_ms"][0]
    assert table["note"][4] == "not computable: no spikes" and np.isnan(table["p_value"][4])
    assert table["note"][2].startswith("no latency") and table["note"][0] == ""
    spontaneous = sum(((more >= at - 400) & (more < at)).sum() for at in onset)
    assert table["baseline_rate_hz"][0] == pytest.approx(spontaneous / (0.4 * 60))


def test_a_response_to_one_class_that_others_hide():
    rng = np.random.default_rng(6)
    label = np.array(["a", "a", "b"] * 20)
    spikes, onset = responding(rng, before=20.0, after=50.0, latency=100.0, silent=label == "a")
    trial = np.clip((spikes // 1000).astype(int) - 1, 0, 59)
    paused = (label[trial] == "a") & (spikes % 1000 > 20) & (spikes % 1000 < 400)
    recording = make_recording([spikes[~paused]], onset, 400.0, label=list(label),
                               t_stop=62_000.0)
    row = responsiveness(recording).iloc[0]
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
    options = argparse.Namespace(baseline=(-100.0, 0.0), psth=None, unit_statistics=False,
                                 seed=0)
    with pytest.raises(InputError, match="no unit ever spikes there"):
        analyse_besides(recording, epoch_windows(recording.trials), options)
