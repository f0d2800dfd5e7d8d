"""Reading NIX files in the layout of Neo's NixIO, directly from their HDF5.

Neo describes a recording as a tree of objects, and NixIO spends 4-20 ms on each of them, whatever
its size. A recording has thousands of spike trains and little else::

    data/<block>/metadata/properties/<annotation>
    data/<block>/groups/<segment>/multi_tags/<id>            a train, an epoch or an event
        positions/data                                       its times
        extents/data                                         durations of an epoch
        positions/dimensions/1/labels                        labels of an epoch or event
        metadata/properties/{neo_name, t_start, ...}         name and annotations
    data/<block>/data_arrays/<source>-><target>              weights

Weights are nix DataArrays of type ``ephys_snn.weights``, shape (pre, post); Neo ignores them.
"""

from __future__ import annotations

import contextlib
import json
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

from ephys_snn.errors import InputError
from ephys_snn.formats.segments import join_segments
from ephys_snn.formats.session import Epoch, Event, Session, SpikeTrain, in_ms, memberships, text

WEIGHTS_TYPE = "ephys_snn.weights"
# Block annotations that hold structures, which NIX properties cannot, as JSON.
JSON_ANNOTATIONS = ("areas", "classes", "perturbations", "settings", "versions")
# Properties of NixIO's own that are no annotations of the user's.
_LAYOUT_PROPERTIES = {"neo_name", "t_start", "t_stop", "neo_description"}

TEXT_DTYPE = h5py.string_dtype()
TEXT = h5py.h5t.py_create(TEXT_DTYPE, logical=True)
_TEXT_IN_MEMORY = h5py.h5t.py_create(TEXT_DTYPE)
# Types of nearly all values: as stored, in memory, in numpy.
_USUAL_TYPES = ((TEXT, _TEXT_IN_MEMORY, object),
                (h5py.h5t.NATIVE_DOUBLE, h5py.h5t.NATIVE_DOUBLE, np.float64),
                (h5py.h5t.NATIVE_INT64, h5py.h5t.NATIVE_INT64, np.int64))
ALL = h5py.h5s.ALL
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
            return _as_text(file.attrs.get("format")) == "nix" and bool(neo_blocks(file))
    except _DAMAGE:
        return False


def read_nix(path: Path) -> Session:
    """Read the only block of a NIX file that NixIO (or this project) wrote."""
    try:
        with h5py.File(path, "r") as file:
            return _read_block(file, path)
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged or was not written to its end ({error}); "
                         "copy or record it again") from error


def _read_block(file: h5py.File, path: Path) -> Session:
    blocks = neo_blocks(file)
    if len(blocks) != 1:
        raise InputError(f"{path} holds {len(blocks)} Neo blocks; split it into files of one")
    block = blocks[0]
    groups = list(in_order(open_object(block, b"groups")))
    segments = [_read_segment(group, groups) for group in groups
                if read_attribute(group, b"type") == "neo.segment"]
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


def _read_segment(segment: GroupID, groups: Sequence[GroupID]) -> Session:
    trains, train_names, epochs, events = [], [], [], []
    tags = open_object(segment, b"multi_tags")
    for tag_name in _names_in_order(tags):
        tag = open_object(tags, tag_name)
        kind = read_attribute(tag, b"type")
        if kind == "neo.spiketrain":
            trains.append(_read_train(tag))
            train_names.append(tag_name)
        elif kind == "neo.epoch":
            epochs.append(_read_epoch(tag))
        elif kind == "neo.event":
            events.append(_read_event(tag))
    return Session(tuple(trains), tuple(epochs), tuple(events), _read_annotations(segment),
                   memberships=_read_memberships(groups, train_names))


def _read_memberships(groups: Sequence[GroupID], trains: Sequence[bytes]
                      ) -> dict[str, tuple[str | None, ...]]:
    """The Group of each train, and the ChannelView in its Group; a subgroup's are its parent's."""
    tops: dict[str, str] = {}  # parents come before their subgroups
    named, views = [], []
    for group in groups:
        if read_attribute(group, b"type") not in ("neo.group", "neo.subgroup") \
                or b"multi_tags" not in group:
            continue
        properties = read_properties(group)
        own_name = read_attribute(group, b"name")
        tops[own_name] = tops.get(str(properties.get("neo_parent")),
                                  str(properties.get("neo_name", "")))
        tags = open_object(group, b"multi_tags")
        members = _names_in_order(tags)
        named.append((tops[own_name], members))
        for member in set(members).difference(trains):
            tag = open_object(tags, member)
            if read_attribute(tag, b"type") == "neo.channelview":
                views.append((str(read_properties(tag).get("neo_name", "")), members))
    return memberships(named, views, trains)


def neo_blocks(file: h5py.File) -> list[GroupID]:
    return [block for block in in_order(open_object(file.id, b"data"))
            if read_attribute(block, b"type") == "neo.block"]


def in_order(group: GroupID) -> Iterator[GroupID]:
    """Members of a group in the order in which they were made, as nix does."""
    return (open_object(group, name) for name in _names_in_order(group))


def _names_in_order(group: GroupID) -> list[bytes]:
    tracked = group.get_create_plist().get_link_creation_order() & h5py.h5p.CRT_ORDER_INDEXED
    names: list[bytes] = []
    group.links.iterate(names.append,
                        idx_type=h5py.h5.INDEX_CRT_ORDER if tracked else h5py.h5.INDEX_NAME)
    return names


def _read_train(tag: GroupID) -> SpikeTrain:
    properties = read_properties(tag)
    name = properties.get("neo_name", "")
    return SpikeTrain(_read_times(tag, b"positions", name), name, properties["t_start"],
                      properties["t_stop"], _annotations(properties))


def _read_event(tag: GroupID) -> Event:
    properties = read_properties(tag)
    name = properties.get("neo_name", "")
    times = _read_times(tag, b"positions", name)
    labels = np.full(len(times), "")
    if b"dimensions/1/labels" in open_object(tag, b"positions"):
        labels = text(_read_array(open_object(tag, b"positions/dimensions/1/labels", DatasetID)))
    if len(labels) != len(times):
        raise ValueError(f"'{name}' has not as many labels as times")
    annotations = {key: value for key, value in _annotations(properties).items()
                   if isinstance(value, np.ndarray) and len(value) == len(times)}
    return Event(name=name, times=times, labels=labels, annotations=annotations)


def _read_epoch(tag: GroupID) -> Epoch:
    event = _read_event(tag)
    if b"extents" not in tag:
        raise ValueError(f"the Epoch '{event.name}' has no durations")
    durations = _read_times(tag, b"extents", event.name)
    if len(durations) != len(event):
        raise ValueError(f"'{event.name}' has not as many durations as times")
    return event.lasting(durations)


def _read_times(tag: GroupID, array: bytes, name: str) -> np.ndarray:
    entity = open_object(tag, array)
    values = _read_array(open_object(entity, b"data", DatasetID))
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"the times of '{name}' are no list of numbers")
    return in_ms(values, _unit(entity), f"'{name}'")


def _read_annotations(entity: GroupID) -> dict[str, Any]:
    annotations = _annotations(read_properties(entity))
    for key in JSON_ANNOTATIONS:
        if isinstance(annotations.get(key), str):
            with contextlib.suppress(ValueError):  # another program's, of the same name
                annotations[key] = json.loads(annotations[key])
    return annotations


def _annotations(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in _LAYOUT_PROPERTIES}


def read_properties(entity: GroupID) -> dict[str, Any]:
    """Properties of an entity's metadata; times in ms."""
    if b"metadata" not in entity:
        return {}
    properties = open_object(entity, b"metadata/properties")
    return {name.decode("utf-8"): _read_property(properties, name)
            for name in _names_in_order(properties) if name != b"nix_name"}


def _read_property(properties: GroupID, name: bytes) -> Any:
    dataset = open_object(properties, name, DatasetID)
    value = _read_array(dataset)
    if name in (b"t_start", b"t_stop"):
        return float(in_ms(value, _unit(dataset), name.decode())[0])
    if value.dtype == object:
        value = text(value)
    # An array annotation of a single event is still an array; nix marks those with a type.
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
        dataset.read(ALL, ALL, values, memory)
    return values


def _type_in_memory(stored: DatasetID | AttrID) -> tuple[TypeID | None, Any]:
    kind = stored.get_type()
    for usual, memory, dtype in _USUAL_TYPES:
        if kind.equal(usual):
            return memory, dtype
    return None, stored.dtype


def _unit(entity: GroupID | DatasetID) -> str:
    return read_attribute(entity, b"unit") if h5py.h5a.exists(entity, b"unit") else "ms"


def read_attribute(entity: GroupID | DatasetID, name: bytes) -> str:
    attribute = h5py.h5a.open(entity, name)
    memory, dtype = _type_in_memory(attribute)
    value = np.empty(attribute.shape, dtype=dtype)
    attribute.read(value, memory)
    return _as_text(value[()])


def _as_text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _read_weights(block: GroupID) -> dict[tuple[str, str], np.ndarray]:
    weights = {}
    arrays = open_object(block, b"data_arrays")
    for name in _names_in_order(arrays):
        if b"->" in name and read_attribute(open_object(arrays, name), b"type") == WEIGHTS_TYPE:
            array = open_object(arrays, name)
            source, _, target = read_attribute(array, b"name").partition("->")
            weights[source, target] = _read_array(open_object(array, b"data", DatasetID))
    return weights


def open_object(parent: GroupID, name: bytes, kind: type = GroupID) -> GroupID | DatasetID:
    """A group of this file, or a data set; what is linked from another file is refused."""
    opened = h5py.h5o.open(parent, name, _NO_OTHER_FILES)
    if not isinstance(opened, kind):
        raise ValueError(f"its '{name.decode(errors='replace')}' is no "
                         f"{'group' if kind is GroupID else 'data set'}")
    return opened
