"""Opening HDF5 files of anybody without harm.

A bit that flips inside the structure of an HDF5 file can make the HDF5 library loop for ever or
crash. So files without a seal (`ephys_snn.files`) are read by another process first, which may hang
or crash. One that was cut short says so itself: its superblock holds the length it should have.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ephys_snn import files
from ephys_snn.errors import InputError

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# How long opening a file may take in the other process, s; the slowest real files take a tenth.
PATIENCE, PATIENCE_PER_MB = 60.0, 1.0


def check(path: Path) -> tuple[str, bool]:
    """As `ephys_snn.files.verify`, and refuse an HDF5 file that was cut short."""
    digest, sealed = files.verify(path)
    size, stated = path.stat().st_size, None if sealed else _stated_length(path)
    if stated is not None and size < stated:
        raise InputError(f"{path} is damaged: it ends after {size:,} of {stated:,} bytes; copy or "
                         "record it again")
    return digest, sealed


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 files do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


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
    """Let another process read a file into a flat one, which stays empty if that cannot be."""
    patience = PATIENCE + PATIENCE_PER_MB * path.stat().st_size / 1e6
    command = [sys.executable, "-m", "ephys_snn.formats.hdf5", str(path), str(out)]
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, timeout=patience).returncode
    except subprocess.TimeoutExpired:
        raise InputError(f"{path} is damaged: opening it did not come to an end in "
                         f"{patience:.0f} s; copy or record it again") from None
    if status < 0:
        raise InputError(f"{path} is damaged: the HDF5 library crashes on it (signal {-status}); "
                         "copy or record it again")
