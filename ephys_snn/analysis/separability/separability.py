"""Can the class of a trial be told from what an area does, how far apart, and from when on?

Each area is asked in three codes, of every unit in every trial's response window [start, stop):

    active    1 if the unit spikes, else 0
    latency   first spike minus onset, ms; a silent unit counts as late as possible: at the end of
              the longest window, the same in every trial, because the end of the trial's own
              window would tell the decoder how long that trial lasted
    count     number of spikes

*Decoding* (see `decoding`): cross-validated balanced accuracy, with chance from permuted
labels, the whole cross-validation repeated for each.

*Distances* between the trials of one class and of different classes, per unit: for `active` the
share of units that differ (Hamming), for `latency` and `count` the root mean square difference
(ms, spikes). ratio = between / within; d' = (between - within) / sqrt((var_b + var_w) / 2). Chance
is a ratio of 1, measured with the same permutations.

*Over time*: the windows are cut at `end` ms after the onset, for growing ends. An area knows the
class from the first end on at which, and at the next one, its accuracy exceeds the threshold that
95 % of the permutations stay below at every end and in every area (maximum statistic: Nichols &
Holmes 2002, doi:10.1002/hbm.1058).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ephys_snn.analysis.separability.decoding import (
    accuracy_interval,
    assign_folds,
    choose_folds,
    decode,
    permuted_classes,
)
from ephys_snn.analysis.statistics import false_discovery_q, permutation_p_value
from ephys_snn.errors import InputError
from ephys_snn.recording import DECISION_NOTE, Recording, Responses, ResponseWindows

CODES = {"active": "which units are active", "latency": "first-spike latencies",
         "count": "spike counts"}  # with their names in words
LEVEL = 0.05  # of significance
SUSTAINED = 2  # successive ends above chance that make an onset
MIN_MATCHED = 10  # units; areas with fewer do not set the number that `match_units` draws
TIME_COLUMNS = ("accuracy", "accuracy_low", "accuracy_high", "chance", "chance_95", "p_value",
                "p_value_corrected")
ONSET_COLUMNS = ("onset_ms", "onset_low_ms", "onset_high_ms", "share_with_onset")
N_RESAMPLES = 1000  # bootstrap samples of the trials for the interval of an onset

Progress = Callable[[Iterable, str], Iterable]  # (steps, what) to the same, shown


@dataclass(frozen=True)
class SeparabilitySettings:
    """What the numbers depend on.

    Attributes
    ----------
    n_folds : int
        Folds of the cross-validation.
    n_permutations : int
        Permutations of the labels.
    block_trials : int
        Neighbouring trials that stay together in folds and permutations.
    match_units : int or None
        Draw so many units from every area; 0: as many as the smallest area has; None: all units.
    n_draws : int
        Random draws of units that are averaged, with `match_units`.
    n_steps : int
        Ends of the window over time.
    time_code : str or None
        The code over time, one of `CODES`; None: latency where no unit spikes twice in a window,
        because once all units have spiked, their counts say nothing any more; else count.
    max_trials : int
        More trials are thinned out to this number, every class in proportion.
    seed : int
    """

    n_folds: int = 5
    n_permutations: int = 100
    block_trials: int = 1
    match_units: int | None = None
    n_draws: int = 10
    n_steps: int = 16
    time_code: str | None = None
    max_trials: int = 1000
    seed: int = 0


class Separability(NamedTuple):
    """How separable the classes are in every area.

    Attributes
    ----------
    table : DataFrame
        A row per area and code: the columns of ``separability.csv``.
    over_time : DataFrame
        A row per area and end of the window.
    onsets : DataFrame
        A row per area: when its accuracy begins to exceed chance.
    n_trials, n_folds : int
        Trials that were decoded, and the folds.
    classes : tuple of str
        Classes that were decoded.
    threshold : float
        Accuracy that 95 % of the permutations stay below at every end and in every area.
    duration_accuracy, duration_p : float
        How well the durations of the response windows alone tell the class; nan where all last
        equally long.
    notes : list of str
        What was left out, and why.
    """

    table: pd.DataFrame
    over_time: pd.DataFrame
    onsets: pd.DataFrame
    n_trials: int
    n_folds: int
    classes: tuple[str, ...]
    threshold: float
    duration_accuracy: float
    duration_p: float
    notes: list[str]


class Design(NamedTuple):
    """The trials that are decoded, and how; the same for every area, code and end.

    Attributes
    ----------
    windows : ResponseWindows
        nan in trials that are left out.
    classes : tuple of str
    labellings : (1 + permutation, trial) int
        Index into `classes`; first the true ones.
    fold : (trial,) int
    notes : list of str
    """

    windows: ResponseWindows
    classes: tuple[str, ...]
    labellings: np.ndarray
    fold: np.ndarray
    notes: list[str]

    @property
    def class_sizes(self) -> np.ndarray:
        """(class,) int, trials per class."""
        return np.bincount(self.labellings[0])


class Decoding(NamedTuple):
    """Decoding averaged over draws of units.

    Attributes
    ----------
    accuracy : (labelling,) float
        Balanced accuracy; first with the true labels.
    sd : float
        Standard deviation over folds (and draws), ddof 1.
    correct : (trial,) float
        Share of the draws in which the trial was decoded right.
    """

    accuracy: np.ndarray
    sd: float
    correct: np.ndarray


class Distances(NamedTuple):
    """Mean distances between trials, see the module's opening.

    Attributes
    ----------
    within, between, d_prime : float
    ratio : (labelling,) float
        between / within; first with the true labels.
    """

    within: float
    between: float
    d_prime: float
    ratio: np.ndarray


def measure_separability(recording: Recording, windows: ResponseWindows,
                         settings: SeparabilitySettings | None = None,
                         progress: Progress = lambda steps, what: steps) -> Separability:
    """Decoding, distances and their growth with the window, area by area.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    settings : SeparabilitySettings, optional
    progress : callable, optional
        Shows an iterable as a progress bar.

    Raises
    ------
    InputError
        If fewer than two classes have two trials, or a setting cannot be met.
    """
    settings = settings or SeparabilitySettings()
    design = plan(recording, windows, settings)
    draws = draw_units(recording, design, settings)
    steps = [(area, code) for area in recording.areas for code in CODES]
    table = pd.DataFrame(_map(
        lambda step: _row(recording, design, *step, draws[step[0]]), steps, progress, "decoding"))
    for area, rows in table.groupby("area"):
        if rows["accuracy"].isna().all():
            draws[area] = rows["note"].iloc[0]
    for name in ("", "distance_"):
        table.insert(table.columns.get_loc(f"{name}p_value") + 1, f"{name}q_value",
                     false_discovery_q(table[f"{name}p_value"]))
    over_time, onsets, threshold = _follow(recording, design, draws, settings, progress)
    accuracy, p_value = duration_control(design)
    return Separability(table, over_time, onsets, len(design.fold), int(design.fold.max()) + 1,
                        design.classes, threshold, accuracy, p_value, design.notes)


def plan(recording: Recording, windows: ResponseWindows, settings: SeparabilitySettings
         ) -> Design:
    """Choose trials, classes, folds and permutations."""
    rng = np.random.default_rng(settings.seed)
    notes = []
    trials = np.flatnonzero(windows.used)
    names, codes, sizes = np.unique(recording.trials.label[trials], return_inverse=True,
                                    return_counts=True)
    n_folds, kept = choose_folds(sizes, settings.n_folds)
    if not kept.all():
        left_out = ", ".join(f"'{name}' ({size})" for name, size
                             in zip(names[~kept], sizes[~kept], strict=True))
        notes.append(f"classes with fewer than {n_folds} trials, one per fold, are left out of "
                     f"the decoding: {left_out}")
    if n_folds < settings.n_folds:
        notes.append(f"{n_folds} folds instead of {settings.n_folds}: a class must have a trial "
                     f"in every fold, and the smallest has {sizes[kept].min()}")
    trials = trials[kept[codes]]
    block_trials = settings.block_trials
    if len(trials) > settings.max_trials:
        thinned = _thin(recording.trials.label[trials], settings.max_trials, rng)
        # A block of neighbours shrinks with the trials.
        block_trials = max(1, round(block_trials * len(thinned) / len(trials)))
        notes.append(f"{len(thinned)} of {len(trials)} trials are decoded, every class in "
                     "proportion, to save time (--max-trials)")
        trials = trials[thinned]
    classes = tuple(name for name in recording.trials.classes if name in set(names[kept]))
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([index[label] for label in recording.trials.label[trials]])
    fold = assign_folds(labels, n_folds, rng, block_trials)
    labellings = permuted_classes(labels, fold, settings.n_permutations, rng, block_trials)
    chosen = np.full(len(windows.start), np.nan)
    chosen[trials] = windows.start[trials]
    return Design(windows._replace(start=chosen), classes, labellings, fold, notes)


def draw_units(recording: Recording, design: Design, settings: SeparabilitySettings
               ) -> dict[str, list[np.ndarray] | str]:
    """Which units of every area are decoded: one or more draws, or why none can be.

    Returns
    -------
    dict of str to list of (unit,) int, or str
        Indices into ``recording.units`` by area.
    """
    deciding = recording.output_units(design.windows)
    members, reasons = {}, {}
    for area in recording.areas:
        units = recording.units_in(area)
        if deciding[units].all():
            reasons[area] = DECISION_NOTE
        else:
            members[area] = units[~deciding[units]]
    if settings.match_units is None:
        return reasons | {area: [units] for area, units in members.items()}
    sizes = [len(units) for units in members.values()]
    number = settings.match_units or min([n for n in sizes if n >= MIN_MATCHED] or sizes,
                                         default=0)
    draws = {}
    for i, (area, units) in enumerate(members.items()):
        if len(units) < number:
            reasons[area] = f"not computable: fewer units than the {number} drawn per area"
            continue
        rng = np.random.default_rng([settings.seed, i])
        n_draws = 1 if len(units) == number else settings.n_draws
        draws[area] = [np.sort(rng.choice(units, number, replace=False)) for _ in range(n_draws)]
    if not draws:
        raise InputError(f"--match-units {number}: no area has so many units; the largest has "
                         f"{max(sizes, default=0)}")
    return reasons | draws


def encode(responses: Responses, code: str, silent_latency: float) -> np.ndarray:
    """Responses as numbers that a decoder can take.

    Parameters
    ----------
    responses : Responses
    code : str
        One of `CODES`.
    silent_latency : float, ms
        The latency of a silent unit.

    Returns
    -------
    (trial, unit) float
    """
    if code == "active":
        return responses.active.astype(float)
    if code == "latency":
        return np.where(responses.active, responses.latency, silent_latency)
    return responses.count.astype(float)


def decode_draws(features: Iterable[np.ndarray], design: Design) -> Decoding:
    """Decode from each draw of units and average.

    Parameters
    ----------
    features : iterable of (trial, unit) float
    """
    results = [decode(values, design.labellings, design.fold) for values in features]
    by_fold = np.concatenate([result.accuracy_by_fold for result in results])
    correct = np.mean([result.classes[0] == design.labellings[0] for result in results], axis=0)
    return Decoding(np.mean([result.accuracy for result in results], axis=0),
                    float(by_fold.std(ddof=1)), correct)


def pairwise_distances(features: np.ndarray, code: str) -> np.ndarray:
    """Distance per unit between every two trials.

    Parameters
    ----------
    features : (trial, unit) float

    Returns
    -------
    (trial, trial) float
        Share of units that differ for `active`, else the root mean square difference.
    """
    centered = features - features.mean(axis=0)
    squares = np.square(centered).sum(axis=1)
    squared = squares[:, None] + squares - 2 * centered @ centered.T
    np.fill_diagonal(squared, 0.0)
    # Equal trials must have the distance 0, not the root of a rounding error.
    squared[squared < 1e-9 * max(squares.max(), 1e-300)] = 0.0
    squared /= features.shape[1]
    return squared if code == "active" else np.sqrt(squared)


def class_distances(distances: np.ndarray, labellings: np.ndarray) -> Distances:
    """Distances within and between classes.

    Every pair of different trials weighs the same.

    Parameters
    ----------
    distances : (trial, trial) float
    labellings : (labelling, trial) int
        Classes; the first row are the true ones.
    """
    n_trials, n_classes = len(distances), labellings.max() + 1
    sizes = np.bincount(labellings[0])
    n_within = (sizes * (sizes - 1)).sum()
    n_between = n_trials * (n_trials - 1) - n_within
    within = np.empty(len(labellings))
    for row, labelling in enumerate(labellings):
        member = (labelling[:, None] == np.arange(n_classes)).astype(float)
        within[row] = np.einsum("tc,tc->", distances @ member, member) / n_within
    between = (distances.sum() - within * n_within) / n_between
    same = labellings[0][:, None] == labellings[0]
    spread = np.sqrt((distances[same & ~np.eye(n_trials, dtype=bool)].var()
                      + distances[~same].var()) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Distances(within[0], between[0], (between[0] - within[0]) / spread,
                         between / within)


def duration_control(design: Design) -> tuple[float, float]:
    """How well the durations of the windows alone tell the class.

    Returns
    -------
    accuracy, p_value : float
        nan where all windows last equally long.
    """
    durations = design.windows.durations[design.windows.used]
    if np.ptp(durations) < 1e-6:
        return np.nan, np.nan
    accuracy = decode(durations[:, None], design.labellings, design.fold).accuracy
    return float(accuracy[0]), float(permutation_p_value(accuracy[0], accuracy[1:]))


def window_ends(windows: ResponseWindows, n_steps: int, resolution: float | None = None
                ) -> np.ndarray:
    """Ends of the growing window, ms after the onset, evenly spaced.

    The last one is the end of the windows; where they differ in length, the time at which 95 % of
    them have ended.

    Parameters
    ----------
    n_steps : int
    resolution : float, optional, ms
        Finer steps would show nothing.

    Returns
    -------
    (end,) float, ms
    """
    used = windows.used
    first = (windows.start - windows.onset)[used].min()
    last = np.quantile((windows.stop - windows.onset)[used], 0.95)
    if resolution:
        n_steps = int(np.clip((last - first) // resolution, 1, n_steps))
    return np.linspace(first, last, n_steps + 1)[1:]


def cut_windows(windows: ResponseWindows, end: float) -> ResponseWindows:
    """The same windows, none lasting longer than until `end` ms after the onset."""
    return windows._replace(stop=np.minimum(windows.stop, windows.onset + end))


def first_sustained(above: np.ndarray) -> np.ndarray:
    """Index of the first of two successive True along the last axis; its length where none is.

    >>> first_sustained(np.array([[False, True, False, True, True], [False] * 4 + [True]]))
    array([3, 5])
    """
    n_steps = above.shape[-1]
    sustained = np.ones((*above.shape[:-1], max(0, n_steps - SUSTAINED + 1)), dtype=bool)
    for shift in range(SUSTAINED):
        sustained &= above[..., shift:n_steps - SUSTAINED + 1 + shift]
    if not sustained.shape[-1]:
        return np.full(above.shape[:-1], n_steps)
    return np.where(sustained.any(axis=-1), sustained.argmax(axis=-1), n_steps)


def _map(function: Callable, steps: list, progress: Progress, what: str) -> list:
    """The function of every step, on all processors.

    A thread per processor and one processor per matrix product: faster than the other way round
    for matrices of this size, and the same bytes on any number of processors.
    """
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return [result for _, result in zip(progress(steps, what), pool.map(function, steps),
                                            strict=True)]


def _thin(labels: np.ndarray, n_kept: int, rng: np.random.Generator) -> np.ndarray:
    """Positions, ascending, of about `n_kept` trials with every class in proportion."""
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        number = max(2, round(len(members) * n_kept / len(labels)))
        kept.append(rng.choice(members, min(number, len(members)), replace=False))
    return np.sort(np.concatenate(kept))


def _features(recording: Recording, windows: ResponseWindows, draws: list[np.ndarray],
              code: str) -> list[np.ndarray]:
    """(trial, unit) float for every draw of units."""
    silent_latency = (windows.stop - windows.onset)[windows.used].max()
    return [encode(recording.responses(windows, units), code, silent_latency) for units in draws]


def _row(recording: Recording, design: Design, area: str, code: str,
         draws: list[np.ndarray] | str) -> dict:
    """One row of ``separability.csv``."""
    row = {"area": area, "code": code, "n_units": len(recording.units_in(area)),
           "n_units_used": 0, "n_trials": len(design.fold), "n_classes": len(design.classes)}
    columns = ("accuracy", "sd", "accuracy_low", "accuracy_high", "plain_accuracy", "chance",
               "chance_95", "p_value", "within_distance", "between_distance", "distance_ratio",
               "d_prime", "distance_p_value")
    empty = row | dict.fromkeys(columns, np.nan)
    if isinstance(draws, str):
        return empty | {"note": draws}
    features = _features(recording, design.windows, draws, code)
    if all(np.ptp(values, axis=0).max(initial=0) == 0 for values in features):
        spikes = recording.responses(design.windows, draws[0]).count.any()
        return empty | {"note": "not computable: every trial is the same in this code" if spikes
                        else "not computable: no spikes in the response window"}
    result = decode_draws(features, design)
    null = result.accuracy[1:]
    low, high = accuracy_interval(result.accuracy[0], design.class_sizes)
    distances = class_distances(np.mean([pairwise_distances(values, code) for values in features],
                                        axis=0), design.labellings)
    values = (result.accuracy[0], result.sd, low, high, result.correct.mean(), null.mean(),
              np.quantile(null, 1 - LEVEL), permutation_p_value(result.accuracy[0], null),
              distances.within, distances.between, distances.ratio[0], distances.d_prime,
              # The inverse is finite even where trials of one class never differ.
              permutation_p_value(-1 / distances.ratio[0], -1 / distances.ratio[1:]))
    note = "" if distances.within > 0 else "trials of one class never differ"
    return row | {"n_units_used": len(draws[0])} | dict(zip(columns, map(float, values),
                                                            strict=True)) | {"note": note}


def _follow(recording: Recording, design: Design, draws: dict[str, list[np.ndarray] | str],
            settings: SeparabilitySettings, progress: Progress
            ) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Tables over time and of the onsets, and the threshold."""
    code = settings.time_code or (
        "count" if recording.responses(design.windows).count.max(initial=0) > 1 else "latency")
    ends = window_ends(design.windows, settings.n_steps, recording.resolution)
    step = ends[-1] - (ends[-2] if len(ends) > 1 else
                       (design.windows.start - design.windows.onset)[design.windows.used].min())
    cut = [cut_windows(design.windows, end) for end in ends]
    areas = [area for area in recording.areas if not isinstance(draws[area], str)]
    steps = [(area, windows) for area in areas for windows in cut]
    decoded = _map(lambda step: decode_draws(
        _features(recording, step[1], draws[step[0]], code), design), steps, progress, "over time")
    curves = {area: decoded[i * len(ends):(i + 1) * len(ends)] for i, area in enumerate(areas)}
    # The same permutations everywhere make the largest of all areas and ends one statistic.
    largest = np.max([result.accuracy[1:] for result in decoded], axis=0) if areas else np.ones(1)
    threshold = float(np.quantile(largest, 1 - LEVEL, method="higher"))
    table = pd.DataFrame([
        {"area": area, "code": code, "end_ms": end, **_time_row(result, largest, design)}
        for area, curve in curves.items() for end, result in zip(ends, curve, strict=True)],
        columns=["area", "code", "end_ms", *TIME_COLUMNS])
    onsets = []
    for area in recording.areas:
        row = {"area": area, "code": code, "n_units": len(recording.units_in(area)),
               "threshold": threshold, "step_ms": step} | dict.fromkeys(ONSET_COLUMNS, np.nan)
        found = {"note": draws[area]} if area not in curves else _onset(
            curves[area], ends, threshold, design, np.random.default_rng(settings.seed))
        onsets.append(row | found)
    return table, pd.DataFrame(onsets), threshold


def _time_row(result: Decoding, largest: np.ndarray, design: Design) -> dict:
    """What ``separability_over_time.csv`` says of an area and an end."""
    accuracy, null = result.accuracy[0], result.accuracy[1:]
    values = (accuracy, *accuracy_interval(accuracy, design.class_sizes), null.mean(),
              np.quantile(null, 1 - LEVEL), permutation_p_value(accuracy, null),
              permutation_p_value(accuracy, largest))
    return dict(zip(TIME_COLUMNS, map(float, values), strict=True))


def _onset(curve: list[Decoding], ends: np.ndarray, threshold: float, design: Design,
           rng: np.random.Generator) -> dict:
    """What ``separability_onset.csv`` says of an area that was decoded."""
    later = np.append(ends, np.inf)
    onset = later[first_sustained(np.array([r.accuracy[0] for r in curve]) > threshold)]
    resampled = later[first_sustained(resample_accuracy(
        np.array([result.correct for result in curve]), design.labellings[0], rng) > threshold)]
    share = float(np.isfinite(resampled).mean())
    if np.isinf(onset):
        return {"share_with_onset": share,
                "note": "accuracy exceeds chance at no two successive ends"}
    low, high = np.quantile(resampled, [0.025, 0.975], method="nearest")
    found = {"onset_ms": onset, "onset_low_ms": low, "share_with_onset": share}
    if np.isinf(high):
        return found | {"note": "no upper limit: accuracy exceeds chance in only "
                                f"{share:.0%} of the resamples of the trials"}
    return found | {"onset_high_ms": high, "note": ""}


def resample_accuracy(correct: np.ndarray, classes: np.ndarray, rng: np.random.Generator
                      ) -> np.ndarray:
    """Balanced accuracy of trials drawn with replacement within their classes.

    Parameters
    ----------
    correct : (end, trial) float
        Whether a trial is decoded right, or in which share of the draws.
    classes : (trial,) int

    Returns
    -------
    (resample, end) float
    """
    accuracy = np.zeros((N_RESAMPLES, len(correct)))
    sizes = np.bincount(classes)
    for number, size in enumerate(sizes):
        times_drawn = rng.multinomial(size, np.full(size, 1 / size), N_RESAMPLES)
        accuracy += times_drawn @ correct[:, classes == number].T / (size * len(sizes))
    return accuracy
