"""Any file made into a recording: choices that are taken and said, or listed in the error."""

from pathlib import Path

import neo
import numpy as np
import pytest
import quantities as pq
from builders import epoch, write_block

from ephys_snn.errors import InputError
from ephys_snn.recording import Recording


def event(name, times, labels=None):
    return neo.Event(np.array(times) * pq.s, labels=labels or [""] * len(times), name=name)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "recording.nix"


def test_the_only_epoch_is_taken_and_said(path):
    recording = Recording.read(write_block(path, [epoch("cue")]))
    assert recording.trials.classes == ("x", "y")
    assert recording.notes == ("the trials are the Epoch 'cue', the only one of the file",)
    assert recording.areas == ("A", "B") and not recording.areas_ordered


def test_several_epochs_are_listed_and_one_can_be_chosen(path):
    write_block(path, [epoch("cue"), epoch("go")])
    with pytest.raises(InputError, match=r"has 2 Epochs; choose .*--trials NAME; it has Epoch "
                                         r"'cue' \(2\), Epoch 'go' \(2\)"):
        Recording.read(path)
    assert len(Recording.read(path, trials="go").trials) == 2


def test_no_trials(path):
    write_block(path)
    with pytest.raises(InputError, match="no Epoch that could hold the trials; it has no Epochs"):
        Recording.read(path)


def test_events_become_trials_with_a_window(path):
    write_block(path, events=[event("stim", [0.1, 0.0], ["b", "a"])])
    with pytest.raises(InputError, match="'stim' is an Event|stim is an Event"):
        Recording.read(path, trials="stim")
    trials = Recording.read(path, trials="stim", trial_duration=100.0).trials
    np.testing.assert_array_equal(trials.onset, [0.0, 100.0])
    np.testing.assert_array_equal(trials.label, ["a", "b"])


def test_trials_are_sorted_by_onset_with_all_that_belongs_to_them(path):
    write_block(path, [epoch(onset=(0.1, 0.0), labels="ba", contrast=[2.0, 1.0])],
                [event("decision", [0.11, 0.04], ["for b", "for a"])])
    trials = Recording.read(path).trials
    np.testing.assert_array_equal(trials.label, ["a", "b"])
    np.testing.assert_array_equal(trials.annotations["contrast"], [1.0, 2.0])
    np.testing.assert_array_equal(trials.decision_label, ["for a", "for b"])


def test_the_first_decision_inside_a_trial_counts(path):
    write_block(path, [epoch()], [event("decision", [0.2, 0.04, 0.03, 0.06], list("dbac"))])
    trials = Recording.read(path).trials
    np.testing.assert_array_equal(trials.decision_time, [30.0, np.nan])
    np.testing.assert_array_equal(trials.decision_label, ["a", ""])


def test_labels_from_an_array_annotation(path):
    write_block(path, [epoch(contrast=[0.5, 1.0])])
    assert Recording.read(path, label="contrast").trials.classes == ("0.5", "1")
    with pytest.raises(InputError, match="--label side: .* no such .*; they have contrast"):
        Recording.read(path, label="side")


def test_labels_missing_for_some_trials_are_refused(path):
    write_block(path, [epoch(labels=("x", ""))])
    with pytest.raises(InputError, match="1 of 2 trials in 'trials' have no label"):
        Recording.read(path)


def test_no_labels_are_one_class(path):
    recording = Recording.read(write_block(path, [epoch(labels=("", ""))]))
    assert recording.trials.classes == ("",)
    assert "all trials are one class" in recording.notes[-1]


def test_areas_can_be_chosen_and_ordered(path):
    write_block(path, [epoch()], areas=("A", "B", "C"))
    recording = Recording.read(path, areas=["C", "A"])
    assert recording.areas == ("C", "A") and recording.areas_ordered
    np.testing.assert_array_equal(recording.units.name, ["u0", "u2"])
    with pytest.raises(InputError, match="no area 'V9'; it has A, B, C"):
        Recording.read(path, areas=["A", "V9"])


def test_areas_from_another_annotation_or_none(path):
    write_block(path, [epoch()], areas=(None, None), location=["V1", "V2"])
    assert Recording.read(path, area="location").areas == ("V1", "V2")
    assert Recording.read(path, one_area="cortex").areas == ("cortex",)
    with pytest.raises(InputError, match=r"2 of 2 .* no annotation 'area' .* \(they have "
                                         r"location\) .*--one-area NAME"):
        Recording.read(path)


def test_unit_ids_must_be_unique_within_an_area(path):
    write_block(path, [epoch()], unit_id=[1, 1, 1])
    with pytest.raises(InputError, match=r"two spike trains of area 'A' have the unit_id 1"):
        Recording.read(path)


def test_unit_ids_default_to_the_index_in_the_file(path):
    np.testing.assert_array_equal(Recording.read(write_block(path, [epoch()])).units.unit_id,
                                  [0, 1, 2])


def test_spikes_that_are_no_times_are_refused(path):
    import h5py

    write_block(path, [epoch()], areas=("A",))
    with h5py.File(path, "r+") as file:
        (block,) = file["data"].values()
        next(array for name, array in block["data_arrays"].items()
             if "spiketrain" in name)["data"][1] = np.nan
    with pytest.raises(InputError, match="'u0' has times that are nan or infinite"):
        Recording.read(path)


def test_unsorted_spikes_are_sorted(path):
    recording = Recording.read(write_block(path, [epoch()], times=[0.3, -0.1, 0.2]))
    np.testing.assert_allclose(recording.spikes_of(0), [-100.0, 200.0, 300.0])


def test_the_stated_resolution_is_known(shared):
    recording = Recording.read(shared / "recordings" / "steinmetz2019_session1.nix")
    assert recording.resolution == 10.0
    assert (len(recording.units), len(recording.trials), len(recording.areas)) == (734, 114, 8)


def test_other_formats_are_read_through_neo(shared):
    recording = Recording.read(shared / "recordings" / "File_spike2_1.smr", one_area="X",
                               trials="Stim", trial_duration=100.0)
    assert (len(recording.units), len(recording.trials)) == (15, 6)
    with pytest.raises(InputError, match="no Epoch that could hold the trials.*no Epochs"):
        Recording.read(shared / "recordings" / "File_plexon_3.plx", one_area="X")


def test_ambiguous_event_names_are_refused(shared):
    with pytest.raises(InputError, match="2 Epochs or Events called 'untitled'"):
        Recording.read(shared / "recordings" / "File_spike2_1.smr", one_area="X",
                       trials="untitled", trial_duration=100.0)


@pytest.mark.parametrize("content, message", [
    (None, "there is no file"),
    (b"", "no NIX file, or damaged"),
    (b"not a recording", "no NIX file, or damaged"),
])
def test_files_that_are_no_recordings(path, content, message):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Recording.read(path)


def test_a_text_file_is_no_recording(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(InputError, match="is not a recording that Neo can read"):
        Recording.read(path)


def test_a_folder_is_no_recording(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        Recording.read(tmp_path)


def test_a_file_without_units(path):
    write_block(path, [epoch()], areas=())
    with pytest.raises(InputError, match="holds no spike trains"):
        Recording.read(path)
