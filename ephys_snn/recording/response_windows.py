"""Response windows: until the decision, as long as the trial, between two times, until an Event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.recording.trials import Trials


class ResponseWindows(NamedTuple):
    """The part of each trial in which a spike counts as a response.

    Attributes
    ----------
    onset : (trial,) float, ms
        What latencies are measured from.
    start, stop : (trial,) float, ms
        Half-open window on the recording's clock; nan in trials that have none.
    until_decision : bool
        Whether windows end at the decision: units that make the decision cannot respond then.
    description : str
        In words, for figures and tables.
    """

    onset: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    until_decision: bool
    description: str

    @property
    def used(self) -> np.ndarray:
        """(trial,) bool, whether the trial has a window."""
        return np.isfinite(self.start) & np.isfinite(self.stop)

    @property
    def durations(self) -> np.ndarray:
        """(trial,) float, ms."""
        return self.stop - self.start


def epoch_windows(trials: Trials) -> ResponseWindows:
    """Response windows that last as long as the trials' epochs."""
    return ResponseWindows(trials.onset, trials.onset, trials.onset + trials.duration, False,
                           "the whole trial")


def decision_windows(trials: Trials) -> ResponseWindows:
    """Response windows from the onset until the decision; trials without one are left out."""
    if not trials.has_decisions:
        raise InputError("the response window cannot end at the decision: the recording has no "
                         "decisions; choose one with --window START STOP")
    return ResponseWindows(trials.onset, trials.onset, trials.decision_time, True,
                           "onset until the decision")


def fixed_windows(trials: Trials, start: float, stop: float) -> ResponseWindows:
    """Response windows ``[start, stop)`` in ms after each onset."""
    if not -np.inf < start < stop < np.inf:
        raise InputError(f"--window must start before it stops; got {start:g} {stop:g} ms")
    return ResponseWindows(trials.onset, trials.onset + start, trials.onset + stop, False,
                           f"{start:g} to {stop:g} ms after onset")


def event_windows(trials: Trials, times: np.ndarray, name: str) -> ResponseWindows:
    """Response windows from the onset until the first event inside each trial.

    Parameters
    ----------
    times : (event,) float, ms
    name : str
        Name of the event, for the description.
    """
    times = np.sort(times)
    stop = np.append(times, np.nan)[np.searchsorted(times, trials.onset)]
    stop[~(stop < trials.onset + trials.duration)] = np.nan
    return ResponseWindows(trials.onset, trials.onset, stop, False, f"onset until '{name}'")
