"""Segments joined to one recording: spikes stay with their trial, whatever the clocks."""

import neo
import numpy as np
import pytest
import quantities as pq

from ephys_snn import convert
from ephys_snn.errors import InputError
from ephys_snn.formats import guard
from ephys_snn.recording import Recording
from ephys_snn.recording.options import choose_windows, limits_of


@pytest.fixture(autouse=True)
def unguarded(monkeypatch):
    """Open files in this process alone; the guard in another one costs a second each."""
    monkeypatch.setattr(guard, "read_apart", lambda path, out: None)


def write(path, segments, groups=()):
    """A file with these Segments: NIX by NixIO, MATLAB by NeoMatlabIO."""
    block = neo.Block(name="b")
    block.segments.extend(segments)
    block.groups.extend(groups)
    if path.suffix == ".mat":
        neo.io.NeoMatlabIO(str(path)).write_block(block)
    else:
        with neo.io.NixIO(str(path), "ow") as file:
            file.write_block(block)
    return path


def segment(spikes, t_start=0.0, t_stop=1.0, names=("u0", "u1"), stim=None, **annotations):
    """A Segment of two units with these spike times (s)."""
    made = neo.Segment(name="trial", **annotations)
    for name, times in zip(names, spikes, strict=True):
        made.spiketrains.append(neo.SpikeTrain(
            np.array(times) * pq.s, t_start=t_start * pq.s, t_stop=t_stop * pq.s, name=name,
            area="A"))
    if stim is not None:
        made.events.append(neo.Event(np.array([stim]) * pq.s, labels=["on"], name="stim"))
    return made


@pytest.fixture(params=[".nix", ".mat"])
def path(tmp_path, request):
    return tmp_path / f"trials{request.param}"


def test_segments_that_start_anew_are_placed_one_after_another(path):
    write(path, [segment([[0.1], [0.2]], stimulus="x"), segment([[0.3, 0.9], []], stimulus="y")])
    recording = Recording.read(path)
    np.testing.assert_array_equal(recording.trials.onset, [0.0, 2000.0])  # a gap of 1 s
    np.testing.assert_array_equal(recording.trials.duration, [1000.0, 1000.0])
    np.testing.assert_array_equal(recording.trials.label, ["x", "y"])
    np.testing.assert_allclose(recording.spikes_of(0), [100.0, 2300.0, 2900.0])
    np.testing.assert_allclose(recording.spikes_of(1), [200.0])
    assert (recording.t_start, recording.t_stop) == (0.0, 3000.0)
    assert "2 Segments are placed one after another" in recording.notes[0]
    assert "its label their 'stimulus'" in recording.notes[0]


def test_the_class_is_chosen_among_several_annotations(path):
    write(path, [segment([[], []], side="l", contrast=1.0), segment([[], []], side="r",
                                                                    contrast=0.5)])
    assert Recording.read(path).trials.classes == ("",)
    assert Recording.read(path, label="side").trials.classes == ("l", "r")
    assert Recording.read(path, label="contrast").trials.classes == ("0.5", "1")


def test_a_trial_begins_at_the_time_zero_within_its_segment(tmp_path):
    parts = [segment([[-0.1, 0.1], []], -0.5, 0.5), segment([[0.2], [-0.4]], -0.5, 0.5)]
    recording = Recording.read(write(tmp_path / "zero.nix", parts))
    responses = recording.responses(choose_windows(recording))
    np.testing.assert_allclose(responses.latency, [[100.0, np.inf], [200.0, np.inf]])
    np.testing.assert_array_equal(recording.trials.duration, [500.0, 500.0])


def test_segments_of_one_clock_stay_where_they_are(tmp_path):
    parts = [segment([[0.1], []], 0, 1), segment([[5.5], [5.1]], 5, 6)]
    recording = Recording.read(write(tmp_path / "pause.nix", parts))
    np.testing.assert_allclose(recording.spikes_of(0), [100.0, 5500.0])
    np.testing.assert_array_equal(recording.trials.onset, [0.0, 5000.0])


def test_events_of_the_segments_can_be_the_trials(tmp_path):
    parts = [segment([[0.6], []], stim=0.5), segment([[0.8], []], stim=0.7)]
    recording = Recording.read(write(tmp_path / "events.nix", parts), trials="stim",
                               trial_duration=200.0)
    np.testing.assert_allclose(recording.trials.onset, [500.0, 2700.0])
    responses = recording.responses(choose_windows(recording, window=(0, 200)))
    np.testing.assert_allclose(responses.latency[:, 0], [100.0, 100.0])


def test_a_window_beyond_its_segment_is_said_and_finds_nothing_of_the_next(tmp_path):
    recording = Recording.read(write(tmp_path / "beyond.nix", [
        segment([[0.1], []]), segment([[0.1], []], t_stop=2), segment([[0.1], []])]))
    windows = choose_windows(recording, window=(500, 1500))
    assert recording.responses(windows).count.sum() == 0
    assert limits_of(windows, recording)[0].startswith("2 response windows reach beyond")


def test_conversion_remembers_where_segments_end(tmp_path):
    source = write(tmp_path / "trials.nix", [segment([[0.1], [0.2]], stimulus="x"),
                                             segment([[0.3], []], stimulus="y")])
    assert convert.main([str(source), str(tmp_path / "out.nix")]) == 0
    before, after = Recording.read(source), Recording.read(tmp_path / "out.nix")
    np.testing.assert_array_equal(after.spike_times, before.spike_times)
    np.testing.assert_array_equal(after.trials.label, before.trials.label)
    np.testing.assert_array_equal(after.recorded_range(), before.recorded_range())
    np.testing.assert_array_equal(after.recorded_range()[1], [1000.0, 3000.0])


@pytest.mark.parametrize("other, message", [
    (segment([[]], names=["u0"]), r"different numbers of spike trains \(2 in the first, 1 in n"),
    (segment([[], []], names=["u0", "u7"]), r"different units \(the first has 'u1', number 2"),
])
def test_segments_of_different_units_are_refused(path, other, message):
    write(path, [segment([[], []]), other])
    with pytest.raises(InputError, match=message):
        Recording.read(path)


def test_units_are_recognized_by_name_whatever_their_order(path):
    write(path, [segment([[0.1], [0.2]]), segment([[0.2], [0.1]], names=("u1", "u0"))])
    recording = Recording.read(path)
    np.testing.assert_allclose(recording.spikes_of(0), [100.0, 2100.0])


def test_areas_from_groups_and_channel_views(tmp_path):
    part = segment([[0.1], [0.2]], stim=0.0)
    for train in part.spiketrains:
        del train.annotations["area"]
    signal = neo.AnalogSignal(np.zeros((3, 2)), units="mV", sampling_rate=1 * pq.kHz)
    part.analogsignals.append(signal)
    groups = []
    for name, train, channel in zip("PQ", part.spiketrains, (0, 1), strict=True):
        inner = neo.Group([train], name=f"unit {name}")
        view = neo.ChannelView(signal, index=np.array([channel]), name=f"shank {channel}")
        groups.append(neo.Group([train, view], name=f"area {name}"))
        groups[-1].groups.append(inner)
    path = write(tmp_path / "groups.nix", [part], groups)
    options = {"trials": "stim", "trial_duration": 100.0}
    assert Recording.read(path, area="group", **options).areas == ("area P", "area Q")
    assert Recording.read(path, area="channel_view", **options).areas == ("shank 0", "shank 1")
    with pytest.raises(InputError, match=r"no annotation 'area' .*\(they have channel_view, group"):
        Recording.read(path, **options)


def test_a_train_in_two_groups_has_no_area(tmp_path):
    part = segment([[0.1], [0.2]], stim=0.0)
    groups = [neo.Group(list(part.spiketrains), name="P"),
              neo.Group(list(part.spiketrains)[:1], name="Q")]
    path = write(tmp_path / "groups.nix", [part], groups)
    with pytest.raises(InputError, match="--area group: 1 of 2 .* in no group .* or in several"):
        Recording.read(path, area="group", trials="stim", trial_duration=100.0)
