"""Files that are whole or not there: written under a temporary name, then moved into place."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ephys_snn.errors import InputError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds.

    Whatever happens inside, `path` holds either what it held before or the new content, whole.

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
    """Fail before long work, not after it, if nothing can be written at `path`.

    Raises
    ------
    InputError
        As `replacing` would.
    """
    _temporary_beside(Path(path)).unlink()


def sweep(path: str | Path) -> None:
    """Remove what killed processes left of writing `path`."""
    path = Path(path)
    prefix, suffix = _affixes(path)
    for left in path.parent.iterdir() if path.parent.is_dir() else []:
        if left.name.startswith(prefix) and left.name.endswith(suffix):
            left.unlink(missing_ok=True)


def reserve(path: Path, n_bytes: int) -> None:
    """Make sure that a file has room for so much before a library writes it.

    Libraries that meet a full disk half-way may crash. The file is empty afterwards.

    Raises
    ------
    OSError
        If the disk, the quota or the limit on the size of files leaves no room.
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
