"""The NIX layout of Neo's NixIO: fast reading, and writing that is whole or not at all.

Neo describes a recording as a tree of objects, and NixIO spends 4-20 ms on each of them, whatever
its size. A recording has thousands of spike trains and little else, so this module lets NixIO
write everything but the trains and adds the trains itself, and it reads the HDF5 directly::

    data/<block>/metadata/properties/<annotation>
    data/<block>/groups/<segment>/multi_tags/<id>            a train, an epoch or an event
        positions/data                                       its times
        extents/data                                         durations of an epoch
        positions/dimensions/1/labels                        labels of an epoch or event
        metadata/properties/{neo_name, t_start, ...}         name and annotations
    data/<block>/data_arrays/<source>-><target>              weights

Synaptic weights are nix DataArrays of type ``ephys_snn.weights``, shape (pre, post); Neo ignores
them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py.h5a import AttrID
from h5py.h5d import DatasetID
from h5py.h5g import GroupID
from h5py.h5t import TypeID

from ephys_snn.atomic import replacing, reserve
from ephys_snn.contents import Contents, Marks, Train, in_ms, memberships, text
from ephys_snn.errors import InputError
from ephys_snn.integrity import seal
from ephys_snn.recording import Recording
from ephys_snn.segments import join_segments

WEIGHTS_TYPE = "ephys_snn.weights"
# Block annotations that hold structures, which NIX properties cannot, as JSON.
JSON_ANNOTATIONS = ("areas", "classes", "settings", "versions")
# Properties of NixIO's own that are no annotations of the user's.
_LAYOUT_PROPERTIES = {"neo_name", "t_start", "t_stop", "neo_description"}

_TEXT_DTYPE = h5py.string_dtype()
_TEXT = h5py.h5t.py_create(_TEXT_DTYPE, logical=True)
_TEXT_IN_MEMORY = h5py.h5t.py_create(_TEXT_DTYPE)
# Types of nearly all values: as stored, in memory, in numpy.
_USUAL_TYPES = ((_TEXT, _TEXT_IN_MEMORY, object),
                (h5py.h5t.NATIVE_DOUBLE, h5py.h5t.NATIVE_DOUBLE, np.float64),
                (h5py.h5t.NATIVE_INT64, h5py.h5t.NATIVE_INT64, np.int64))
_ALL = h5py.h5s.ALL
_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)
_ORDERED = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
_ORDERED.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
# Other files are opened with a driver that cannot open any, so that a file is read from itself
# alone.
_NO_FILE = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
_NO_FILE.set_fapl_family(1, h5py.h5p.create(h5py.h5p.FILE_ACCESS))
_NO_OTHER_FILES = h5py.h5p.create(h5py.h5p.LINK_ACCESS)
_NO_OTHER_FILES.set_elink_fapl(_NO_FILE)

_DAMAGE = (KeyError, OSError, RuntimeError, ValueError, TypeError, IndexError, OverflowError)


def is_nix(path: Path) -> bool:
    """Whether a file is HDF5 in NIX format with a Neo block inside."""
    try:
        with h5py.File(path, "r") as file:
            return _as_text(file.attrs.get("format")) == "nix" and bool(_neo_blocks(file))
    except _DAMAGE:
        return False


def read_nix(path: Path) -> Contents:
    """Read the only block of a NIX file that NixIO (or this project) wrote.

    Raises
    ------
    InputError
        If the file is damaged, or holds several blocks, or segments of different units.
    """
    try:
        with h5py.File(path, "r") as file:
            return _read_block(file, path)
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged or was not written to its end ({error}); "
                         "copy or record it again") from error


def _read_block(file: h5py.File, path: Path) -> Contents:
    blocks = _neo_blocks(file)
    if len(blocks) != 1:
        raise InputError(f"{path} holds {len(blocks)} Neo blocks; split it into files of one")
    block = blocks[0]
    groups = list(_in_order(_open(block, b"groups")))
    segments = [_read_segment(group, groups) for group in groups
                if _read_attribute(group, b"type") == "neo.segment"]
    with_spikes = [segment for segment in segments if segment.trains] or segments[:1]
    if not with_spikes:
        raise InputError(f"{path} holds no Segment; a recording is one with a SpikeTrain per unit")
    whole = join_segments(with_spikes, path)
    annotations = {**_read_annotations(block), **whole.annotations}
    expected = annotations.get("n_units")
    if isinstance(expected, int) and expected != len(whole.trains):
        raise InputError(f"{path} was not written to its end: it holds {len(whole.trains)} of "
                         f"{expected} units; record it again")
    return replace(whole, annotations=annotations, weights=_read_weights(block))


def _read_segment(segment: GroupID, groups: Sequence[GroupID]) -> Contents:
    trains, train_names, epochs, events = [], [], [], []
    tags = _open(segment, b"multi_tags")
    for tag_name in _names_in_order(tags):
        tag = _open(tags, tag_name)
        kind = _read_attribute(tag, b"type")
        if kind == "neo.spiketrain":
            trains.append(_read_train(tag))
            train_names.append(tag_name)
        elif kind == "neo.epoch":
            epochs.append(_read_marks(tag))
            if epochs[-1].durations is None:
                raise ValueError(f"the Epoch '{epochs[-1].name}' has no durations")
        elif kind == "neo.event":
            events.append(_read_marks(tag))
    return Contents(tuple(trains), tuple(epochs), tuple(events), _read_annotations(segment),
                    memberships=_read_memberships(groups, train_names))


def _read_memberships(groups: Sequence[GroupID], trains: Sequence[bytes]
                      ) -> dict[str, tuple[str | None, ...]]:
    """The Group of each train, and the ChannelView in its Group; a subgroup's are its parent's."""
    tops: dict[str, str] = {}  # parents come before their subgroups
    named, views = [], []
    for group in groups:
        if _read_attribute(group, b"type") not in ("neo.group", "neo.subgroup") \
                or b"multi_tags" not in group:
            continue
        properties = _read_properties(group)
        own_name = _read_attribute(group, b"name")
        tops[own_name] = tops.get(str(properties.get("neo_parent")),
                                  str(properties.get("neo_name", "")))
        tags = _open(group, b"multi_tags")
        members = _names_in_order(tags)
        named.append((tops[own_name], members))
        for member in set(members).difference(trains):
            tag = _open(tags, member)
            if _read_attribute(tag, b"type") == "neo.channelview":
                views.append((str(_read_properties(tag).get("neo_name", "")), members))
    return memberships(named, views, trains)


def _neo_blocks(file: h5py.File) -> list[GroupID]:
    return [block for block in _in_order(_open(file.id, b"data"))
            if _read_attribute(block, b"type") == "neo.block"]


def _in_order(group: GroupID) -> Iterator[GroupID]:
    """Members of a group in the order in which they were made, as nix does."""
    return (_open(group, name) for name in _names_in_order(group))


def _names_in_order(group: GroupID) -> list[bytes]:
    tracked = group.get_create_plist().get_link_creation_order() & h5py.h5p.CRT_ORDER_INDEXED
    names: list[bytes] = []
    group.links.iterate(names.append,
                        idx_type=h5py.h5.INDEX_CRT_ORDER if tracked else h5py.h5.INDEX_NAME)
    return names


def _read_train(tag: GroupID) -> Train:
    properties = _read_properties(tag)
    name = properties.get("neo_name", "")
    return Train(_read_times(tag, b"positions", name), name, properties["t_start"],
                 properties["t_stop"], _annotations(properties))


def _read_marks(tag: GroupID) -> Marks:
    properties = _read_properties(tag)
    name = properties.get("neo_name", "")
    times = _read_times(tag, b"positions", name)
    durations = _read_times(tag, b"extents", name) if b"extents" in tag else None
    labels = np.full(len(times), "")
    if b"dimensions/1/labels" in _open(tag, b"positions"):
        labels = text(_read_array(_open(tag, b"positions/dimensions/1/labels", DatasetID)))
    if len(labels) != len(times) or (durations is not None and len(durations) != len(times)):
        raise ValueError(f"'{name}' has not as many labels or durations as times")
    annotations = {key: value for key, value in _annotations(properties).items()
                   if isinstance(value, np.ndarray) and len(value) == len(times)}
    return Marks(name, times, durations, labels, annotations)


def _read_times(tag: GroupID, array: bytes, name: str) -> np.ndarray:
    entity = _open(tag, array)
    values = _read_array(_open(entity, b"data", DatasetID))
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"the times of '{name}' are no list of numbers")
    return in_ms(values, _unit(entity), f"'{name}'")


def _read_annotations(entity: GroupID) -> dict[str, Any]:
    annotations = _annotations(_read_properties(entity))
    for key in JSON_ANNOTATIONS:
        if isinstance(annotations.get(key), str):
            annotations[key] = _from_json(annotations[key])
    return annotations


def _annotations(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in _LAYOUT_PROPERTIES}


def _from_json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value  # another program's annotation of the same name


def _read_properties(entity: GroupID) -> dict[str, Any]:
    """Properties of an entity's metadata; times in ms."""
    if b"metadata" not in entity:
        return {}
    properties = _open(entity, b"metadata/properties")
    return {name.decode("utf-8"): _read_property(properties, name)
            for name in _names_in_order(properties) if name != b"nix_name"}


def _read_property(properties: GroupID, name: bytes) -> Any:
    dataset = _open(properties, name, DatasetID)
    value = _read_array(dataset)
    if name in (b"t_start", b"t_stop"):
        return float(in_ms(value, _unit(dataset), name.decode())[0])
    if value.dtype == object:
        value = text(value)
    # An array annotation of a single mark is still an array; nix tells by the type.
    is_scalar = len(value) == 1 and not h5py.h5a.exists(dataset, b"type")
    return value[0].item() if is_scalar else value


# h5py's high-level objects cost 0.1-0.6 ms each, and asking HDF5 for the numpy type of values
# that are nearly always text or 64-bit numbers costs more than reading them; thousands of trains
# make seconds of that.
def _read_array(dataset: DatasetID) -> np.ndarray:
    if dataset.get_offset() is None and dataset.get_create_plist().get_external_count():
        raise ValueError("some of its values are in another file")
    memory, dtype = _type_in_memory(dataset)
    values = np.empty(dataset.shape, dtype=dtype)
    if values.size:
        dataset.read(_ALL, _ALL, values, memory)
    return values


def _type_in_memory(stored: DatasetID | AttrID) -> tuple[TypeID | None, Any]:
    kind = stored.get_type()
    for usual, memory, dtype in _USUAL_TYPES:
        if kind.equal(usual):
            return memory, dtype
    return None, stored.dtype


def _unit(entity: GroupID | DatasetID) -> str:
    return _read_attribute(entity, b"unit") if h5py.h5a.exists(entity, b"unit") else "ms"


def _read_attribute(entity: GroupID | DatasetID, name: bytes) -> str:
    attribute = h5py.h5a.open(entity, name)
    memory, dtype = _type_in_memory(attribute)
    value = np.empty(attribute.shape, dtype=dtype)
    attribute.read(value, memory)
    return _as_text(value[()])


def _as_text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _read_weights(block: GroupID) -> dict[tuple[str, str], np.ndarray]:
    weights = {}
    arrays = _open(block, b"data_arrays")
    for name in _names_in_order(arrays):
        if b"->" in name and _read_attribute(_open(arrays, name), b"type") == WEIGHTS_TYPE:
            array = _open(arrays, name)
            source, _, target = _read_attribute(array, b"name").partition("->")
            weights[source, target] = _read_array(_open(array, b"data", DatasetID))
    return weights


def _open(parent: GroupID, name: bytes, kind: type = GroupID) -> GroupID | DatasetID:
    """A group of this file, or a data set; what is linked from another file is refused."""
    opened = h5py.h5o.open(parent, name, _NO_OTHER_FILES)
    if not isinstance(opened, kind):
        raise ValueError(f"its '{name.decode(errors='replace')}' is no "
                         f"{'group' if kind is GroupID else 'data set'}")
    return opened


def write_nix(path: str | Path, recording: Recording, trials_name: str = "trials") -> None:
    """Write a recording in NIX format, as Neo reads it; the file appears whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written there, or the disk has no room for it.
    """
    with replacing(path) as temporary:
        reserve(temporary, largest_size(recording))
        _write_frame(temporary, recording, trials_name)
        with h5py.File(temporary, "r+") as file:
            block = _neo_blocks(file)[0]
            writer = _TrainWriter(block, recording)
            for unit in range(len(recording.units)):
                writer.write(unit)
        seal(temporary)


def largest_size(recording: Recording) -> int:
    """Bytes that the file of a recording does not exceed."""
    units, trials = recording.units, recording.trials
    text = sum(4 * values.dtype.itemsize * len(values) for values in (
        units.name, units.area, units.cell_type, trials.label, trials.decision_label))
    marks = len(trials) + sum(map(len, recording.events.values()))
    per_unit = 10_000 + 2_000 * len(units.annotations)
    per_mark = 300 + 300 * len(trials.annotations)
    described = len(json.dumps(dict(recording.annotations), default=str))
    return (8 * len(recording.spike_times) + sum(8 * w.size for w in recording.weights.values())
            + per_unit * len(units) + per_mark * marks + 2 * text + 2 * described
            + 50_000 * (20 + len(recording.areas) + len(recording.weights)
                        + len(recording.events) + len(recording.annotations)))


def _write_frame(path: Path, recording: Recording, trials_name: str) -> None:
    """Let NixIO write all but the trains, and nix the weights."""
    import neo  # heavy, and only needed for writing
    import nixio

    trials = recording.trials
    annotations = {key: _storable(key, value) for key, value in recording.annotations.items()}
    annotations["areas"] = json.dumps(list(recording.areas) if recording.areas_ordered else None)
    annotations["n_units"] = len(recording.units)
    block = neo.Block(name=Path(recording.path or path).stem)
    block.annotations.update(annotations)
    segment = neo.Segment(name="recording")
    if recording.resolution is not None:
        segment.annotate(time_resolution_ms=float(recording.resolution))
    segment.epochs.append(neo.Epoch(
        trials.onset, trials.duration, labels=trials.label, units="ms", name=trials_name,
        array_annotations=dict(trials.annotations)))
    decided = np.isfinite(trials.decision_time)
    if trials.has_decisions:
        segment.events.append(neo.Event(
            trials.decision_time[decided], labels=trials.decision_label[decided], units="ms",
            name="decision"))
    for name, times in recording.events.items():
        if name != "decision":
            segment.events.append(neo.Event(times, labels=np.full(len(times), ""), units="ms",
                                            name=name))
    block.segments.append(segment)
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block)
    file = nixio.File.open(str(path), nixio.FileMode.ReadWrite)
    nix_block = file.blocks[0]
    for (source, target), matrix in recording.weights.items():
        nix_block.create_data_array(f"{source}->{target}", WEIGHTS_TYPE, data=matrix)
    for area in recording.areas:  # NixIO drops Groups that are still empty
        name = f"neo.group.{uuid.uuid4().hex}"
        section = nix_block.metadata.create_section(name, "neo.group.metadata")
        section["neo_name"], section["nix_name"] = area, name
        nix_block.create_group(name, "neo.group").metadata = section
    file.close()


def _storable(key: str, value: Any) -> str | int | float | bool:
    """A value that NIX properties hold as it is; structures as JSON."""
    if isinstance(value, np.generic):
        value = value.item()
    if key not in JSON_ANNOTATIONS and isinstance(value, (str, int, float, bool)):
        return value
    return json.dumps(value, default=str)


class _TrainWriter:
    """Adds spike trains to a block in the layout of NixIO.

    Written with h5py's low-level objects: a train has 8 data sets and 45 attributes, and the
    high-level ones cost 0.1 ms each.
    """

    def __init__(self, block: GroupID, recording: Recording):
        self.recording = recording
        members = [(_read_attribute(group, b"type"), group)
                   for group in _in_order(_open(block, b"groups"))]
        segment = next(group for kind, group in members if kind == "neo.segment")
        self.tags = _open(block, b"multi_tags")
        self.arrays = _open(block, b"data_arrays")
        self.sections = _open(segment, b"metadata/sections")
        self.segment_tags = _open(segment, b"multi_tags")
        self.area_tags = {_read_properties(group)["neo_name"]: _new_group(group, "multi_tags")
                          for kind, group in members if kind == "neo.group"}
        self.created_at = _read_attribute(block, b"created_at")

    def write(self, unit: int) -> None:
        """Add one unit's spike train to the segment and to the group of its area."""
        recording, units = self.recording, self.recording.units
        name = f"neo.spiketrain.{uuid.uuid4().hex}"
        tag_id = str(uuid.uuid4())
        tag = self._entity(self.tags, name, "neo.spiketrain", tag_id)
        times = self._entity(self.arrays, f"{name}.times", "neo.spiketrain.times")
        _new_attribute(times, "unit", "ms")
        _new_dataset(times, "data", recording.spikes_of(unit))
        _new_group(times, "dimensions")
        section = self._entity(self.sections, name, "neo.spiketrain.metadata")
        _new_group(section, "sections")
        properties = _new_group(section, "properties")
        self._property(properties, "neo_name", str(units.name[unit]))
        self._property(properties, "nix_name", name)
        self._property(properties, "t_start", recording.t_start, "ms")
        self._property(properties, "t_stop", recording.t_stop, "ms")
        self._property(properties, "area", str(units.area[unit]))
        self._property(properties, "unit_id", units.unit_id[unit].item())
        if units.cell_type[unit]:
            self._property(properties, "cell_type", str(units.cell_type[unit]))
        for key, values in units.annotations.items():
            value = values[unit].item() if isinstance(values[unit], np.generic) else values[unit]
            if value is not None:
                self._property(properties, key, value)
        _link(tag, "positions", times)
        _link(tag, "metadata", section)
        _link(self.segment_tags, tag_id, tag)
        _link(self.area_tags[units.area[unit]], tag_id, tag)

    def _entity(self, parent: GroupID, name: str, kind: str,
                entity_id: str | None = None) -> GroupID:
        group = _new_group(parent, name)
        _new_attribute(group, "type", kind)
        self._identify(group, name, entity_id)
        return group

    def _property(self, properties: GroupID, name: str, value: Any,
                  unit: str | None = None) -> None:
        dtype = _TEXT_DTYPE if isinstance(value, str) else None
        dataset = _new_dataset(properties, name, np.array([value], dtype=dtype))
        self._identify(dataset, name)
        if unit is not None:
            _new_attribute(dataset, "unit", unit)

    def _identify(self, entity: GroupID | DatasetID, name: str,
                  entity_id: str | None = None) -> None:
        _new_attribute(entity, "entity_id", entity_id or str(uuid.uuid4()))
        _new_attribute(entity, "name", name)
        _new_attribute(entity, "created_at", self.created_at)
        _new_attribute(entity, "updated_at", self.created_at)




def _new_group(parent: GroupID, name: str) -> GroupID:
    return h5py.h5g.create(parent, name.encode(), gcpl=_ORDERED)


def _new_attribute(entity: GroupID | DatasetID, name: str, value: str) -> None:
    attribute = h5py.h5a.create(entity, name.encode(), _TEXT, _SCALAR)
    attribute.write(np.array(value, dtype=_TEXT_DTYPE))


def _new_dataset(parent: GroupID, name: str, values: np.ndarray) -> DatasetID:
    kind = h5py.h5t.py_create(values.dtype, logical=True)
    dataset = h5py.h5d.create(parent, name.encode(), kind, h5py.h5s.create_simple(values.shape))
    if values.size:
        dataset.write(_ALL, _ALL, np.ascontiguousarray(values))
    return dataset


def _link(parent: GroupID, name: str, target: GroupID) -> None:
    parent.links.create_hard(name.encode(), target, b".")
