"""Targets of perturbations: which units of which areas.

In words, `AREA [excitatory|inhibitory] [KEY=VALUE ...]`, where AREA is one of the network's or
``all``, and every further word leaves fewer units (`words.GRAMMAR`).

Pathways and selectivity are what the network shows of other stimuli than it is tested with (see
`reference`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ephys_snn.errors import InputError, listed
from ephys_snn.network import EXCITATORY, INHIBITORY
from ephys_snn.perturbation.reference import Reference

ALL = "all"
CELL_TYPES = (EXCITATORY, INHIBITORY)
KEYS = ("units", "pathway", "k", "functional", "selective", "of")


class NoUnits(InputError):
    """A target without a unit, as the pathway of a class that has no members."""


@dataclass(frozen=True)
class Target:
    """Units of an area, or of all.

    Parameters
    ----------
    area : str
        Name of an area, or ``all``: every hidden layer, and the output layer for what is done to
        synapses.
    cell_type : str, optional
        'excitatory' or 'inhibitory'.
    units : tuple of int, optional
        Numbers of units within their area.
    pathway : str, optional
        The class whose structural pathway they are members of.
    k : float
        Standard deviations above the mean at which an effect is strong in a structural pathway.
    functional : str, optional
        The class whose functional pathway they are members of.
    selective : tuple of float, optional
        Ranks of selectivity, from 0, the most selective unit, to 1, the least.
    of : float, optional
        The fraction of the units that is drawn at random.

    Raises
    ------
    InputError
        If a value is out of range, or structural pathways are asked for inhibitory units.
    """

    area: str
    cell_type: str | None = None
    units: tuple[int, ...] | None = None
    pathway: str | None = None
    k: float = 1.0
    functional: str | None = None
    selective: tuple[float, float] | None = None
    of: float | None = None

    def __post_init__(self):
        if self.of is not None and not 0 < self.of <= 1:
            raise InputError(f"of={self.of:g} must be a fraction above 0 and at most 1")
        if self.selective is not None:
            first, last = self.selective
            if not 0 <= first < last <= 1:
                raise InputError(f"selective={first:g}-{last:g} must be ranks from 0, the most "
                                 "selective, to 1, the least, the lower one first")
        if self.k != 1.0 and self.pathway is None:
            raise InputError("k=SD says how strong effects in a pathway are: it needs "
                             "pathway=CLASS")
        if self.pathway is not None and self.cell_type == INHIBITORY:
            raise InputError("structural pathways are made of excitatory units; leave out "
                             "inhibitory, or choose functional=CLASS")

    @property
    def words(self) -> str:
        """The target as it is written."""
        given = {field.name: getattr(self, field.name) for field in fields(self)
                 if getattr(self, field.name) != field.default}
        plain = [given.pop("area"), *([given.pop("cell_type")] if "cell_type" in given else [])]
        return " ".join([*plain, *(f"{key}={_WRITTEN[key](value)}" for key, value
                                   in given.items())])

    @classmethod
    def parse(cls, plain: list[str], values: Mapping[str, str]) -> Target:
        """The target that words without and with a value describe.

        Raises
        ------
        InputError
            If it is no target.
        """
        area, *types = plain if plain and plain[0] not in CELL_TYPES else [ALL, *plain]
        if len(types) > 1 or not set(types) <= set(CELL_TYPES):
            raise InputError(f"after '{area}' comes excitatory or inhibitory, or KEY=VALUE; got "
                             f"'{' '.join(types)}'")
        return cls(area, *types, **{key: _READ[key](key, text) for key, text in values.items()})


# --- values in words ------------------------------------------------------------------------------


def parse_number(key: str, text: str, value: str | None = None) -> float:
    """A finite number, in the text of a value or a part of it.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise InputError(f"{key}={text if value is None else value} must be a number")
    return number


def format_number(value: float) -> str:
    """A number in as few digits as give it back.

    >>> format_number(1.0), format_number(0.1234567)
    ('1', '0.1234567')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def _parse_units(key: str, text: str) -> tuple[int, ...]:
    parts = [re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part) for part in text.split(",")]
    if not all(parts):
        raise InputError(f"{key}={text} must be numbers of units of at most six digits, such as "
                         "units=0,3,10-19")
    chosen = {unit for part in parts
              for unit in range(int(part[1]), int(part[2] or part[1]) + 1)}
    if not chosen:
        raise InputError(f"{key}={text} holds no unit: the lower number comes first")
    return tuple(sorted(chosen))


def _write_units(units: tuple[int, ...]) -> str:
    breaks = np.flatnonzero(np.diff(units) != 1) + 1
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}"
                    for run in np.split(np.array(units), breaks))


def _parse_ranks(key: str, text: str) -> tuple[float, float]:
    ranks = re.split(r"(?<=[0-9.])-", text, maxsplit=1)  # not at the sign of an exponent
    numbers = [parse_number(key, rank, text) for rank in ranks]
    return (0.0, *numbers) if len(numbers) == 1 else (numbers[0], numbers[1])


def _write_ranks(ranks: tuple[float, float]) -> str:
    first, last = map(format_number, ranks)
    return last if ranks[0] == 0 else f"{first}-{last}"


_READ = {"units": _parse_units, "pathway": lambda key, text: text, "k": parse_number,
         "functional": lambda key, text: text, "selective": _parse_ranks, "of": parse_number}
_WRITTEN: dict[str, Any] = {"units": _write_units, "pathway": str, "k": format_number,
                            "functional": str, "selective": _write_ranks, "of": format_number}


# --- which units these are ------------------------------------------------------------------------


def target_units(target: Target, reference: Reference, areas: tuple[str, ...],
                 rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The units that a target is in a network.

    Parameters
    ----------
    target : Target
    reference : Reference
        Of the network.
    areas : tuple of str
        What ``all`` means, as far as these areas have such units.
    rng : numpy.random.Generator
        Draws where a part is asked for.

    Returns
    -------
    dict of str to (unit,) int
        Area to the numbers of its units, ascending; areas without any are left out.

    Raises
    ------
    NoUnits
        If no area has a unit left.
    InputError
        If there is no such area, class or unit.
    """
    if target.area != ALL and target.area not in reference.areas:
        raise InputError(f"there is no area '{target.area}'; there are "
                         f"{', '.join(reference.areas)}, and all")
    if target.area != ALL:
        areas = (target.area,)
    elif target.pathway is not None:
        areas = tuple(area for area in areas if area in reference.areas[1:-1])
    chosen = {area: _units_of_area(target, reference, area, rng) for area in areas}
    chosen = {area: units for area, units in chosen.items() if len(units)}
    if not chosen:
        raise NoUnits(f"no unit of {listed(areas)} is in the target")
    return chosen


def _units_of_area(target: Target, reference: Reference, area: str, rng: np.random.Generator
                   ) -> np.ndarray:
    types = reference.cell_types[area]
    chosen = np.ones(len(types), dtype=bool)
    if target.cell_type is not None:
        chosen &= types == target.cell_type
    if target.units is not None:
        if target.units[-1] >= len(types):
            raise InputError(f"'{target.words}': {area} has the units 0-{len(types) - 1}")
        chosen &= np.isin(np.arange(len(types)), target.units)
    if target.pathway is not None:
        if EXCITATORY not in types and area in reference.areas[1:-1]:
            raise NoUnits("structural pathways are made of excitatory units, and "
                          f"{area} has none")
        chosen &= reference.pathway(area, target.pathway, target.k)
    if target.functional is not None:
        chosen &= reference.functional_pathway(area, target.functional)
    if target.selective is not None:
        chosen[chosen] = _between_ranks(reference.selectivity(area)[chosen], *target.selective)
    units = np.flatnonzero(chosen)
    if target.of is not None and len(units):
        n_drawn = max(1, round(target.of * len(units)))
        units = np.sort(rng.choice(units, n_drawn, replace=False))
    return units


def _between_ranks(selectivity: np.ndarray, first: float, last: float) -> np.ndarray:
    """(unit,) bool, of the units that have a selectivity, those between two ranks of it."""
    order = np.argsort(-selectivity, kind="stable")  # nan comes last
    n_ranked = int(np.isfinite(selectivity).sum())
    between = np.zeros(len(selectivity), dtype=bool)
    between[order[round(first * n_ranked):round(last * n_ranked)]] = True
    return between
