"""A session: what a file holds, before anybody decides what is a trial, an area or a class.

Every reader delivers it, every writer takes it, and the rules that make a `Recording` of it
(`ephys_snn.recording`) do not know which format it came from. Times are float64 milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import quantities as pq

from ephys_snn.errors import InputError

MEMBERSHIPS = ("group", "channel_view")  # of Neo: a Group, a ChannelView
TRIALS_EPOCH = "trials"  # the usual name, this project's and NWB's
DECISION_EVENT = "decision"
Group = tuple[str, Iterable[Hashable]]  # name, members
Entries = TypeVar("Entries")


@dataclass(frozen=True)
class SpikeTrain:
    """One spike train.

    Attributes
    ----------
    times : (spike,) float, ms
        As stored, in any order.
    name : str
    t_start, t_stop : float, ms
    annotations : dict
    """

    times: np.ndarray
    name: str
    t_start: float
    t_stop: float
    annotations: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Named times with labels, as Neo's Event.

    Attributes
    ----------
    name : str
    times : (event,) float, ms
    labels : (event,) str
    annotations : dict of (event,) arrays
    """

    name: str
    times: np.ndarray
    labels: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def take(self, index: np.ndarray) -> Event:
        """Some of the times (indices or a mask), with all that is said of them."""
        return take_entries(self, index)

    def lasting(self, durations: np.ndarray) -> Epoch:
        """An Epoch that begins at these times; durations (event,) in ms."""
        return Epoch(name=self.name, times=self.times, labels=self.labels,
                     annotations=self.annotations, durations=durations)


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """Named stretches of time with labels, as Neo's Epoch.

    Attributes
    ----------
    durations : (event,) float, ms
        What begins at each of the times lasts so long.
    """

    durations: np.ndarray


@dataclass(frozen=True)
class Session:
    """All trains, epochs and events of one continuous stretch of recording.

    Attributes
    ----------
    trains, epochs, events : tuple
    annotations : dict
        Of the block and its segment, the segment's first.
    weights : dict of (source, target) to (pre, post) float
    memberships : dict of str to (train,) tuple of str or None
        Where trains belong beside their annotations: for each of `MEMBERSHIPS` that the file
        has, the name of the one that each train is in; None if it is in none or in several.
    notes : tuple of str
        What the reader had to decide, in words.
    sha256 : str
        Of the content of the file, in hexadecimal; '' where there is none.
    """

    trains: tuple[SpikeTrain, ...]
    epochs: tuple[Epoch, ...]
    events: tuple[Event, ...]
    annotations: Mapping[str, Any]
    weights: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    memberships: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Positions of the trains of each Group, in the order of the areas where it is stated."""
        of_trains = self.memberships.get("group", ())
        names = [*(self.annotations.get("areas") or ()), *of_trains]
        return {name: tuple(index for index, of_train in enumerate(of_trains) if of_train == name)
                for name in dict.fromkeys(names) if name in of_trains and name is not None}


def take_entries(table: Entries, index: Any) -> Entries:
    """Some entries of a dataclass whose arrays, `annotations` included, have one for each."""
    arrays = {name: values[index] for name, values in vars(table).items()
              if not isinstance(values, (str, Mapping))}
    return replace(table, **arrays, annotations={
        key: values[index] for key, values in table.annotations.items()})


def memberships(groups: Iterable[Group], views: Iterable[Group], trains: Sequence[Hashable]
                ) -> dict[str, tuple[str | None, ...]]:
    """The one Group and the one ChannelView that each train is in, as `Session` has them.

    Trains are named as in the members; groups and views without a name are ignored.
    """
    found = {}
    for kind, of_kind in zip(MEMBERSHIPS, (groups, views), strict=True):
        names: dict[Hashable, set[str]] = {train: set() for train in trains}
        for name, members in of_kind:
            for member in members:
                if name and member in names:
                    names[member].add(name)
        if any(names.values()):
            found[kind] = tuple(next(iter(of_train)) if len(of_train) == 1 else None
                                for of_train in names.values())
    return found


def in_ms(values: np.ndarray, unit: str, what: str) -> np.ndarray:
    """Times in ms, float64; an InputError that names `what` if `unit` is no unit of time."""
    try:
        factor = 1.0 if unit == "ms" else float(pq.Quantity(1.0, unit).rescale("ms"))
    except (ValueError, LookupError, TypeError, SyntaxError, AttributeError) as error:
        raise InputError(f"{what} has times in '{unit}', which is no unit of time") from error
    return np.asarray(values, dtype=np.float64) * factor


def text(values: Any) -> np.ndarray:
    """(n,) array of str from whatever a file calls labels."""
    decoded = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
               for value in np.atleast_1d(np.asarray(values, dtype=object))]
    return np.array(decoded, dtype=str) if decoded else np.empty(0, dtype=str)


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels, numbers first and in numeric order, the others in alphabetic order.

    >>> sort_labels(["10", "9", "kiwi", "9"])
    ('9', '10', 'kiwi')
    """
    def key(label: str) -> tuple:
        try:
            return (0, float(label), label)
        except ValueError:
            return (1, 0.0, label)

    return tuple(sorted({str(label) for label in labels}, key=key))


def counted(labels: Iterable[str]) -> list[str]:
    """Distinct labels in the order of `sort_labels`, and how often each comes.

    >>> counted(["b", "a", "b", ""])
    ['(empty) (1)', 'a (1)', 'b (2)']
    """
    counts = Counter(map(str, labels))
    return [f"{label or '(empty)'} ({counts[label]})" for label in sort_labels(counts)]


def format_label(value: Any) -> str:
    """A value of an annotation as the label of a class: numbers without needless digits.

    >>> format_label(0.5), format_label(1.0), format_label(None)
    ('0.5', '1', '')
    """
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def labels_of(values: np.ndarray) -> np.ndarray:
    """The values of an annotation as labels, (n,) str; '' where there is none (None or nan)."""
    return text(["" if value != value else format_label(value) for value in values.tolist()])
