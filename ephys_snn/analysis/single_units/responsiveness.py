"""Are units responsive: do they spike more, or less, after the onset than in a baseline before?

In every trial, a unit's rate in the response window minus that in a baseline window before it. Is
the mean difference more than chance? Under the null each trial's difference is as likely to have
the other sign, so signs are flipped at random, all units of a trial together (paired permutation
test: Fisher 1935; Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.single_units.response_latency import ROUNDING, response_latencies
from ephys_snn.analysis.statistics import false_discovery_q
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, is_recorded

MIN_TRIALS = 5
MIN_FLIPS = 1999
WORK = 1e10  # multiplications; more flips are done up to so many
CHUNK = 1 << 22  # signs at a time


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


def sign_flip_p_values(differences: np.ndarray, n_flips: int, rng: np.random.Generator
                       ) -> np.ndarray:
    """Two-sided p of mean differences: how often random signs reach them.

    Parameters
    ----------
    differences : (trial, unit) float
    n_flips : int

    Returns
    -------
    (unit,) float
        (1 + #{|flipped mean| >= |mean|}) / (1 + n_flips).
    """
    n_trials = len(differences)
    observed = np.abs(differences.sum(axis=0))
    tie = 1e-9 * np.abs(differences).sum(axis=0)
    reached = np.zeros(differences.shape[1], dtype=int)
    step = max(1, CHUNK // max(1, n_trials))
    for begin in range(0, n_flips, step):
        signs = rng.integers(0, 2, (min(step, n_flips - begin), n_trials), dtype=np.int8)
        flipped = (2.0 * signs - 1.0) @ differences
        reached += (np.abs(flipped) >= observed - tie).sum(axis=0)
    return (1 + reached) / (1 + n_flips)


def analyse_responsiveness(recording: Recording, windows: ResponseWindows, baseline: Baseline,
                           rng: np.random.Generator) -> pd.DataFrame:
    """Responsiveness test and response latency of every unit: the rows of ``evoked.csv``.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    baseline : Baseline
        From `baseline_windows`.
    rng : numpy.random.Generator
    """
    both = baseline.windows.used
    response = windows._replace(start=np.where(both, windows.start, np.nan),
                                stop=np.where(both, windows.stop, np.nan))
    before = recording.responses(baseline.windows)
    after = recording.responses(response)
    seconds_before = baseline.windows.durations[both] / 1000
    seconds_after = response.durations[both] / 1000
    # A window of no length has no spikes: a rate of 0, as far as anybody knows.
    rates = [count / np.where(seconds > 0, seconds, 1.0)[:, None] for count, seconds in
             ((after.count, seconds_after), (before.count, seconds_before))]
    differences = rates[0] - rates[1]
    n_trials, n_units = differences.shape
    spiked = (after.count.sum(axis=0) + before.count.sum(axis=0)) > 0
    deciding = recording.output_units(windows)
    n_flips = int(max(MIN_FLIPS, min(20 * n_units, WORK / max(1, n_trials * n_units))))
    p_value = np.where(spiked, sign_flip_p_values(differences, n_flips, rng), np.nan)
    p_value[deciding] = np.nan
    sd = differences.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        effect = np.where(sd > 0, differences.mean(axis=0) / sd, np.nan)
    found = response_latencies(recording, response, before.count, after,
                               baseline.stop - baseline.start)
    latency = np.where(deciding, np.nan, found.latency)
    units = recording.units
    return pd.DataFrame({
        "unit_id": units.unit_id, "unit": units.name, "area": units.area,
        "cell_type": units.cell_type, "n_trials": n_trials,
        "baseline_rate_hz": before.count.sum(axis=0) / seconds_before.sum(),
        "response_rate_hz": after.count.sum(axis=0) / seconds_after.sum(),
        "difference_hz": differences.mean(axis=0), "effect_size": effect, "p_value": p_value,
        "q_value": false_discovery_q(p_value), "n_flips": n_flips, "latency_ms": latency,
        "latency_class": np.where(deciding, "", found.of_class),
        **_trial_latencies(np.where(deciding, np.inf, found.first)),
        "note": _notes(deciding, spiked, latency)})


def _trial_latencies(first: np.ndarray) -> dict[str, np.ndarray]:
    """How many trials have a first spike (trial, unit) ms, and its mean and SD over them."""
    responding = np.isfinite(first)
    n_responding = responding.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(responding, first, 0.0).sum(axis=0) / n_responding
        spread = np.sqrt((np.where(responding, first - mean, 0.0) ** 2).sum(axis=0) / n_responding)
    return {"n_trials_responding": n_responding, "trial_latency_ms": mean,
            "trial_latency_sd_ms": spread}


def _notes(deciding: np.ndarray, spiked: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Why something is missing of each unit."""
    return np.select(
        [deciding, ~spiked, np.isnan(latency)],
        ["not computable: this unit makes the decision that ends the response window",
         "not computable: no spikes",
         "no latency: no spikes beyond what the baseline predicts"], "")
