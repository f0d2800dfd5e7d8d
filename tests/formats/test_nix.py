"""The NIX layout: what NixIO reads and what we read are the same, and files are whole or absent."""

import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import h5py
import neo
import numpy as np
import pytest
import quantities as pq

from ephys_snn.errors import InputError
from ephys_snn.formats import Epoch, nix_reader, nix_writer, text
from ephys_snn.recording import Recording, Trials, Units

REAL_NIX_FILES = ("locust20000421", "riehle1997_winny131_23", "steinmetz2019_session1",
                  "zhang_desimone_it_1006")


def read_with_nixio(path) -> neo.Block:
    with warnings.catch_warnings(), neo.io.NixIO(str(path), "ro") as file:
        warnings.simplefilter("ignore")
        return file.read_block()


def assert_same_as_nixio(path):
    contents, block = nix_reader.read_nix(path), read_with_nixio(path)
    (segment,) = block.segments
    assert len(contents.trains) == len(segment.spiketrains)
    for ours, theirs in zip(contents.trains, segment.spiketrains, strict=True):
        np.testing.assert_array_equal(ours.times, theirs.rescale("ms").magnitude)
        assert ours.name == theirs.name
        assert ours.t_start == float(theirs.t_start.rescale("ms"))
        assert ours.t_stop == float(theirs.t_stop.rescale("ms"))
        assert ours.annotations == {k: v for k, v in theirs.annotations.items() if k != "nix_name"}
    for ours, theirs in [*zip(contents.epochs, segment.epochs, strict=True),
                         *zip(contents.events, segment.events, strict=True)]:
        assert ours.name == theirs.name
        np.testing.assert_array_equal(ours.times, theirs.times.rescale("ms").magnitude)
        np.testing.assert_array_equal(ours.labels, text(theirs.labels))
        if isinstance(ours, Epoch):
            np.testing.assert_array_equal(ours.durations, theirs.durations.rescale("ms").magnitude)
        assert ours.annotations.keys() == theirs.array_annotations.keys()
        for key, values in ours.annotations.items():
            np.testing.assert_array_equal(values, theirs.array_annotations[key])


@pytest.fixture
def small_recording() -> Recording:
    """Two areas, five units, three trials, one of them without a decision."""
    rng = np.random.default_rng(0)
    spikes = [rng.uniform(0, 300, size) for size in (4, 0, 1, 20, 7)]
    units = Units(np.array([0, 1, 0, 1, 2]), np.array(["a/0", "a/1", "β/0", "β/1", "β/1"]),
                  np.array(["a", "a", "β", "β", "β"]),
                  np.array(["excitatory", "inhibitory", "", "output", "output"]))
    trials = Trials(np.array([0.0, 100.0, 200.0]), np.full(3, 90.0),
                    np.array(["kiwi", "ü", "kiwi"]),
                    np.array([12.5, np.nan, 230.0]), np.array(["kiwi", "", "ü"]),
                    {"contrast": np.array([0.5, 0.25, 1.0]), "side": np.array(["l", "r", "l"])})
    return Recording.from_spike_trains(
        spikes, units, trials, areas=("β", "a"), areas_ordered=True, t_start=0.0, t_stop=300.0,
        weights={("β", "a"): rng.normal(size=(3, 2)).astype(np.float32)}, resolution=0.1,
        events={"decision": np.array([12.5, 230.0]), "saccade": np.array([5.0, 250.0])},
        annotations={"settings": {"a": [1, {"b": None}]}, "comment": "hello"})


@pytest.mark.parametrize("name", REAL_NIX_FILES)
def test_real_files_read_as_nixio_reads_them(shared, name):
    assert_same_as_nixio(shared / "recordings" / f"{name}.nix")


def test_what_is_written_is_read_by_neo_alone(small_recording, tmp_path):
    path = tmp_path / "out.nix"
    small_recording.write(path)
    assert_same_as_nixio(path)
    block = read_with_nixio(path)
    (segment,) = block.segments
    for unit, train in enumerate(segment.spiketrains):
        np.testing.assert_array_equal(train.magnitude, small_recording.spikes_of(unit))
        assert train.dimensionality.string == "ms"
        assert train.annotations["area"] == small_recording.units.area[unit]
    assert [group.name for group in block.groups] == ["β", "a"]
    assert [len(group.spiketrains) for group in block.groups] == [3, 2]
    assert segment.epochs[0].name == "trials"
    assert {event.name: list(event.labels) for event in segment.events}["decision"] == ["kiwi", "ü"]


def test_writing_and_reading_lose_nothing(small_recording, tmp_path):
    path = tmp_path / "out.nix"
    small_recording.write(path)
    again = Recording.read(path)
    np.testing.assert_array_equal(again.spike_times, small_recording.spike_times)
    np.testing.assert_array_equal(again.offsets, small_recording.offsets)
    for field in ("unit_id", "name", "area", "cell_type"):
        np.testing.assert_array_equal(getattr(again.units, field),
                                      getattr(small_recording.units, field))
    for field in ("onset", "duration", "label", "decision_time", "decision_label"):
        np.testing.assert_array_equal(getattr(again.trials, field),
                                      getattr(small_recording.trials, field))
    for key, values in small_recording.trials.annotations.items():
        np.testing.assert_array_equal(again.trials.annotations[key], values)
    assert again.areas == ("β", "a") and again.areas_ordered
    assert again.resolution == 0.1
    assert again.annotations["settings"] == {"a": [1, {"b": None}]}
    assert again.annotations["comment"] == "hello"
    np.testing.assert_array_equal(again.weights["β", "a"], small_recording.weights["β", "a"])
    np.testing.assert_array_equal(again.events["saccade"], [5.0, 250.0])


def test_elephant_uses_what_is_written(small_recording, tmp_path):
    from elephant.statistics import mean_firing_rate

    path = tmp_path / "out.nix"
    small_recording.write(path)
    train = read_with_nixio(path).segments[0].spiketrains[3]
    assert float(mean_firing_rate(train).rescale("Hz")) == pytest.approx(20 / 0.3)


def test_files_that_nixio_wrote_are_read(tmp_path):
    """Seconds instead of ms, annotations of every type, an epoch of one trial."""
    train = neo.SpikeTrain([0.5, 1.5] * pq.s, t_start=-1 * pq.s, t_stop=2 * pq.s, name="u",
                           area="V1", depth=1.5, good=True, unit_id=7)
    block, segment = neo.Block(name="b"), neo.Segment(name="s")
    segment.spiketrains.append(train)
    segment.epochs.append(neo.Epoch([100] * pq.us, [1.5] * pq.s, labels=["go"], name="cue",
                                    array_annotations={"side": np.array(["left"])}))
    block.segments.append(segment)
    path = tmp_path / "theirs.nix"
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block)
    assert_same_as_nixio(path)
    recording = Recording.read(path)
    assert recording.t_start == -1000.0
    assert recording.trials.onset == [pytest.approx(0.1)]
    np.testing.assert_array_equal(recording.trials.annotations["side"], ["left"])


def test_missing_units_are_noticed(small_recording, tmp_path):
    path = tmp_path / "out.nix"
    small_recording.write(path)
    with h5py.File(path, "r+") as file:
        (block,) = file["data"].values()
        for group in block["groups"].values():
            for name, tag in list(group["multi_tags"].items()):
                if tag["metadata/properties/neo_name"][0] == b"a/0":
                    del group["multi_tags"][name]
    with pytest.raises(InputError, match="not written to its end: it holds 4 of 5 units"):
        nix_reader.read_nix(path)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(small_recording, tmp_path, fraction):
    path = tmp_path / "out.nix"
    small_recording.write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:int(fraction * len(whole))])
    with pytest.raises(InputError, match="out.nix"):
        Recording.read(path)


def test_a_failed_write_leaves_the_old_file(small_recording, tmp_path, monkeypatch):
    path = tmp_path / "out.nix"
    path.write_bytes(b"old")
    monkeypatch.setattr(nix_writer._TrainWriter, "write", lambda self, *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small_recording.write(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
import sys, numpy as np
from ephys_snn.recording import Recording, Trials, Units
n = 200
units = Units(np.arange(n), np.arange(n).astype(str), np.full(n, "a"), np.full(n, ""))
trials = Trials(np.zeros(1), np.ones(1), np.array(["x"]), np.array([np.nan]), np.array([""]))
recording = Recording.from_spike_trains([np.arange(100.0)] * n, units, trials)
while True:
    recording.write(sys.argv[1])
    print("written", flush=True)
"""


def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    path = tmp_path / "out.nix"
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)],
                                   stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(Recording.read(path).units) == 200


def test_wrong_weights_are_refused(small_recording, tmp_path):
    path = tmp_path / "out.nix"
    weights = {("β", "a"): np.zeros((2, 2))}
    replace(small_recording, weights=weights).write(path)
    with pytest.raises(InputError, match=r"weights β->a have the shape \(2, 2\).*\(3, 2\) units"):
        Recording.read(path)


def _spikes_linked_from(other, tag):
    del tag["positions/data"]
    tag["positions/data"] = h5py.ExternalLink(other, "/spikes")


def _spikes_stored_in(other, tag):
    del tag["positions/data"]
    stored = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    stored.set_external(str(other).encode(), 0, 40)
    h5py.h5d.create(tag["positions"].id, b"data", h5py.h5t.NATIVE_DOUBLE,
                    h5py.h5s.create_simple((5,)), dcpl=stored)


@pytest.mark.parametrize("change", [_spikes_linked_from, _spikes_stored_in])
def test_a_file_is_read_from_itself_alone(small_recording, tmp_path, change):
    other, path = tmp_path / "other.h5", tmp_path / "out.nix"
    with h5py.File(other, "w") as file:
        file["spikes"] = np.arange(5.0)
    small_recording.write(path)
    with h5py.File(path, "r+") as file:
        (block,) = file["data"].values()
        change(other, next(tag for tag in block["multi_tags"].values()
                           if tag.attrs["type"] == "neo.spiketrain"))
    with pytest.raises(InputError, match="out.nix is damaged"):
        nix_reader.read_nix(path)
