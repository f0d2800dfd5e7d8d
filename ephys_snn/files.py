"""Files that are whole or not there, and that say whether they are still what was written.

A file is written under a temporary name and moved into place. Recordings and models of this project
carry a *seal* at their very end, behind what HDF5 or PyTorch consider the file::

    b"ephys_snn sha256 " + SHA-256 of everything before, in hexadecimal + b"\\n"

A bit that flips inside a spike train changes a number and nothing else; the seal shows it. Other
programs do not see the seal, and one that changes the file cuts it off, which makes the file one
without a seal, no damaged one.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from ephys_snn.errors import InputError

CACHE_VARIABLE = "EPHYS_SNN_CACHE"
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_MARK = b"ephys_snn sha256 "
_SEAL_SIZE = len(_MARK) + 64 + 1
_CHUNK = 1 << 22


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds.

    Raises
    ------
    InputError
        If the folder does not exist or nothing can be written there, or the disk is full.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Fail before long work, not after it, where `atomic_write` would."""
    _temporary_beside(Path(path)).unlink()


def remove_stale(path: str | Path) -> None:
    """Remove what killed processes left of writing `path`."""
    path = Path(path)
    prefix, suffix = _affixes(path)
    for left in path.parent.iterdir() if path.parent.is_dir() else []:
        if left.name.startswith(prefix) and left.name.endswith(suffix):
            left.unlink(missing_ok=True)


def preallocate(path: Path, n_bytes: int) -> None:
    """Fail with an OSError now if a file has no room for so much; it is empty afterwards.

    Libraries that meet a full disk, a quota or a limit half-way may crash.
    """
    with open(path, "r+b") as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            elif shutil.disk_usage(path).free < n_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno in _FULL:
                raise
        finally:
            file.truncate(0)


def _temporary_beside(path: Path) -> Path:
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")
    try:
        prefix, suffix = _affixes(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    return Path(name)


def _affixes(path: Path) -> tuple[str, str]:
    """How the names of temporary files for `path` begin and end."""
    return f".{path.stem[:80]}.", f".tmp{path.suffix}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cache_folder() -> Path | None:
    """Folder of what can be made or fetched again; None if nothing is to be kept.

    The user's cache folder, or the one that the environment variable ``EPHYS_SNN_CACHE`` names;
    ``EPHYS_SNN_CACHE=off`` keeps nothing.
    """
    chosen = os.environ.get(CACHE_VARIABLE, "")
    if chosen.lower() == "off":
        return None
    return Path(chosen) if chosen else platformdirs.user_cache_path("ephys_snn", appauthor=False)


# --- seals --------------------------------------------------------------------------------------


def seal(path: Path) -> None:
    """Append the SHA-256 of a file to it."""
    with open(path, "r+b") as file:
        digest = _digest(file, _size(file))
        file.seek(0, os.SEEK_END)
        file.write(_MARK + digest.encode() + b"\n")


def verify(path: Path) -> tuple[str, bool]:
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
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if stated not in (None, digest):
        raise InputError(f"{path} is damaged: its content is not what was written (its SHA-256 "
                         "differs from the one at its end); copy or record it again")
    return digest, stated is not None


def content_digest(path: Path) -> str:
    """SHA-256, in hexadecimal, of what a recording or model is: of a file without its seal.

    Of a folder it is that of its files with their names.
    """
    if not path.is_dir():
        return _read_digests(path)[1]
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(_read_digests(file)[1].encode())
    return digest.hexdigest()


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
