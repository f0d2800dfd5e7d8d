"""Files that are whole or not there: written under a temporary name, then moved into place."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ephys_snn.errors import InputError


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
