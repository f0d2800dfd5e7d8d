"""Which Epoch or Event of a file is its trials, and of which class each trial is.

Trials are an Epoch, an Event with a duration, pairs of Events, or the rows of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ephys_snn.errors import InputError, listed
from ephys_snn.formats import (
    DECISION_EVENT,
    TRIALS_EPOCH,
    Epoch,
    Event,
    Session,
    counted,
    labels_of,
)
from ephys_snn.recording import tables
from ephys_snn.recording.trials import STIMULUS, Trials


@dataclass(frozen=True)
class TrialChoice:
    """What the user said of the trials, as the parameters of `read_recording` of these names."""

    trials: str | None = None
    from_event: str | None = None
    to_event: str | None = None
    trials_table: str | Path | None = None
    label: str | None = None
    trial_duration: float | None = None
    stimulus: str | None = None


def choose_trials(session: Session, choice: TrialChoice, path: Path, notes: list[str]
                  ) -> Trials:
    """The trials of a file, in the order of their onsets; `path` is its name for messages.

    `notes` gets what was taken where the user had not chosen, and what was left out.
    """
    session = replace(session, epochs=tuple(epoch for epoch in session.epochs if len(epoch)),
                      events=tuple(event for event in session.events if len(event)))
    epoch = _choose_epoch(session, choice, path, notes)
    if not (np.isfinite(epoch.times).all() and np.isfinite(epoch.durations).all()):
        raise InputError(f"{path}: '{epoch.name}' has onsets or durations that are nan or "
                         "infinite; the file is damaged or was converted wrongly")
    epoch = _with_class(epoch, choice.label, path, notes)
    epoch = epoch.take(np.argsort(epoch.times, kind="stable"))
    decision_time, decision_label = _assign_decisions(epoch, session.events)
    return Trials(epoch.times, epoch.durations, epoch.labels, decision_time, decision_label,
                  epoch.annotations, _stimulus_key(epoch, choice.stimulus))


def pair_events(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair each start with the first stop after it that comes no later than the next start.

    Parameters
    ----------
    start, stop : (event,) float, ascending

    Returns
    -------
    start_index, stop_index : (pair,) int

    Examples
    --------
    >>> pair_events(np.array([0.0, 10.0, 20.0]), np.array([5.0, 7.0, 25.0]))
    (array([0, 2]), array([0, 2]))
    """
    following = np.searchsorted(stop, start, side="right")
    paired = np.append(stop, np.inf)[following] <= np.append(start[1:], np.inf)
    paired &= following < len(stop)
    return np.flatnonzero(paired), following[paired]


def _choose_epoch(session: Session, choice: TrialChoice, path: Path, notes: list[str]) -> Epoch:
    if choice.trials_table is None:
        return _epoch_of_file(session, choice, path, notes)
    table_path = Path(choice.trials_table)
    table = tables.read_table(table_path, "--trials-table")
    in_file = choice.trials is not None or choice.from_event is not None
    if not in_file and tables.ONSET in table and (
            tables.DURATION in table or not session.epochs):
        notes.append(f"the trials are the {len(table)} rows of {table_path}")
        return tables.epoch_of_table(table, choice.trial_duration, table_path)
    epoch = _epoch_of_file(session, choice, path, notes)
    notes.append(f"{table_path} describes the trials: {', '.join(map(str, table.columns))}")
    return tables.describe_epoch(epoch, table, table_path)


def _epoch_of_file(session: Session, choice: TrialChoice, path: Path, notes: list[str]) -> Epoch:
    if choice.from_event is not None or choice.to_event is not None:
        return _epoch_between(session, choice, path, notes)
    if choice.trials is None:
        return _only_epoch(session, path, notes)
    option = f"--trials {choice.trials}"
    epoch = _find(session.epochs, choice.trials, option, path)
    if epoch is not None:
        return epoch
    event = _find(session.events, choice.trials, option, path)
    if event is None:
        raise InputError(f"{option}: {path} has no Epoch or Event of that name"
                         f"{_offer(*session.epochs, *session.events)}")
    if choice.trial_duration is None:
        raise InputError(f"{option} is an Event, which has no duration; say with "
                         "--window START STOP (ms) how long its trials last")
    return event.lasting(np.full(len(event), choice.trial_duration))


def _only_epoch(session: Session, path: Path, notes: list[str]) -> Epoch:
    epochs = session.epochs
    usual = [epoch for epoch in epochs if epoch.name == TRIALS_EPOCH]
    if len(usual) == 1:
        if "n_units" not in session.annotations:  # else the project's own: nothing to choose
            notes.append(f"the trials are the Epoch '{TRIALS_EPOCH}'")
        return usual[0]
    if not epochs:
        other_ways = "choose --trials EVENT with --window START STOP, or --from EVENT --to EVENT" \
            if session.events else ("give onset and duration of every trial in ms in a table with "
                                    "--trials-table FILE.csv")
        raise InputError(f"{path} has no Epoch that could hold the trials"
                         f"{_offer(*session.events)}; {other_ways}")
    if len(epochs) > 1:
        raise InputError(f"{path} has {len(epochs)} Epochs; choose the trials with --trials NAME"
                         f"{_offer(*epochs, *session.events)}")
    notes.append(f"the trials are the Epoch '{epochs[0].name}', the only one of the file")
    return epochs[0]


def _epoch_between(session: Session, choice: TrialChoice, path: Path, notes: list[str]) -> Epoch:
    """Trials from one Event to another; each is of the class of the Event that begins it."""
    if choice.trials is not None:
        raise InputError("--trials and --from EVENT --to EVENT both say what the trials are; "
                         "give one of them")
    if choice.from_event is None or choice.to_event is None:
        given, other = ("--from", "--to") if choice.to_event is None else ("--to", "--from")
        raise InputError(f"{given} needs {other} EVENT too: trials last from one to the other")
    ends = []
    for option, name in (("--from", choice.from_event), ("--to", choice.to_event)):
        found = _find(session.events, name, f"{option} {name}", path)
        if found is None:
            raise InputError(f"{option} {name}: {path} has no Event of that name"
                             f"{_offer(*session.events)}")
        ends.append(found.take(np.argsort(found.times, kind="stable")))
    start, stop = ends
    first, last = pair_events(start.times, stop.times)
    alone = [f"{len(event) - len(pairs)} of {len(event)} {name}" for event, pairs, name in
             ((start, first, choice.from_event), (stop, last, choice.to_event))
             if len(pairs) < len(event)]
    if not len(first):
        raise InputError(f"--from {choice.from_event} --to {choice.to_event}: no "
                         f"{choice.to_event} comes after a {choice.from_event} and before the "
                         "next one")
    if alone:
        notes.append(f"{' and '.join(alone)} stand alone (a trial is one {choice.from_event} and "
                     f"the first {choice.to_event} before the next one) and are left out")
    started = start.take(first)
    ended = {"to": stop.labels[last]} if (stop.labels != "").any() else {}
    return replace(started.lasting(stop.times[last] - started.times),
                   annotations={**started.annotations, **ended})


def _find(events: Sequence[Event], wanted: str, option: str, path: Path) -> Event | None:
    """The one called `wanted`, or of NAME=LABEL,LABEL what has these labels."""
    named = [event for event in events if event.name == wanted]
    name, equals, labels = wanted.partition("=")
    if not named and equals:
        named = [event for event in events if event.name == name]
    else:
        labels = ""
    if len(named) > 1:
        raise InputError(f"{path} has {len(named)} Epochs or Events called '{named[0].name}'; "
                         "rename all but one")
    if not named or not labels:
        return named[0] if named else None
    chosen = np.isin(named[0].labels, [labels, *(part.strip() for part in labels.split(","))])
    if not chosen.any():
        raise InputError(f"{option}: nothing in '{name}' has this label; the labels are "
                         f"{listed(counted(named[0].labels))}")
    return named[0].take(chosen)


def _offer(*events: Event) -> str:
    described = [f"{type(event).__name__} '{event.name}' ({len(event)})" for event in events]
    return f"; it has {', '.join(described)}" if described else "; it has no Epochs and no Events"


def _with_class(epoch: Epoch, key: str | None, path: Path, notes: list[str]) -> Epoch:
    """Trials whose labels are their classes; those of no class are left out, which is said."""
    if key is None:
        missing = int((epoch.labels == "").sum())
        if missing == len(epoch):
            notes.append(f"'{epoch.name}' has no labels: all trials are one class")
        elif missing:
            raise InputError(f"{path}: {missing} of {len(epoch)} trials in '{epoch.name}' have no "
                             "label; choose an array annotation with --label KEY"
                             f"{_list(epoch.annotations)}")
        return epoch
    if key not in epoch.annotations:
        raise InputError(f"--label {key}: the trials in '{epoch.name}' have no such array "
                         f"annotation{_list(epoch.annotations)}")
    labels = labels_of(epoch.annotations[key])
    epoch, empty = replace(epoch, labels=labels), labels == ""
    if empty.any() and not empty.all():
        notes.append(f"{empty.sum()} of {len(epoch)} trials have no '{key}' and are left out")
        return epoch.take(~empty)
    return epoch


def _stimulus_key(epoch: Epoch, key: str | None) -> str:
    if key is not None and key not in epoch.annotations:
        raise InputError(f"--stimulus {key}: the trials in '{epoch.name}' have no such array "
                         f"annotation{_list(epoch.annotations)}")
    return key or STIMULUS


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return f"; they have {', '.join(names)}" if names else "; they have none"


def _assign_decisions(trials: Epoch, events: Sequence[Event]) -> tuple[np.ndarray, np.ndarray]:
    """First decision inside each trial: its time (nan where none) and its label."""
    time = np.full(len(trials), np.nan)
    label = np.full(len(trials), "", dtype=object)
    for event in events:
        if event.name == DECISION_EVENT:
            event = event.take(np.argsort(event.times, kind="stable"))
            first = np.searchsorted(event.times, trials.times)
            inside = np.append(event.times, np.inf)[first] < trials.times + trials.durations
            time[inside], label[inside] = event.times[first[inside]], event.labels[first[inside]]
    return time, label.astype(str)
