"""A session as a few long arrays in one file, which opens in no time.

A file has thousands of small arrays, and each costs as much as its values. So all arrays of one
type lie behind one another in a single array of an uncompressed ``.npz``, beside the rest as
JSON, in which an array is ``{"array": [which, start, shape]}``. No pickle: nothing in such a file
can run. The checksums of the ``.npz`` are checked, so that what is read is what was written.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ephys_snn.formats.session import Epoch, Event, Session, SpikeTrain

DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError,
          OverflowError, NotImplementedError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
_STRUCTURE = "structure"
_RECORDS = {kind.__name__: kind for kind in (Session, SpikeTrain, Event, Epoch)}


def save_session(path: Path, session: Session) -> None:
    """Write a session to a file; TypeError if it holds more than text, numbers and collections."""
    arrays: dict[str, list[np.ndarray]] = {}
    sizes: dict[str, int] = {}
    structure = json.dumps(_encode(session, arrays, sizes))
    with open(path, "wb") as file:
        np.savez(file, **{_STRUCTURE: np.frombuffer(structure.encode(), dtype=np.uint8)},
                 **{f"values_{dtype}": np.concatenate(parts) for dtype, parts in arrays.items()})


def load_session(path: Path) -> Session:
    """Read what `save_session` wrote; one of `DAMAGE` if the file is not that any more."""
    with zipfile.ZipFile(path) as archive:
        arrays = {name.removesuffix(".npy"): _read_member(archive, name)
                  for name in archive.namelist()}
    session = _decode(json.loads(arrays[_STRUCTURE].tobytes()), arrays)
    if not isinstance(session, Session):
        raise ValueError(f"{path} holds no session")
    return session


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # the checksum is checked at the end alone
            raise ValueError(f"{name} is longer than its array")
    return array


def _encode(value: Any, arrays: dict[str, list[np.ndarray]], sizes: dict[str, int]) -> Any:
    """JSON of a value; its arrays are added to those of their type."""
    def encode(part: Any) -> Any:
        return _encode(part, arrays, sizes)

    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        dtype = value.dtype.str
        start = sizes.get(dtype, 0)
        arrays.setdefault(dtype, []).append(value.ravel())
        sizes[dtype] = start + value.size
        return {"array": [dtype, start, value.shape]}
    if isinstance(value, np.ndarray) and value.dtype == object:
        return {"objects": [encode(value.ravel().tolist()), value.shape]}
    if isinstance(value, list):
        return [encode(part) for part in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(part) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(part)] for key, part in value.items()]}
    if type(value).__name__ in _RECORDS:
        fields = {field.name: encode(getattr(value, field.name))
                  for field in dataclasses.fields(value)}
        return {"record": [type(value).__name__, fields]}
    raise TypeError(f"no flat form of {type(value).__name__}")


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The value of which `value` is the JSON."""
    if isinstance(value, list):
        return [_decode(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        dtype, start, shape = content
        return arrays[f"values_{dtype}"][start:start + math.prod(shape)].reshape(shape)
    if kind == "objects":
        parts, shape = content
        array = np.empty(len(parts), dtype=object)
        array[:] = _decode(parts, arrays)
        return array.reshape(shape)
    if kind == "tuple":
        return tuple(_decode(content, arrays))
    if kind == "dict":
        return {_decode(key, arrays): _decode(part, arrays) for key, part in content}
    name, fields = content
    return _RECORDS[name](**{key: _decode(part, arrays) for key, part in fields.items()})
