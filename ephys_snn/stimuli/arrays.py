"""A user's own data, from arrays or a file that holds them."""

import gzip
import zipfile
from pathlib import Path

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.stimuli.data_set import SPLITS, DataSet, checked, index_labels, stratified_split


def read_npz(path: str | Path) -> DataSet:
    """A user's own data from an ``.npz`` file.

    Parameters
    ----------
    path : str or Path
        Holds the arrays of `own_data`, under their names there.

    Raises
    ------
    InputError
        If the file is damaged, or as in `own_data`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    content = _arrays_in(path)
    if "labels" not in content or ("images" in content) == ("times" in content):
        raise InputError(
            f"{path} needs `labels` and either `images` or `times`; "
            f"it has {', '.join(sorted(content)) or 'nothing'}"
        )
    known = content.keys() & {"labels", "images", "times", "split"}
    return own_data(**{key: content[key] for key in known}, name=path.stem, source=path)


def own_data(
    labels: np.ndarray,
    images: np.ndarray | None = None,
    times: np.ndarray | None = None,
    split: np.ndarray | None = None,
    name: str = "own data",
    source: str | Path = "the data",
) -> DataSet:
    """A user's own data from arrays, either `images` or `times`.

    Parameters
    ----------
    labels : array of int or str, shape (n,)
        Class of each sample.
    images : array, shape (n, height, width)
        8-bit integers, or floats in [0, 1].
    times : array, shape (n, input)
        Spike times in ms; inf for silent inputs.
    split : array of str, shape (n,), optional
        'train', 'validation' or 'test'; 60 / 20 / 20 within each class by default.
    name : str
        Of the data set.
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
    labels, classes = index_labels(labels, source)
    split = stratified_split(labels) if split is None \
        else _check_split(np.asarray(split), labels, source)
    return checked(DataSet(name, kind, values, labels, classes, split), source)


def _arrays_in(path: Path) -> dict[str, np.ndarray]:
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
