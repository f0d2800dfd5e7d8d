r"""Stimuli: labelled data as spike times of the input neurons.

Latency code: the stronger the intensity p ∈ [0, 1] of a pixel, the earlier its neuron spikes,

.. math::

    t = t_\text{early} + (1 - p)\,(t_\text{late} - t_\text{early}) .

8-bit pixels v have the intensity p = v / 256. Points (x, y) of the plane become five times: those
of x, y, 1 − x, 1 − y, each early + coordinate (late − early), and that of a bias neuron, `BIAS`
times `late`.

References
----------
Göltz et al., Fast and energy-efficient neuromorphic deep learning with first-spike times,
Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.stimuli import data_sets as datasets

# The bias neuron of Göltz et al. spikes at 0.9 τ where the latest input spikes at 2 τ.
BIAS = 0.45


BACKGROUNDS = ("late", "silent")


@dataclass(frozen=True)
class LatencyCode:
    """Spike times of the strongest and of the weakest intensity.

    Parameters
    ----------
    early, late : float
        Time in ms of intensity 1 and of intensity 0.
    background : str
        Whether inputs of intensity 0 spike 'late' or are 'silent'.

    Raises
    ------
    InputError
        Unless 0 <= early < late < inf, or if there is no such background.
    """

    early: float = 1.5
    late: float = 20.0
    background: str = "late"

    def __post_init__(self):
        if self.background not in BACKGROUNDS:
            raise InputError(f"`background` must be one of {', '.join(BACKGROUNDS)}; "
                             f"got {self.background!r}")
        if not 0 <= self.early < self.late < np.inf:
            raise InputError(
                "the latency code needs 0 <= early < late (ms); "
                f"got early = {self.early:g} and late = {self.late:g}"
            )

    def times(self, intensity) -> np.ndarray:
        """Spike times in ms of intensities in [0, 1], of any shape; 8-bit integers count 1/256.

        Those of 8-bit integers are float32, since networks are and large data are many.
        """
        intensity = np.asarray(intensity)
        if intensity.dtype == np.uint8:
            return self.times(np.arange(256) / 256).astype(np.float32)[intensity]
        times = self.early + (1 - intensity) * (self.late - self.early)
        return np.where(intensity > 0, times, np.inf) if self.background == "silent" else times


@dataclass(frozen=True)
class Stimuli:
    """Labelled input spike times with their split.

    Parameters
    ----------
    name : str
        Name of the data set.
    times : numpy.ndarray, shape (n, input)
        Spike times in ms; inf for silent inputs.
    labels : numpy.ndarray of int64, shape (n,)
        Index into `classes`.
    classes : tuple of str
        Names of the classes.
    split : numpy.ndarray of str, shape (n,)
        'train', 'validation' or 'test'.
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

    def describe(self) -> dict:
        """What a model says about the data it was trained on, in plain values."""
        named = self.source is None or self.source in datasets.NAMED
        return {
            "data": {
                "name": self.name,
                "source": self.source,
                "path": None if named else str(Path(self.source).resolve()),
                "shape": None if self.shape is None else list(self.shape),
                "sha256": self.sha256(),
            },
            "encoding": asdict(self.code),
            "classes": list(self.classes),
        }

    def sha256(self) -> str:
        """Hash of times, labels and split."""
        digest = hashlib.sha256()
        for values in (self.times, self.labels, self.split == "train", self.split == "test"):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def class_sizes(self, split: str = "train") -> np.ndarray:
        """Number of samples of each class (class,) in one split."""
        return np.bincount(self.part(split)[1], minlength=len(self.classes))

    def part(self, *splits: str) -> tuple[np.ndarray, np.ndarray]:
        """Times (n, input) in ms and labels (n,) of some splits, in the order of the data."""
        for split in splits:
            if split not in datasets.SPLITS:
                raise InputError(
                    f"`split` must be one of {', '.join(datasets.SPLITS)}; got {split!r}"
                )
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
        'digits', 'mnist', 'yin-yang', an ``.npz`` file (see `datasets.arrays`) or a folder with IDX
        files (see `datasets.idx_directory`).
    code : LatencyCode
        How intensities become times; data that are times already stay as they are.
    classes : sequence of str, optional
        Only samples of these, in this order; all by default.

    Raises
    ------
    InputError
        If there is no such data set, or the file or folder cannot be used.
    """
    loaded = datasets.load(data)
    if classes is not None:
        loaded = datasets.choose_classes(loaded, classes)
    return encode(loaded, code, source=str(data))


def encode(
    data: datasets.DataSet, code: LatencyCode = LatencyCode(), source: str | None = None
) -> Stimuli:
    """Encode labelled samples as spike times.

    Parameters
    ----------
    data : DataSet
        Images, points or times, for example from `datasets.own_data`.
    code : LatencyCode
        How intensities become times; data that are times already stay as they are.
    source : str, optional
        What the data can be loaded by again.
    """
    values = data.values
    to_times = {"images": _encode_images, "points": _encode_points, "times": _keep_times}
    return Stimuli(
        name=data.name,
        times=to_times[data.kind](values, code),
        labels=data.labels,
        classes=data.classes,
        split=data.split,
        shape=values.shape[1:] if data.kind == "images" else None,
        source=source,
        code=code,
    )


def _encode_images(images: np.ndarray, code: LatencyCode) -> np.ndarray:
    return code.times(images.reshape(len(images), -1))


def _encode_points(points: np.ndarray, code: LatencyCode) -> np.ndarray:
    coordinates = np.concatenate([points, 1 - points], axis=1)
    bias = np.full((len(points), 1), BIAS * code.late)
    return np.concatenate([code.times(1 - coordinates), bias], axis=1)


def _keep_times(times: np.ndarray, code: LatencyCode) -> np.ndarray:
    return times


def jitter_times(
    times: np.ndarray, sd: float | np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Shift every spike by a normally distributed time, reflected at 0.

    Parameters
    ----------
    times : numpy.ndarray of float32 or float64
        Spike times in ms, of any shape; inf stays inf.
    sd : float or numpy.ndarray
        Standard deviation in ms, the same for all or in a shape that fits that of `times`; 0
        leaves times as they are.
    generator : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    numpy.ndarray
        Spike times in ms, in the shape and type of `times`.

    Raises
    ------
    InputError
        If `sd` is negative or not finite.
    """
    sd = np.asarray(sd, times.dtype)
    impossible = sd[~((sd >= 0) & (sd < np.inf))]
    if impossible.size:
        raise InputError("the jitter's standard deviation must be at least 0 ms; "
                         f"got {impossible[0]:g}")
    if not sd.any():
        return times
    noise = generator.standard_normal(times.shape, dtype=times.dtype)
    return np.abs(times + sd * noise)
