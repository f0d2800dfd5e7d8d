"""What a file holds, before anybody decides what is a trial, an area or a class.

Every reader delivers this, and the rules that make a `Recording` of it (`ephys_snn.reading`) do
not know which format it came from.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import quantities as pq

from ephys_snn.errors import InputError

MEMBERSHIPS = ("group", "channel_view")  # of Neo: a Group, a ChannelView
Group = tuple[str, Iterable[Hashable]]  # name, members


@dataclass(frozen=True)
class Train:
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


@dataclass(frozen=True)
class Marks:
    """An Epoch (with durations) or an Event (without): named times with labels.

    Attributes
    ----------
    name : str
    times : (mark,) float, ms
    durations : (mark,) float, ms, or None
    labels : (mark,) str
    annotations : dict of (mark,) arrays
    """

    name: str
    times: np.ndarray
    durations: np.ndarray | None
    labels: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Contents:
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
    """

    trains: tuple[Train, ...]
    epochs: tuple[Marks, ...]
    events: tuple[Marks, ...]
    annotations: Mapping[str, Any]
    weights: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    memberships: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def memberships(groups: Iterable[Group], views: Iterable[Group], trains: Sequence[Hashable]
                ) -> dict[str, tuple[str | None, ...]]:
    """The one Group and the one ChannelView that each train is in, as `Contents` has them.

    Parameters
    ----------
    groups, views : iterable of (name, members)
        Those without a name tell nothing.
    trains : sequence
        By the same identities as the members.
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
    """Times in ms, float64.

    Raises
    ------
    InputError
        If `unit` is not a unit of time.
    """
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
