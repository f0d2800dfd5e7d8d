"""Opening a file of any format, with care (`guard`) and only once (`cache`)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from ephys_snn import files
from ephys_snn.errors import InputError
from ephys_snn.formats import cache, guard
from ephys_snn.formats.hdf5 import read_hdf5
from ephys_snn.formats.neo_reader import read_with_neo
from ephys_snn.formats.serialization import DAMAGE, load_session, save_session
from ephys_snn.formats.session import Session


def open_session(path: str | Path) -> Session:
    """All trains, epochs and events of a file, whatever its format, and its SHA-256.

    Raises
    ------
    InputError
        If there is no such file, nobody can read it, it is damaged, or another program is writing
        it.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}")
    session = _open_hdf5(path) if path.is_file() and guard.is_hdf5(path) else None
    if session is None:
        session = replace(read_with_neo(path), sha256=files.content_digest(path))
    if not session.trains:
        raise InputError(f"{path} holds no spike trains; there is nothing to analyse")
    return session


def _open_hdf5(path: Path) -> Session | None:
    """The session of a NIX or NWB file; None if it is HDF5 of another kind."""
    before = _identity(path)
    digest, sealed = guard.check(path)
    session = cache.load(digest)
    if session is None:
        with cache.new_entry() as entry:
            session = _read_here(path, entry) if sealed else _read_apart(path, entry)
            # A file that was replaced meanwhile is not the one that the digest is of.
            if entry.stat().st_size and _identity(path) == before:
                cache.keep(entry, digest)
    return None if session is None else replace(session, sha256=digest)


def _identity(path: Path) -> tuple[int, ...]:
    """What differs if another program changes a file, or puts one in its place."""
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read_here(path: Path, entry: Path) -> Session | None:
    session = read_hdf5(path)
    if session is not None and cache.folder() is not None:
        try:
            save_session(entry, session)
        except (OSError, TypeError):  # a full disk, or values without a flat form
            _clear(entry)
    return session


def _read_apart(path: Path, entry: Path) -> Session | None:
    guard.read_apart(path, entry)
    if entry.stat().st_size:
        try:
            return load_session(entry)
        except DAMAGE:
            _clear(entry)
    return _read_here(path, entry)


def _clear(entry: Path) -> None:
    with contextlib.suppress(OSError):
        entry.write_bytes(b"")
