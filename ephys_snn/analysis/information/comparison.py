"""A recording and its control at equal numbers of trials of every class."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.trial_subsets import keep_windows, match_trials
from ephys_snn.recording import Recording, ResponseWindows

# (recording, windows, number of its stream of random numbers) to the information of every unit
Measure = Callable[[Recording, ResponseWindows, int], UnitInformation]


class Comparison(NamedTuple):
    """A recording and its control at equal numbers of trials."""

    recording: Recording
    windows: ResponseWindows
    information: UnitInformation
    control: Recording
    control_windows: ResponseWindows
    control_information: UnitInformation


def measure_control(recording: Recording, windows: ResponseWindows, information: UnitInformation,
                    control: Recording, control_windows: ResponseWindows, seed: int,
                    measure: Measure) -> Comparison:
    """Measure the control, and the recording again where it has to give up trials."""
    ours, theirs = match_trials(recording.trials.label[windows.used],
                                control.trials.label[control_windows.used],
                                np.random.default_rng([seed, 3]))
    if len(ours) < windows.used.sum():
        windows = keep_windows(windows, ours)
        information = measure(recording, windows, 1)
    control_windows = keep_windows(control_windows, theirs)
    return Comparison(recording, windows, information, control, control_windows,
                      measure(control, control_windows, 2))
