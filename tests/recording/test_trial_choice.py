"""Trials from Events, pairs of Events and labels of Events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.formats import Event, Session, SpikeTrain
from ephys_snn.recording.trial_choice import TrialChoice, choose_trials, pair_events

TIMES = st.lists(st.integers(0, 30), max_size=12).map(sorted)


def marks(name, times, labels=None, durations=None, **annotations):
    event = Event(name=name, times=np.array(times, float),
                  labels=np.array(labels or [""] * len(times)),
                  annotations={key: np.array(values) for key, values in annotations.items()})
    return event if durations is None else event.lasting(durations)


def trials_of(*events, epochs=(), notes=None, **choice):
    contents = Session((SpikeTrain(np.empty(0), "u", 0.0, 100.0, {}),), tuple(epochs), events, {})
    return choose_trials(contents, TrialChoice(**choice), "file",
                         [] if notes is None else notes)


@given(TIMES, TIMES)
def test_pairs_are_what_their_definition_says(start, stop):
    expected = []
    for index, begin in enumerate(start):
        until = start[index + 1] if index + 1 < len(start) else np.inf
        after = [number for number, end in enumerate(stop) if begin < end <= until]
        if after:
            expected.append((index, after[0]))
    first, last = pair_events(np.array(start, float), np.array(stop, float))
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == expected


def test_trials_last_from_one_event_to_the_other():
    notes = []
    trials = trials_of(marks("go", [30, 10, 50], ["b", "a", "c"], side=[2, 1, 3]),
                       marks("end", [5, 18, 33, 35], ["hit", "hit", "miss", "hit"]),
                       from_event="go", to_event="end", notes=notes)
    np.testing.assert_array_equal(trials.onset, [10, 30])
    np.testing.assert_array_equal(trials.duration, [8, 3])
    np.testing.assert_array_equal(trials.label, ["a", "b"])
    np.testing.assert_array_equal(trials.annotations["side"], [1, 2])
    np.testing.assert_array_equal(trials.annotations["to"], ["hit", "miss"])
    assert "1 of 3 go and 2 of 4 end stand alone" in notes[0]


def test_codes_of_one_event_begin_and_end_trials():
    codes = marks("digital", [0, 10, 20, 30, 40], ["111", "12", "112", "9", "12"])
    trials = trials_of(codes, from_event="digital=111,112", to_event="digital=12")
    np.testing.assert_array_equal(trials.onset, [0, 20])
    np.testing.assert_array_equal(trials.duration, [10, 20])
    assert trials.classes == ("111", "112")
    assert trials_of(codes, from_event="digital=111,112", to_event="digital=12",
                     label="to").classes == ("12",)


def test_labels_choose_events_and_epochs():
    codes = marks("digital", [0, 10, 20], ["1", "2", "a,b"])
    assert len(trials_of(codes, trials="digital=1,2", trial_duration=5.0)) == 2
    assert trials_of(codes, trials="digital=a,b", trial_duration=5.0).onset == [20]
    epoch = marks("cue", [0, 10], ["x", "y"], durations=np.array([1.0, 2.0]))
    assert trials_of(epochs=[epoch], trials="cue=y").duration == [2.0]
    odd = marks("a=b", [0], ["x"])
    assert len(trials_of(odd, trials="a=b", trial_duration=5.0)) == 1


def test_the_epoch_called_trials_is_taken_and_said():
    epochs = [marks(name, [0], ["x"], durations=np.ones(1)) for name in ("blocks", "trials")]
    notes = []
    assert len(trials_of(epochs=epochs, notes=notes)) == 1
    assert notes == ["the trials are the Epoch 'trials'"]


def test_trials_without_a_value_of_the_label_are_left_out_and_said():
    epoch = marks("cue", [0, 10, 20], durations=np.ones(3), contrast=[0.5, np.nan, 1.0])
    notes = []
    trials = trials_of(epochs=[epoch], label="contrast", notes=notes)
    np.testing.assert_array_equal(trials.label, ["0.5", "1"])
    assert notes[1:] == ["1 of 3 trials have no 'contrast' and are left out"]


@pytest.mark.parametrize("choice, message", [
    ({"from_event": "go"}, "--from needs --to EVENT too"),
    ({"to_event": "go"}, "--to needs --from EVENT too"),
    ({"from_event": "go", "to_event": "end", "trials": "go"}, "both say what the trials are"),
    ({"from_event": "go", "to_event": "x"}, r"--to x: file has no Event of that name; it has "
                                            r"Event 'go' \(2\), Event 'end' \(1\)"),
    ({"from_event": "go", "to_event": "end"}, "no end comes after a go"),
    ({"trials": "go=7", "trial_duration": 5.0}, r"nothing in 'go' has this label; the labels are "
                                                r"a \(1\)"),
    ({"trials": "go=a"}, "--trials go=a is an Event"),
    ({}, "no Epoch .* choose --trials EVENT with --window START STOP, or --from EVENT"),
])
def test_impossible_choices(choice, message):
    with pytest.raises(InputError, match=message):
        trials_of(marks("go", [10, 20], ["a", "b"]), marks("end", [5]), **choice)
