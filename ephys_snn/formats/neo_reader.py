"""Files that Neo reads, except NIX.

Nothing that is read may run code, so formats that are pickles are refused, whatever Neo would
do with them.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from ephys_snn.errors import InputError
from ephys_snn.formats.neo_objects import session_of_blocks
from ephys_snn.formats.session import Session

if TYPE_CHECKING:
    import neo

HDF5_SUFFIXES = (".nix", ".h5", ".hdf5", ".nwb")
PICKLES = (".pkl", ".pickle", ".p", ".joblib", ".dill", ".npy", ".npz", ".pt", ".pth")
_PICKLE_READERS = ("PickleIO",)  # Neo's


def read_with_neo(path: Path) -> Session:
    """Read a file, or a folder that is a recording, in whichever format Neo knows it."""
    _refuse_code(path)
    if path.is_file() and path.suffix.lower() in HDF5_SUFFIXES and not h5py.is_hdf5(path):
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
    return session_of_blocks(blocks, str(path))


def _refuse_code(path: Path) -> None:
    """Refuse what is, or may be, a pickle: loading one runs whatever its author wrote."""
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
