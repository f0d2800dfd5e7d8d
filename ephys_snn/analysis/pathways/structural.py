"""Structural members: units with strong effects through the weights on a class's output unit.

Symbols: areas l = 1 ... L in a chain that ends at the output neurons; E_l the excitatory units of
area l, W_l their weights onto E_{l+1}, and onto output neuron c for l = L. For each c, with
[x]+ = max(x, 0),

    e_L = [W_L[:, c]]+                                   effect of a unit on output neuron c
    m_l = e_l > mean(e_l) + k SD(e_l)                    members, over the units of E_l
    s_l = e_l m_l / sum(e_l m_l)                         share of the members' summed effect
    e_l = [W_l]+ s_{l+1}                                 effect through the next area's members

SD is that of the population (ddof 0). A unit may be a member for several output neurons
(Oberste-Frielinghaus et al. 2025, arXiv:2508.12975).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.classes import label_codes
from ephys_snn.analysis.pathways.members import (
    AreaPathways,
    Pathways,
    PathwaySettings,
    activity_of,
    evaluated_area,
)
from ephys_snn.errors import InputError, listed
from ephys_snn.recording import Recording, Responses, sort_labels


class Effects(NamedTuple):
    """Effects of the excitatory units of one area on every output neuron.

    Attributes
    ----------
    effect : (class, unit) float
        e_l; 0 where no member of the next area passes anything on.
    member : (class, unit) bool
        m_l.
    """

    effect: np.ndarray
    member: np.ndarray

    @property
    def effect_share(self) -> np.ndarray:
        """(class, unit) float, s_l: of the summed effect of the members; 0 without members."""
        strong = np.where(self.member, self.effect, 0.0)
        total = strong.sum(axis=1, keepdims=True)
        return np.divide(strong, total, out=np.zeros_like(strong), where=total > 0)


def pathway_effects(weights: Sequence[np.ndarray], k: float = 1.0) -> list[Effects]:
    """Trace the strong excitatory effects on each output neuron back through the areas.

    Parameters
    ----------
    weights : sequence of (pre, post) float
        Between the excitatory units of successive areas; the last onto the output neurons.
    k : float
        Standard deviations above the mean at which an effect is strong.

    Returns
    -------
    list of Effects
        One per matrix, in the same order.

    Examples
    --------
    >>> onto_output = np.array([[1.0, 0.0], [0.0, 1.0], [0.1, 0.0]])
    >>> pathway_effects([np.eye(3), onto_output])[0].member.astype(int)
    array([[1, 0, 0],
           [0, 1, 0]])
    """
    share = np.eye(weights[-1].shape[1])
    traced: list[Effects] = []
    for matrix in reversed(weights):
        effect = share @ np.maximum(np.asarray(matrix, dtype=float), 0.0).T
        traced.append(Effects(effect, strong_members(effect, k)))
        share = traced[-1].effect_share
    return traced[::-1]


def strong_members(effect: np.ndarray, k: float) -> np.ndarray:
    """(class, unit) bool, effects more than k standard deviations above the mean of their class."""
    # Equal effects may differ in the last bits; none of them is strong.
    spread = effect.std(axis=1, keepdims=True)
    above = effect - effect.mean(axis=1, keepdims=True) - k * spread
    return above > 1e-12 * np.abs(effect).max(axis=1, keepdims=True, initial=0.0)


def area_chain(weights: Mapping[tuple[str, str], np.ndarray]) -> tuple[str, ...]:
    """The areas that weights connect, from the first to the last.

    Raises
    ------
    InputError
        If they are no single feedforward chain.

    Examples
    --------
    >>> area_chain({("b", "c"): np.eye(2), ("a", "b"): np.eye(2)})
    ('a', 'b', 'c')
    """
    following = {}
    for source, target in weights:
        if source in following or target in following.values():
            following = {}
            break
        following[source] = target
    first = [area for area in following if area not in following.values()]
    if len(first) == 1:
        chain = [first[0]]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        if len(chain) == len(following) + 1:
            return tuple(chain)
    raise InputError("structural pathways need weights that connect the areas in one feedforward "
                     "chain; got " + listed([f"{source}->{target}" for source, target in weights])
                     + "; choose areas that follow each other with --areas")


def output_classes(recording: Recording, area: str) -> tuple[str, ...]:
    """The class that each unit of the output area stands for, in the order of its units.

    It is what the recording states in its annotation ``classes``. Without one, the labels of
    trials and decisions, sorted, must be as many as the units; whole numbers below the number of
    units are taken as the index of the unit even where some classes do not occur.

    Raises
    ------
    InputError
        If the numbers do not fit, or the area is no output.
    """
    n_units = len(recording.units_in(area))
    if {"excitatory", "inhibitory"} & set(recording.cell_types_in(area)):
        raise InputError(f"structural pathways lead to output units; '{area}', the last area of "
                         "the chain of weights, has excitatory or inhibitory units: include the "
                         "output area in --areas")
    stated = recording.annotations.get("classes")
    if stated is not None:
        if len(stated) != n_units:
            raise InputError(f"structural pathways need one unit of '{area}' per class; the "
                             f"recording names {len(stated)} classes, but the area has "
                             f"{n_units} units")
        return tuple(str(label) for label in stated)
    decided = recording.trials.decision_label
    labels = sort_labels([*recording.trials.label, *decided[decided != ""]])
    if len(labels) == n_units:
        return labels
    if all(label.isdecimal() and int(label) < n_units for label in labels):
        return tuple(str(unit) for unit in range(n_units))
    raise InputError(f"structural pathways need one unit of '{area}', the last area of the chain "
                     f"of weights, per class; it has {n_units} units, but trials and decisions "
                     f"have {len(labels)} labels; annotate the Block with 'classes', or choose "
                     "the labels with --label")


def excitatory_weights(recording: Recording, source: str, target: str, onto_all: bool
                       ) -> np.ndarray:
    """Weights of the excitatory units of an area.

    Parameters
    ----------
    onto_all : bool
        Onto all units of the target area; else onto its excitatory ones.

    Returns
    -------
    (pre, post) float

    Raises
    ------
    InputError
        If the weights do not fit the units, or are not finite.
    """
    matrix = recording.weights[source, target]
    units = {area: recording.units_in(area) for area in (source, target)}
    expected = (len(units[source]), len(units[target]))
    if matrix.shape != expected:
        raise InputError(f"the weights {source}->{target} have the shape {matrix.shape}, but the "
                         f"areas have {expected} units; record or convert the file again")
    if not np.isfinite(matrix).all():
        raise InputError(f"the weights {source}->{target} are not all finite; record or convert "
                         "the file again")
    excitatory = {area: recording.units.cell_type[index] == "excitatory"
                  for area, index in units.items()}
    post = np.ones(len(units[target]), dtype=bool) if onto_all else excitatory[target]
    return matrix[np.ix_(excitatory[source], post)]


# --- members --------------------------------------------------------------------------------------


def structural_pathways(recording: Recording, responses: Responses,
                        settings: PathwaySettings) -> tuple[Pathways, dict[str, Effects]]:
    """Members chosen by the weights, evaluated in all trials.

    Returns
    -------
    pathways : Pathways
        With all areas of the recording.
    effects : dict of str to Effects
        Of the areas of a chain that the output area follows, in their order.

    Raises
    ------
    InputError
        If the weights are no chain onto one unit per class, do not fit the units, or do not come
        from excitatory units, or no trial is of such a class.
    """
    chain = area_chain(recording.weights)
    classes = output_classes(recording, chain[-1])
    code = label_codes(responses.label, classes)
    sizes = np.bincount(code[code >= 0], minlength=len(classes))
    if not sizes.any():
        raise InputError("structural pathways need trials labelled with the classes of the output "
                         f"units ({listed(classes, 10)}); got "
                         f"{listed(sort_labels(responses.label), 10)}; choose the labels with "
                         "--label")
    traced = _traced_areas(recording, chain)
    effects = dict(zip(traced, pathway_effects(
        [excitatory_weights(recording, source, target, onto_all=target == chain[-1])
         for source, target in itertools.pairwise([*traced, chain[-1]])], settings.k), strict=True))
    areas = []
    for area in recording.areas:
        if area in effects:
            following = chain[chain.index(area) + 1]
            notes = _structural_notes(effects[area], effects.get(following), following, sizes,
                                      settings.k)
            units = recording.units_in(area, "excitatory")
            areas.append(evaluated_area(
                area, "excitatory", units, effects[area].effect, effects[area].member,
                activity_of(responses, units, settings.activity), code, notes))
        else:
            note = _untraced_note(recording, area, chain, traced)
            areas.append(_untraced_area(recording, area, len(classes), len(code), note))
    output = recording.units_in(chain[-1])
    return Pathways("structural", classes, code, tuple(areas), output), effects


def _traced_areas(recording: Recording, chain: tuple[str, ...]) -> tuple[str, ...]:
    """The areas before the output, back to the last one that has no excitatory units."""
    traced = tuple(itertools.takewhile(
        lambda area: len(recording.units_in(area, "excitatory")), chain[-2::-1]))[::-1]
    if not traced:
        raise InputError("structural pathways are made of excitatory units, and no unit of "
                         f"'{chain[-2]}', the area before the last, is of cell type 'excitatory'")
    return traced


def _untraced_area(recording: Recording, area: str, n_classes: int, n_trials: int, note: str
                   ) -> AreaPathways:
    units = recording.units_in(area)
    empty = np.full((n_classes, len(units)), np.nan)
    return AreaPathways(area, "all", units, empty, np.zeros(empty.shape, dtype=bool), empty, empty,
                        np.zeros((n_classes, n_trials)), (note,) * n_classes)


def _structural_notes(effects: Effects, later: Effects | None, later_area: str, sizes: np.ndarray,
                      k: float) -> tuple[str, ...]:
    notes = []
    for c, member in enumerate(effects.member):
        if later is not None and not later.member[c].any():
            notes.append(f"no members: none in {later_area} to lead to")
        elif not member.any():
            notes.append(f"no members: no effect exceeds the mean by {k:g} SD")
        else:
            notes.append("" if sizes[c] else "not computable: no trials of this class")
    return tuple(notes)


def _untraced_note(recording: Recording, area: str, chain: tuple[str, ...],
                   traced: tuple[str, ...]) -> str:
    if area == chain[-1]:
        return "not computable: the pathways end here, at one output unit per class"
    if area not in chain:
        return "not computable: no weights"
    if not len(recording.units_in(area, "excitatory")):
        return "not computable: no unit is of cell type 'excitatory'"
    return (f"not computable: the pathways begin in {traced[0]}, the area before it has no "
            "excitatory units")
