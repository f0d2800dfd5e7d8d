"""Labelled samples before they are encoded as spike times, with a fixed split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ephys_snn.errors import InputError

SPLITS = ("train", "validation", "test")


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
    """Split labels (n,) 60 / 20 / 20 within each class, always alike for the same labels."""
    generator = np.random.default_rng(0)
    split = np.empty(len(labels), dtype="<U10")
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        position = (np.arange(len(members)) + 0.5) / len(members)
        split[members] = np.array(SPLITS)[np.searchsorted([0.6, 0.8], position)]
    return split


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
            raise InputError(f"the data {data.name} have no class {name!r}; "
                             f"they have {', '.join(data.classes)}")
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
    return checked(data._replace(values=data.values[kept], labels=labels[kept],
                                  classes=classes, split=data.split[kept]), data.name)


def index_labels(labels: np.ndarray, source: str | Path) -> tuple[np.ndarray, tuple[str, ...]]:
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


def checked(data: DataSet, source: str | Path) -> DataSet:
    """The data themselves, if they have at least two classes and samples for every purpose."""
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
