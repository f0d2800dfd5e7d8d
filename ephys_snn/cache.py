"""Contents that were read once, kept for the next pipeline.

An entry is named after the SHA-256 of the content of the file and that of the code that read it,
so it cannot be stale: a changed file, or another version of this package, is another name. Any
entry may be deleted at any moment, one that is damaged is made anew, and the oldest give way to
the newest. The folder is the user's cache folder, or the one that the environment variable
``EPHYS_SNN_CACHE`` names; ``EPHYS_SNN_CACHE=off`` keeps nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import platformdirs

from ephys_snn import contents, flat, nix, nwb, segments
from ephys_snn.contents import Contents

VARIABLE = "EPHYS_SNN_CACHE"
MAX_BYTES, MAX_ENTRIES = 4_000_000_000, 1000
_READERS = (contents, flat, nix, nwb, segments)


def folder() -> Path | None:
    """Where entries are kept; None if nothing is."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    return Path(chosen) if chosen else platformdirs.user_cache_path("ephys_snn", appauthor=False)


def load(digest: str) -> Contents | None:
    """The contents of the file with the content of this SHA-256; None if they are not kept."""
    if folder() is None:
        return None
    entry = _entry(digest)
    try:
        found = flat.load_contents(entry)
    except FileNotFoundError:
        return None
    except flat.DAMAGE:
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
    """Make a file that `flat.save_contents` wrote the entry of a content, if there is a cache."""
    if folder() is not None and path.parent == folder():
        with contextlib.suppress(OSError):
            os.replace(path, _entry(digest))
            _evict(folder())


def _new_file() -> tuple[int, str]:
    place = folder()
    if place is not None:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            return tempfile.mkstemp(dir=place, suffix=".tmp")
        except OSError:
            pass
    return tempfile.mkstemp(suffix=".tmp")


def _entry(digest: str) -> Path:
    return folder() / f"{digest}-{_code_digest()}.npz"


@cache
def _code_digest() -> str:
    """What changes whenever the contents of a file might be read differently."""
    code = "".join(inspect.getsource(module) for module in _READERS)
    return hashlib.sha256(code.encode()).hexdigest()[:16]


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
