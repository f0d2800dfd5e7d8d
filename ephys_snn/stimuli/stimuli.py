"""Stimuli: labelled data as spike times of the input neurons."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.stimuli.catalogue import NAMED, load_data
from ephys_snn.stimuli.data_set import SPLITS, DataSet, choose_classes
from ephys_snn.stimuli.latency_code import LatencyCode


@dataclass(frozen=True)
class Stimuli:
    """Labelled input spike times with their split.

    Parameters
    ----------
    name, labels, classes, split
        As in `DataSet`.
    times : numpy.ndarray, shape (n, input)
        Spike times in ms; inf for silent inputs.
    shape : tuple (height, width) or None
        How the inputs make an image, row by row; None where they do not.
    source : str or None
        What the data were loaded by: a name or a path.
    code : LatencyCode
        How they were encoded, if they were not times already.
    """

    name: str
    times: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    split: np.ndarray
    shape: tuple[int, int] | None = None
    source: str | None = None
    code: LatencyCode = LatencyCode()

    @property
    def n_inputs(self) -> int:
        """Number of input neurons."""
        return self.times.shape[1]

    @property
    def path(self) -> str | None:
        """Where the data are that were loaded from a path; None for others."""
        is_named = self.source is None or self.source in NAMED
        return None if is_named else str(Path(self.source).resolve())

    def sha256(self) -> str:
        """Hash of times, labels and split."""
        digest = hashlib.sha256()
        for values in (self.times, self.labels, self.split == "train", self.split == "test"):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def class_sizes(self) -> np.ndarray:
        """Number of training samples of each class (class,)."""
        return np.bincount(self.part("train")[1], minlength=len(self.classes))

    def part(self, *splits: str) -> tuple[np.ndarray, np.ndarray]:
        """Times (n, input) in ms and labels (n,) of some splits, in the order of the data."""
        for split in splits:
            if split not in SPLITS:
                raise InputError(f"`split` must be one of {', '.join(SPLITS)}; got {split!r}")
        chosen = np.flatnonzero(np.isin(self.split, splits))
        if len(chosen) and chosen[-1] - chosen[0] == len(chosen) - 1:
            chosen = slice(chosen[0], chosen[-1] + 1)  # a view: no copy of large data
        return self.times[chosen], self.labels[chosen]


def load_stimuli(
    data: str | Path, code: LatencyCode = LatencyCode(), classes: Sequence[str] | None = None
) -> Stimuli:
    """Load a data set and encode it as spike times.

    Parameters
    ----------
    data : str or Path
        'digits', 'mnist', 'yin-yang', an ``.npz`` file (see `arrays.read_npz`) or a folder with IDX
        files (see `read_idx_folder`).
    code : LatencyCode
        As in `encode`.
    classes : sequence of str, optional
        Only samples of these, in this order; all by default.

    Raises
    ------
    InputError
        As in `load_data` and `choose_classes`.
    """
    loaded = load_data(data)
    if classes is not None:
        loaded = choose_classes(loaded, classes)
    return encode(loaded, code, source=str(data))


def encode(data: DataSet, code: LatencyCode = LatencyCode(), source: str | None = None) -> Stimuli:
    """Encode labelled samples as spike times.

    Parameters
    ----------
    data : DataSet
        Images, points or times, for example from `own_data`.
    code : LatencyCode
        How intensities become times; data that are times already stay as they are.
    source : str, optional
        What the data can be loaded by again.
    """
    values = data.values
    to_times = {"images": code.image_times, "points": code.point_times, "times": np.asarray}
    return Stimuli(
        name=data.name,
        times=to_times[data.kind](values),
        labels=data.labels,
        classes=data.classes,
        split=data.split,
        shape=values.shape[1:] if data.kind == "images" else None,
        source=source,
        code=code,
    )
