"""Files that Neo reads, except NIX: their trains, epochs, events, Groups and ChannelViews.

Nothing that is read may run code, so formats that are pickles are refused, whatever Neo would
do with them.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephys_snn.contents import Contents, Group, Marks, Train, in_ms, memberships, text
from ephys_snn.errors import InputError
from ephys_snn.segments import join_segments

if TYPE_CHECKING:
    import neo

HDF5_SUFFIXES = (".nix", ".h5", ".hdf5", ".nwb")
PICKLES = (".pkl", ".pickle", ".p", ".joblib", ".dill", ".npy", ".npz", ".pt", ".pth")
_PICKLE_READERS = ("PickleIO",)  # Neo's


def read_with_neo(path: Path) -> Contents:
    """Read a file, or a folder that is a recording, in whichever format Neo knows it.

    Raises
    ------
    InputError
        If Neo cannot read it, if reading it could run code, or if its Segments hold different
        units.
    """
    _refuse_code(path)
    if path.is_file() and path.suffix.lower() in HDF5_SUFFIXES and not _opens_as_hdf5(path):
        kind = "NWB" if path.suffix.lower() == ".nwb" else "NIX"
        raise InputError(f"{path} is no {kind} file, or damaged: it does not open as HDF5")
    try:
        # Some readers print warnings and progress, which belong to no command of ours.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            blocks = _read_blocks(path)
    except Exception as error:  # Neo's readers raise whatever their formats make them raise
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        what = "is a folder, and" if path.is_dir() else "is"
        raise InputError(f"{path} {what} not a recording that Neo can read ({reason})"
                         f"{_hint(path)}") from error
    segments = [segment for block in blocks for segment in block.segments]
    with_spikes = [segment for segment in segments if segment.spiketrains]
    if not with_spikes:
        raise InputError(f"{path} holds no spike trains; there is nothing to analyse")
    whole = join_segments([_read_segment(segment, blocks) for segment in with_spikes], path)
    return replace(whole, annotations={**_annotations(blocks[0]), **whole.annotations})


def _refuse_code(path: Path) -> None:
    """Refuse what is, or may be, a pickle: loading one runs whatever its author wrote.

    Raises
    ------
    InputError
    """
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise InputError(f"{path}: files that end in {suffix} can hold Python pickles, which run "
                         "code when they are loaded, so they are not read; save the recording "
                         "as NIX (recordings/README.md) where it was made")


def _read_blocks(path: Path) -> list[neo.Block]:
    """What the first reader finds that finds spikes; none that unpickles is asked."""
    import neo  # heavy: NIX files do without

    refused, found = [], None
    for reader in neo.io.list_candidate_ios(str(path)):
        if reader.__name__ in _PICKLE_READERS or path.is_dir() and reader.mode == "file":
            continue
        try:
            blocks = reader(str(path)).read(lazy=False)
        except Exception as error:  # whatever the format makes it raise
            refused.append(f"{reader.__name__}: {error or type(error).__name__}")
            continue
        if any(segment.spiketrains for block in blocks for segment in block.segments):
            return blocks
        found = found or blocks
    if found is None:
        raise OSError("; ".join(refused) or "none of its readers is for this")
    return found


def _hint(path: Path) -> str:
    if path.is_dir():
        return "; name the recording inside it"
    return "; examples/convert_gdf.py brings text files of events" \
        if path.suffix.lower() == ".gdf" else ""


def _opens_as_hdf5(path: Path) -> bool:
    import h5py

    return h5py.is_hdf5(path)


def _read_segment(segment: neo.Segment, blocks: Iterable[neo.Block]) -> Contents:
    trains = list(segment.spiketrains)
    groups = [(group, str(group.name or "")) for block in blocks for group in block.groups]
    return Contents(
        tuple(_read_train(train) for train in trains),
        tuple(_read_marks(epoch, epoch.durations) for epoch in segment.epochs),
        tuple(_read_marks(event, None) for event in segment.events),
        _annotations(segment),
        memberships=memberships(
            [of_group for group, name in groups for of_group in _members(group, name)],
            [of_view for group, _ in groups for of_view in _views(group)],
            [id(train) for train in trains]))


def _members(group: neo.Group, name: str) -> list[Group]:
    """Trains of a Group and of the Groups within it, under one name."""
    inner = [members for child in group.groups for members in _members(child, name)]
    return [(name, [id(train) for train in group.spiketrains]), *inner]


def _views(group: neo.Group) -> list[Group]:
    """Trains of a Group under the names of the ChannelViews beside them."""
    members = [id(train) for train in group.spiketrains]
    own = [(str(view.name or ""), members) for view in group.channelviews]
    return own + [of_view for child in group.groups for of_view in _views(child)]


def _annotations(described: neo.Block | neo.Segment) -> dict[str, Any]:
    return {key: value for key, value in described.annotations.items() if key != "nix_name"}


def _read_train(train: neo.SpikeTrain) -> Train:
    unit = train.units.dimensionality.string
    name = str(train.name or "")
    what = f"spike train '{name}'"
    return Train(in_ms(train.magnitude, unit, what), name,
                 float(train.t_start.rescale("ms")), float(train.t_stop.rescale("ms")),
                 {key: value.item() if isinstance(value, np.generic) else value
                  for key, value in train.annotations.items()})


def _read_marks(marks: neo.Epoch | neo.Event, durations: Any) -> Marks:
    name = str(marks.name or "")
    times = in_ms(marks.times.magnitude, marks.times.units.dimensionality.string, f"'{name}'")
    if durations is not None:
        durations = in_ms(durations.magnitude, durations.units.dimensionality.string, f"'{name}'")
    labels = text(marks.labels) if len(marks.labels) else np.full(len(times), "")
    annotations = {key: np.asarray(values) for key, values in marks.array_annotations.items()}
    return Marks(name, times, durations, labels, annotations)
