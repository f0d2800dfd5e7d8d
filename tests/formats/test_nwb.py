"""NWB files as experimenters and archives write them: same spikes, same trials, same areas."""

import sys
from datetime import datetime, timezone

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.epoch import TimeIntervals
from pynwb.misc import AnnotationSeries

from ephys_snn import convert, inspect
from ephys_snn.errors import InputError
from ephys_snn.formats import open as opening
from ephys_snn.formats.hdf5 import read_hdf5
from ephys_snn.formats.nwb import read_nwb
from ephys_snn.recording import Recording, choose_windows

SPIKES = ([0.1, 0.25], [], [1.1, 1.2, 1.9], [0.5])  # s
LOCATIONS = ("CA1", "unknown", "CA1", "VISp")  # of electrodes 0 to 3
TRIALS = ((0.0, 1.0, "l", 0.5, 0.3), (1.0, 2.0, "r", 1.0, 1.4))  # s


@pytest.fixture(autouse=True)
def unguarded(monkeypatch):
    """Read in this process: the guard in another one, and the cache, have tests of their own."""
    monkeypatch.setattr(opening, "_open_hdf5", read_hdf5)


def make(electrodes=((0,), (1,), (2, 3), (3,)), trials=TRIALS, units=True, **columns) -> NWBFile:
    nwb = NWBFile("a session", "id", datetime(2020, 1, 1, tzinfo=timezone.utc))
    device = nwb.create_device("probe")
    shank = nwb.create_electrode_group("shank", "d", "CA3", device)
    for location in LOCATIONS:
        nwb.add_electrode(location=location, group=shank)
    for name in columns:
        nwb.add_unit_column(name, "d")
    for unit, times in enumerate(SPIKES if units else ()):
        more = {} if electrodes is None else {"electrodes": list(electrodes[unit])}
        nwb.add_unit(spike_times=times, id=10 + unit, **more,
                     **{name: values[unit] for name, values in columns.items()})
    if trials:
        for name in ("side", "contrast", "response_time"):
            nwb.add_trial_column(name, "d")
        for start, stop, side, contrast, response in trials:
            nwb.add_trial(start_time=start, stop_time=stop, side=side, contrast=contrast,
                          response_time=response)
    return nwb


@pytest.fixture
def write(tmp_path):
    def write(nwb):
        path = tmp_path / "session.nwb"
        with NWBHDF5IO(str(path), "w") as file:
            file.write(nwb)
        return path
    return write


def test_units_and_trials(write):
    recording = Recording.read(write(make(quality=["good", "mua", "good", "mua"])), label="side")
    for unit, times in enumerate(SPIKES):
        np.testing.assert_allclose(recording.spikes_of(unit), 1000 * np.array(times))
    np.testing.assert_array_equal(recording.units.unit_id, [10, 11, 12, 13])
    np.testing.assert_array_equal(recording.units.annotations["quality"],
                                  ["good", "mua", "good", "mua"])
    np.testing.assert_array_equal(recording.trials.onset, [0.0, 1000.0])
    np.testing.assert_array_equal(recording.trials.duration, [1000.0, 1000.0])
    assert recording.trials.classes == ("l", "r")
    np.testing.assert_array_equal(recording.trials.annotations["contrast"], [0.5, 1.0])
    assert (recording.t_start, recording.t_stop) == (0.0, 2000.0)


def test_areas_are_the_electrodes_locations_or_their_groups(write):
    recording = Recording.read(write(make()))
    np.testing.assert_array_equal(recording.units.area, ["CA1", "CA3", "CA1/VISp", "VISp"])
    assert "1 units have electrodes in several areas" in recording.notes[0]


def test_areas_by_a_column_or_the_peak_channel(write):
    path = write(make(electrodes=None, region=["A", "B", "B", "A"], peak_channel_id=[3, 0, 0, 9]))
    np.testing.assert_array_equal(Recording.read(path).units.area,
                                  ["VISp", "CA1", "CA1", "unknown"])
    np.testing.assert_array_equal(Recording.read(path, area="region").units.area, list("ABBA"))


def test_no_location_at_all(write):
    with pytest.raises(InputError, match=r"no annotation 'area' .*\(they have region, unit_id\)"):
        Recording.read(write(make(electrodes=None, region=list("ABBA"))))


def test_other_intervals_and_events(write):
    nwb = make()
    table = TimeIntervals(name="gratings", description="d")
    table.add_column("orientation", "d")
    for start in (0.2, 1.2):
        table.add_row(start_time=start, stop_time=start + 0.1, orientation=90.0 * start)
    nwb.add_time_intervals(table)
    nwb.add_acquisition(AnnotationSeries(name="cue", data=["go", "nogo"], timestamps=[0.3, 1.3]))
    path = write(nwb)
    assert "the trials are the Epoch 'trials'" in Recording.read(path).notes[1]
    gratings = Recording.read(path, trials="gratings", label="orientation").trials
    np.testing.assert_allclose(gratings.onset, [200.0, 1200.0])
    assert gratings.classes == ("18", "108")
    cue = Recording.read(path, trials="cue", trial_duration=100.0).trials
    np.testing.assert_array_equal(cue.label, ["go", "nogo"])
    pairs = Recording.read(path, from_event="cue", to_event="response_time").trials
    np.testing.assert_allclose(pairs.duration, [100.0])  # 0.3 s is not after 0.3 s


def test_columns_of_times_are_events(write):
    recording = Recording.read(write(make()), label="side")
    windows = choose_windows(recording, until="response_time")
    np.testing.assert_allclose(windows.stop, [300.0, 1400.0])
    aligned = Recording.read(recording.path, trials="response_time", trial_duration=100.0,
                             label="side").trials
    np.testing.assert_array_equal(aligned.label, ["l", "r"])


def test_trials_without_a_stop_are_left_out_and_said(write):
    recording = Recording.read(write(make(trials=(*TRIALS, (2.0, np.nan, "l", 1.0, np.nan)))))
    assert len(recording.trials) == 2
    assert any("1 of 3 intervals of 'trials' have no start" in note for note in recording.notes)


def test_observation_intervals_are_the_recorded_time(write):
    nwb = make(units=False)
    nwb.add_unit(spike_times=[1.0], obs_intervals=[[0.5, 1.5], [2.0, 5.0]], electrodes=[0])
    recording = Recording.read(write(nwb))
    assert (recording.t_start, recording.t_stop) == (500.0, 5000.0)


def test_no_units(write):
    with pytest.raises(InputError, match="no table of units with spike times"):
        Recording.read(write(make(units=False)))


def test_without_pynwb_the_way_out_is_said(write, monkeypatch):
    path = write(make())
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(InputError, match=r'needs pynwb: pip install "ephys_snn\[nwb\]"'):
        Recording.read(path)


def test_conversion_keeps_everything(write, tmp_path, capsys):
    source, out = write(make(quality=["good", "mua", "good", "mua"])), tmp_path / "out.nix"
    assert convert.main([str(source), str(out), "--label", "side"]) == 0
    before, after = Recording.read(source, label="side"), Recording.read(out)
    np.testing.assert_array_equal(after.spike_times, before.spike_times)
    np.testing.assert_array_equal(after.offsets, before.offsets)
    for name in ("unit_id", "name", "area", "cell_type"):
        np.testing.assert_array_equal(getattr(after.units, name), getattr(before.units, name))
    for name in ("onset", "duration", "label", "decision_time"):
        np.testing.assert_array_equal(getattr(after.trials, name), getattr(before.trials, name))
    np.testing.assert_array_equal(after.units.annotations["quality"],
                                  before.units.annotations["quality"])
    for key, values in before.trials.annotations.items():
        np.testing.assert_array_equal(after.trials.annotations[key], values)
    np.testing.assert_array_equal(after.events["response_time"], before.events["response_time"])
    assert (after.t_start, after.t_stop) == (before.t_start, before.t_stop)


def test_damaged_files_are_one_line(write, tmp_path, capsys):
    whole = write(make()).read_bytes()
    path = tmp_path / "damaged.nwb"
    rng = np.random.default_rng(0)
    for number in range(12):
        damaged = bytearray(whole)
        if number % 3 == 0:
            damaged = damaged[:int(rng.integers(len(whole)))]
        else:
            at = int(rng.integers(len(whole)))
            damaged[at:at + 200] = rng.bytes(200)
        path.write_bytes(damaged)
        status = inspect.main([str(path)])
        error = capsys.readouterr().err
        assert status == 0 or (status == 2 and error.count("\n") == 1 and
                               error.startswith("error: ")), f"file {number}: {error}"


def test_an_index_that_does_not_fit_is_refused(write):
    import h5py

    path = write(make())
    with h5py.File(path, "r+") as file:
        file["units/spike_times_index"][-1] = 100
    with pytest.raises(InputError, match="the index of 'spike_times' does not fit"):
        read_nwb(path)
