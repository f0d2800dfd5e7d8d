"""Structural members: units with strong effects on the output unit of a class (`connectivity`)."""

from __future__ import annotations

import itertools

import numpy as np

from ephys_snn.analysis.classes import label_codes
from ephys_snn.analysis.pathways.connectivity import (
    Effects,
    area_chain,
    excitatory_weights,
    output_classes,
    pathway_effects,
)
from ephys_snn.analysis.pathways.members import (
    AreaPathways,
    Pathways,
    PathwaySettings,
    activity_of,
    evaluated_area,
)
from ephys_snn.errors import InputError, listed
from ephys_snn.recording import Recording, Responses, sort_labels


def structural_pathways(recording: Recording, responses: Responses,
                        settings: PathwaySettings
                        ) -> tuple[Pathways, list[Effects], tuple[str, ...]]:
    """Members chosen by the weights, evaluated in all trials.

    Returns
    -------
    pathways : Pathways
        With all areas of the recording.
    effects : list of Effects
    traced : tuple of str
        The areas of `effects`, a chain that the output area follows.

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
    effects = pathway_effects(
        [excitatory_weights(recording, source, target, onto_all=target == chain[-1])
         for source, target in itertools.pairwise([*traced, chain[-1]])], settings.k)
    by_area = dict(zip(traced, effects, strict=True))
    areas = []
    for area in recording.areas:
        if area in by_area:
            following = chain[chain.index(area) + 1]
            notes = _structural_notes(by_area[area], by_area.get(following), following, sizes,
                                      settings.k)
            units = recording.units_in(area, "excitatory")
            areas.append(evaluated_area(
                area, "excitatory", units, by_area[area].effect, by_area[area].member,
                activity_of(responses, units, settings.activity), code, notes))
        else:
            note = _untraced_note(recording, area, chain, traced)
            areas.append(_untraced_area(recording, area, len(classes), len(code), note))
    return (Pathways("structural", classes, code, tuple(areas), recording.units_in(chain[-1])),
            effects, traced)


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
