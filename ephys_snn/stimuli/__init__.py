"""Labelled data as spike times of the input neurons.

`load_stimuli` finds a data set by its name or path and encodes it by a `LatencyCode`; `own_data`
and `encode` do so for arrays. `augment` varies stimuli for training; `present` shows them for
testing, and `reference_stimuli` are others.
"""

from ephys_snn.stimuli.arrays import own_data
from ephys_snn.stimuli.augmentation import augment, jitter_times
from ephys_snn.stimuli.catalogue import NAMED, load_data
from ephys_snn.stimuli.data_set import SPLITS, DataSet, choose_classes
from ephys_snn.stimuli.latency_code import BACKGROUNDS, LatencyCode
from ephys_snn.stimuli.presentation import (
    Presentation,
    ReferenceStimuli,
    present,
    reference_stimuli,
)
from ephys_snn.stimuli.stimuli import Stimuli, encode, load_stimuli

__all__ = ["BACKGROUNDS", "NAMED", "SPLITS", "DataSet", "LatencyCode", "Presentation",
           "ReferenceStimuli", "Stimuli", "augment", "choose_classes", "encode", "jitter_times",
           "load_data", "load_stimuli", "own_data", "present", "reference_stimuli"]
