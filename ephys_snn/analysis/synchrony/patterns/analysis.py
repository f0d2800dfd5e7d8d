"""Patterns of every area: a sample that can be mined, their p, and what is left of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.statistics import SIGNIFICANT_Q, false_discovery_q
from ephys_snn.analysis.surrogates import ExchangeableSpikes
from ephys_snn.analysis.synchrony.patterns.mining import (
    MAX_REDUCED,
    MAX_SPIKES_PER_WINDOW,
    MIN_OCCURRENCES,
    MIN_UNITS,
    BinnedResponses,
    Pattern,
    choose_units,
    mine,
    pattern_p_values,
    reduce_patterns,
    surrogate_counts,
)
from ephys_snn.analysis.trial_subsets import exchangeable_trials
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows, unit_labels

MAX_TRIALS = 100
COLUMNS = ("area", "units", "lags_ms", "n_units", "n_spikes", "n_occurrences", "p_value",
           "significant", "n_surrogates", "n_units_mined", "n_trials_mined", "note")


class PatternSettings(NamedTuple):
    """How patterns are looked for.

    Attributes
    ----------
    bin_width : float, ms
        Precision of the lags.
    window_bins : int
        The longest that a pattern may last.
    n_surrogates : int
        Of each kind.
    """

    bin_width: float
    window_bins: int
    n_surrogates: int = 100


class AreaPatterns(NamedTuple):
    """What was mined in one area.

    Attributes
    ----------
    area : str
    unit, trial : (unit,), (trial,) int
        Which of the recording were mined.
    responses : BinnedResponses or None
        None where nothing could be mined.
    patterns : list of Pattern
        Those that occur often enough; of the significant ones what the reduction leaves.
    p_value : (pattern,) float
    null : (surrogate, kind, size) int
        M_z of every surrogate.
    note : str
        Why nothing was mined, or what limits it.
    """

    area: str
    unit: np.ndarray
    trial: np.ndarray
    responses: BinnedResponses | None = None
    patterns: list[Pattern] = []
    p_value: np.ndarray = np.empty(0)
    null: np.ndarray = np.empty((0, 2, 0), dtype=int)
    note: str = ""


def analyse_patterns(recording: Recording, windows: ResponseWindows, settings: PatternSettings, *,
                     block_trials: int = 1, seed: int = 0, progress: Progress = no_progress
                     ) -> tuple[list[AreaPatterns], float]:
    """Patterns of every area, and the largest p that false discovery over areas and sizes allows.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    settings : PatternSettings
    block_trials : int
        See `ephys_snn.analysis.surrogates.exchangeable_groups`.
    seed : int
    progress : Progress
        Of the surrogates of an area.

    Returns
    -------
    list of AreaPatterns
    largest_p : float
        Patterns with this p or a smaller one are significant; 0 where none is.
    """
    trials, group = exchangeable_trials(recording, windows, block_trials, MAX_TRIALS,
                                        np.random.default_rng([seed, 5]))
    trials = np.flatnonzero(windows.used)[trials]
    found = [_mine_area(recording, windows, area, trials, group, settings,
                        np.random.default_rng([seed, 6, index]), progress)
             for index, area in enumerate(recording.areas)]
    by_size = np.concatenate([_size_p_values(each) for each in found])
    significant = by_size[false_discovery_q(by_size) < SIGNIFICANT_Q]
    largest_p = significant.max(initial=0.0)
    return [_reduce(each, largest_p) for each in found], largest_p


def _mine_area(recording: Recording, windows: ResponseWindows, area: str, trials: np.ndarray,
               group: np.ndarray, settings: PatternSettings, rng: np.random.Generator,
               progress: Progress) -> AreaPatterns:
    """Mine one area and its surrogates, if its sample can be mined."""
    units = recording.units_in(area)
    nothing = AreaPatterns(area, np.empty(0, dtype=int), trials)
    if recording.output_units(windows)[units].all():
        return nothing._replace(note=DECISION_NOTE)
    if not (group >= 0).any():
        return nothing._replace(note="not mined: every trial is the only one of its "
                                     f"{recording.trials.repeats.of}, so there are no surrogates")
    start, stop = ((times - windows.onset)[trials] for times in (windows.start, windows.stop))
    count = np.bincount(recording.window_spikes(windows.start[trials], windows.stop[trials],
                                                units).unit, minlength=len(units))
    n_windows = (stop - start).sum() / (settings.window_bins * settings.bin_width)
    chosen = choose_units(count, n_windows, rng)
    if len(chosen) < MIN_UNITS:
        spiking = int((count >= MIN_OCCURRENCES).sum())
        return nothing._replace(note=(
            f"not mined: {spiking} units have {MIN_OCCURRENCES} spikes, and patterns need "
            f"{MIN_UNITS}" if spiking < MIN_UNITS else
            f"not mined: {MIN_UNITS} units have more than {MAX_SPIKES_PER_WINDOW:g} spikes in a "
            "window, whose patterns are too many; shorten --pattern-window"))
    responses = BinnedResponses(
        ExchangeableSpikes.observe(recording, windows, units[chosen], trials, group), start,
        settings.bin_width, settings.window_bins)
    patterns = mine(responses.observed(), settings.window_bins)
    size = np.array([len(pattern.unit) for pattern in patterns], dtype=int)
    null = np.array([surrogate_counts(responses, 1 + size.max(initial=MIN_UNITS), child)
                     for child in progress(rng.spawn(settings.n_surrogates), f"patterns, {area}",
                                           settings.n_surrogates)] if len(patterns) else
                    np.empty((0, 2, 0), dtype=int))
    occurrences = np.array([len(pattern.start) for pattern in patterns], dtype=int)
    p_value = pattern_p_values(size, occurrences, null) if len(patterns) else np.empty(0)
    return AreaPatterns(area, units[chosen], trials, responses, patterns, p_value, null)


def _size_p_values(found: AreaPatterns) -> np.ndarray:
    """(size,) float, the smallest p of each size of which there are patterns."""
    size = [len(pattern.unit) for pattern in found.patterns]
    return pd.Series(found.p_value).groupby(np.array(size, dtype=int)).min().to_numpy()


def _reduce(found: AreaPatterns, largest_p: float) -> AreaPatterns:
    """Drop significant patterns that others explain; the most significant first."""
    order = sorted(range(len(found.patterns)), key=lambda i: (
        found.p_value[i], -len(found.patterns[i].unit), -len(found.patterns[i].start)))
    passed = [i for i in order if found.p_value[i] <= largest_p]
    note = found.note
    if len(passed) > MAX_REDUCED:
        note = (f"the {MAX_REDUCED} patterns of most spikes of {len(passed)} significant ones, "
                "before those that others explain are dropped")
        passed = passed[:MAX_REDUCED]
    if passed:
        most = max(len(found.patterns[i].start) for i in passed)
        grid = np.indices((found.null.shape[2], most + 1)).reshape(2, -1)
        significant = pattern_p_values(*grid, found.null) <= largest_p
        kept = {id(pattern) for pattern in reduce_patterns(
            [found.patterns[i] for i in passed], significant.reshape(-1, most + 1),
            found.responses.window_bins)}
        passed = [i for i in passed if id(found.patterns[i]) in kept]
    rest = [i for i in order if found.p_value[i] > largest_p]
    kept_order = [*passed, *rest]
    return found._replace(patterns=[found.patterns[i] for i in kept_order],
                          p_value=found.p_value[kept_order], note=note)


def pattern_table(recording: Recording, found: list[AreaPatterns], largest_p: float,
                  settings: PatternSettings) -> pd.DataFrame:
    """The rows of ``patterns.csv``: significant patterns, or an area's most frequent one."""
    names, rows = unit_labels(recording.units), []
    for each in found:
        row = {"area": each.area, "significant": False, "n_surrogates": len(each.null),
               "n_units_mined": len(each.unit), "n_trials_mined": len(each.trial),
               "note": each.note}
        n_significant = int((each.p_value <= largest_p).sum())
        shown = each.patterns[:max(1, n_significant)]
        if not shown:
            no_pattern = f"no pattern of {MIN_UNITS} units occurs {MIN_OCCURRENCES} times"
            rows.append(row | {"note": each.note or no_pattern})
        for index, pattern in enumerate(shown):
            units = each.unit[pattern.unit]
            rows.append(row | {
                "units": "+".join(names[units]),
                "lags_ms": "+".join(f"{lag * settings.bin_width:g}" for lag in pattern.lag),
                "n_units": len(set(units.tolist())), "n_spikes": len(units),
                "n_occurrences": len(pattern.start), "p_value": each.p_value[index],
                "significant": index < n_significant})
    return pd.DataFrame(rows, columns=list(COLUMNS))
