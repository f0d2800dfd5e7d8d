"""NIX and NWB files of anybody, opened with care and only once.

A file with a seal is what this project wrote. Another one is read by another process, which hands
over what it found, so that a file on which the HDF5 library hangs or crashes does no harm. What
was read is kept for the next pipeline.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from ephys_snn import cache, flat, integrity
from ephys_snn.contents import Contents
from ephys_snn.nix import is_nix, read_nix
from ephys_snn.nwb import is_nwb, read_nwb


def read_hdf5(path: Path) -> Contents | None:
    """All trains, epochs and events of a NIX or NWB file; None if it is HDF5 of another kind.

    Raises
    ------
    InputError
        If the file is damaged or another program is writing it.
    """
    digest, sealed = integrity.check(path)
    contents = cache.load(digest)
    if contents is not None:
        return contents
    with cache.new_entry() as entry:
        contents = _read_here(path, entry) if sealed else _read_apart(path, entry)
        if entry.stat().st_size and integrity.content_digest(path) == digest:
            cache.keep(entry, digest)
    return contents


def read_nix_or_nwb(path: Path) -> Contents | None:
    """Read a file in this process, without the guard; None if it is neither NIX nor NWB."""
    if is_nix(path):
        return read_nix(path)
    return read_nwb(path) if is_nwb(path) else None


def _read_here(path: Path, entry: Path) -> Contents | None:
    contents = read_nix_or_nwb(path)
    if contents is not None and cache.folder() is not None:
        try:
            flat.save_contents(entry, contents)
        except (OSError, TypeError):  # a full disk, or values without a flat form
            _clear(entry)
    return contents


def _read_apart(path: Path, entry: Path) -> Contents | None:
    integrity.read_apart(path, entry)
    if entry.stat().st_size:
        try:
            return flat.load_contents(entry)
        except flat.DAMAGE:
            _clear(entry)
    return _read_here(path, entry)


def _clear(entry: Path) -> None:
    with contextlib.suppress(OSError):
        entry.write_bytes(b"")
