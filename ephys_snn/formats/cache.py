"""Sessions that were read once, kept for the next pipeline.

An entry is named after the SHA-256 of the content of the file and `READERS`, the version of how
files are read, so it cannot be stale. Any entry may be deleted at any moment, one that is damaged
is made anew, and the oldest give way to the newest.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ephys_snn.files import cache_folder as folder
from ephys_snn.formats.serialization import DAMAGE, load_session
from ephys_snn.formats.session import Session

# To be raised whenever a file might be read differently: by a change of the readers, of `Session`,
# or of a library that they rest upon.
READERS = 1
MAX_BYTES, MAX_ENTRIES = 4_000_000_000, 1000


def load(digest: str) -> Session | None:
    """The session of the file with the content of this SHA-256; None if it is not kept."""
    if folder() is None:
        return None
    entry = _entry(digest)
    try:
        found = load_session(entry)
    except DAMAGE:  # or there is none
        with contextlib.suppress(OSError):
            entry.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(entry)  # the last to give way
    return found


@contextlib.contextmanager
def new_entry() -> Iterator[Path]:
    """Yield the path of an empty file that `keep` can make an entry; afterwards it is gone.

    It lies among temporary files where the cache is off or cannot be written.
    """
    handle, name = _new_file()
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def keep(path: Path, digest: str) -> None:
    """Make a file that `save_session` wrote the entry of a content, if there is a cache."""
    if folder() is not None and path.parent == folder():
        with contextlib.suppress(OSError):
            os.replace(path, _entry(digest))
            _evict(folder())


def _new_file() -> tuple[int, str]:
    place = folder()
    if place is not None:
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            return tempfile.mkstemp(dir=place, suffix=".tmp")
    return tempfile.mkstemp(suffix=".tmp")


def _entry(digest: str) -> Path:
    return folder() / f"{digest}-{READERS}.npz"


def _evict(place: Path) -> None:
    """Delete the entries used longest ago until the rest is within bounds."""
    files = []
    for path in place.iterdir():
        if path.suffix in (".npz", ".tmp"):  # what a killed process left is a .tmp
            with contextlib.suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
    total = 0
    for rank, (_, size, path) in enumerate(sorted(files, reverse=True)):
        total += size
        if rank > 0 and (total > MAX_BYTES or rank >= MAX_ENTRIES):
            with contextlib.suppress(OSError):
                path.unlink()
