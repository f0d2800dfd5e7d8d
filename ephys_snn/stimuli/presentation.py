"""Which stimuli a network is shown: those it is tested with, and others to choose units by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.stimuli.augmentation import jitter_times
from ephys_snn.stimuli.stimuli import Stimuli

N_REFERENCE = 1000  # stimuli that units are chosen by


class Presentation(NamedTuple):
    """Stimuli in the order in which they are shown.

    Attributes
    ----------
    times : (trial, input) float, ms
    labels : (trial,) str
    stimulus : (trial,) int
        Index within the split.
    repeat : (trial,) int
        How often the same stimulus was shown before.
    """

    times: np.ndarray
    labels: np.ndarray
    stimulus: np.ndarray
    repeat: np.ndarray


def present(stimuli: Stimuli, split: str = "test", n_stimuli: int = 1000, repeats: int = 1,
            jitter: float = 0.0, seed: int = 0) -> Presentation:
    """The first stimuli of a split in file order, all of them `repeats` times.

    Parameters
    ----------
    n_stimuli : int
        All if there are fewer.
    repeats : int
        The whole series again, each time with fresh jitter.
    jitter : float, ms
        Standard deviation of every input spike's shift, reflected at 0.
    seed : int
        Of the jitter.

    Raises
    ------
    InputError
        If the split is empty.
    """
    times, labels = stimuli.part(split)
    if not len(labels):
        raise InputError(f"the data set {stimuli.name} has no stimuli in the split '{split}'")
    times, labels = times[:n_stimuli], labels[:n_stimuli]
    shown = np.tile(times, (repeats, 1))
    if jitter:
        shown = jitter_times(shown, jitter, np.random.default_rng(seed))
    index = np.arange(len(labels))
    return Presentation(shown, np.tile(np.array(stimuli.classes)[labels], repeats),
                        np.tile(index, repeats), np.repeat(np.arange(repeats), len(index)))


class ReferenceStimuli(NamedTuple):
    """Stimuli to choose units by, none of which is in the split that is tested.

    Attributes
    ----------
    split : str
        Which they are of; '' if there are none.
    times : (trial, input) float, ms
    labels : (trial,) int
    """

    split: str
    times: np.ndarray
    labels: np.ndarray


def reference_stimuli(stimuli: Stimuli, tested: str) -> ReferenceStimuli:
    """The first `N_REFERENCE` stimuli of another split than the tested one.

    That is validation, else train, else test: the first of them that is another and not empty.
    """
    for split in ("validation", "train", "test"):
        times, labels = stimuli.part(split)
        if split != tested and len(labels):
            return ReferenceStimuli(split, times[:N_REFERENCE], labels[:N_REFERENCE])
    return ReferenceStimuli("", stimuli.times[:0], stimuli.labels[:0])
