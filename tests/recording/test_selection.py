"""Which trials and units are analysed: by the definition, said, and refused if nothing is left."""

import argparse
import re
from dataclasses import replace

import numpy as np
import pytest
from builders import epoch, make_recording, write_block

from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, add_recording_options, open_recording
from ephys_snn.recording.selection import rates_in_trials, select


@pytest.fixture
def recording():
    """Four trials of 50 ms; decisions are always 'a', so the first and third are correct."""
    return make_recording(
        [[1.0, 120.0, 170.0], [60.0, 70.0], [10.0]], [0.0, 100.0, 200.0, 300.0],
        label=["a", "b", "a", "b"], decision=[20.0, 120.0, 220.0, np.nan],
        area=["V1", "V1", "IT"],
        weights={("V1", "IT"): np.array([[1.0], [2.0]])})


def test_only_correct_trials(recording):
    chosen = select(recording, correct_only=True)
    np.testing.assert_array_equal(chosen.trials.onset, [0.0, 200.0])
    assert chosen.notes == ("--correct-only leaves 2 of 4 trials",)


def test_correct_trials_need_decisions():
    with pytest.raises(InputError, match="--correct-only needs decisions"):
        select(make_recording([[1.0]], [0.0]), correct_only=True)


def test_no_correct_trial():
    wrong = make_recording([[1.0]], [0.0], label=["b"], decision=[3.0])
    with pytest.raises(InputError, match="none of 1 trials: the classes are b, the decisions a"):
        select(wrong, correct_only=True)


def test_classes(recording):
    assert select(recording, classes=["b"]).trials.classes == ("b",)
    with pytest.raises(InputError, match="no trial is of class 'z'; the classes are a, b"):
        select(recording, classes=["a", "z"])


def test_the_trial_range_is_half_open_and_counted_first(recording):
    chosen = select(recording, trial_range=(1, 3), classes=["a"])
    np.testing.assert_array_equal(chosen.trials.onset, [200.0])
    assert chosen.notes[0] == "--trial-range 1 3 leaves 2 of 4 trials"
    for start, stop in ((4, 5), (-1, 2), (2, 2)):
        with pytest.raises(InputError, match="the recording has the trials 0 to 3"):
            select(recording, trial_range=(start, stop))


def test_rates_count_spikes_within_trials(recording):
    trials = recording.trials
    for unit, rate in enumerate(rates_in_trials(recording)):
        inside = sum(onset <= spike < onset + duration for spike in recording.spikes_of(unit)
                     for onset, duration in zip(trials.onset, trials.duration, strict=True))
        assert rate == inside / 0.2  # four trials of 50 ms


def test_units_below_the_rate_are_left_out_with_their_weights(recording):
    chosen = select(recording, min_rate=5.0)
    np.testing.assert_array_equal(chosen.units.name, ["u0", "u2"])
    np.testing.assert_array_equal(chosen.weights["V1", "IT"], [[1.0]])
    assert "leaves 2 of 3 units" in chosen.notes[0]
    with pytest.raises(InputError, match="leaves no unit: .* has 10 spikes/s"):
        select(recording, min_rate=99.0)


def test_units_by_area_and_by_several_conditions(recording):
    assert select(recording, units_where=["area=IT"]).areas == ("IT",)
    both = select(recording, units_where=["area=V1,IT", "name=u1"])
    np.testing.assert_array_equal(both.units.name, ["u1"])
    with pytest.raises(InputError, match="no unit has this area; they have IT \\(1\\), V1 \\(2\\)"):
        select(recording, units_where=["area=V4"])
    for condition in ("area", "depth=3"):
        with pytest.raises(InputError, match="write KEY=VALUE with one of the keys area, cell_"):
            select(recording, units_where=[condition])


def with_annotations(recording, **annotations):
    return replace(recording, trials=replace(recording.trials, annotations={
        key: np.array(values) for key, values in annotations.items()}))


def test_trials_by_label_and_by_any_annotation(recording):
    known = with_annotations(recording, laser=["on", "off", "on", ""],
                             contrast=[0.5, 1.0, 1.0, 0.5], block=[1, 1, 2, 2])
    for conditions, onsets in ((["laser=on"], [0, 200]), (["laser="], [300]),
                               (["contrast=1"], [100, 200]), (["block=2", "contrast=0.5"], [300]),
                               (["laser=on, off"], [0, 100, 200]), (["label=a"], [0, 200])):
        chosen = select(known, trials_where=conditions)
        np.testing.assert_array_equal(chosen.trials.onset, onsets)
        assert chosen.notes[0].startswith(f"--trials-where {conditions[0]} leaves ")
    with pytest.raises(InputError, match=r"no trial has this laser; they have \(empty\) \(1\), "
                                         r"off \(1\), on \(2\)"):
        select(known, trials_where=["laser=blue"])
    for condition in ("laser", "depth=3", "=3"):
        with pytest.raises(InputError, match="one of the keys laser, contrast, block, label"):
            select(known, trials_where=[condition])


def test_values_may_hold_commas_and_equals_signs(recording):
    words = ["silence units=1,2", "control", "silence units=1", "2"]
    known = with_annotations(recording, perturbation=words)
    # The parts of the first are values, too, and yet it alone is meant.
    for word, onset in zip(words, (0, 100, 200, 300), strict=True):
        chosen = select(known, trials_where=[f"perturbation={word}"])
        np.testing.assert_array_equal(chosen.trials.onset, [onset])
    for text, onsets in (("silence units=1,control", [100, 200]), ("control, 2,none", [100, 300]),
                         ("control,silence units=1,2", [0, 100]), ("2,2", [300])):
        chosen = select(known, trials_where=[f"perturbation={text}"])
        np.testing.assert_array_equal(chosen.trials.onset, onsets)


def test_several_perturbations_are_said_once(tmp_path):
    words = ["control", "silence layer_2 of=0.5"] * 4
    recording = with_annotations(make_recording(
        [np.arange(8) * 100 + 5.0], np.arange(8) * 100.0), perturbation=words)
    recording.write(tmp_path / "a.nix")
    parser = argparse.ArgumentParser()
    add_recording_options(parser)

    def said(*options):
        notes = open_recording(parser.parse_args([str(tmp_path / "a.nix"), *options]))[0].notes
        return [note for note in notes if "conditions" in note]

    (line,) = said()
    assert "of 2 conditions, control (4), silence layer_2 of=0.5 (4), which" in line
    (option,) = re.findall("--trials-where '(.*)' takes one", line)
    assert said("--trials-where", option) == []


def test_units_by_any_annotation_of_the_file_also_after_writing(tmp_path):
    path = write_block(tmp_path / "a.nix", [epoch()], quality=["good", "mua", "good"],
                       depth=[10.0, 20.5, 30.0])
    for file in (path, tmp_path / "b.nix"):
        recording = Recording.read(file)
        chosen = select(recording, units_where=["quality=good", "depth=30"])
        np.testing.assert_array_equal(chosen.units.name, ["u2"])
        recording.write(tmp_path / "b.nix")


def test_the_command_line(shared):
    parser = argparse.ArgumentParser()
    add_recording_options(parser)
    path = shared / "recordings" / "steinmetz2019_session1.nix"
    args = parser.parse_args([str(path), "--units-where", "area=VISp", "--min-rate", "1",
                              "--classes", "none,equal"])
    recording, windows = open_recording(args)
    assert recording.areas == ("VISp",) and recording.trials.classes == ("equal", "none")
    assert len(windows.onset) == len(recording.trials)
    assert any("of 178 units" in note for note in recording.notes)
