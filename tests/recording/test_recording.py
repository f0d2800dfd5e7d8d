"""The seam: responses by brute force over the definition, and laws of windows and selection."""

import numpy as np
import pytest
from builders import make_recording
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.recording import (
    Recording,
    ResponseWindows,
    Units,
    decision_windows,
    epoch_windows,
    event_windows,
    fixed_windows,
    sort_labels,
)

# Multiples of 1/8 make ties of spikes and borders, which is where windows go wrong.
eighths = st.integers(0, 1600).map(lambda i: i / 8)
trains = st.lists(st.lists(eighths, max_size=20), min_size=1, max_size=4)
window_pairs = st.lists(st.tuples(eighths, eighths).map(sorted), min_size=1, max_size=6)


@given(trains, window_pairs)
def test_responses_are_what_the_definition_says(spikes, pairs):
    start, stop = np.array(pairs).T
    windows = ResponseWindows(start, start, stop, False, "")
    recording = make_recording(spikes, start)
    responses = recording.responses(windows)
    for unit, train in enumerate(spikes):
        for trial, (begin, end) in enumerate(pairs):
            inside = [spike for spike in train if begin <= spike < end]
            assert responses.count[trial, unit] == len(inside)
            expected = min(inside) - begin if inside else np.inf
            assert responses.latency[trial, unit] == expected


def test_a_spike_at_the_decision_is_not_active():
    recording = make_recording([[10.0], [9.99]], [0.0], decision=[10.0])
    responses = recording.responses(decision_windows(recording.trials))
    np.testing.assert_array_equal(responses.active, [[False, True]])


def test_trials_without_decision_are_left_out():
    recording = make_recording([[10.0, 110.0]], [0.0, 100.0], decision=[np.nan, 120.0])
    responses = recording.responses(decision_windows(recording.trials))
    np.testing.assert_array_equal(responses.trial, [1])
    assert responses.latency == [[10.0]]


def test_latencies_are_measured_from_the_onset_not_from_the_window():
    recording = make_recording([[120.0, 125.0]], [100.0])
    responses = recording.responses(fixed_windows(recording.trials, 22.0, 40.0))
    assert responses.latency == [[25.0]]


def test_windows_may_precede_the_onset():
    recording = make_recording([[95.0]], [100.0])
    assert recording.responses(fixed_windows(recording.trials, -10, 0)).latency == [[-5.0]]


def test_event_windows_end_at_the_first_event_inside_the_trial():
    recording = make_recording([[]], [0.0, 100.0, 200.0])
    windows = event_windows(recording.trials, np.array([130.0, 20.0, 10.0, 251.0]), "saccade")
    np.testing.assert_array_equal(windows.stop, [10.0, 130.0, np.nan])


def test_epoch_windows_are_the_trials():
    recording = make_recording([[]], [0.0, 100.0], duration=30.0)
    np.testing.assert_array_equal(epoch_windows(recording.trials).durations, [30.0, 30.0])


def test_windows_that_cannot_be():
    recording = make_recording([[1.0]], [0.0])
    with pytest.raises(InputError, match="has no decisions; choose one with --window"):
        decision_windows(recording.trials)
    with pytest.raises(InputError, match="must start before it stops; got 5 5 ms"):
        fixed_windows(recording.trials, 5, 5)


@given(trains, st.data())
def test_selecting_units_keeps_their_spikes_and_weights(spikes, data):
    n_units = len(spikes)
    area = [data.draw(st.sampled_from("AB")) for _ in spikes]
    n_a, n_b = area.count("A"), area.count("B")
    weights = {("A", "B"): np.arange(n_a * n_b, dtype=float).reshape(n_a, n_b)}
    recording = make_recording(spikes, [0.0], area=area, weights=weights)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=n_units, max_size=n_units)),
                      dtype=bool)
    part = recording.select_units(chosen)
    for new, old in enumerate(np.flatnonzero(chosen)):
        np.testing.assert_array_equal(part.spikes_of(new), sorted(spikes[old]))
        assert part.units.name[new] == recording.units.name[old]
    if ("A", "B") in part.weights:
        in_a = chosen[recording.units_in("A")]
        in_b = chosen[recording.units_in("B")]
        np.testing.assert_array_equal(part.weights["A", "B"], weights["A", "B"][in_a][:, in_b])
    else:
        assert not (chosen[recording.units_in("A")].any() and chosen[recording.units_in("B")].any())


def test_selecting_trials_keeps_spikes():
    recording = make_recording([[1.0, 101.0]], [0.0, 100.0], label=["a", "b"])
    part = recording.select_trials(np.array([1]))
    assert part.trials.classes == ("b",)
    assert part.responses(epoch_windows(part.trials)).latency == [[1.0]]


@settings(max_examples=20, deadline=None)
@given(trains)
def test_spike_trains_for_elephant_hold_the_same_spikes(spikes):
    recording = make_recording(spikes, [0.0], t_start=0.0, t_stop=201.0)
    for train, expected in zip(recording.spike_trains(), spikes, strict=True):
        assert train.dimensionality.string == "ms"
        np.testing.assert_array_equal(train.magnitude, sorted(expected))


def test_spike_trains_are_cut_half_open():
    recording = make_recording([[10.0, 20.0, 30.0]], [0.0])
    (train,) = recording.spike_trains(start=10.0, stop=30.0)
    np.testing.assert_array_equal(train.magnitude, [10.0, 20.0])


def test_cell_types_are_listed_in_one_order():
    recording = make_recording([[], [], []], [0.0])
    units = Units(np.arange(3), np.array(["x"] * 3), np.array(["A"] * 3),
                  np.array(["stellate", "inhibitory", ""]))
    recording = Recording.from_spike_trains([[], [], []], units, recording.trials)
    assert recording.cell_types_in("A") == ("all", "inhibitory", "stellate")
    np.testing.assert_array_equal(recording.units_in("A", "stellate"), [0])


@given(st.lists(st.integers(-50, 50)))
def test_numbers_sort_as_numbers(numbers):
    assert sort_labels([str(i) for i in numbers]) == tuple(str(i) for i in sorted(set(numbers)))


def test_reference_network_decides_as_published(reference_recording):
    """The authors' network: mean decision at 7.083 ms, 99.33 % of 150 images correct."""
    trials = reference_recording.trials
    assert (trials.decision_time - trials.onset).mean() == pytest.approx(7.083, abs=5e-4)
    assert (trials.decision_label == trials.label).mean() == pytest.approx(0.9933, abs=5e-5)
