"""What single units are called, and which unit a person means."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.recording import Recording

UNITS_LISTED = 12  # in an error


def unit_labels(recording: Recording) -> np.ndarray:
    """(unit,) str, a unique label of every unit: its name if unique, else ``area/unit_id``."""
    names = recording.units.name.astype(str)
    unique, count = np.unique(names, return_counts=True)
    alone = np.isin(names, unique[(count == 1) & (unique != "")])
    full = [f"{area}/{unit_id}" for area, unit_id in
            zip(recording.units.area, recording.units.unit_id, strict=True)]
    return np.where(alone, names, np.array(full, dtype=str))


def find_units(recording: Recording, wanted: Sequence[str], option: str) -> np.ndarray:
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
    units = recording.units
    full = np.array([f"{a}/{i}" for a, i in zip(units.area, units.unit_id, strict=True)])
    labels = unit_labels(recording)
    found = []
    for text in wanted:
        for keys in (units.name.astype(str), full, units.unit_id.astype(str)):
            match = np.flatnonzero(keys == text)
            if len(match):
                break
        if len(match) != 1:
            some = full[match] if len(match) else labels
            more = f" and {len(some) - UNITS_LISTED} more" if len(some) > UNITS_LISTED else ""
            trouble = "several units are called so" if len(match) else "there is no such unit"
            raise InputError(f"{option} {text}: {trouble}; choose from "
                             f"{', '.join(some[:UNITS_LISTED])}{more}")
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
