"""The options that all pipelines share: which window, and what is said of it."""

import argparse

import numpy as np
import pytest
from builders import make_recording

from ephys_snn.errors import InputError
from ephys_snn.recording.options import (
    add_recording_options,
    choose_windows,
    limits_of,
    open_recording,
)


def options(*arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_recording_options(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def test_the_decision_ends_the_window_where_there_is_one():
    with_decision = make_recording([[1.0, 99.0]], [0.0], decision=[20.0])
    without = make_recording([[1.0, 99.0]], [0.0])
    assert choose_windows(with_decision).until_decision
    assert choose_windows(without).stop == [50.0]
    assert choose_windows(with_decision, window=(0, 5)).stop == [5.0]


def test_unknown_events_are_listed():
    recording = make_recording([[99.0]], [0.0], events={"go": np.array([3.0])})
    assert choose_windows(recording, until="go").stop == [3.0]
    with pytest.raises(InputError, match="--until stop: .* no such Event; it has go"):
        choose_windows(recording, until="stop")


def test_windows_outside_the_recorded_time():
    recording = make_recording([[1.0]], [0.0, 100.0], t_stop=150.0)
    with pytest.raises(InputError, match="outside the recorded time, 0 to 150 ms"):
        choose_windows(recording, window=(500, 600))
    windows = choose_windows(recording, window=(0, 60))
    assert any("1 response windows reach beyond" in line for line in limits_of(windows, recording))


def test_windows_outside_their_own_trials_are_said():
    recording = make_recording([[1.0]], [100.0, 300.0], t_stop=900.0)
    for window in ((-80, -20), (150, 190)):
        said = limits_of(choose_windows(recording, window=window), recording)
        assert any("2 response windows" in line and "outside their own trials" in line
                   for line in said), said
    assert not limits_of(choose_windows(recording, window=(-20, 20)), recording)


def test_windows_that_overlap_are_said():
    recording = make_recording([[1.0]], [0.0, 100.0], t_stop=400.0)
    windows = choose_windows(recording, window=(0, 120))
    assert any("1 response windows reach into the next" in line
               for line in limits_of(windows, recording))


def test_well_behaved_windows_are_not_commented():
    recording = make_recording([[1.0]], [0.0, 100.0], t_stop=400.0, label=["a", "b"])
    assert limits_of(choose_windows(recording), recording) == []


def test_trials_whose_length_is_the_class_are_said_to_be(shared):
    path = shared / "recordings" / "riehle1997_winny131_23.nix"
    recording, _ = open_recording(options(path))
    assert any("delay1 60" in note and "differ in length" in note for note in recording.notes)
    recording, _ = open_recording(options(path, "--window", 0, 600))
    assert not any("differ in length" in note for note in recording.notes)


def test_exclusive_options(capsys):
    with pytest.raises(SystemExit):
        options("x.nix", "--area", "location", "--one-area", "X")
    with pytest.raises(SystemExit):
        options("x.nix", "--until", "go", "--window", 0, 1)
    assert "not allowed with" in capsys.readouterr().err
