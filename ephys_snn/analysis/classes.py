"""Trials by class: which class each is of, and what units do in the trials of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def label_codes(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """(trial,) int, index of the class of each trial; -1 where it is none of them."""
    index = {label: c for c, label in enumerate(classes)}
    return np.array([index.get(str(label), -1) for label in labels], dtype=int)


def class_sums(activity: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """Sum of the activity of each unit over the trials of each class.

    Parameters
    ----------
    activity : (trial, unit) bool or int
        Whether a unit is active, or how many spikes it has.
    code : (trial,) int
        Class of each trial; -1 for trials of none of the classes.
    n_classes : int

    Returns
    -------
    (class, unit) float
    """
    one_hot = (code == np.arange(n_classes)[:, None]).astype(np.float32)
    return (one_hot @ activity.astype(np.float32)).astype(float)  # exact below 2**24 spikes
