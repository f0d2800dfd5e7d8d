"""Inspection: the command that it suggests is one that works."""

import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from builders import CHECKOUT

from ephys_snn.formats import Event, Session, SpikeTrain
from ephys_snn.inspect import main, suggest_options
from ephys_snn.recording import Recording, Trials, Units, add_recording_options, open_recording


def suggested_arguments(capsys, path) -> list[str]:
    assert main([str(path)]) == 0
    command = capsys.readouterr().out.strip().split("\n")[-1].strip()
    *program, path_again = (words := shlex.split(command))[:5]
    assert program == ["python", "-m", "ephys_snn", "report"] and path_again == str(path)
    arguments = words[4:]
    return arguments


@pytest.mark.parametrize("name", [
    "File_spike2_1.smr", "locust20000421.nix", "riehle1997_winny131_23.nix",
    "steinmetz2019_session1.nix", "zhang_desimone_it_1006.nix"])
def test_the_suggested_command_reads_the_file(shared, capsys, name):
    import argparse

    parser = argparse.ArgumentParser()
    add_recording_options(parser)
    arguments = suggested_arguments(capsys, shared / "recordings" / name)
    recording, windows = open_recording(parser.parse_args(arguments))
    assert windows.used.any() and len(recording.units)


def test_trials_of_varying_length_get_a_common_window(shared, capsys):
    path = shared / "recordings" / "riehle1997_winny131_23.nix"
    assert suggested_arguments(capsys, path)[-3:] == ["--window", "0", "602"]


def test_what_a_file_offers_is_listed(shared, capsys):
    main([str(shared / "recordings" / "steinmetz2019_session1.nix")])
    text = capsys.readouterr().out
    for expected in ("734 spike trains, 128,831 spikes", "time resolution 10 ms", "VISp (178)",
                     "Epoch 'stimulus': 114", "none (24)", "contrast_left"):
        assert expected in text


def test_a_file_without_trials_is_said_to_have_none(shared, capsys):
    assert main([str(shared / "recordings" / "File_plexon_3.plx")]) == 0
    out = capsys.readouterr().out
    assert "no Epochs and no Events that could be trials" in out
    assert out.strip().endswith("--one-area unknown --trials-table TRIALS.csv")


def contents(annotations=({}, {}, {}, {}), epochs=(), events=(), memberships=None):
    trains = [SpikeTrain(np.arange(10.0), f"u{index}", 0.0, 100.0, said)
              for index, said in enumerate(annotations)]
    return Session(tuple(trains), tuple(epochs), tuple(events), {}, {}, memberships or {})


def marks(name, labels, duration=None, **annotations):
    n_marks = len(labels)
    event = Event(name=name, times=10.0 * np.arange(n_marks), labels=np.array(labels, dtype=str),
                  annotations={key: np.array(values) for key, values in annotations.items()})
    return event if duration is None else \
        event.lasting(np.broadcast_to(float(duration), n_marks))


@pytest.mark.parametrize("offered, expected", [
    ({"annotations": [{"region": name} for name in "AABB"]}, ["--area", "region"]),
    ({"annotations": [{"quality": name} for name in "AABB"]}, ["--one-area", "unknown"]),
    ({"memberships": {"group": ("A", "A", "B", "B")}}, ["--area", "group"]),
    ({"memberships": {"group": ("A", "A", "B", None)}}, ["--one-area", "unknown"]),
])
def test_areas_are_suggested_where_a_name_says_so(offered, expected):
    assert suggest_options(contents(**offered)) == expected


@pytest.mark.parametrize("offered, expected", [
    ({"epochs": [marks("cue", "xy", 5), marks("trials", "xy", 5)]}, []),
    ({"epochs": [marks("cue", "xy", 5), marks("go", ["", ""], 5)]}, ["--trials", "cue"]),
    ({"epochs": [marks("cue", [""] * 4, 5, contrast=[1, 1, 2, 2], number=[1, 2, 3, 4],
                       side=list("lrlr"))]}, ["--label", "side"]),
    ({"events": [marks("go", ["", ""])]}, ["--trials", "go", "--window", "0", "10"]),
])
def test_trials_and_classes_are_suggested(offered, expected):
    area = [{"area": "A"}] * 4
    assert suggest_options(contents(area, **offered)) == expected


@pytest.mark.slow
def test_the_printed_command_runs(tmp_path, capsys):
    path = tmp_path / "a session.nix"  # a blank to quote
    units = Units(np.arange(2), np.array(["a", "b"]), np.array(["V1", "V1"]), np.array(["", ""]))
    silent = np.full(8, "")
    trials = Trials(100.0 * np.arange(8), np.full(8, 90.0), np.array(list("xyxyxyxy")),
                    np.full(8, np.nan), silent)
    spikes = np.add.outer(100.0 * np.arange(8), [10.3, 21.7]).ravel()
    Recording.from_spike_trains([spikes, spikes + 1.1], units, trials).write(path)
    main([str(path)])
    line = capsys.readouterr().out.strip().split("\n")[-1]
    assert subprocess.run([sys.executable, *shlex.split(line)[1:], "--quiet", "--permutations",
                           "10"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                          capture_output=True).returncode == 0
    assert (tmp_path / "results" / "a session" / "report.html").exists()


def test_a_file_that_is_none_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.nix")]) == 2
    assert capsys.readouterr().err == f"error: there is no file {tmp_path / 'none.nix'}\n"
