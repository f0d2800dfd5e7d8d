"""Unitary events: coincidences of a few units beyond what their rates predict, through the trial.

Trials are cut into bins. In a window that slides over the trial, the coincidences of a pattern of
units are counted and compared with what the rates of its units in each single trial predict (see
`coincidences`): n_emp, n_exp, their Poisson probability p and the joint surprise
J = log10((1 - p) / p). A window with p <= alpha holds unitary events (Gruen, Diesmann & Aertsen
2002, doi:10.1162/089976602753284455). Elephant computes this.

Windows overlap and are many, so some pass by chance. The null shuffles trials: each unit's trials
change places among neighbours that repeat each other, units independently, which keeps every
unit's rate profile and ends what the units share in a single trial. How many windows pass then, and
the largest J over all windows and patterns, give a p for the whole and a p of each window that is
corrected for all (max statistic: Westfall & Young 1993, "Resampling-Based Multiple Testing").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import exchangeable_groups, shuffle_trials
from ephys_snn.analysis.synchrony.unitary_events.coincidences import (
    ROUNDING,
    bin_trials,
    coincidence_p_value,
    count_coincidences,
    pattern_occurs,
    whole_bins,
)
from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, sort_labels, unit_labels

MAX_UNITS = 3  # so many have 4 patterns, a figure each
MIN_TRIALS = 5
MAX_CLASSES = 8  # whose windows differ; each gets figures of its own


class UnitaryEventSettings(NamedTuple):
    """How unitary events are looked for.

    Attributes
    ----------
    bin_width, window, step : float, ms
        Coincidence width; length and step of the sliding window, whole numbers of bins.
    alpha : float
        Significance level of a window.
    n_shuffles : int
        Surrogates of the shuffled null; 0 for none.
    """

    bin_width: float = 5.0
    window: float = 100.0
    step: float = 5.0
    alpha: float = 0.05
    n_shuffles: int = 200


class UnitaryEvents(NamedTuple):
    """Unitary events of a few units in trials of equal length.

    Attributes
    ----------
    table : DataFrame
        A row per pattern and window, as in ``unitary_events.csv`` but without the corrected p.
    unit_names : tuple of str
    patterns : tuple of tuple of int
        Positions of the units of each pattern among the chosen ones.
    trial : (trial,) int
        Which trials of the recording.
    class_name : str or None
        Their class; None where all classes are taken together.
    start, duration : float, ms
        The part of each trial that the windows slide over, from its onset.
    spikes : list of list of (spike,) float, ms
        By trial and unit, from `start`.
    joint_surprise : dict
        What ``elephant.unitary_event_analysis.jointJ_window_analysis`` gives, for Viziphant.
    n_significant : int
        Significant windows over all patterns.
    null_n_significant : (shuffle,) int
        The same in each surrogate.
    null_smallest_p : (shuffle,) float
        The smallest p of any window and pattern in each surrogate.
    p_value : float
        Of `n_significant`; nan without surrogates.
    """

    table: pd.DataFrame
    unit_names: tuple[str, ...]
    patterns: tuple[tuple[int, ...], ...]
    trial: np.ndarray
    class_name: str | None
    start: float
    duration: float
    spikes: list[list[np.ndarray]]
    joint_surprise: dict[str, Any]
    n_significant: int
    null_n_significant: np.ndarray
    null_smallest_p: np.ndarray
    p_value: float


def most_active_units(recording: Recording, windows: ResponseWindows) -> np.ndarray:
    """The two units with the most spikes in their response windows, in the recording's order."""
    count = recording.responses(windows).count.sum(axis=0)
    return np.sort(np.argsort(-count, kind="stable")[:2])


def equal_trials(recording: Recording, windows: ResponseWindows, bin_width: float
                 ) -> dict[str | None, np.ndarray]:
    """Trials that can be analysed together, because their windows are equally long.

    Returns
    -------
    dict of str or None to (trial,) int
        All trials under None (a single class: under its name), or those of each class where the
        classes differ in length, as when the class is how long a trial lasts.

    Raises
    ------
    InputError
        If windows differ in length within a class, or more than `MAX_CLASSES` classes do.
    """
    label, durations = recording.trials.label, windows.durations

    def equal(trial: np.ndarray) -> bool:
        return np.ptp(durations[trial]) <= bin_width * (1 + ROUNDING)

    by_class = {name: np.flatnonzero(windows.used & (label == name))
                for name in sort_labels(label[windows.used])}
    if equal(windows.used) and len(by_class) > 1:
        return {None: np.flatnonzero(windows.used)}
    if len(by_class) > MAX_CLASSES or not all(equal(trial) for trial in by_class.values()):
        low, high = durations[windows.used].min(), durations[windows.used].max()
        raise InputError(
            "--unitary-events needs response windows of equal length, at least within a class and "
            f"then at most {MAX_CLASSES} classes (--classes); those of {len(by_class)} classes "
            f"({windows.description}) last {low:.4g} to {high:.4g} ms; give all one --window START "
            "STOP")
    return by_class


def why_not(recording: Recording, windows: ResponseWindows, trial: np.ndarray,
            settings: UnitaryEventSettings) -> str:
    """Why there can be no unitary event analysis of these trials; '' where there can be one."""
    resolution = recording.resolution
    shortest = windows.durations[trial].min()
    if len(recording.units) < 2:
        return "they need 2 units, and the recording has 1"
    if len(trial) < MIN_TRIALS:
        return f"they need {MIN_TRIALS} trials, and there are {len(trial)}"
    if resolution is not None and settings.bin_width < resolution * (1 - ROUNDING):
        return (f"bins of {settings.bin_width:g} ms are finer than the recording's time "
                f"resolution of {resolution:g} ms (--ue-bin)")
    if shortest < settings.window * (1 - ROUNDING):
        return (f"the response windows ({windows.description}) last {shortest:.4g} ms, less than "
                f"one sliding window of {settings.window:g} ms (--ue-window, or a longer --window)")
    return ""


def coincidence_bins(events: UnitaryEvents, pattern: Sequence[int]) -> list[np.ndarray]:
    """The bins of each trial in which a pattern occurs."""
    bin_width = float(events.joint_surprise["input_parameters"]["bin_size"])
    binned = bin_trials(events.spikes, bin_width, round(events.duration / bin_width))
    return [np.flatnonzero(trial) for trial in pattern_occurs(binned, pattern)]


def analyse_unitary_events(
        recording: Recording, windows: ResponseWindows, units: np.ndarray, trial: np.ndarray,
        settings: UnitaryEventSettings, class_name: str | None = None, block_trials: int = 1,
        seed: int = 0, progress: Progress = no_progress) -> UnitaryEvents:
    """Unitary events of a few units.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    units : (unit,) int
        2 to `MAX_UNITS` units; all patterns of at least two of them are tested.
    trial : (trial,) int
        From `equal_trials`; `why_not` has nothing against them.
    settings : UnitaryEventSettings
    class_name : str, optional
    block_trials : int
        See `ephys_snn.analysis.surrogates.exchangeable_groups`.
    seed : int
    progress : Progress
        Of the surrogates.

    Raises
    ------
    InputError
        If the sliding window or its step is no whole number of bins.
    """
    bin_width = settings.bin_width
    window_bins = whole_bins("--ue-window", settings.window, bin_width)
    step_bins = whole_bins("--ue-step", settings.step, bin_width)
    n_bins = int(windows.durations[trial].min() / bin_width + ROUNDING)
    spikes = _spikes_by_trial(recording, units, windows.start[trial], n_bins * bin_width)
    binned = bin_trials(spikes, bin_width, n_bins)
    patterns = tuple(pattern for size in range(2, len(units) + 1)
                     for pattern in combinations(range(len(units)), size))
    surprise, p_value = _ask_elephant(binned, patterns, window_bins, step_bins)
    null_count, null_smallest = _shuffle_null(
        binned, exchangeable_groups(recording.trials.repeats.value, block_trials)[trial],
        lambda shuffled: coincidence_p_value(*count_coincidences(
            shuffled, patterns, window_bins, step_bins)), settings, seed, progress)
    names = tuple(unit_labels(recording.units)[units])
    start = float((windows.start - windows.onset)[trial].mean())
    table = _make_table(surprise, p_value, patterns, names, class_name, start, settings)
    n_significant = int(table["significant"].sum())
    p_of_all = float(permutation_p_value(n_significant, null_count)) if len(null_count) else np.nan
    return UnitaryEvents(table, names, patterns, trial, class_name, start, n_bins * bin_width,
                         spikes, _in_ms(surprise, settings, len(p_value[0])), n_significant,
                         null_count, null_smallest, p_of_all)


def collect(events: Sequence[UnitaryEvents]) -> pd.DataFrame:
    """One table of the classes, each p corrected for all windows, patterns and classes.

    The null of the smallest p is that of all classes together, surrogate by surrogate.
    """
    table = pd.concat([each.table for each in events], ignore_index=True)
    smallest = np.min([each.null_smallest_p for each in events], axis=0)
    p = table["p_value"].to_numpy()
    null = np.broadcast_to(smallest[:, None], (len(smallest), len(p)))
    corrected = permutation_p_value(-p, -null) if len(smallest) else np.full(len(p), np.nan)
    table.insert(table.columns.get_loc("p_value") + 1, "p_value_corrected", corrected)
    return table


def _spikes_by_trial(recording: Recording, units: np.ndarray, start: np.ndarray, duration: float
                     ) -> list[list[np.ndarray]]:
    """(spike,) float, ms from the start, of every trial and unit."""
    ranges = [recording.spike_ranges(unit, start, start + duration) for unit in units]
    return [[recording.spike_times[first[i]:first[i] + count[i]] - start[i]
             for first, count in ranges] for i in range(len(start))]


def _ask_elephant(binned: np.ndarray, patterns: Sequence[Sequence[int]], window_bins: int,
                  step_bins: int) -> tuple[dict[str, Any], np.ndarray]:
    """Elephant's unitary event analysis, time in bins, and p of every pattern and window.

    Elephant counts bins by flooring quotients of floats and places windows from time 0, which
    loses or misplaces bins of 0.1 ms and trains that start elsewhere; whole numbers from 0 are
    safe, and spikes in the middle of their bin.
    """
    import neo
    import quantities as pq
    from elephant.unitary_event_analysis import (
        hash_from_pattern,
        jointJ,
        jointJ_window_analysis,
    )

    n_bins, n_units = binned.shape[2], binned.shape[1]
    trains = [[neo.SpikeTrain(np.flatnonzero(row) + 0.5, units="ms", t_stop=n_bins)
               for row in trial] for trial in binned]
    columns = [[int(unit in pattern) for pattern in patterns] for unit in range(n_units)]
    found = jointJ_window_analysis(
        trains, bin_size=1 * pq.ms, win_size=window_bins * pq.ms, win_step=step_bins * pq.ms,
        # whole steps only: a last window that reached beyond the trial would be cut short
        t_start=0 * pq.ms, t_stop=((n_bins - window_bins) // step_bins * step_bins
                                   + window_bins) * pq.ms,
        pattern_hash=hash_from_pattern(np.array(columns)).tolist())
    p_value = coincidence_p_value(found["n_emp"].T, found["n_exp"].T)
    return found | {"Js": jointJ(p_value).T}, p_value


def _in_ms(surprise: dict[str, Any], settings: UnitaryEventSettings, n_windows: int
           ) -> dict[str, Any]:
    """Elephant's result with its times in ms again, as Viziphant draws it."""
    import quantities as pq

    # Half a step less than the end, so that rounding makes neither more nor fewer windows.
    stop = settings.window + (n_windows - 1.5) * settings.step
    times = {"bin_size": settings.bin_width, "win_size": settings.window,
             "win_step": settings.step, "t_start": 0.0, "t_stop": stop}
    parameters = surprise["input_parameters"] | {key: ms * pq.ms for key, ms in times.items()}
    return surprise | {"rate_avg": surprise["rate_avg"] / settings.bin_width,
                       "input_parameters": parameters}


def _shuffle_null(binned: np.ndarray, group: np.ndarray, p_values: Callable,
                  settings: UnitaryEventSettings, seed: int, progress: Progress
                  ) -> tuple[np.ndarray, np.ndarray]:
    """Number of significant windows and smallest p of each surrogate, (shuffle,) each."""
    rng = np.random.default_rng(seed)
    count = np.zeros(settings.n_shuffles, dtype=int)
    smallest = np.ones(settings.n_shuffles)
    for i in progress(range(settings.n_shuffles), "unitary events, shuffled trials"):
        p = p_values(shuffle_trials(binned, group, rng))
        count[i] = (p <= settings.alpha).sum()
        smallest[i] = np.nanmin(p, initial=1.0)
    return count, smallest


def _make_table(surprise: dict[str, Any], p_value: np.ndarray, patterns: Sequence[Sequence[int]],
                names: Sequence[str], class_name: str | None, start: float,
                settings: UnitaryEventSettings) -> pd.DataFrame:
    """The rows of ``unitary_events.csv``, but for the corrected p."""
    rates = surprise["rate_avg"].magnitude[:, 0] * 1000 / settings.bin_width
    begin = start + settings.step * np.arange(p_value.shape[1])
    parts = []
    for index, pattern in enumerate(patterns):
        p = p_value[index]
        columns = {
            "class": "all" if class_name is None else class_name,
            "pattern": "+".join(names[unit] for unit in pattern),
            "window_start_ms": begin,
            "window_center_ms": begin + settings.window / 2,
            "n_empirical": surprise["n_emp"][:, index].astype(int),
            "n_expected": surprise["n_exp"][:, index],
            "joint_surprise": surprise["Js"][:, index],
            "p_value": p,
            "significant": p <= settings.alpha,
        }
        columns |= {f"rate_{name}_hz": rates[:, unit] for unit, name in enumerate(names)}
        columns["note"] = np.where(np.isnan(p), "not testable: no coincidence is expected, because "
                                   "in no trial do these units spike in this window", "")
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
