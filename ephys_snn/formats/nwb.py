"""NWB files through pynwb: the units and trials tables as a recording.

A unit is a row of the units table, its area the location of its electrodes. Every table of time
intervals is an Epoch, its columns array annotations; columns of times within the intervals, event
tables and annotation series are Events. Only these are read; signals stay in the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.formats.session import Epoch, Event, Session, SpikeTrain, text

if TYPE_CHECKING:
    import pynwb
    from hdmf.common import DynamicTable

MS = 1000.0  # per second, the unit of time of NWB
NAMELESS = ("", "unknown", "none", "nan", "n/a", "na", "null")  # locations that name no area
_TIMES = ("start_time", "stop_time")


def is_nwb(path: Path) -> bool:
    """Whether a file is HDF5 in NWB format."""
    try:
        with h5py.File(path, "r") as file:
            return "nwb_version" in file.attrs
    except (OSError, RuntimeError, ValueError, KeyError):
        return False


def read_nwb(path: Path) -> Session:
    """Read units, intervals and events of an NWB file."""
    try:
        import pynwb
    except ImportError as error:
        raise InputError(f"{path} is an NWB file, which needs pynwb: "
                         'pip install "ephys_snn[nwb]"') from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pynwb.NWBHDF5IO(str(path), "r") as file:
                return _read_file(file.read(), path)
    except InputError:
        raise
    except Exception as error:  # pynwb and hdmf raise whatever the file makes them raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path} is damaged, or no NWB file that pynwb can read ({reason})"
                         ) from error


def _read_file(nwb: pynwb.NWBFile, path: Path) -> Session:
    units = nwb.units
    if units is None or "spike_times" not in units.colnames:
        raise InputError(f"{path} has no table of units with spike times; sort the spikes first")
    notes: list[str] = []
    epochs, events = [], list(_events(nwb))
    for table in _intervals(nwb):
        epoch, of_columns = _read_intervals(table, notes)
        epochs.append(epoch)
        events.extend(of_columns)
    annotations = {key: value for key in ("identifier", "session_description", "session_id")
                   if isinstance(value := getattr(nwb, key, None), str)}
    resolution = getattr(units, "resolution", None)
    if resolution is not None and resolution > 0:
        annotations["time_resolution_ms"] = float(resolution) * MS
    last = max((float((epoch.times + epoch.durations).max()) for epoch in epochs if len(epoch)),
               default=0.0)
    return Session(_read_units(nwb, last, notes), tuple(epochs), tuple(events), annotations,
                   notes=tuple(notes))


def _read_units(nwb: pynwb.NWBFile, last: float, notes: list[str]) -> tuple[SpikeTrain, ...]:
    """Spike trains of the units table; `last` (ms) is a time that was surely recorded."""
    units = nwb.units
    spikes = [times * MS for times in _ragged(units["spike_times"])]
    start = min([0.0, *(float(times.min()) for times in spikes if len(times))])
    stop = max([last, *(float(times.max()) for times in spikes if len(times))])
    ranges = [(start, stop)] * len(spikes)
    if "obs_intervals" in units.colnames:
        ranges = [(float(seen.min()) * MS, float(seen.max()) * MS) if seen.size else (start, stop)
                  for seen in _ragged(units["obs_intervals"])]
    columns = {name: values.tolist() for name, values in _columns(units).items()}
    ids = np.asarray(units.id[:]).tolist()
    given = columns.pop("unit_id", ids)
    columns["unit_id"] = given if len(set(given)) == len(given) else ids
    names = columns.pop("unit_name", None) or columns.pop("name", None) or \
        [f"unit {number}" for number in ids]
    if "area" not in columns:
        areas = _areas(nwb, notes)
        if any(areas):
            columns["area"] = areas
    said = [{name: values[row] for name, values in columns.items() if values[row] is not None}
            for row in range(len(spikes))]
    return tuple(SpikeTrain(times, str(name), low, high, annotations)
                 for times, name, (low, high), annotations in
                 zip(spikes, names, ranges, said, strict=True))


def _areas(nwb: pynwb.NWBFile, notes: list[str]) -> list[str | None]:
    """Location of the electrodes of every unit, else of their group; None where unknown."""
    units = nwb.units
    of_electrode = _electrode_areas(nwb.electrodes) if nwb.electrodes is not None else []
    rows: Sequence[Sequence[int]] = [[]] * len(units)
    if "electrodes" in units.colnames:
        rows = [np.atleast_1d(part).tolist() for part in _ragged(units["electrodes"])]
    elif "peak_channel_id" in units.colnames and of_electrode:  # of the Allen Institute
        ids = np.asarray(nwb.electrodes.id[:]).tolist()
        where = {number: row for row, number in enumerate(ids)}
        rows = [[where[number]] if number in where else []
                for number in np.asarray(units["peak_channel_id"][:]).tolist()]
    named = [dict.fromkeys(of_electrode[row] for row in of_unit if of_electrode[row])
             for of_unit in rows]
    areas = ["/".join(of_unit) or None for of_unit in named]
    several = [area for area, of_unit in zip(areas, named, strict=True) if len(of_unit) > 1]
    if several:
        notes.append(f"{len(several)} units have electrodes in several areas, and areas of their "
                     f"own for that, such as '{several[0]}'")
    if "electrode_group" in units.colnames:
        groups = units["electrode_group"][:]
        areas = [area or _named(group.location) for area, group in zip(areas, groups, strict=True)]
    if any(areas) and not all(areas):
        notes.append(f"{areas.count(None)} units have no location and are of the area 'unknown'")
        areas = [area or "unknown" for area in areas]
    return areas


def _electrode_areas(electrodes: DynamicTable) -> list[str | None]:
    located = _column(electrodes, "location") if "location" in electrodes.colnames else None
    areas = [_named(place) for place in located.tolist()] if located is not None \
        else [None] * len(electrodes)
    if "group" in electrodes.colnames and not all(areas):
        areas = [area or _named(group.location) for area, group in
                 zip(areas, electrodes["group"][:], strict=True)]
    return areas


def _named(location: Any) -> str | None:
    """A location, or None if it is one of the ways to say that there is none."""
    words = text([location])[0].strip()
    return None if words.lower() in NAMELESS else words


def _intervals(nwb: pynwb.NWBFile) -> Iterator[DynamicTable]:
    """Tables of intervals, the trials first."""
    from pynwb.epoch import TimeIntervals

    if nwb.trials is not None:
        yield nwb.trials
    for table in nwb.objects.values():
        if isinstance(table, TimeIntervals) and table is not nwb.trials:
            yield table


def _read_intervals(table: DynamicTable, notes: list[str]) -> tuple[Epoch, list[Event]]:
    """An Epoch of a table of intervals, and an Event of each of its columns of times."""
    start, stop = (_seconds_in_ms(table[name]) for name in _TIMES)
    columns = _columns(table, without=_TIMES)
    whole = np.isfinite(start) & np.isfinite(stop)
    if not whole.all():
        notes.append(f"{int((~whole).sum())} of {len(whole)} intervals of '{table.name}' have no "
                     "start or no stop and are left out")
    start, stop = start[whole], stop[whole]
    columns = {name: values[whole] for name, values in columns.items()}
    events = []
    for name, values in columns.items():
        if name.endswith(("_time", "_times")) and values.dtype.kind == "f":
            times = values * MS
            known = np.isfinite(times)
            inside = (times >= start) & (times <= stop)
            if known.any() and inside.sum() >= known.sum() / 2:  # else it is a duration
                events.append(Event(name=name, times=times[known],
                                    labels=np.full(int(known.sum()), ""), annotations={
                    key: of_key[known] for key, of_key in columns.items() if key != name}))
    return Epoch(name=table.name, times=start, durations=stop - start,
                 labels=np.full(len(start), ""), annotations=columns), events


def _events(nwb: pynwb.NWBFile) -> Iterator[Event]:
    """Events of annotation series and of event tables, NWB's own or of its extension."""
    for found in list(nwb.objects.values()):
        kind = getattr(found, "neurodata_type", "")
        if kind == "AnnotationSeries":
            yield Event(name=found.name, times=_seconds_in_ms(found.timestamps),
                        labels=text(list(found.data[:])))
        elif kind == "EventsTable":
            times = _seconds_in_ms(found["timestamp"])
            columns = _columns(found, without=("timestamp",))
            labels = text(next(iter(columns.values())).tolist()) if len(columns) == 1 \
                else np.full(len(times), "")
            yield Event(name=found.name, times=times, labels=labels, annotations=columns)
        elif kind in ("Events", "LabeledEvents", "TTLs") and hasattr(found, "timestamps"):
            times = _seconds_in_ms(found.timestamps)
            labels = np.full(len(times), "")
            if hasattr(found, "labels"):
                words = text(list(found.labels[:]))
                labels = words[np.asarray(found.data[:], dtype=int)]
            yield Event(name=found.name, times=times, labels=labels)


def _seconds_in_ms(seconds: Any) -> np.ndarray:
    return np.asarray(seconds[:], dtype=np.float64) * MS


def _ragged(column: Any) -> list[np.ndarray]:
    """The values of every row of a ragged column, which is read in one go."""
    if not hasattr(column, "target"):  # one value per row
        return list(np.asarray(column.data[:]))
    ends = np.asarray(column.data[:], dtype=np.int64)
    values = np.asarray(column.target.data[:])
    if len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > len(values)):
        raise ValueError(f"the index of '{column.target.name}' does not fit its values")
    return np.split(values, ends[:-1])[:len(ends)] if len(ends) else []


def _columns(table: DynamicTable, without: Sequence[str] = ()) -> dict[str, np.ndarray]:
    return {name: values for name in table.colnames
            if name not in without and (values := _column(table, name)) is not None}


def _column(table: DynamicTable, name: str) -> np.ndarray | None:
    """A column of one number or text per row; None if it is of another kind."""
    column = table[name]
    shape = getattr(column.data, "shape", None) or (len(column.data),)
    if hasattr(column, "target") or hasattr(column, "table") or len(shape) != 1:
        return None
    values = np.asarray(column[:])
    if values.dtype.kind in "biuf":
        return values
    if values.dtype.kind in "SU" or all(isinstance(value, (str, bytes)) for value in values):
        return text(values.tolist())
    return None
