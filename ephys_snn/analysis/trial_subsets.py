"""Random parts of the trials, in which every class has its place."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ephys_snn.analysis.surrogates import exchangeable_groups
from ephys_snn.recording import Recording, ResponseWindows


def exchangeable_trials(recording: Recording, windows: ResponseWindows, block_trials: int,
                        max_trials: int, rng: np.random.Generator
                        ) -> tuple[np.ndarray, np.ndarray]:
    """A random choice of trials, in `whole_groups` of those that may exchange responses.

    Returns
    -------
    (chosen trial,) int
        Positions among the trials that have a window, ascending.
    (chosen trial,) int
        Their `ephys_snn.analysis.surrogates.exchangeable_groups`.
    """
    used = windows.used
    group = exchangeable_groups(recording.trials.repeats.value[used], block_trials)
    trials = whole_groups(group, recording.trials.label[used], max_trials, rng)
    return trials, group[trials]


def whole_groups(group: np.ndarray, label: np.ndarray, max_trials: int,
                 rng: np.random.Generator) -> np.ndarray:
    """A random choice of groups of trials, a group of every class in turn.

    Trials that exchange responses stay together: chosen one by one, those that are left of a
    group would lie far apart in the recording, and the drift between them would look shared.

    Parameters
    ----------
    group : (trial,) int
        From `ephys_snn.analysis.surrogates.exchangeable_groups`; trials of a negative one come
        last.
    label : (trial,) str
    max_trials : int
        All trials where there are no more; the last group may be cut to it.

    Returns
    -------
    (chosen trial,) int
        Ascending.
    """
    if len(group) <= max_trials:
        return np.arange(len(group))
    each, first = np.unique(group, return_index=True)
    shuffled = rng.permutation(np.flatnonzero(each >= 0))
    turn = pd.Series(shuffled).groupby(label[first[shuffled]]).cumcount()
    place = np.full(len(each), len(each))
    place[shuffled[np.argsort(turn, kind="stable")]] = np.arange(len(shuffled))
    order = np.argsort(place[np.searchsorted(each, group)], kind="stable")
    return np.sort(order[:max_trials])


def proportional_trials(label: np.ndarray, n_trials: int, rng: np.random.Generator,
                        least: int = 2) -> np.ndarray:
    """A random choice of about `n_trials` trials, every class in proportion, but at least a few.

    Parameters
    ----------
    label : (trial,) str
    least : int
        Of every class, if it has so many.

    Returns
    -------
    (chosen trial,) int
        Ascending.
    """
    chosen = []
    for each in np.unique(label):
        members = np.flatnonzero(label == each)
        number = max(least, round(len(members) * n_trials / len(label)))
        chosen.append(rng.choice(members, min(number, len(members)), replace=False))
    return np.sort(np.concatenate(chosen))


def match_trials(labels: np.ndarray, control_labels: np.ndarray, rng: np.random.Generator
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Choose equally many trials of two recordings, because few trials inflate information.

    Where the recordings have the same classes, equally many of each class; else equally many in
    all.

    Returns
    -------
    (trial,) int, (trial,) int
        Indices into the labels, ascending.
    """
    if set(labels) != set(control_labels):
        n_trials = min(len(labels), len(control_labels))
        return tuple(np.sort(rng.permutation(len(each))[:n_trials])
                     for each in (labels, control_labels))
    chosen: tuple[list, list] = ([], [])
    for label in np.unique(labels):
        members = [np.flatnonzero(each == label) for each in (labels, control_labels)]
        n_trials = min(map(len, members))
        for indices, of_class in zip(chosen, members, strict=True):
            indices.append(rng.permutation(of_class)[:n_trials])
    return tuple(np.sort(np.concatenate(indices)) for indices in chosen)


def split_halves(code: np.ndarray, rng: np.random.Generator, block_trials: int = 1) -> np.ndarray:
    """(trial,) bool, a random half of the trials; of every class half, where trials are single.

    Parameters
    ----------
    code : (trial,) int
        Class of each trial, in the order in which the trials took place.
    block_trials : int
        Neighbouring trials that stay in one half.
    """
    block = np.arange(len(code)) // block_trials
    group = code if block_trials == 1 else np.zeros(len(code), dtype=int)
    chosen = np.zeros(len(code), dtype=bool)
    for g in np.unique(group):
        blocks = rng.permutation(np.unique(block[group == g]))
        half = (len(blocks) + rng.integers(2)) // 2  # the odd one goes to either
        half = min(max(half, 1), max(len(blocks) - 1, 1))
        chosen |= (group == g) & np.isin(block, blocks[:half])
    return chosen


def first_halves(code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(trial,) bool, a random half of the trials of each class; of an odd number, the smaller."""
    shuffled = rng.permutation(len(code))
    by_class = shuffled[np.argsort(code[shuffled], kind="stable")]
    class_counts = np.bincount(code)
    rank = np.arange(len(code)) - np.repeat(np.cumsum(class_counts) - class_counts, class_counts)
    first = np.zeros(len(code), dtype=bool)
    first[by_class] = rank < np.repeat(class_counts // 2, class_counts)
    return first


def stratified_quarters(code: np.ndarray, n_partitions: int, rng: np.random.Generator
                        ) -> np.ndarray:
    """(partition, trial) int, each trial's quarter; classes are spread evenly over the quarters."""
    n_trials = len(code)
    fours = np.tile(np.arange(4), (n_partitions, -(-n_trials // 4), 1))
    dealt = rng.permuted(fours, axis=2).reshape(n_partitions, -1)[:, :n_trials]
    quarter = np.empty_like(dealt)
    for partition in range(n_partitions):
        by_class = np.lexsort((rng.random(n_trials), code))
        quarter[partition, by_class] = dealt[partition]
    return quarter


def keep_windows(windows: ResponseWindows, trials: np.ndarray) -> ResponseWindows:
    """The windows of some of the trials that have one.

    Parameters
    ----------
    trials : (trial,) int
        Positions among the trials that have a window.
    """
    start = np.full(len(windows.start), np.nan)
    kept = np.flatnonzero(windows.used)[trials]
    start[kept] = windows.start[kept]
    return windows._replace(start=start)
