"""Recordings as sessions, to be written or to become Neo's Blocks, and as pynapple's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.formats import DECISION_EVENT, TRIALS_EPOCH, Epoch, Event, Session, SpikeTrain, text

if TYPE_CHECKING:
    import pynapple

    from ephys_snn.recording.recording import Recording

MS = 1000.0  # in pynapple's second


def session_of_recording(recording: Recording) -> Session:
    """A session by the recording contract: what the recording says, where readers look for it."""
    trials, units = recording.trials, recording.units
    trains = tuple(
        SpikeTrain(recording.spikes_of(unit), str(units.name[unit]), float(recording.t_start),
                   float(recording.t_stop), _annotations_of_unit(recording, unit))
        for unit in range(len(units)))
    epoch = Epoch(name=TRIALS_EPOCH, times=trials.onset, durations=trials.duration,
                  labels=trials.label, annotations=dict(trials.annotations))
    events = [Event(name=name, times=times, labels=np.full(len(times), ""))
              for name, times in recording.events.items() if name != DECISION_EVENT]
    if trials.has_decisions:
        decided = np.isfinite(trials.decision_time)
        events.insert(0, Event(name=DECISION_EVENT, times=trials.decision_time[decided],
                               labels=trials.decision_label[decided]))
    annotations = {**recording.annotations,
                   "areas": list(recording.areas) if recording.areas_ordered else None,
                   "n_units": len(units)}
    if recording.resolution is not None:
        annotations["time_resolution_ms"] = float(recording.resolution)
    areas = [area for area in recording.areas if (units.area == area).any()]
    return Session(trains, (epoch,), tuple(events), annotations, dict(recording.weights),
                   {"group": tuple(units.area.tolist())} if areas else {})


def _annotations_of_unit(recording: Recording, unit: int) -> dict[str, Any]:
    units = recording.units
    said = {"area": units.area[unit], "unit_id": units.unit_id[unit],
            "cell_type": units.cell_type[unit] or None,
            **{key: values[unit] for key, values in units.annotations.items()}}
    return {key: value.item() if isinstance(value, np.generic) else value
            for key, value in said.items() if value is not None}


def pynapple_of_recording(recording: Recording
                          ) -> tuple[pynapple.TsGroup, pynapple.IntervalSet]:
    """As `Recording.to_pynapple`."""
    try:
        import pynapple as nap
    except ImportError as error:
        raise InputError('to_pynapple needs pynapple: pip install "ephys_snn[pynapple]"') from error
    units, trials = recording.units, recording.trials
    stop = trials.onset + trials.duration
    if (trials.onset[1:] < stop[:-1]).any() or (trials.duration <= 0).any():
        raise InputError("pynapple's intervals must last and must not overlap, and some trials do "
                         "not last or overlap; choose others with select_trials")
    known = {"name": units.name, "area": units.area, "unit_id": units.unit_id,
             "cell_type": units.cell_type, **units.annotations}
    session = nap.IntervalSet(recording.t_start / MS, recording.t_stop / MS)
    group = nap.TsGroup(
        {unit: nap.Ts(recording.spikes_of(unit) / MS, time_support=session)
         for unit in range(len(units))}, time_support=session, metadata=known)
    described = {"label": trials.label, **trials.annotations}
    if trials.has_decisions:
        described |= {"decision_time": trials.decision_time / MS,
                      "decision_label": trials.decision_label}
    return group, nap.IntervalSet(trials.onset / MS, stop / MS, metadata=described)


def session_of_pynapple(units: pynapple.TsGroup, trials: pynapple.IntervalSet) -> Session:
    """A session of pynapple's units and trials, whose metadata become annotations."""
    # By default pynapple's support is from the first spike to the last, so trials may reach beyond.
    support = units.time_support
    start = float(min(support.start[0], trials.start.min(initial=np.inf))) * MS
    stop = float(max(support.end[-1], trials.end.max(initial=-np.inf))) * MS
    metadata = units.metadata
    trains = []
    for key in units.index:
        said = {name: value.item() if isinstance(value, np.generic) else value
                for name, value in metadata.loc[key].items()} if len(metadata.columns) else {}
        said.pop("rate", None)  # pynapple's own
        name = str(said.pop("name", key))
        said.setdefault("unit_id", int(key))
        trains.append(SpikeTrain(units[key].index.values * MS, name, start, stop, said))
    columns = {name: np.asarray(trials.metadata[name]) for name in trials.metadata.columns}
    labels = text(columns.pop("label")) if "label" in columns else np.full(len(trials), "")
    onset = np.asarray(trials.start) * MS
    decisions = _decisions(columns)
    epoch = Epoch(name=TRIALS_EPOCH, times=onset, durations=np.asarray(trials.end) * MS - onset,
                  labels=labels, annotations=columns)
    return Session(tuple(trains), (epoch,), decisions, {})


def _decisions(columns: dict[str, np.ndarray]) -> tuple[Event, ...]:
    """The Event of decisions that metadata of trials describe, which it takes out of them."""
    if not {"decision_time", "decision_label"} <= set(columns):
        return ()
    times = columns.pop("decision_time").astype(float) * MS
    labels = text(columns.pop("decision_label"))
    decided = np.isfinite(times)
    return (Event(name=DECISION_EVENT, times=times[decided], labels=labels[decided]),)
