"""What does a file offer, and how would one analyse it? ``python -m ephys_snn.inspect FILE``."""

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ephys_snn.cli import Parser, command
from ephys_snn.errors import InputError, listed
from ephys_snn.formats import (
    DECISION_EVENT,
    SEGMENT_START,
    SEGMENT_STOP,
    TRIALS_EPOCH,
    Epoch,
    Event,
    Session,
    counted,
    labels_of,
    open_session,
)
from ephys_snn.recording import add_recording_options, open_recording

VALUE_WIDTH = 100  # characters of an annotation
AREA_WORDS = ("area", "region", "location", "structure", "layer", "shank", "probe", "tetrode")
MAX_CLASSES = 20  # of an annotation that may be the class
WINDOW = 500.0  # ms after an Event, if the next one does not come before


def describe_session(session: Session) -> list[str]:
    """Units, trials, decisions, annotations, time range and weights, a line each."""
    start = min(train.t_start for train in session.trains)
    stop = max(train.t_stop for train in session.trains)
    n_spikes = sum(len(train.times) for train in session.trains)
    lines = [f"{len(session.trains)} spike trains, {n_spikes:,} spikes, "
             f"{start:g} to {stop:g} ms ({(stop - start) / 1000:.1f} s)"]
    if "time_resolution_ms" in session.annotations:
        lines.append(f"time resolution {session.annotations['time_resolution_ms']:g} ms")
    for key in sorted({key for train in session.trains for key in train.annotations}):
        values = [str(train.annotations.get(key, "(none)")) for train in session.trains]
        lines.append(f"spike trains have '{key}': {_count(values)}")
    lines += [f"spike trains are in a {kind.replace('_', ' ')}: "
              + _count([name or "(none, or several)" for name in of_trains])
              for kind, of_trains in session.memberships.items()]
    lines += [_describe_event(event) for event in (*session.epochs, *session.events)]
    lines += [f"weights {source}->{target}: {matrix.shape[0]} x {matrix.shape[1]}"
              for (source, target), matrix in session.weights.items()]
    lines += [f"annotation '{key}': {str(value)[:VALUE_WIDTH]}"
              for key, value in session.annotations.items()]
    return lines


def suggest_options(session: Session) -> list[str]:
    """The options with which the pipelines would accept this file; [] if none are needed."""
    return _area_options(session) + _trial_options(session)


def _area_options(session: Session) -> list[str]:
    trains = session.trains
    if all("area" in train.annotations for train in trains):
        return []
    groupings = {key: [train.annotations.get(key) for train in trains]
                 for key in sorted({key for train in trains for key in train.annotations})
                 if any(word in key.lower() for word in AREA_WORDS)} | session.memberships
    for key, values in groupings.items():
        if None not in values and 1 < len({str(value) for value in values}) <= len(values) / 2:
            return ["--area", key]
    return ["--one-area", "unknown"]


def _trial_options(session: Session) -> list[str]:
    epochs = [epoch for epoch in session.epochs if len(epoch)]
    if not epochs:
        return _event_options([event for event in session.events
                               if len(event) and event.name != DECISION_EVENT])
    usual = [epoch for epoch in epochs if epoch.name == TRIALS_EPOCH]
    chosen = usual[0] if len(usual) == 1 else \
        max(epochs, key=lambda epoch: ((epoch.labels != "").all(), len(epoch)))
    options = ["--trials", chosen.name] if len(epochs) > 1 and len(usual) != 1 else []
    options += _label_options(chosen)
    lasting = chosen.durations[chosen.durations > 0]
    if len(lasting) and np.ptp(lasting) > 0.01 * lasting.mean():
        options += ["--window", "0", f"{lasting.min():g}"]
    return options


def _event_options(events: Sequence[Event]) -> list[str]:
    """An Event as the trials: one whose name tells it apart, if possible one with labels."""
    names = Counter(event.name for event in events)
    unique = [event for event in events if names[event.name] == 1]
    if not unique:
        return []
    chosen = next((event for event in unique if (event.labels != "").all()), unique[0])
    apart = np.diff(np.sort(chosen.times))
    stop = min(WINDOW, float(np.median(apart))) if len(apart) and apart.min() > 0 else WINDOW
    return ["--trials", chosen.name, *_label_options(chosen), "--window", "0", f"{stop:g}"]


def _label_options(event: Event) -> list[str]:
    """Where labels are missing, the first annotation of few values that all repeat, words first."""
    if (event.labels != "").all():
        return []
    found = []
    for key, values in event.annotations.items():
        counts = Counter(labels_of(values).tolist())
        if key not in (SEGMENT_START, SEGMENT_STOP) and 1 < len(counts) <= MAX_CLASSES \
                and min(counts.values()) > 1:
            found.append((values.dtype.kind not in "US", key))
    return ["--label", min(found, key=lambda entry: entry[0])[1]] if found else []


def _describe_event(event: Event) -> str:
    line = f"{type(event).__name__} '{event.name}': {len(event)}"
    if len(event):
        line += f", from {event.times.min():g} to {event.times.max():g} ms"
        if isinstance(event, Epoch):
            low, high = event.durations.min(), event.durations.max()
            line += f", lasting {low:g} ms" if low == high else f", lasting {low:g} to {high:g} ms"
        line += f", labels: {_count(event.labels.tolist())}"
    if event.annotations:
        line += f", array annotations: {', '.join(event.annotations)}"
    return line


def _count(values: Sequence[str]) -> str:
    if len(set(values)) == len(values) > 1:
        return f"{len(values)} different values"
    return listed(counted(values))


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.inspect",
        description="Print what a recording offers and the command that would analyse it.")
    options.add_argument("recording", type=Path, metavar="RECORDING",
                         help="a NIX or NWB file, or any other that Neo reads")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Inspect a file as the command line says."""
    path = parser().parse_args(arguments).recording
    session = open_session(path)
    print(path, *describe_session(session), sep="\n  ")
    options = suggest_options(session)
    if not any(len(event) for event in (*session.epochs, *session.events)):
        print("\nIt has no Epochs and no Events that could be trials. Give onset and duration (ms) "
              "and label of every trial in a table:\n  " + _report_command(
                  path, [*options, "--trials-table", "TRIALS.csv"]))
        return
    print(f"\n{_try_out(path, options)}To analyse it:\n  {_report_command(path, options)}")


def _try_out(path: Path, options: Sequence[str]) -> str:
    """What the pipelines would say of the file with these options."""
    arguments = Parser(prog="report")
    add_recording_options(arguments)
    try:
        recording, _ = open_recording(arguments.parse_args([str(path), *options]))
    except InputError as error:
        return f"The command below needs more than was found here: {error}\n\n"
    return "".join(f"note: {note}\n" for note in recording.notes) + "\n" * bool(recording.notes)


def _report_command(path: Path, options: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "ephys_snn", "report", str(path), *options])


if __name__ == "__main__":
    raise SystemExit(main())
