"""Random sets of units that are like a target in all that it was not chosen for.

What a lesion does may come from how many units it takes, how often these spike, or how strongly
they drive the next area. A matched set has as many units of the same area and cell type, none of
them in the target, which resemble the target's units in activity before the decision and in summed
outgoing weight.

For that the units are divided into cells of like units, and the set takes as many of each cell as
the target has there. Within a cell any unit may take the place of any other, so that targets which
were drawn at random differ from their matched sets by chance alone. (The units nearest to each of
the target's are no such set: neighbours of an extreme unit are less extreme.)
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ephys_snn.perturbation.reference import Reference
from ephys_snn.perturbation.targets import NoUnits

SMALLEST_CELL = 4  # units; of fewer, sets would hardly differ


def matched_units(units_by_area: dict[str, np.ndarray], reference: Reference,
                  rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A matched set for the units of every area, by activity and outgoing weight.

    Raises
    ------
    NoUnits
        If an area has not as many other units of the same cell type.
    """
    matches = {}
    for area, units in units_by_area.items():
        features = np.column_stack([reference.activity(area), reference.outgoing_weight(area)])
        types = reference.cell_types[area]
        drawn = []
        for cell_type in np.unique(types[units]):
            of_type = np.flatnonzero(types == cell_type)
            in_target = np.isin(of_type, units)
            if 2 * in_target.sum() > len(of_type):
                raise NoUnits(f"{area} has only {(~in_target).sum()} other {cell_type} units for a "
                              f"matched set of {in_target.sum()}")
            drawn.append(of_type[matched_set(in_target, features[of_type], rng)])
        matches[area] = np.sort(np.concatenate(drawn))
    return matches


def matched_set(in_target: np.ndarray, features: np.ndarray, rng: np.random.Generator
                ) -> np.ndarray:
    """Draw as many other units from every cell as it has of the target.

    Parameters
    ----------
    in_target : (unit,) bool
        At most half of them.
    features : (unit, feature) float
        What target and set shall have in common.
    rng : numpy.random.Generator

    Returns
    -------
    (match,) int
        Ascending.
    """
    return np.sort(np.concatenate([
        rng.choice(cell[~in_target[cell]], in_target[cell].sum(), replace=False)
        for cell in cells_of_like_units(in_target, features)]))


def cells_of_like_units(in_target: np.ndarray, features: np.ndarray) -> list[np.ndarray]:
    """Cells that hold the target, each with at least as many other units.

    All units are halved by the feature whose ranks differ most, and the halves again, as long as
    the parts are of `SMALLEST_CELL` units or more. Where halves would have too few other units, the
    cut is the nearest to the middle that leaves enough.

    Returns
    -------
    list of (unit,) int
    """
    ranks = stats.rankdata(features, axis=0)
    undivided, cells = [np.arange(len(in_target))], []
    while undivided:
        cell = undivided.pop()
        if not in_target[cell].any():
            continue
        parts = _divided(cell, in_target, ranks)
        undivided += parts
        if not parts:
            cells.append(cell)
    return cells


def _divided(cell: np.ndarray, in_target: np.ndarray, ranks: np.ndarray) -> list[np.ndarray]:
    """Two parts of a cell; none where it cannot be divided."""
    for feature in np.argsort(-np.ptp(ranks[cell], axis=0), kind="stable"):
        ordered = cell[np.argsort(ranks[cell, feature], kind="stable")]
        surplus = np.cumsum(np.where(in_target[ordered], -1, 1))  # of others, up to each unit
        size = np.arange(1, len(cell) + 1)
        fits = np.flatnonzero((surplus >= 0) & (surplus[-1] >= surplus)
                              & (size >= SMALLEST_CELL) & (len(cell) - size >= SMALLEST_CELL))
        if len(fits):
            cut = size[fits[np.abs(2 * size[fits] - len(cell)).argmin()]]
            return [ordered[:cut], ordered[cut:]]
    return []
