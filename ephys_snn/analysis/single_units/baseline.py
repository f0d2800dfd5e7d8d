"""Windows of spontaneous activity before the responses, and the trials that have one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, is_recorded

MIN_TRIALS = 5
ROUNDING = 1e-6  # ms; borders that were computed, not stored


class Baseline(NamedTuple):
    """Baseline windows and the trials that have them.

    Attributes
    ----------
    start, stop : float, ms
        After the onset; negative: before it.
    windows : ResponseWindows
        Without trials whose baseline was not recorded or which have no response window.
    n_missing : int
        Trials with a response window but without a recorded baseline.
    n_overlapping : int
        Baselines that reach into the response window of an earlier trial.
    """

    start: float
    stop: float
    windows: ResponseWindows
    n_missing: int
    n_overlapping: int


def baseline_windows(windows: ResponseWindows, recording: Recording, start: float, stop: float
                     ) -> Baseline:
    """Windows from `start` to `stop` ms after each onset, before the responses.

    Raises
    ------
    InputError
        If they are empty or reach into the response windows, or fewer than `MIN_TRIALS` trials
        have one.
    """
    first = float(np.nanmin(windows.start - windows.onset))
    if not -np.inf < start < stop <= first:
        raise InputError("--baseline START STOP must end before the responses begin, at "
                         f"{first:g} ms after the onset, as --baseline -500 {min(first, 0):g} "
                         f"does; got {start:g} {stop:g} ms")
    baseline = ResponseWindows(windows.onset, windows.onset + start, windows.onset + stop, False,
                               f"{start:g} to {stop:g} ms after onset")
    recorded = windows.used & is_recorded(baseline, recording)
    if recorded.sum() < MIN_TRIALS:
        raise InputError(
            f"--baseline {start:g} {stop:g}: {recorded.sum()} of {windows.used.sum()} trials have "
            f"a recorded baseline, and {MIN_TRIALS} are needed; choose a shorter one")
    order = np.argsort(windows.start, kind="stable")
    before = np.maximum.accumulate(np.nan_to_num(windows.stop[order], nan=-np.inf))[:-1]
    overlapping = (before > baseline.start[order[1:]] + ROUNDING) & recorded[order[1:]]
    return Baseline(start, stop, baseline._replace(
        start=np.where(recorded, baseline.start, np.nan),
        stop=np.where(recorded, baseline.stop, np.nan)),
        int(windows.used.sum() - recorded.sum()), int(overlapping.sum()))
