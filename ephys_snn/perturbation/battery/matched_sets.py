"""Random sets of units that are like a target in all that it was not chosen for.

What a lesion does may come from how many units it takes, how often these spike, or how strongly
they drive the next area. A matched set has as many units of the same area and cell type, each of
about the same activity before the decision and summed outgoing weight as the unit that it stands
for.
"""

from __future__ import annotations

import numpy as np

from ephys_snn.perturbation.reference import Reference

N_NEAREST = 10  # candidates among which a unit's match is drawn


def matched_set(units: np.ndarray, features: np.ndarray, candidates: np.ndarray,
                rng: np.random.Generator) -> np.ndarray:
    """Draw other units that resemble the given ones, one for each.

    Unit by unit, in random order, the match is drawn among its `N_NEAREST` nearest candidates that
    are left, by Euclidean distance between the ranks of all features.

    Parameters
    ----------
    units : (unit,) int
        The set to be matched.
    features : (all units, feature) float
        What they shall have in common.
    candidates : (n,) int
        Units that may be drawn, without `units`.
    rng : numpy.random.Generator

    Returns
    -------
    (match,) int
        Ascending; as many as `units`, or all candidates where these are fewer.
    """
    ranks = np.argsort(np.argsort(features, axis=0, kind="stable"), axis=0, kind="stable")
    left, drawn = np.array(candidates), []
    for unit in rng.permutation(units)[:len(left)]:
        distance = ((ranks[left] - ranks[unit]) ** 2).sum(axis=1)
        nearest = np.argsort(distance, kind="stable")[:N_NEAREST]
        chosen = rng.choice(nearest)
        drawn.append(left[chosen])
        left = np.delete(left, chosen)
    return np.sort(np.array(drawn, dtype=int))


def matched_units(units_by_area: dict[str, np.ndarray], reference: Reference,
                  rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A matched set for the units of every area, by activity and outgoing weight."""
    matches = {}
    for area, units in units_by_area.items():
        features = np.column_stack([reference.activity(area), reference.outgoing_weight(area)])
        types = reference.cell_types[area]
        drawn = []
        for cell_type in np.unique(types[units]):
            of_type = units[types[units] == cell_type]
            others = np.setdiff1d(np.flatnonzero(types == cell_type), units)
            drawn.append(matched_set(of_type, features, others, rng))
        matches[area] = np.sort(np.concatenate(drawn))
    return matches
