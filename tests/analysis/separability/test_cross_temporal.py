"""Decoding across time: bins by brute force, a code that lasts, one that moves, and none."""

import numpy as np
import pytest
from builders import make_recording, recording_of_layers

from ephys_snn.analysis.separability.cross_temporal import (
    bin_edges,
    binned_counts,
    common_windows,
    decode_across_time,
)
from ephys_snn.analysis.separability.design import SeparabilitySettings, draw_units, plan
from ephys_snn.recording import decision_windows, epoch_windows, fixed_windows

SETTINGS = SeparabilitySettings(n_permutations=39, n_bins=4)


def across(recording, windows, settings=SETTINGS):
    design = plan(recording, windows, settings)
    draws = draw_units(recording, design, settings, matched=False)
    return decode_across_time(recording, design, draws, settings)


def test_counts_in_bins_by_brute_force():
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 400, 60)) for _ in range(3)]
    recording = make_recording(trains, 100.0 * np.arange(4), 80.0)
    windows = fixed_windows(recording.trials, 5, 65)
    edges = bin_edges(windows, 3)
    np.testing.assert_allclose(edges, [5, 25, 45, 65])
    counts = binned_counts(recording, windows, edges, np.array([0, 2]))
    for place, trial, unit in np.ndindex(counts.shape):
        times = trains[[0, 2][unit]] - 100 * trial
        assert counts[place, trial, unit] == np.sum(
            (times >= edges[place]) & (times < edges[place + 1]))
    np.testing.assert_allclose(bin_edges(windows, 50, resolution=20), [5, 25, 45, 65])


def test_trials_that_end_early_are_left_out_and_bins_are_observed_in_all_others():
    decision = 100.0 * np.arange(21) + np.concatenate([[10, 20], np.linspace(50, 70, 19)])
    recording = make_recording([[1.0]], 100.0 * np.arange(21), 90.0, decision=decision)
    windows = decision_windows(recording.trials)
    common, notes = common_windows(windows)
    np.testing.assert_array_equal(common.used, np.arange(21) >= 2)
    assert (common.stop[common.used] <= windows.stop[common.used]).all()
    assert np.ptp(common.durations[common.used]) == pytest.approx(0)
    assert notes == ["across time, 2 of 21 trials whose windows end before 50 ms are left out, so "
                     "that all bins are observed in all trials"]
    assert not common_windows(epoch_windows(recording.trials))[1]


def test_a_code_that_lasts_carries_over_one_that_moves_does_not():
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat(["x", "y"], 30))
    prefers = (np.arange(24) % 2)[None] == (labels == "x")[:, None]

    def at(start, chosen):
        """Times in tau; those units spike that the class asks for."""
        likely = rng.random((60, 24)) < np.where(prefers, 0.9, 0.1)
        return np.where(likely & chosen, start + rng.random((60, 24)), np.inf)

    turn = np.arange(24) // 6  # a group of units for each bin
    moving = np.min([at(2.0 * k, turn == k) for k in range(4)], axis=0)
    lasting = np.where(rng.random((60, 24)) < np.where(prefers, 0.9, 0.1),
                       8 * rng.random((60, 24)), np.inf)  # the same preference at any time
    recording = recording_of_layers({"moving": moving, "lasting": lasting}, labels)
    result = across(recording, fixed_windows(recording.trials, 0, 80))
    assert len(result.table) == 2 * 16 and not result.notes
    assert (result.table["p_value_corrected"] >= result.table["p_value"]).all()
    same = result.table["train_start_ms"] == result.table["test_start_ms"]
    for area, carries_over in (("moving", False), ("lasting", True)):
        rows = result.table["area"] == area
        assert (result.table.loc[rows & same, "p_value_corrected"] <= 0.05).all()
        found = (result.table.loc[rows & ~same, "p_value_corrected"] <= 0.05).mean()
        assert found > 0.6 if carries_over else found == 0


def test_no_code_is_found_in_any_bin_or_area_as_often_as_promised():
    """Windows end at random decisions, and the number of spikes has nothing to do with classes."""
    false_alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.repeat(["x", "y"], 20))
        times = {area: np.where(rng.random((40, 5)) < 0.8, 4 * rng.random((40, 5)), np.inf)
                 for area in "ab"}
        decisions = 2 + 2 * rng.random((40, 1))
        recording = recording_of_layers(times | {"output": decisions}, labels,
                                        decisions=decisions)
        table = across(recording, decision_windows(recording.trials)).table
        assert table.loc[table["area"] == "output", "note"].str.contains("make the decision").all()
        false_alarms += (table["p_value_corrected"] <= 0.05).any()
    assert false_alarms <= 5  # 1.5 expected


def test_windows_too_short_for_bins_are_said():
    rng = np.random.default_rng(2)
    recording = recording_of_layers({"A": rng.random((20, 3))}, np.tile(["x", "y"], 10),
                                    resolution=60.0)
    result = across(recording, epoch_windows(recording.trials))
    note = "no longer than one step of the recording's resolution"
    assert len(result.table) == 1 and note in result.table.loc[0, "note"]
    assert note in result.notes[0]
