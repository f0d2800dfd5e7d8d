"""Who was recorded: units, what they are called, and which unit a person means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix

import numpy as np

from ephys_snn.errors import InputError, listed
from ephys_snn.formats import take_entries

CELL_TYPES = ("excitatory", "inhibitory", "input", "output")


@dataclass(frozen=True)
class Units:
    """Who was recorded, one entry per unit.

    Attributes
    ----------
    unit_id : (unit,) int or str
        Unique within its area.
    name : (unit,) str
        Name of the spike train in the file; need not be unique.
    area : (unit,) str
    cell_type : (unit,) str
        One of `CELL_TYPES`, another word of the experimenter's, or '' where unknown.
    annotations : dict of (unit,) arrays
        What else the file says of each unit; None where it says nothing of one.
    """

    unit_id: np.ndarray
    name: np.ndarray
    area: np.ndarray
    cell_type: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.area)

    def __getitem__(self, index) -> Units:
        return take_entries(self, index)


def unit_labels(units: Units) -> np.ndarray:
    """(unit,) str, a unique label of every unit: its name if unique, else ``area/unit_id``."""
    names = units.name.astype(str)
    unique, count = np.unique(names, return_counts=True)
    alone = np.isin(names, unique[(count == 1) & (unique != "")])
    return np.where(alone, names, _full_names(units))


def find_units(units: Units, wanted: Sequence[str], option: str) -> np.ndarray:
    """Indices of units given by name, unit_id or ``area/unit_id``.

    Parameters
    ----------
    option : str
        Who asks, for the message.

    Raises
    ------
    InputError
        If one is unknown, or several units match; the message lists some. If one is asked for
        twice.
    """
    full, labels = _full_names(units), unit_labels(units)
    found = []
    for text in wanted:
        for keys in (units.name.astype(str), full, units.unit_id.astype(str)):
            match = np.flatnonzero(keys == text)
            if len(match):
                break
        if len(match) != 1:
            some = full[match] if len(match) else labels
            trouble = "several units are called so" if len(match) else "there is no such unit"
            raise InputError(f"{option} {text}: {trouble}; choose from {listed(some)}")
        found.append(int(match[0]))
    if len(set(found)) < len(found):
        raise InputError(f"{option} names a unit twice: {', '.join(wanted)}")
    return np.array(found, dtype=int)


def short_labels(names: Sequence[str], width: int = 12) -> list[str]:
    """Names for the axis of a figure: what long ones have in common becomes an ellipsis.

    >>> short_labels(["spk_01A_raster", "spk_02B_raster"])
    ['…1A…', '…2B…']
    """
    if max(map(len, names), default=0) <= width:
        return list(names)
    first = len(commonprefix(names)) if len(set(names)) > 1 else 0
    last = len(commonprefix([name[first:][::-1] for name in names])) if first else 0
    cut = [name[first:len(name) - last] for name in names]
    marked = [("…" if first else "") + name + ("…" if last else "") for name in cut]
    return [name if len(name) <= width else f"…{name[1 - width:]}" for name in marked]


def _full_names(units: Units) -> np.ndarray:
    """(unit,) str, ``area/unit_id``."""
    return np.array([f"{area}/{unit_id}" for area, unit_id in
                     zip(units.area, units.unit_id, strict=True)], dtype=str)
