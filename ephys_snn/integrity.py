"""Whether a file may be trusted to be what was written: seals, and a guard for files without one.

A bit that flips inside a spike train changes a number and nothing else; one that flips inside the
structure of an HDF5 file can make the HDF5 library loop for ever or crash. So files of this
project carry a seal at their very end, behind what HDF5 considers the file::

    b"ephys_snn sha256 " + SHA-256 of everything before, in hexadecimal + b"\\n"

Programs that read HDF5 do not see it, and one that changes the file cuts it off, which makes the
file one without a seal, no damaged one. HDF5 files without a seal are opened by another process
first, which may hang or crash without harm. One that was cut short says so itself: its superblock
holds the length that it should have.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from ephys_snn.errors import InputError

_MARK = b"ephys_snn sha256 "
_SEAL_SIZE = len(_MARK) + 64 + 1
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CHUNK = 1 << 22
# How long opening a file may take in the other process, s; the slowest real files take a tenth.
PATIENCE, PATIENCE_PER_MB = 60.0, 1.0


def seal(path: Path) -> None:
    """Append the SHA-256 of a file to it."""
    with open(path, "rb") as file:
        digest = _digest(file, _size(file))
    with open(path, "ab") as file:
        file.write(_MARK + digest.encode() + b"\n")


def check(path: Path) -> tuple[str, bool]:
    """Refuse a file that is not what was sealed, or that another program is writing.

    Returns
    -------
    digest : str
        SHA-256 of the content, without the seal, in hexadecimal.
    sealed : bool
        Whether the content is known to be what was written.

    Raises
    ------
    InputError
        Also if the file cannot be opened at all.
    """
    try:
        _refuse_open_file(path)
        stated, digest = _read_digests(path)
        if stated is None and is_hdf5(path):
            _check_length(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if stated not in (None, digest):
        raise InputError(f"{path} is damaged: its content is not what was written (its SHA-256 "
                         "differs from the one at its end); copy or record it again")
    return digest, stated is not None


def content_digest(path: Path) -> str:
    """SHA-256 of a file without its seal, if it has one, in hexadecimal."""
    return _read_digests(path)[1]


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 files do.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _refuse_open_file(path: Path) -> None:
    """HDF5 locks what it writes; where there are no locks, nothing is known."""
    try:
        import fcntl
    except ImportError:  # Windows: what is open for writing cannot be read at all
        return
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path} is open for writing in another program; close it there "
                             "and try again") from None
        except OSError:
            pass


def _check_length(path: Path) -> None:
    """Refuse an HDF5 file that is shorter than its superblock says."""
    size, stated = path.stat().st_size, _stated_length(path)
    if stated is not None and size < stated:
        raise InputError(f"{path} is damaged: it ends after {size:,} of {stated:,} bytes; copy or "
                         "record it again")


def _stated_length(path: Path) -> int | None:
    """Length that the superblock of an HDF5 file states; None where its layout is unknown."""
    with open(path, "rb") as file:
        superblock = file.read(64)
    version = superblock[8] if len(superblock) == 64 else None
    # By version: where the size of addresses stands, and the address of the end of the file.
    at = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}.get(version)
    if at is None or superblock[at[0]] != 8:
        return None
    return int.from_bytes(superblock[at[1]:at[1] + 8], "little")


def read_apart(path: Path, out: Path) -> None:
    """Let another process read a file into a flat one, which stays empty if that cannot be.

    Raises
    ------
    InputError
        If the HDF5 library hangs or crashes on it.
    """
    patience = PATIENCE + PATIENCE_PER_MB * path.stat().st_size / 1e6
    command = [sys.executable, "-m", "ephys_snn.probe", str(path), str(out)]
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, timeout=patience).returncode
    except subprocess.TimeoutExpired:
        raise InputError(f"{path} is damaged: opening it did not come to an end in "
                         f"{patience:.0f} s; copy or record it again") from None
    if status < 0:
        raise InputError(f"{path} is damaged: the HDF5 library crashes on it (signal {-status}); "
                         "copy or record it again")


def _read_digests(path: Path) -> tuple[str | None, str]:
    """The SHA-256 in the seal and that of the content, of one file even if it is replaced now."""
    with open(path, "rb") as file:
        stated = _read_seal(file)
        return stated, _digest(file, _size(file) - (0 if stated is None else _SEAL_SIZE))


def _read_seal(file: BinaryIO) -> str | None:
    if (size := _size(file)) < _SEAL_SIZE:
        return None
    file.seek(size - _SEAL_SIZE)
    end = file.read(_SEAL_SIZE)
    return end[len(_MARK):-1].decode("ascii", "replace") if end.startswith(_MARK) else None


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _digest(file: BinaryIO, size: int) -> str:
    """SHA-256 of the first `size` bytes of a file, in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()
