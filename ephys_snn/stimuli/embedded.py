"""Data sets that need no file: handwritten digits and the Yin-Yang sign."""

import numpy as np

from ephys_snn.stimuli.data_set import SPLITS, DataSet, stratified_split


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
