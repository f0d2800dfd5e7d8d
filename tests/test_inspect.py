"""Inspection: the command that it suggests is one that works."""

import shlex

import pytest

from ephys_snn.inspect import main
from ephys_snn.options import add_recording_options, open_recording


def suggested_arguments(capsys, path) -> list[str]:
    assert main([str(path)]) == 0
    command = capsys.readouterr().out.strip().split("\n")[-1].strip()
    program, script, *arguments = shlex.split(command)
    assert (program, script) == ("python", "pipelines/report.py")
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
    assert "no Epochs and no Events that could be trials" in capsys.readouterr().out


def test_a_file_that_is_none_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.nix")]) == 2
    assert capsys.readouterr().err == f"error: there is no file {tmp_path / 'none.nix'}\n"
