"""What does a file offer, and how would one analyse it? ``python -m ephys_snn.inspect FILE``."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ephys_snn.contents import Contents, Marks
from ephys_snn.errors import Parser, command
from ephys_snn.reading import read_contents
from ephys_snn.recording import sort_labels

LISTED = 12  # areas or labels; more are counted
VALUE_WIDTH = 100  # characters of an annotation


def describe_contents(contents: Contents) -> list[str]:
    """Units, trials, decisions, annotations, time range and weights, a line each."""
    start = min(train.t_start for train in contents.trains)
    stop = max(train.t_stop for train in contents.trains)
    n_spikes = sum(len(train.times) for train in contents.trains)
    lines = [f"{len(contents.trains)} spike trains, {n_spikes:,} spikes, "
             f"{start:g} to {stop:g} ms ({(stop - start) / 1000:.1f} s)"]
    if "time_resolution_ms" in contents.annotations:
        lines.append(f"time resolution {contents.annotations['time_resolution_ms']:g} ms")
    for key in sorted({key for train in contents.trains for key in train.annotations}):
        values = [str(train.annotations.get(key, "(none)")) for train in contents.trains]
        lines.append(f"spike trains have '{key}': {_count(values)}")
    lines += [_describe_marks("Epoch", epoch) for epoch in contents.epochs]
    lines += [_describe_marks("Event", event) for event in contents.events]
    for (source, target), matrix in contents.weights.items():
        lines.append(f"weights {source}->{target}: {matrix.shape[0]} x {matrix.shape[1]}")
    lines += [f"annotation '{key}': {str(value)[:VALUE_WIDTH]}"
              for key, value in contents.annotations.items()]
    return lines


def suggest_options(contents: Contents) -> list[str]:
    """The options with which the pipelines would accept this file; [] if none are needed."""
    return _area_options(contents) + _trial_options(contents)


def _area_options(contents: Contents) -> list[str]:
    trains = contents.trains
    if all("area" in train.annotations for train in trains):
        return []
    for key in sorted({key for train in trains for key in train.annotations}):
        values = [train.annotations.get(key) for train in trains]
        if all(isinstance(value, str) and value for value in values) and \
                1 < len(set(values)) <= len(values) / 2:
            return ["--area", key]
    return ["--one-area", "NAME"]


def _trial_options(contents: Contents) -> list[str]:
    epochs = [epoch for epoch in contents.epochs if len(epoch)]
    events = [event for event in contents.events if len(event) and event.name != "decision"]
    if not epochs:
        # The name must tell the events apart.
        names = Counter(event.name for event in events)
        unique = [event for event in events if names[event.name] == 1]
        labelled = [event for event in unique if (event.labels != "").all()]
        return ["--trials", (labelled or unique)[0].name, "--window", "0", "500"] if unique else []
    chosen = max(epochs, key=lambda epoch: ((epoch.labels != "").all(), len(epoch)))
    options = ["--trials", chosen.name] if len(epochs) > 1 else []
    varying = np.ptp(chosen.durations) > 0.01 * chosen.durations.mean()
    if varying:
        options += ["--window", "0", f"{chosen.durations.min():g}"]
    return options


def _describe_marks(kind: str, marks: Marks) -> str:
    line = f"{kind} '{marks.name}': {len(marks)}"
    if len(marks):
        line += f", from {marks.times.min():g} to {marks.times.max():g} ms"
    if marks.durations is not None and len(marks):
        low, high = marks.durations.min(), marks.durations.max()
        line += f", lasting {low:g} ms" if low == high else f", lasting {low:g} to {high:g} ms"
    if len(marks):
        line += f", labels: {_count(marks.labels.tolist())}"
    if marks.annotations:
        line += f", array annotations: {', '.join(marks.annotations)}"
    return line


def _count(values: Sequence[str]) -> str:
    counts = Counter(values)
    if len(counts) == len(values) > 1:
        return f"{len(values)} different values"
    named = [f"{value or '(empty)'} ({counts[value]})" for value in sort_labels(counts)]
    more = f" and {len(named) - LISTED} more" if len(named) > LISTED else ""
    return ", ".join(named[:LISTED]) + more


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.inspect",
        description="Print what a recording offers and the command that would analyse it.")
    options.add_argument("recording", type=Path, metavar="RECORDING",
                         help="a .nix file, or any other file that Neo reads")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Inspect a file as the command line says."""
    path = parser().parse_args(arguments).recording
    contents = read_contents(path)
    print(f"{path}")
    print("\n".join(f"  {line}" for line in describe_contents(contents)))
    if not any(len(marks) for marks in (*contents.epochs, *contents.events)):
        print("\nIt has no Epochs and no Events that could be trials; add them, or see "
              "recordings/README.md.")
    else:
        line = shlex.join(["python", "pipelines/report.py", str(path), *suggest_options(contents)])
        print(f"\nTo analyse it:\n  {line}")


if __name__ == "__main__":
    raise SystemExit(main())
