"""MNIST from the user's cache, downloaded on first use and checked."""

import gzip
import hashlib
import tempfile
import urllib.request
from pathlib import Path

from tqdm import tqdm

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write, cache_folder
from ephys_snn.stimuli.data_set import DataSet
from ephys_snn.stimuli.idx_files import read_idx_folder

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
# SHA-256 of the unpacked files, since mirrors pack them differently.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def mnist() -> DataSet:
    """MNIST from the user's cache, downloaded on first use and checked."""
    folder = cache_folder()
    if folder is not None:
        return _read_mnist(folder / "mnist")
    with tempfile.TemporaryDirectory() as temporary:  # nothing is to be kept
        return _read_mnist(Path(temporary))


def _read_mnist(folder: Path) -> DataSet:
    for name, sha256 in SHA256.items():
        if not (folder / f"{name}.gz").is_file():
            _download(name, sha256, folder)
    return read_idx_folder(folder)._replace(name="mnist")


def fetch(url: str) -> bytes:
    """Content of a URL, with a progress bar."""
    with urllib.request.urlopen(url, timeout=30) as response:
        size = int(response.headers.get("Content-Length", 0)) or None
        with tqdm.wrapattr(response, "read", total=size, desc=url.rsplit("/", 1)[1]) as watched:
            return b"".join(iter(lambda: watched.read(1 << 16), b""))


def _download(name: str, sha256: str, folder: Path) -> None:
    failures = []
    for mirror in MIRRORS:
        try:
            packed = fetch(f"{mirror}{name}.gz")
            unpacked = gzip.decompress(packed)
        except (OSError, EOFError) as error:
            failures.append(f"{mirror}: {error}")
            continue
        if hashlib.sha256(unpacked).hexdigest() == sha256:
            _make_folder(folder)
            with atomic_write(folder / f"{name}.gz") as temporary:
                temporary.write_bytes(packed)
            return
        failures.append(f"{mirror}: another file came (wrong checksum)")
    raise InputError(
        f"cannot download MNIST's {name}.gz ({'; '.join(failures)}); "
        "connect to the network, or give the folder that has the four files as the data"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the cache folder {folder}: {error.strerror}; "
            "name another in the environment variable EPHYS_SNN_CACHE"
        ) from error
