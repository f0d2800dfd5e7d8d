"""Odd but legal recordings: every pipeline gives a result or one clear line, and no warning."""

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from odd_recordings import command_lines, recordings

from ephys_snn.__main__ import main

UNBOUNDED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def run(recording, command_line, folder, capsys) -> None:
    """Run a pipeline as a user would, and read what it says."""
    name, options = command_line
    path = folder / "odd.nix"
    recording.write(path)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)  # which Python shows to no user
        status = main([name.replace("_", "-"), str(path), "--out", str(folder / "out"), "--quiet",
                       *options])
    said = capsys.readouterr().err
    assert not warned, [str(warning.message) for warning in warned]
    assert status in (0, 2)
    lines = said.splitlines()
    if status == 2:
        assert len(lines) == 1 and lines[0].startswith("error: "), said
    else:
        assert all(line.startswith("note: ") for line in lines), said


# The same examples every time: what is new is looked for by the slow test.
@settings(max_examples=60, suppress_health_check=UNBOUNDED, derandomize=True)
@given(recordings(), command_lines())
def test_a_result_or_one_line(tmp_path, capsys, recording, command_line):
    run(recording, command_line, tmp_path, capsys)


@pytest.mark.slow
@settings(max_examples=2000, suppress_health_check=UNBOUNDED)
@given(recordings(), command_lines())
def test_a_result_or_one_line_two_thousand_times(tmp_path, capsys, recording, command_line):
    run(recording, command_line, tmp_path, capsys)
