"""A recording as Neo's Block, as pynapple's objects and as a file, and back: nothing is lost."""

import subprocess
import sys
import warnings
from pathlib import Path

import neo
import numpy as np
import pytest
import quantities as pq
from builders import CHECKOUT, make_recording, recording_of_layers
from hypothesis import HealthCheck, given, settings
from odd_recordings import recordings

from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, choose_windows

SAMPLE = CHECKOUT / "recordings" / "sample_digits.nix"


def assert_same(one: Recording, other: Recording) -> None:
    """All that the analyses look at."""
    np.testing.assert_array_equal(one.spike_times, other.spike_times)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    for part in ("units", "trials"):
        ours, theirs = getattr(one, part), getattr(other, part)
        for name in ours.__dataclass_fields__:
            if name != "annotations":
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
        assert set(ours.annotations) == set(theirs.annotations)
        for key, values in ours.annotations.items():
            np.testing.assert_array_equal(values, theirs.annotations[key])
    assert (one.areas, one.areas_ordered) == (other.areas, other.areas_ordered)
    assert (one.t_start, one.t_stop) == (other.t_start, other.t_stop)
    assert one.resolution == other.resolution
    assert list(one.weights) == list(other.weights)
    for key, matrix in one.weights.items():
        np.testing.assert_array_equal(matrix, other.weights[key])
    assert set(one.events) == set(other.events)
    for name, times in one.events.items():
        np.testing.assert_array_equal(times, other.events[name])


@pytest.fixture
def network() -> Recording:
    """With weights, decisions, cell types and an event."""
    rng = np.random.default_rng(0)
    times = rng.uniform(0.1, 2, (8, 6))
    decisions = times[:, :2] + 1
    decisions[3] = np.inf
    return recording_of_layers(
        {"input": times, "layer_1": times + 0.5, "output": decisions},
        np.array(["kiwi", "ü"] * 4), first_inhibitory=3, decisions=decisions,
        weights={("input", "layer_1"): rng.normal(size=(6, 6))},
        events={"saccade": np.arange(8.0)}, annotations={"settings": {"a": [1, None]}},
        resolution=0.1)


def test_a_block_in_memory_is_read_like_a_file(network):
    block = network.to_neo()
    assert isinstance(block, neo.Block)
    assert [group.name for group in block.groups] == ["input", "layer_1", "output"]
    again = Recording.from_neo(block)
    assert again.events.pop("decision").size == 7
    assert_same(again, network)
    assert again.path is None and again.sha256 is None


def test_the_sample_goes_through_neo_unchanged():
    recording = Recording.read(SAMPLE)
    assert_same(Recording.from_neo(recording.to_neo()), recording)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(recordings(least_units=1))
def test_what_is_odd_goes_through_neo_and_files_alike(tmp_path, recording):
    block = Recording.from_neo(recording.to_neo())
    recording.write(tmp_path / "odd.nix")
    assert_same(block, Recording.read(tmp_path / "odd.nix"))
    np.testing.assert_array_equal(block.spike_times, recording.spike_times)


def test_a_block_takes_the_options_of_a_file():
    block = neo.Block(name="mine")
    segment = neo.Segment()
    for region, time in (("CA1", 0.1), ("CA3", 0.2)):
        segment.spiketrains.append(neo.SpikeTrain([time, 1.1] * pq.s, t_stop=2 * pq.s,
                                                  region=region))
    segment.epochs.append(neo.Epoch([0, 1] * pq.s, [0.5, 0.5] * pq.s, labels=["x", "y"],
                                    name="stimulus", array_annotations={"side": ["l", "r"]}))
    block.segments.append(segment)
    with pytest.raises(InputError, match="no annotation 'area'.*--area KEY .they have region"):
        Recording.from_neo(block)
    recording = Recording.from_neo(block, area="region", areas=["CA3", "CA1"], label="side")
    assert recording.areas == ("CA3", "CA1") and recording.areas_ordered
    assert recording.trials.classes == ("l", "r")
    assert recording.responses(choose_windows(recording)).count.sum() == 4
    with pytest.raises(InputError, match="the Block 'empty' holds no spike trains"):
        Recording.from_neo(neo.Block(name="empty"))


def test_a_block_of_ours_is_written_by_neo_alone(network, tmp_path):
    network.weights.clear()  # Neo's writers drop a dict; `write` keeps it
    block = network.to_neo()
    block.annotations.pop("settings")  # and structures
    with warnings.catch_warnings(), neo.io.NixIO(str(tmp_path / "neo.nix"), "ow") as file:
        warnings.simplefilter("ignore")
        file.write_block(block)
    again = Recording.read(tmp_path / "neo.nix")
    np.testing.assert_array_equal(again.spike_times, network.spike_times)
    np.testing.assert_array_equal(again.trials.label, network.trials.label)


def test_nixio_finds_nothing_wrong_with_our_weights(network, tmp_path):
    """Beyond what it says of files that Neo wrote by itself."""
    network.write(tmp_path / "ours.nix")
    nixio = Path(sys.executable).with_name("nixio")
    if not nixio.exists():
        pytest.skip("nixio's command line is not installed")
    said = subprocess.run([nixio, "validate", tmp_path / "ours.nix"], capture_output=True,
                          text=True, check=False).stdout
    assert "input->layer_1" not in said, said


def nap():
    return pytest.importorskip("pynapple", reason="pynapple is not installed")


def test_pynapple_and_back(network):
    nap()
    units, trials = network.to_pynapple()
    assert list(units.metadata["area"]) == network.units.area.tolist()
    np.testing.assert_allclose(units[7].index.values * 1000, network.spikes_of(7), atol=1e-6)
    np.testing.assert_allclose(trials.start * 1000, network.trials.onset)
    assert list(trials["label"]) == network.trials.label.tolist()
    again = Recording.from_pynapple(units, trials)
    np.testing.assert_allclose(again.spike_times, network.spike_times, atol=1e-6)
    np.testing.assert_array_equal(again.units.unit_id, network.units.unit_id)
    np.testing.assert_array_equal(again.units.cell_type, network.units.cell_type)
    np.testing.assert_array_equal(again.trials.label, network.trials.label)
    np.testing.assert_allclose(again.trials.decision_time, network.trials.decision_time, atol=1e-6)
    np.testing.assert_array_equal(again.trials.decision_label, network.trials.decision_label)


def test_a_group_of_pynapples_own_is_analysed():
    """Without metadata of ours: units in one area, trials of one class."""
    pynapple = nap()
    units = pynapple.TsGroup({3: pynapple.Ts([0.1, 0.6]), 8: pynapple.Ts([0.2, 0.3])})
    trials = pynapple.IntervalSet([0.0, 0.5], [0.4, 0.9])
    recording = Recording.from_pynapple(units, trials, one_area="V1")
    assert recording.units.unit_id.tolist() == [3, 8]
    assert recording.responses(choose_windows(recording)).count.tolist() == [[1, 2], [1, 0]]


def test_pynapple_refuses_what_it_cannot_hold():
    nap()
    overlapping = make_recording([[1.0]], [0.0, 10.0], duration=50.0)
    with pytest.raises(InputError, match="must not overlap"):
        overlapping.to_pynapple()


def test_without_pynapple_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynapple", None)
    with pytest.raises(InputError, match=r'pip install "ephys_snn\[pynapple\]"'):
        make_recording([[1.0]], [0.0]).to_pynapple()
