"""Any file made into a `Recording`: what is a unit, its area, a trial and its class.

Where a file leaves a choice open and offers exactly one candidate, it is taken and said in
``recording.notes``; where it offers several, the error lists them. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.formats import Session, SpikeTrain, open_session, sort_labels, text
from ephys_snn.recording.recording import Recording
from ephys_snn.recording.tables import describe_units, read_table
from ephys_snn.recording.trial_choice import TrialChoice, choose_trials
from ephys_snn.recording.units import Units

UNIT_FIELDS = ("unit_id", "name", "area", "cell_type")  # of `Units`, not annotations


def read_recording(source: str | Path | Session, *, area: str = "area", one_area: str | None = None,
                   areas: Sequence[str] | None = None, trials: str | None = None,
                   from_event: str | None = None, to_event: str | None = None,
                   label: str | None = None, stimulus: str | None = None,
                   trial_duration: float | None = None,
                   units_table: str | Path | None = None,
                   trials_table: str | Path | None = None) -> Recording:
    """Read a recording from any file that Neo reads, NIX and NWB among them.

    Parameters
    ----------
    source : path or Session
    area : str
        Annotation of the spike trains that names their area; `group` or `channel_view` for
        the Neo Group or ChannelView that each is in.
    one_area : str, optional
        Name of the one area that all units are in, instead of `area`.
    areas : sequence of str, optional
        Which areas to read, in the order of processing.
    trials : str, optional
        Name of the Epoch that holds the trials, or of an Event, which then needs
        `trial_duration`; ``NAME=LABEL,LABEL`` for those with these labels only. Needed
        where a file has several.
    from_event, to_event : str, optional
        Events, or some labels of Events, that trials begin and end with, instead of `trials`.
    label : str, optional
        Array annotation of the trials that holds the class, instead of their labels.
    stimulus : str, optional
        Array annotation of the trials that names the stimulus; ``stimulus`` where there is one.
    trial_duration : float, optional, ms
        Duration of trials that an Event starts.
    units_table : path, optional
        CSV with a row per unit, told by a column `index`, `unit_id` or `name`; the other
        columns become annotations.
    trials_table : path, optional
        CSV with a row per trial in the order of onsets, or with a column `onset` (ms); the
        columns become array annotations, and `label` the class. With columns `onset` and
        `duration` it says by itself what the trials are.

    Raises
    ------
    InputError
        If the file cannot be read, or a choice is missing or impossible; the message lists
        what the file offers.
    """
    session = source if isinstance(source, Session) else open_session(source)
    path = None if isinstance(source, Session) else Path(source)
    name = "the session" if path is None else path  # for messages
    notes = list(session.notes)
    if units_table is not None:
        table = read_table(Path(units_table), "--units-table")
        session = replace(session,
                          trains=describe_units(session.trains, table, Path(units_table)))
        notes.append(f"{units_table} describes the units: {', '.join(map(str, table.columns))}")
    units = _describe_units(session, area, one_area, name)
    recorded_trials = choose_trials(
        session, TrialChoice(trials, from_event, to_event, trials_table, label, trial_duration,
                             stimulus), name, notes)
    stated_order = areas if areas is not None else _stated_areas(session.annotations)
    present = sort_labels(units.area)
    recording = Recording.from_spike_trains(
        [_checked_times(train, name) for train in session.trains], units, recorded_trials,
        areas=_order_areas(stated_order, present, name, by_user=areas is not None),
        areas_ordered=bool(stated_order),
        t_start=min((train.t_start for train in session.trains), default=0.0),
        t_stop=max((train.t_stop for train in session.trains), default=0.0),
        weights=session.weights, resolution=_stated_resolution(session.annotations),
        events={event.name: event.times for event in session.events},
        annotations=session.annotations, notes=tuple(notes), path=path,
        sha256=session.sha256 or None)
    _check_weights(recording)
    if areas is not None:
        recording = recording.select_units(np.isin(units.area, areas))
    return recording


def _describe_units(session: Session, area: str, one_area: str | None, path: Path | str) -> Units:
    trains = session.trains
    area_of = [one_area] * len(trains) if one_area is not None \
        else _areas_of(session, area, path)
    unit_id = [train.annotations.get("unit_id", index) for index, train in enumerate(trains)]
    seen: dict[tuple[str, Any], str] = {}
    for owner, identity, train in zip(area_of, unit_id, trains, strict=True):
        if not isinstance(identity, (str, int, float, np.generic)):
            raise InputError(f"{path}: the unit_id of '{train.name}' is no single number or word")
        if (str(owner), identity) in seen:
            raise InputError(f"{path}: two spike trains of area '{owner}' have the unit_id "
                             f"{identity} ('{seen[str(owner), identity]}' and '{train.name}'); "
                             "unit_id must be unique within an area")
        seen[str(owner), identity] = train.name
    return Units(
        np.array(unit_id) if all(isinstance(i, (int, np.integer)) for i in unit_id)
        else text(unit_id),
        text([train.name for train in trains]), text(area_of),
        text([train.annotations.get("cell_type", "") for train in trains]),
        _other_annotations(trains))


def _areas_of(session: Session, key: str, path: Path | str) -> list[Any]:
    """The area of every train, by an annotation or by the Group or ChannelView that it is in."""
    trains = session.trains
    area_of = [train.annotations.get(key) for train in trains]
    if key in session.memberships and all(value is None for value in area_of):
        area_of = list(session.memberships[key])
        if None in area_of:
            kind = key.replace("_", " ")
            raise InputError(f"--area {key}: {area_of.count(None)} of {len(trains)} spike trains "
                             f"of {path} are in no {kind} with a name, or in several; choose an "
                             "annotation or --one-area NAME")
    missing = sum(value is None for value in area_of)
    if missing:
        keys = sorted({key for train in trains for key in train.annotations}
                      | set(session.memberships))
        raise InputError(
            f"{path}: {missing} of {len(trains)} spike trains have no annotation '{key}' to "
            f"name their area; choose another with --area KEY (they have "
            f"{', '.join(keys) or 'none'}) or treat all as one with --one-area NAME")
    return area_of


def _other_annotations(trains: Sequence[SpikeTrain]) -> dict[str, np.ndarray]:
    """What else the file says of units in numbers or words, an array per annotation."""
    scalars = [{key: value for key, value in train.annotations.items()
                if key not in UNIT_FIELDS and isinstance(value, (str, int, float))}
               for train in trains]
    arrays = {}
    for key in dict.fromkeys(key for found in scalars for key in found):
        values = [found.get(key) for found in scalars]
        same_kind = len({type(value) for value in values}) == 1
        arrays[key] = np.array(values, dtype=None if same_kind else object)
    return arrays


def _checked_times(train: SpikeTrain, path: Path | str) -> np.ndarray:
    if not np.isfinite(train.times).all():
        raise InputError(f"{path}: spike train '{train.name}' has times that are nan or infinite; "
                         "the file is damaged or was converted wrongly")
    return train.times


def _order_areas(stated: Sequence[str] | None, present: Sequence[str], path: Path | str,
                 by_user: bool) -> tuple[str, ...]:
    if not stated:
        return tuple(present)
    unknown = [area for area in stated if area not in present]
    if unknown and by_user:
        raise InputError(f"--areas: {path} has no area {', '.join(map(repr, unknown))}; "
                         f"it has {', '.join(present)}")
    if len(set(stated)) != len(stated):
        raise InputError(f"--areas names an area twice: {','.join(stated)}")
    rest = () if by_user else tuple(area for area in present if area not in stated)
    return (*(area for area in stated if area in present), *rest)


def _stated_areas(annotations: Mapping[str, Any]) -> list[str] | None:
    """The order of the areas that a file states; NIX makes a list of one a word."""
    stated = annotations.get("areas")
    if isinstance(stated, (str, list, tuple, np.ndarray)) and np.size(stated):
        return text(stated).tolist()
    return None


def _stated_resolution(annotations: Mapping[str, Any]) -> float | None:
    value = annotations.get("time_resolution_ms")
    return float(value) if isinstance(value, (int, float, np.number)) and value > 0 else None


def _check_weights(recording: Recording) -> None:
    for (source, target), matrix in recording.weights.items():
        shape = (len(recording.units_in(source)), len(recording.units_in(target)))
        if matrix.shape != shape:
            raise InputError(f"{recording.path}: the weights {source}->{target} have the shape "
                             f"{matrix.shape}, but the areas have {shape} units")
