"""The time resolution of a recording: planted grids and bins, real recordings, refusals."""

import argparse
from dataclasses import replace

import numpy as np
import pytest
from builders import recording_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ephys_snn.analysis.runner import run
from ephys_snn.analysis.surrogates import dither_spikes
from ephys_snn.analysis.synchrony import pipeline
from ephys_snn.analysis.synchrony.packet_widths import analyse_synchrony
from ephys_snn.errors import InputError
from ephys_snn.recording import (
    Recording,
    add_recording_options,
    epoch_windows,
    open_recording,
)
from ephys_snn.recording.limits.resolution import (
    detect_resolution,
    grid_step,
    single_precision_step,
    with_resolution,
)


@given(st.sampled_from([10.0, 1.0, 0.5, 0.1, 1 / 15, 1 / 30, 0.04096, 0.025, 3.7]),
       st.floats(0, 1e6), st.floats(1e4, 4e6), st.integers(0, 2**32 - 1),
       st.sampled_from([1.0, 1000.0]))
@example(0.025, 510729.0, 3877823.0625, 71, 1000.0)
@example(0.025, 0.0, 2627032.0, 33554432, 1.0)
@settings(max_examples=60, deadline=None)
def test_the_grid_is_found_wherever_it_begins(step, start, length, seed, unit):
    rng = np.random.default_rng(seed)
    times = start + step * rng.integers(0, max(200, int(length / step)), 3000)
    found = grid_step(rng.permutation(times / unit * unit))
    assert found == pytest.approx(step, rel=1e-6)


@given(st.integers(30, 3000), st.floats(1.0, 1e7), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_continuous_times_have_no_grid(n_spikes, length, seed):
    times = np.random.default_rng(seed).uniform(0, length, n_spikes)
    assert grid_step(times) is None and single_precision_step(times) is None


def test_one_spike_beside_the_grid_ends_it():
    times = np.append(np.arange(0.0, 1000.0), 500.3)
    assert grid_step(times[:-1]) == 1.0 and grid_step(times) == pytest.approx(0.1)
    assert grid_step(np.append(times, 1 / np.pi)) is None


@pytest.mark.parametrize("times", [np.empty(0), np.arange(29.0), np.full(100, 3.0),
                                   np.append(np.arange(100.0), np.inf)])
def test_too_few_times_tell_nothing(times):
    assert grid_step(times) is None


def spread_counts(rng, onsets, n_bins, width, rate, quarters) -> np.ndarray:
    """Spike times from counts in bins: n spikes at (i + 1/2)/n, or (i + 1)/(n + 1), of the bin."""
    times = []
    for onset in onsets:
        for begin, n in zip(onset + width * np.arange(n_bins), rng.poisson(rate, n_bins),
                            strict=True):
            places = (np.arange(n) + 0.5) / n if quarters else (np.arange(n) + 1) / (n + 1)
            times.extend(begin + width * places)
    return np.array(times)


@pytest.mark.parametrize("quarters", [True, False])
@pytest.mark.parametrize("width", [10.0, 4.0])
def test_bins_are_found_although_their_spikes_are_spread(width, quarters):
    rng = np.random.default_rng(0)
    onsets = np.cumsum(rng.uniform(1000, 2000, 40))
    trains = [spread_counts(rng, onsets, 60, width, rate, quarters) for rate in (0.05, 0.2, 0.4)]
    found = detect_resolution(recording_of(trains, onsets, 60 * width))
    assert found.step == width and "bins of" in found.reason and "onset" in found.reason
    assert detect_resolution(recording_of(
        [spread_counts(rng, [0.0], 3000, width, 0.1, quarters)])).step == width


def test_single_precision_is_found_in_ms_and_in_s():
    rng = np.random.default_rng(1)
    in_ms = rng.uniform(0, 1e6, 1000).astype(np.float32).astype(float)
    in_s = rng.uniform(0, 1e3, 1000).astype(np.float32).astype(float) * 1000
    assert single_precision_step(in_ms) == 0.0625  # 2^-4 between 2^19 and 2^20 ms
    assert single_precision_step(in_s) == pytest.approx(1000 * 2.0**-14)  # up to 2^10 s
    assert "single precision" in detect_resolution(recording_of([in_ms])).reason


@pytest.mark.parametrize(("name", "step"), [
    ("riehle1997_winny131_23", 1.0), ("steinmetz2019_session1", 10.0),
    ("zhang_desimone_it_1006", 1.0)])
def test_real_recordings_betray_their_resolution(shared, name, step):
    recording = Recording.read(shared / "recordings" / f"{name}.nix")
    assert detect_resolution(recording).step == step


@pytest.mark.parametrize(("stated", "given_ms", "step", "words"), [
    (None, None, 1.0, "all spikes lie on a grid of 1 ms"),
    (5.0, None, 5.0, "5 ms, as the file says"),
    (0.1, None, 1.0, "although the file states 0.1 ms"),
    (None, 2.0, 2.0, "2 ms, as given"),
    (5.0, 0.5, 0.5, "as given, although all spikes lie on a grid of 1 ms"),
])
def test_given_wins_and_contradictions_are_said(stated, given_ms, step, words):
    times = np.random.default_rng(2).integers(0, 10_000, 500).astype(float)
    recording = with_resolution(recording_of([times], resolution=stated), given_ms)
    assert recording.resolution == step and words in recording.notes[-1]


def test_without_a_grid_nothing_is_said():
    times = np.random.default_rng(3).uniform(0, 10_000, 500)
    recording = with_resolution(recording_of([times]))
    assert recording.resolution is None and recording.notes == ()


def binned_packets(width: float, n_trials: int = 20) -> Recording:
    """20 units that spike in one of two neighbouring bins of each trial, in its middle."""
    rng = np.random.default_rng(4)
    onset = 100.0 * np.arange(n_trials)
    trains = [onset + width * (rng.integers(3, 5, n_trials) + 0.5) for _ in range(20)]
    return recording_of(trains, onset, 90.0, resolution=width)


def test_widths_finer_than_the_resolution_are_marked_and_not_tested():
    recording = binned_packets(10.0)
    table = analyse_synchrony(recording, epoch_windows(recording.trials), n_surrogates=20).table
    row = table.iloc[0]
    assert row["shortest_half_ms"] < 10 and row["sd_ms"] < 10
    assert row["note"].startswith("not tested: shortest half, SD, IQR finer than the "
                                  "recording's time resolution of 10 ms")
    for null in ("shuffled", "dithered"):
        for width in ("shortest_half", "sd"):
            assert np.isnan(row[f"{null}_{width}_p_value"])
    coarse = replace(recording, resolution=None)
    tested = analyse_synchrony(coarse, epoch_windows(coarse.trials), n_surrogates=20).table.iloc[0]
    assert tested["dithered_sd_p_value"] > 0 and tested["note"] == ""


def test_dithered_spikes_stay_on_the_grid():
    rng = np.random.default_rng(5)
    times = rng.integers(0, 100, 2000).astype(float)
    border = np.full(2000, 100.0)
    moved = dither_spikes(times, 0 * border, border, 7.0, rng, 1.0)
    np.testing.assert_array_equal(moved, np.rint(moved))
    assert np.abs(moved - times).max() == 7.0 and len(np.unique(moved - times)) == 15
    assert moved.min() >= 0 and moved.max() <= 100


def test_finer_options_are_refused_by_the_command_line(tmp_path, capsys):
    path = tmp_path / "binned.nix"
    binned_packets(10.0).write(path)
    for option in ("--dither", "--bin"):
        assert run(pipeline.PIPELINE,
                   [str(path), option, "2", "--out", str(tmp_path), "--quiet"]) == 2
        assert f"{option} 2 is finer than the recording's time resolution of 10 ms" \
            in capsys.readouterr().err
    assert run(pipeline.PIPELINE, [str(path), "--resolution", "0"]) == 2
    assert "argument --resolution: must be above 0; got 0" in capsys.readouterr().err


def test_stated_resolution_survives_writing_and_can_be_overruled(tmp_path):
    path = tmp_path / "binned.nix"
    binned_packets(10.0).write(path)
    parser = argparse.ArgumentParser()
    add_recording_options(parser)
    assert open_recording(parser.parse_args([str(path)]))[0].resolution == 10.0
    assert open_recording(parser.parse_args([str(path), "--resolution", "20"]))[0].resolution == 20
    with pytest.raises(InputError):
        open_recording(parser.parse_args([str(path), "--window", "5000000", "5000001"]))
