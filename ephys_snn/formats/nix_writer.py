"""Writing NIX files as Neo reads them, whole or not at all.

NixIO spends 10 ms and more on each spike train, whatever its size, so it writes all but the trains
here, and the trains are added in its layout (see `ephys_snn.formats.nix_reader`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py.h5d import DatasetID
from h5py.h5g import GroupID

from ephys_snn.files import atomic_write, preallocate, seal
from ephys_snn.formats.neo_objects import block_of_session
from ephys_snn.formats.nix_reader import (
    ALL,
    JSON_ANNOTATIONS,
    TEXT,
    TEXT_DTYPE,
    WEIGHTS_TYPE,
    in_order,
    neo_blocks,
    open_object,
    read_attribute,
    read_properties,
)
from ephys_snn.formats.session import Session, SpikeTrain

_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)
_ORDERED = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
_ORDERED.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)


def write_nix(path: str | Path, session: Session, name: str | None = None) -> None:
    """Write a session in NIX format, as Neo reads it; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    session : Session
        Its trains of one `group` become a Group.
    name : str, optional
        Of the Block; that of the file by default.

    Raises
    ------
    InputError
        If the file cannot be written there, or the disk has no room for it.
    """
    with atomic_write(path) as temporary:
        preallocate(temporary, largest_size(session))
        _write_frame(temporary, session, name or Path(path).stem)
        with h5py.File(temporary, "r+") as file:
            writer = _TrainWriter(neo_blocks(file)[0])
            groups = session.memberships.get("group", [None] * len(session.trains))
            for train, group in zip(session.trains, groups, strict=True):
                writer.write(train, group)
        seal(temporary)


def largest_size(session: Session) -> int:
    """Bytes that the file of a session does not exceed."""
    # The constants are upper bounds of what HDF5 spends on the groups and attributes of an object.
    events = [*session.epochs, *session.events]
    n_arrays = max((len(event.annotations) for event in events), default=0)
    text = sum(4 * event.labels.dtype.itemsize * len(event) for event in events) + sum(
        16 * (len(train.name) + sum(len(str(value)) for value in train.annotations.values()))
        for train in session.trains)
    described = len(json.dumps(dict(session.annotations), default=str))
    return (sum(8 * len(train.times) for train in session.trains)
            + sum(8 * matrix.size for matrix in session.weights.values())
            + sum(10_000 + 2_000 * len(train.annotations) for train in session.trains)
            + (300 + 300 * n_arrays) * sum(map(len, events)) + 2 * text + 2 * described
            + 50_000 * (20 + len(session.groups) + len(session.weights)
                        + len(events) + len(session.annotations)))


def _write_frame(path: Path, session: Session, name: str) -> None:
    """Let NixIO write all but the trains, and nix the weights and the Groups."""
    import neo  # heavy, and only needed for writing
    import nixio

    annotations = {key: _storable(key, value) for key, value in session.annotations.items()}
    frame = replace(session, trains=(), memberships={}, weights={},
                    annotations={**annotations, "n_units": len(session.trains)})
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block_of_session(frame, name))
    file = nixio.File.open(str(path), nixio.FileMode.ReadWrite)
    nix_block = file.blocks[0]
    for (source, target), matrix in session.weights.items():
        array = nix_block.create_data_array(f"{source}->{target}", WEIGHTS_TYPE, data=matrix)
        for axis in ("pre", "post"):  # units, in the order of unit_id
            array.append_set_dimension().label = axis
    for group in session.groups:
        group_id = f"neo.group.{uuid.uuid4().hex}"  # NixIO drops Groups that are still empty
        section = nix_block.metadata.create_section(group_id, "neo.group.metadata")
        section["neo_name"], section["nix_name"] = group, group_id
        nix_block.create_group(group_id, "neo.group").metadata = section
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

    def __init__(self, block: GroupID):
        members = [(read_attribute(group, b"type"), group)
                   for group in in_order(open_object(block, b"groups"))]
        segment = next(group for kind, group in members if kind == "neo.segment")
        self.tags = open_object(block, b"multi_tags")
        self.arrays = open_object(block, b"data_arrays")
        self.sections = open_object(segment, b"metadata/sections")
        self.segment_tags = open_object(segment, b"multi_tags")
        self.group_tags = {read_properties(group)["neo_name"]: _new_group(group, "multi_tags")
                           for kind, group in members if kind == "neo.group"}
        self.created_at = read_attribute(block, b"created_at")

    def write(self, train: SpikeTrain, group: str | None) -> None:
        """Add a spike train to the segment and to its Group."""
        name = f"neo.spiketrain.{uuid.uuid4().hex}"
        tag_id = str(uuid.uuid4())
        tag = self._entity(self.tags, name, "neo.spiketrain", tag_id)
        times = self._entity(self.arrays, f"{name}.times", "neo.spiketrain.times")
        _new_attribute(times, "unit", "ms")
        _new_dataset(times, "data", train.times)
        _new_group(times, "dimensions")
        section = self._entity(self.sections, name, "neo.spiketrain.metadata")
        _new_group(section, "sections")
        properties = _new_group(section, "properties")
        self._property(properties, "neo_name", train.name)
        self._property(properties, "nix_name", name)
        self._property(properties, "t_start", train.t_start, "ms")
        self._property(properties, "t_stop", train.t_stop, "ms")
        for key, value in train.annotations.items():
            self._property(properties, key, value)
        _link(tag, "positions", times)
        _link(tag, "metadata", section)
        _link(self.segment_tags, tag_id, tag)
        if group is not None:
            _link(self.group_tags[group], tag_id, tag)

    def _entity(self, parent: GroupID, name: str, kind: str,
                entity_id: str | None = None) -> GroupID:
        group = _new_group(parent, name)
        _new_attribute(group, "type", kind)
        self._identify(group, name, entity_id)
        return group

    def _property(self, properties: GroupID, name: str, value: Any,
                  unit: str | None = None) -> None:
        dtype = TEXT_DTYPE if isinstance(value, str) else None
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
    attribute = h5py.h5a.create(entity, name.encode(), TEXT, _SCALAR)
    attribute.write(np.array(value, dtype=TEXT_DTYPE))


def _new_dataset(parent: GroupID, name: str, values: np.ndarray) -> DatasetID:
    kind = h5py.h5t.py_create(values.dtype, logical=True)
    dataset = h5py.h5d.create(parent, name.encode(), kind, h5py.h5s.create_simple(values.shape))
    if values.size:
        dataset.write(ALL, ALL, np.ascontiguousarray(values))
    return dataset


def _link(parent: GroupID, name: str, target: GroupID) -> None:
    parent.links.create_hard(name.encode(), target, b".")
