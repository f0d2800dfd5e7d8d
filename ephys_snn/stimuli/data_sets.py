"""Labelled data from which stimuli are made: digits, MNIST and other IDX files, Yin-Yang, arrays.

Every data set comes with a fixed split into training, validation and test samples, which depends on
nothing but the data.
"""

import gzip
import hashlib
import math
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write, cache_folder

SPLITS = ("train", "validation", "test")

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
# SHA-256 of the unpacked files, since mirrors pack them differently.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class DataSet(NamedTuple):
    """Labelled samples before they are encoded as spike times.

    Attributes
    ----------
    name : str
        Name of the data set.
    kind : str
        What `values` are: 'images', 'points' or 'times'.
    values : numpy.ndarray
        Images (n, height, width), as 8-bit integers or as floats in [0, 1]; points of the plane
        (n, 2) in [0, 1]; or spike times (n, input) in ms with inf for silent inputs.
    labels : numpy.ndarray of int64, shape (n,)
        Index into `classes`.
    classes : tuple of str
        Names of the classes.
    split : numpy.ndarray of str, shape (n,)
        'train', 'validation' or 'test'.
    """

    name: str
    kind: str
    values: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    split: np.ndarray


def stratified_split(labels: np.ndarray) -> np.ndarray:
    """Split 60 / 20 / 20 within each class, always alike for the same labels.

    Parameters
    ----------
    labels : array of int, shape (n,)
        Class of each sample.

    Returns
    -------
    numpy.ndarray of str, shape (n,)
        'train', 'validation' or 'test'.
    """
    generator = np.random.default_rng(0)
    split = np.empty(len(labels), dtype="<U10")
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        position = (np.arange(len(members)) + 0.5) / len(members)
        split[members] = np.array(SPLITS)[np.searchsorted([0.6, 0.8], position)]
    return split


def digits() -> DataSet:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    return DataSet(
        name="digits",
        kind="images",
        values=bunch.images / bunch.images.max(),
        labels=labels,
        classes=tuple(str(label) for label in range(10)),
        split=stratified_split(labels),
    )


def yin_yang() -> DataSet:
    """Points of the Yin-Yang sign in three classes, balanced: yin, yang and the two dots.

    The sign has radius 0.5 around (0.5, 0.5) and dots of radius 0.1 around (0.25, 0.5) and
    (0.75, 0.5). 5,000 points for training, 1,000 for validation, 1,000 for testing.

    References
    ----------
    Kriener, Göltz, Petrovici, The Yin-Yang dataset, NICE 2022, doi:10.1145/3517343.3517380.
    """
    generator = np.random.default_rng(42)
    labels = generator.integers(3, size=7000)
    points = np.full((7000, 2), np.nan)
    missing = np.arange(7000)
    while len(missing):
        candidates = generator.random((len(missing), 2))
        wanted = yin_yang_class(candidates) == labels[missing]
        points[missing[wanted]] = candidates[wanted]
        missing = missing[~wanted]
    return DataSet(
        name="yin-yang",
        kind="points",
        values=points,
        labels=labels,
        classes=("yin", "yang", "dot"),
        split=np.repeat(SPLITS, (5000, 1000, 1000)),
    )


def yin_yang_class(points: np.ndarray) -> np.ndarray:
    """Part of the Yin-Yang sign in which points lie.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Coordinates x and y in [0, 1].

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        0 yin, 1 yang, 2 dot, −1 outside.
    """
    x, y = points.T
    to_left = np.hypot(x - 0.25, y - 0.5)
    to_right = np.hypot(x - 0.75, y - 0.5)
    dot = np.minimum(to_left, to_right) <= 0.1
    # Yin is the upper half without the right bulge, and with the left one.
    yin = (to_left <= 0.25) | ((y > 0.5) & (to_right > 0.25))
    outside = np.hypot(x - 0.5, y - 0.5) > 0.5
    return np.select([outside, dot, yin], [-1, 2, 0], default=1)


def mnist() -> DataSet:
    """MNIST from the user's cache, downloaded on first use and checked."""
    folder = cache_folder()
    if folder is not None:
        return _read_mnist(folder / "mnist")
    with tempfile.TemporaryDirectory() as temporary:  # nothing is to be kept
        return _read_mnist(Path(temporary))


def _read_mnist(folder: Path) -> DataSet:
    for name, sha256 in MNIST_SHA256.items():
        if not (folder / f"{name}.gz").is_file():
            _download(name, sha256, folder)
    return idx_directory(folder)._replace(name="mnist")


def fetch(url: str) -> bytes:
    """Content of a URL, with a progress bar."""
    with urllib.request.urlopen(url, timeout=30) as response:
        size = int(response.headers.get("Content-Length", 0)) or None
        content = bytearray()
        with tqdm(total=size, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[1]) as progress:
            while chunk := response.read(1 << 16):
                content += chunk
                progress.update(len(chunk))
    return bytes(content)


def _download(name: str, sha256: str, folder: Path) -> None:
    failures = []
    for mirror in MNIST_MIRRORS:
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


def idx_directory(folder: str | Path) -> DataSet:
    """Images and labels in MNIST's IDX format, packed with gzip or not.

    The last sixth of the training files, in file order, is for validation (MNIST: 50,000 images to
    train, 10,000 to validate).

    Parameters
    ----------
    folder : str or Path
        Holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte, each with or without .gz.

    Raises
    ------
    InputError
        If a file is missing, damaged or does not match its companion.
    """
    folder = Path(folder)
    parts = []
    for prefix in ("train", "t10k"):
        images = _read_idx(folder, f"{prefix}-images-idx3-ubyte", n_dimensions=3)
        labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte", n_dimensions=1)
        if len(images) != len(labels):
            raise InputError(
                f"the {prefix} files of {folder} do not belong together: "
                f"{len(images)} images and {len(labels)} labels"
            )
        parts.append((images, labels))
    (images, labels), (test_images, test_labels) = parts
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"the files of {folder} do not belong together: training images of shape "
            f"{images.shape[1:]} and test images of shape {test_images.shape[1:]}"
        )
    n_validation = len(images) // 6
    sizes = (len(images) - n_validation, n_validation, len(test_images))
    labels, classes = _index_labels(np.concatenate([labels, test_labels]), folder)
    return _checked(DataSet(
        name=folder.resolve().name,
        kind="images",
        values=np.concatenate([images, test_images]),
        labels=labels,
        classes=classes,
        split=np.repeat(SPLITS, sizes),
    ), folder)


def _read_idx(folder: Path, name: str, n_dimensions: int) -> np.ndarray:
    candidates = [path for path in (folder / f"{name}.gz", folder / name) if path.is_file()]
    if not candidates:
        raise InputError(
            f"{folder} has no file {name} or {name}.gz; a data folder needs the four files "
            f"{', '.join(MNIST_SHA256)}, each with or without .gz"
        )
    path = candidates[0]
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, gzip.zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; the file is damaged") from error
    header = 4 + 4 * n_dimensions
    # Two zero bytes, 8 for unsigned bytes, the number of dimensions, then their sizes.
    if len(content) < header or content[:4] != bytes([0, 0, 8, n_dimensions]):
        raise InputError(
            f"{path} is not an IDX file of unsigned bytes with {n_dimensions} dimension(s)"
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", n_dimensions, offset=4))
    if len(content) != header + math.prod(shape):
        raise InputError(
            f"{path} is damaged: its header promises {math.prod(shape)} values of shape {shape}, "
            f"and {len(content) - header} are there"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def arrays(path: str | Path) -> DataSet:
    """A user's own data from an ``.npz`` file.

    Parameters
    ----------
    path : str or Path
        Holds `labels` (n,), integers or names, and either `images` (n, height, width), 8-bit
        integers or floats in [0, 1], or `times` (n, input), spike times in ms with inf for silent
        inputs; optionally `split` (n,) of 'train', 'validation' and 'test' (else 60 / 20 / 20
        within each class).

    Raises
    ------
    InputError
        If the file is damaged, an array is missing, of the wrong shape or has impossible values.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    content = _read_npz(path)
    if "labels" not in content or ("images" in content) == ("times" in content):
        raise InputError(
            f"{path} needs `labels` and either `images` or `times`; "
            f"it has {', '.join(sorted(content)) or 'nothing'}"
        )
    known = ("labels", "images", "times", "split")
    return own_data(**{key: content[key] for key in known if key in content},
                    name=path.stem, source=path)


def own_data(
    labels: np.ndarray,
    images: np.ndarray | None = None,
    times: np.ndarray | None = None,
    split: np.ndarray | None = None,
    name: str = "own data",
    source: str | Path = "the data",
) -> DataSet:
    """A user's own data from arrays; see `arrays` for what they hold.

    Parameters
    ----------
    labels : array of int or str, shape (n,)
        Class of each sample.
    images, times : array, shape (n, height, width) or (n, input)
        One of them.
    split : array of str, shape (n,), optional
        'train', 'validation' or 'test'; 60 / 20 / 20 within each class by default.
    name : str
        Name of the data set.
    source : str or Path
        What errors call the data.

    Raises
    ------
    InputError
        If an array is missing, of the wrong shape or has impossible values.
    """
    if (images is None) == (times is None):
        raise InputError(f"{source} must be either `images` or `times`; give one of them")
    if images is not None:
        kind, values = "images", _check_images(np.asarray(images), source)
    else:
        kind, values = "times", _check_times(np.asarray(times), source)
    labels = np.asarray(labels)
    if labels.dtype == object and all(isinstance(label, str) for label in labels.flat):
        labels = labels.astype(str)  # as pandas keeps names
    if labels.shape != values.shape[:1]:
        raise InputError(
            f"`labels` of {source} must have one entry for each of the {len(values)} {kind}; "
            f"got shape {labels.shape}"
        )
    labels, classes = _index_labels(labels, source)
    split = stratified_split(labels) if split is None \
        else _check_split(np.asarray(split), labels, source)
    return _checked(DataSet(name, kind, values, labels, classes, split), source)


def choose_classes(data: DataSet, classes: Sequence[str]) -> DataSet:
    """Only the samples of some classes, which become the classes 0, 1, ... in the given order.

    Raises
    ------
    InputError
        If a class is not in the data or named twice, or fewer than two are left.
    """
    classes = tuple(classes)
    for name in classes:
        if name not in data.classes:
            raise InputError(
                f"the data {data.name} have no class {name!r}; "
                f"they have {', '.join(data.classes)}"
            )
        if classes.count(name) > 1:
            raise InputError(f"the class {name!r} is chosen twice; name every class once")
    if classes == data.classes:
        return data
    if len(classes) < 2:
        raise InputError(
            f"at least two classes are needed; got {', '.join(classes) or 'none'} "
            f"of {', '.join(data.classes)}"
        )
    index = np.full(len(data.classes), -1)
    index[[data.classes.index(name) for name in classes]] = np.arange(len(classes))
    labels = index[data.labels]
    kept = labels >= 0
    return _checked(data._replace(values=data.values[kept], labels=labels[kept],
                                  classes=classes, split=data.split[kept]), data.name)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("it holds one array, not named ones; write it with numpy.savez")
        with file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, gzip.zlib.error) as error:
        raise InputError(f"cannot read {path} as an .npz file: {error}") from error


def _check_images(images: np.ndarray, source: str | Path) -> np.ndarray:
    if images.ndim != 3 or 0 in images.shape:
        raise InputError(
            f"`images` of {source} must have the shape (n, height, width); got {images.shape}"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "biuf":
        raise InputError(f"`images` of {source} must be numbers; got {images.dtype}")
    if images.dtype.kind in "iu":
        if images.min() < 0 or images.max() > 255:
            raise InputError(
                f"integer `images` of {source} must lie within 0 and 255; "
                f"got {images.min()} to {images.max()}; scale them"
            )
        return images.astype(np.uint8)
    images = images.astype(float)
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise InputError(
            f"floating-point `images` of {source} must lie within 0 and 1; "
            f"got {images.min():g} to {images.max():g}; scale them, or give 8-bit integers"
        )
    return images


def _check_times(times: np.ndarray, source: str | Path) -> np.ndarray:
    if times.ndim != 2 or 0 in times.shape or times.dtype.kind not in "iuf":
        raise InputError(
            f"`times` of {source} must be numbers of shape (n, inputs); "
            f"got {times.dtype} of shape {times.shape}"
        )
    times = times.astype(float)
    if np.isnan(times).any() or times.min() < 0:
        raise InputError(
            f"`times` of {source} must be at least 0 ms, with inf for silent inputs; "
            f"got {'NaN' if np.isnan(times).any() else f'{times.min():g} ms'}"
        )
    if np.isinf(times).all():
        raise InputError(f"`times` of {source} are all inf: no input ever spikes")
    return times


def _check_split(split: np.ndarray, labels: np.ndarray, source: str | Path) -> np.ndarray:
    unknown = set(split.ravel().tolist()) - set(SPLITS)
    if split.shape != labels.shape or unknown:
        raise InputError(
            f"`split` of {source} must say {', '.join(SPLITS)} for each of {len(labels)} samples; "
            f"got {repr(unknown.pop()) if unknown else f'shape {split.shape}'}"
        )
    return split.astype("<U10")


def _index_labels(labels: np.ndarray, source: str | Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as indices of the sorted distinct labels, and these as names."""
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iuUSb":
        raise InputError(
            f"labels of {source} must be integers or names; got values of type {labels.dtype}"
        )
    distinct, index = np.unique(labels, return_inverse=True)
    names = (item.decode() if isinstance(item, bytes) else str(item) for item in distinct.tolist())
    return index.astype(np.int64).reshape(labels.shape), tuple(names)


def _checked(data: DataSet, source: str | Path) -> DataSet:
    if len(data.classes) < 2:
        raise InputError(
            f"{source} needs samples of at least two classes; all are of {data.classes[0]!r}"
        )
    for part in SPLITS:
        if not (data.split == part).any():
            raise InputError(
                f"{source} has no samples to {'train' if part == 'train' else part} on: "
                "give more samples, or another `split`"
            )
    present = np.bincount(data.labels[data.split == "train"], minlength=len(data.classes))
    if not present.all():
        absent = data.classes[int(np.argmin(present))]
        raise InputError(f"class {absent!r} of {source} has no training samples")
    return data


NAMED: dict[str, Callable[[], DataSet]] = {"digits": digits, "mnist": mnist, "yin-yang": yin_yang}


def load(data: str | Path) -> DataSet:
    """Load a data set by its name, or from an ``.npz`` file or a folder of IDX files.

    Parameters
    ----------
    data : str or Path
        'digits', 'mnist', 'yin-yang' or a path.

    Raises
    ------
    InputError
        If there is no such data set, or the file or folder cannot be used.
    """
    if str(data) in NAMED:
        return NAMED[str(data)]()
    path = Path(data)
    if path.is_dir():
        return idx_directory(path)
    if path.suffix == ".npz":
        return arrays(path)
    raise InputError(
        f"unknown data {str(data)!r}: it must be one of {', '.join(NAMED)}, an existing .npz file, "
        "or a folder with IDX files"
    )
