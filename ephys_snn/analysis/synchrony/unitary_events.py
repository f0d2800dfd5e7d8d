"""Unitary events: coincidences of a few units beyond what their rates predict, through the trial.

Trials are cut into bins of width h, so that x_u(i, b) says whether unit u spikes in bin b of
trial i. A pattern names two or more units; it occurs in a bin in which exactly these of the chosen
units spike. In a window of B bins that slides over the trial, with p_u(i) the fraction of its bins
in which u spikes in trial i,

    n_emp = sum_i sum_b prod_u x_u(i, b)         (1 - x_u for units not in the pattern)
    n_exp = sum_i B prod_u p_u(i)                (1 - p_u for units not in the pattern)
    p     = P(Poisson(n_exp) >= n_emp),     joint surprise J = log10((1 - p) / p)

A window with p <= alpha holds unitary events (Gruen, Diesmann & Aertsen 2002,
doi:10.1162/089976602753284455). Elephant computes this; rates may differ from trial to trial.

Windows overlap and are many, so some pass by chance. The null shuffles trials: each unit's trials
change places among those of a class, units independently, which keeps every unit's rate profile
and ends what the units share in a single trial. How many windows pass then, and the largest J over
all windows and patterns, give a p for the whole and a p of each window that is corrected for all
(max statistic: Westfall & Young 1993, "Resampling-Based Multiple Testing").
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammainc

from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.synchrony.packet_widths import exchangeable_groups
from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, sort_labels, unit_labels

MAX_UNITS = 3  # so many have 4 patterns, a figure each
MIN_TRIALS = 5
ROUNDING = 1e-6  # bins; a spike this close to the next bin lies in it
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


class WindowCounts(NamedTuple):
    """Coincidences in every window, (pattern, window).

    Attributes
    ----------
    n_empirical : int
    n_expected : float
    """

    n_empirical: np.ndarray
    n_expected: np.ndarray


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


def whole_bins(option: str, value: float, bin_width: float) -> int:
    """How many bins a time is.

    Raises
    ------
    InputError
        If it is not a whole number of them.
    """
    n_bins = round(value / bin_width)
    if n_bins < 1 or abs(value / bin_width - n_bins) > ROUNDING * n_bins:
        raise InputError(f"{option} must be a whole number of bins of {bin_width:g} ms; "
                         f"got {value:g} ms")
    return n_bins


def bin_trials(spikes: Sequence[Sequence[np.ndarray]], bin_width: float, n_bins: int) -> np.ndarray:
    """(trial, unit, bin) bool, whether a unit spikes in a bin.

    Parameters
    ----------
    spikes : by trial and unit (spike,) float, ms
    """
    binned = np.zeros((len(spikes), len(spikes[0]), n_bins), dtype=bool)
    for i, trains in enumerate(spikes):
        for u, times in enumerate(trains):
            place = np.floor(times / bin_width + ROUNDING).astype(int)
            binned[i, u, place[(place >= 0) & (place < n_bins)]] = True
    return binned


def count_coincidences(binned: np.ndarray, patterns: Sequence[Sequence[int]], window_bins: int,
                       step_bins: int) -> WindowCounts:
    """Empirical and expected number of every pattern in every window.

    The same numbers as Elephant's, by running sums over all windows at once, because thousands of
    surrogates need them.

    Parameters
    ----------
    binned : (trial, unit, bin) bool
    patterns : sequence of sequence of int
        Units that spike together.
    """
    n_units = binned.shape[1]
    rate = _window_sums(binned, window_bins, step_bins) / window_bins
    empirical, expected = [], []
    for pattern in patterns:
        part = np.isin(np.arange(n_units), pattern)[:, None]
        together = _occurs(binned, pattern)
        empirical.append(_window_sums(together, window_bins, step_bins).sum(axis=0))
        chance = np.where(part, rate, 1 - rate).prod(axis=1)
        expected.append(window_bins * chance.sum(axis=0))
    return WindowCounts(np.array(empirical), np.array(expected))


def coincidence_bins(events: UnitaryEvents, pattern: Sequence[int]) -> list[np.ndarray]:
    """The bins of each trial in which a pattern occurs."""
    bin_width = float(events.joint_surprise["input_parameters"]["bin_size"])
    binned = bin_trials(events.spikes, bin_width, round(events.duration / bin_width))
    return [np.flatnonzero(trial) for trial in _occurs(binned, pattern)]


def coincidence_p_value(n_empirical: np.ndarray, n_expected: np.ndarray) -> np.ndarray:
    """P(Poisson(n_expected) >= n_empirical); nan where nothing is expected."""
    n_empirical = np.asarray(n_empirical, dtype=float)
    n_expected = np.asarray(n_expected, dtype=float)
    at_least = gammainc(np.maximum(n_empirical, 1), n_expected)
    p = np.where(n_empirical > 0, at_least, 1.0)
    return np.where(n_expected > 0, p, np.nan)


def shuffle_unit_trials(binned: np.ndarray, group: np.ndarray, rng: np.random.Generator
                        ) -> np.ndarray:
    """Give each unit's trials to other trials of the same group, units independently.

    Parameters
    ----------
    binned : (trial, unit, bin) bool
    group : (trial,) int
        Trials that may change places; negative: stays.
    """
    shuffled = binned.copy()
    for each in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == each)
        for unit in range(binned.shape[1]):
            shuffled[members, unit] = binned[rng.permutation(members), unit]
    return shuffled


def analyse_unitary_events(
        recording: Recording, windows: ResponseWindows, units: np.ndarray, trial: np.ndarray,
        settings: UnitaryEventSettings, class_name: str | None = None, seed: int = 0,
        progress: Progress = no_progress) -> UnitaryEvents:
    """Unitary events of a few units.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    units : (unit,) int
        2 to `MAX_UNITS` units; all patterns of at least two of them are tested.
    trial : (trial,) int
        From `choose_class`; `why_not` has nothing against them.
    settings : UnitaryEventSettings
    class_name : str, optional
        For the record.
    seed : int
    progress : Progress
    """
    bin_width = settings.bin_width
    window_bins = whole_bins("--ue-window", settings.window, bin_width)
    step_bins = whole_bins("--ue-step", settings.step, bin_width)
    n_bins = int(windows.durations[trial].min() / bin_width + ROUNDING)
    spikes = [[recording.spikes_of(u) for u in units] for _ in trial]
    spikes = [[_cut(train, windows.start[i], n_bins * bin_width) for train in trains]
              for i, trains in zip(trial, spikes, strict=True)]
    binned = bin_trials(spikes, bin_width, n_bins)
    patterns = tuple(pattern for size in range(2, len(units) + 1)
                     for pattern in combinations(range(len(units)), size))
    surprise = _ask_elephant(binned, patterns, window_bins, step_bins)
    p_value = coincidence_p_value(surprise["n_emp"].T, surprise["n_exp"].T)
    surprise["Js"] = _joint_surprise(p_value).T
    group = exchangeable_groups(recording.trials.label[trial])
    null_count, null_smallest = _shuffle_null(
        binned, group, patterns, window_bins, step_bins, settings, seed, progress)
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


def _cut(train: np.ndarray, start: float, duration: float) -> np.ndarray:
    first, last = np.searchsorted(train, [start, start + duration])
    return train[first:last] - start


def _occurs(binned: np.ndarray, pattern: Sequence[int]) -> np.ndarray:
    """(trial, bin) bool, whether these units spike in a bin and no other of `binned`."""
    part = np.isin(np.arange(binned.shape[1]), pattern)[:, None]
    return np.where(part, binned, ~binned).all(axis=1)


def _window_sums(values: np.ndarray, window_bins: int, step_bins: int) -> np.ndarray:
    """Sums over windows that slide along the last axis."""
    total = np.cumsum(values, axis=-1, dtype=np.int64)
    total = np.concatenate([np.zeros((*total.shape[:-1], 1), dtype=np.int64), total], axis=-1)
    begin = np.arange(0, values.shape[-1] - window_bins + 1, step_bins)
    return total[..., begin + window_bins] - total[..., begin]


def _joint_surprise(p_value: np.ndarray) -> np.ndarray:
    from elephant.unitary_event_analysis import jointJ

    return jointJ(p_value)


def _ask_elephant(binned: np.ndarray, patterns: Sequence[Sequence[int]], window_bins: int,
                  step_bins: int) -> dict[str, Any]:
    """Elephant's unitary event analysis, time in bins.

    Elephant counts bins by flooring quotients of floats and places windows from time 0, which
    loses or misplaces bins of 0.1 ms and trains that start elsewhere; whole numbers from 0 are
    safe, and spikes in the middle of their bin.
    """
    import neo
    import quantities as pq
    from elephant.unitary_event_analysis import hash_from_pattern, jointJ_window_analysis

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
    return found


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


def _shuffle_null(binned, group, patterns, window_bins, step_bins, settings, seed, progress
                  ) -> tuple[np.ndarray, np.ndarray]:
    """Number of significant windows and smallest p of each surrogate, (shuffle,) each."""
    rng = np.random.default_rng(seed)
    count = np.zeros(settings.n_shuffles, dtype=int)
    smallest = np.ones(settings.n_shuffles)
    for i in progress(range(settings.n_shuffles), "unitary events, shuffled trials"):
        shuffled = shuffle_unit_trials(binned, group, rng)
        p = coincidence_p_value(*count_coincidences(shuffled, patterns, window_bins, step_bins))
        count[i] = (p <= settings.alpha).sum()
        smallest[i] = np.nanmin(p, initial=1.0)
    return count, smallest


def _make_table(surprise, p_value, patterns, names, class_name, start, settings) -> pd.DataFrame:
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
