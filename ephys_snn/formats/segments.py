"""Several Segments of the same units, laid on one time line: usually one Segment per trial.

The analyses know one continuous clock. Segments that already share one stay where they are;
Segments that each start anew follow one another, with a gap as long as the longest of them, so
that a response window that reaches beyond its Segment finds nothing of the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.formats.session import Epoch, Event, Session, SpikeTrain, format_label, text

EPOCH_NAME = "segments"
# Array annotations of trials whose Segment is less than the whole recording: its borders, ms.
SEGMENT_START, SEGMENT_STOP = "segment_start", "segment_stop"


def join_segments(segments: Sequence[Session], path: str | Path) -> Session:
    """One recording of the Segments of a file, which must hold the same units.

    The result has an Epoch `segments`, one per Segment: it begins at the Segment's time zero
    where all Segments have one inside, else at its start. Its labels are the Segments'
    annotation where they have exactly one; all of them are array annotations.
    """
    if len(segments) == 1:
        return segments[0]
    orders = _same_units(segments, path)
    start = np.array([min(train.t_start for train in part.trains) for part in segments])
    stop = np.array([max(train.t_stop for train in part.trains) for part in segments])
    shift, placing = _place(start, stop)
    trains = tuple(
        _join_trains([part.trains[index] for part, index in zip(segments, of_unit, strict=True)],
                     shift) for of_unit in zip(*orders, strict=True))
    has_zero = bool(((start < 0) & (stop > 0)).all())
    onset = np.zeros(len(segments)) if has_zero else start
    annotations = _common_annotations(segments)
    labels = [format_label(value) for value in next(iter(annotations.values()))] \
        if len(annotations) == 1 else [""] * len(segments)
    epoch = Epoch(
        name=EPOCH_NAME, times=onset + shift, durations=stop - onset, labels=text(labels),
        annotations={**{key: np.array(values) for key, values in annotations.items()},
                     SEGMENT_START: start + shift, SEGMENT_STOP: stop + shift})
    note = (f"{len(segments)} Segments {placing}; the Epoch '{EPOCH_NAME}' has a trial for each, "
            f"its onset the Segment's {'time 0' if has_zero else 'start'}"
            + (f", its label their '{next(iter(annotations))}'" if len(annotations) == 1 else ""))
    return replace(
        segments[0], trains=trains, notes=(*segments[0].notes, note),
        epochs=(*_join_events([part.epochs for part in segments], start, stop, shift), epoch),
        events=_join_events([part.events for part in segments], start, stop, shift),
        annotations={key: value for key, value in segments[0].annotations.items()
                     if key not in annotations})


def _same_units(segments: Sequence[Session], path: str | Path) -> list[list[int]]:
    """For every Segment, which of its trains belong to the units of the first, in their order."""
    identities = [_identities(segments, part) for part in segments]
    orders = []
    for number, (part, identity) in enumerate(zip(segments, identities, strict=True)):
        if len(part.trains) != len(segments[0].trains):
            raise InputError(
                f"{path} holds {len(segments)} Segments with different numbers of spike trains "
                f"({len(segments[0].trains)} in the first, {len(part.trains)} in number "
                f"{number + 1}); trials need a SpikeTrain of every unit, an empty one where it is "
                "silent")
        where = {name: index for index, name in enumerate(identity)}
        strange = [name for name in identities[0] if name not in where]
        if strange:
            raise InputError(
                f"{path} holds {len(segments)} Segments with different units (the first has "
                f"'{strange[0]}', number {number + 1} has not); give the SpikeTrains of a unit the "
                "same name or unit_id in every Segment")
        orders.append([where[name] for name in identities[0]])
    return orders


def _identities(segments: Sequence[Session], part: Session) -> list[Hashable]:
    """What tells the trains of a Segment apart: unit_id, else the name, else the position."""
    if all("unit_id" in train.annotations for each in segments for train in each.trains):
        return [(str(train.annotations.get("area", "")), str(train.annotations["unit_id"]))
                for train in part.trains]
    if all(len({train.name for train in each.trains}) == len(each.trains) for each in segments):
        return [train.name for train in part.trains]
    return list(range(len(part.trains)))


def _place(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, str]:
    """How far to move each Segment, ms, and what was done in words."""
    if (start[1:] >= stop[:-1]).all():
        return np.zeros(len(start)), "share one clock and stay where they are"
    lengths = stop - start
    begin = start[0] + np.concatenate([[0.0], np.cumsum(lengths[:-1] + lengths.max())])
    return begin - start, (f"are placed one after another, with gaps of {lengths.max():g} ms, "
                           "since each has its own clock")


def _join_trains(trains: Sequence[SpikeTrain], shift: np.ndarray) -> SpikeTrain:
    times = [train.times + offset for train, offset in zip(trains, shift, strict=True)]
    return replace(trains[0], times=np.concatenate(times), t_start=trains[0].t_start + shift[0],
                   t_stop=trains[-1].t_stop + shift[-1])


def _join_events(by_segment: Sequence[Sequence[Event]], start: np.ndarray, stop: np.ndarray,
                 shift: np.ndarray) -> tuple[Event, ...]:
    """Epochs or Events of the same name become one; each entry keeps what was said of it."""
    found: dict[tuple[str, int], list[tuple[int, Event]]] = {}
    for number, of_segment in enumerate(by_segment):
        seen: Counter[str] = Counter()  # a name that a Segment has twice stays ambiguous
        for event in of_segment:
            found.setdefault((event.name, seen[event.name]), []).append((number, event))
            seen[event.name] += 1
    joined = []
    for (name, _), parts in found.items():
        numbers, events = zip(*parts, strict=True)
        segment = np.repeat(numbers, [len(event) for event in events])
        common = set.intersection(*(set(event.annotations) for event in events))
        annotations = {key: np.concatenate([event.annotations[key] for event in events])
                       for key in events[0].annotations if key in common}
        whole = Event(
            name=name, times=np.concatenate([event.times for event in events]) + shift[segment],
            labels=np.concatenate([event.labels for event in events]),
            annotations={**annotations, SEGMENT_START: (start + shift)[segment],
                         SEGMENT_STOP: (stop + shift)[segment]})
        joined.append(whole.lasting(np.concatenate([event.durations for event in events]))
                      if isinstance(events[0], Epoch) else whole)
    return tuple(joined)


def _common_annotations(segments: Sequence[Session]) -> dict[str, list[Any]]:
    """Values of what every Segment says of itself and not all say alike."""
    keys = [key for key in segments[0].annotations
            if all(isinstance(part.annotations.get(key), (str, int, float)) for part in segments)]
    values = {key: [part.annotations[key] for part in segments] for key in keys}
    return {key: of_key for key, of_key in values.items() if len(set(of_key)) > 1}
