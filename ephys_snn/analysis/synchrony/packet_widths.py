"""Pulse packets: how many units of an area respond in a trial, when, and how closely together.

The packet of one area in one trial has a size, a latency and a width (see `packets`). A few late
units stretch the SD; the shortest half ignores them, so it shows a volley that first spreads and
then converges. Width and size span the plane in which synfire chains converge to a stable packet or
die (Diesmann, Gewaltig & Aertsen 1999, doi:10.1038/990101).

Two nulls say what a width means. *Shuffled*: each unit's responses change places among the trials
of one class, units independently of each other. What all trials of a class share (locking to the
stimulus) stays, what the units share in a single trial goes: a narrower packet than that is more
than stimulus locking. *Dithered*: every spike moves by an independent uniform time within
+-dither; the response profile coarser than that stays: a narrower packet than that is timed more
finely than the dither.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.statistics import false_discovery_q, surrogate_comparison
from ephys_snn.cli import Progress, no_progress
from ephys_snn.pulse_packets import MIN_ACTIVE, pulse_packets
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

WIDTHS = ("shortest_half", "sd")  # the widths that are tested
WIDTH_NAMES = {"shortest_half": "shortest half", "sd": "SD", "iqr": "IQR"}
NULLS = ("shuffled", "dithered")


class SynchronyResult(NamedTuple):
    """Pulse packets of a recording.

    Attributes
    ----------
    table : DataFrame
        A row per area and cell type: the columns of ``synchrony.csv``.
    dither : float, ms
        The dither of the dithered null; nan where no packet has a width.
    n_null_trials : int
        Number of trials that the nulls are computed on.
    """

    table: pd.DataFrame
    dither: float
    n_null_trials: int


def shuffle_trials(latency: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each unit's responses to other trials of the same group, units independently.

    Parameters
    ----------
    latency : (trial, unit) float, ms
    group : (trial,) int
        Trials that may exchange responses, the class for example.

    Returns
    -------
    (trial, unit) float, ms
        Every column has the same values within every group as before.
    """
    by_group = np.argsort(group, kind="stable")
    # Sorting group + uniform noise permutes inside every group, all units in one call.
    keys = group[by_group] + rng.random((latency.shape[1], len(group)))
    order = np.argsort(keys, axis=1).T
    shuffled = np.empty_like(latency)
    shuffled[by_group] = np.take_along_axis(latency[by_group], order, axis=0)
    return shuffled


def dither_spikes(times: np.ndarray, start: np.ndarray, stop: np.ndarray, dither: float,
                  rng: np.random.Generator, resolution: float | None = None) -> np.ndarray:
    """Move every spike by a uniform time in +-dither, reflected at the borders of its window.

    Reflection keeps every spike in its window, so the packets keep their sizes, and a constant
    rate stays constant up to the border.

    Parameters
    ----------
    times, start, stop : (spike,) float, ms
        Spikes and the borders of their windows.
    dither : float, ms
    resolution : float, optional, ms
        Move by whole multiples of it, so that surrogates lie on the grid of the recording; on
        any finer one, fewer spikes would coincide in surrogates than the grid alone makes.
    """
    span = stop - start
    shift = rng.uniform(-dither, dither, len(times))
    if resolution:
        shift = resolution * np.rint(shift / resolution)
    moved = np.mod(times - start + shift, 2 * span)
    return start + np.minimum(moved, 2 * span - moved)


def window_spikes(recording: Recording, windows: ResponseWindows, units: np.ndarray
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All spikes of some units in the response windows.

    Returns
    -------
    latency : (spike,) float, ms
        Relative to the onset of the trial; by unit, trial, and time.
    trial : (spike,) int
        Row in ``recording.responses(windows)``.
    unit : (spike,) int
        Position in `units`.
    """
    used = windows.used
    start, stop, onset = windows.start[used], windows.stop[used], windows.onset[used]
    first = np.empty((len(units), len(start)), dtype=np.int64)
    count = np.empty_like(first)
    for row, unit in enumerate(units):
        spikes = recording.spikes_of(unit)
        begin = np.searchsorted(spikes, start)
        first[row] = recording.offsets[unit] + begin
        count[row] = np.maximum(np.searchsorted(spikes, stop) - begin, 0)
    first, count = first.ravel(), count.ravel()
    cell = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count)
    unit, trial = np.divmod(cell, len(start))
    return recording.spike_times[first[cell] + within] - onset[trial], trial, unit


def exchange_windows(recording: Recording, windows: ResponseWindows) -> ResponseWindows:
    """Windows in which responses are observed before they change places among trials.

    Where windows end with the trial's own decision, a late response is cut off in a trial with an
    early decision, for all units alike; exchanged as they are, such responses would look as if
    the units had agreed. So responses are observed for as long as the longest window of their
    class (but not beyond their trial), exchanged, and then cut off at the end of the window of
    the trial that they came to.
    """
    longest = np.full(len(windows.start), np.nan)
    for label in recording.trials.classes:
        members = windows.used & (recording.trials.label == label)
        longest[members] = windows.durations[members].max(initial=0.0)
    trial_stop = recording.trials.onset + recording.trials.duration
    limit = np.where(trial_stop > windows.stop, trial_stop, windows.stop)
    return windows._replace(stop=np.minimum(windows.start + longest, limit))


def exchangeable_groups(label: np.ndarray, neighbours: int | None = None) -> np.ndarray:
    """Which trials may exchange responses: those of one class, or only neighbours among them.

    Parameters
    ----------
    label : (trial,) str
        In the order of the trials.
    neighbours : int, optional
        At most so many successive trials of a class exchange responses, which leaves slow drift
        in the null; all trials of the class by default.

    Returns
    -------
    (trial,) int
        -1 for trials that have nobody to exchange with.
    """
    group = np.full(len(label), -1)
    n_groups = 0
    for each in np.unique(label):
        members = np.flatnonzero(label == each)
        n_parts = 1 if neighbours is None else max(1, len(members) // neighbours)
        for part in np.array_split(members, n_parts):
            if len(part) > 1:
                group[part] = n_groups
                n_groups += 1
    return group


def choose_trials(label: np.ndarray, max_trials: int, rng: np.random.Generator,
                  min_repeats: int = 10) -> np.ndarray:
    """A random choice of trials with equal shares of the classes, in the order of the trials.

    With too many classes for `min_repeats` trials each, some classes are left out rather than
    all of them thinned, because trials without repetition cannot exchange responses.
    """
    if len(label) <= max_trials:
        return np.arange(len(label))
    rank = np.empty(len(label), dtype=int)
    turn = np.empty(len(label), dtype=int)
    for place, each in enumerate(rng.permutation(np.unique(label))):
        members = rng.permutation(np.flatnonzero(label == each))
        rank[members] = np.arange(len(members))
        turn[members] = place
    # First min_repeats trials of one class after the other, then one trial per class in turn.
    order = np.lexsort((rank, turn, np.maximum(rank, min_repeats - 1)))
    return np.sort(order[:max_trials])


def analyse_synchrony(recording: Recording, windows: ResponseWindows, *, n_surrogates: int = 200,
                      max_null_trials: int = 200, dither: float | None = None,
                      neighbours: int | None = None, seed: int = 0,
                      progress: Progress = no_progress) -> SynchronyResult:
    """Pulse packets of every area and cell type, with two nulls.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    n_surrogates : int
        Surrogates of each null; 0 for none.
    max_null_trials : int
        The nulls, and what they are compared with, use at most so many trials.
    dither : float, optional, ms
        Default: the median over the areas of the shortest half, but no less than the recording's
        time resolution.
    neighbours : int, optional
        See `exchangeable_groups`.
    seed : int
    progress : Progress
    """
    rows = [_describe(recording, windows, area) for area in recording.areas]
    if dither is None:
        dither = _default_dither(recording, rows)
    label = recording.trials.label[windows.used]
    chosen = choose_trials(label, max_null_trials, np.random.default_rng([seed, 0]))
    if n_surrogates:
        for index, (area, area_rows) in enumerate(zip(recording.areas, rows, strict=True)):
            rng = np.random.default_rng([seed, 1, index])
            _add_nulls(recording, windows, area, area_rows, chosen, n_surrogates, dither,
                       neighbours, rng, progress)
    table = pd.DataFrame([row for area_rows in rows for row in area_rows], columns=list(COLUMNS))
    for null in NULLS:
        for width in WIDTHS:
            table[f"{null}_{width}_q_value"] = false_discovery_q(
                table[f"{null}_{width}_p_value"].to_numpy(dtype=float))
    return SynchronyResult(table.assign(note=table["note"].fillna("")), dither, len(chosen))


def _null_columns(null: str) -> list[str]:
    columns = [f"{null}_n_surrogates", f"{null}_n_trials"]
    for width in WIDTHS:
        columns += [f"{null}_{width}_ms", f"{null}_{width}_ratio", f"{null}_{width}_z",
                    f"{null}_{width}_p_value", f"{null}_{width}_q_value"]
    return columns


COLUMNS = ("area", "cell_type", "n_units", "n_trials", "active_units", "active_fraction",
           "latency_ms", "sd_ms", "iqr_ms", "shortest_half_ms", "sd_sem_ms", "shortest_half_sem_ms",
           *_null_columns("shuffled"), *_null_columns("dithered"), "dither_ms", "note")


def _describe(recording: Recording, windows: ResponseWindows, area: str) -> list[dict]:
    """The rows of one area, without nulls."""
    units = recording.units_in(area)
    deciding = recording.output_units(windows)[units]
    latency = recording.responses(windows, units).latency
    rows = []
    for cell_type in recording.cell_types_in(area):
        members = np.isin(units, recording.units_in(area, cell_type), assume_unique=True)
        row = {"area": area, "cell_type": cell_type, "n_units": int(members.sum()), "n_trials": 0}
        if deciding[members].all():
            rows.append(row | {"note": DECISION_NOTE})
            continue
        packets = pulse_packets(latency[:, members])
        row["active_units"] = packets.size.mean()
        row["active_fraction"] = row["active_units"] / row["n_units"]
        row["n_trials"] = n_trials = int((packets.size >= MIN_ACTIVE).sum())
        if n_trials:
            for measure in ("latency", "sd", "iqr", "shortest_half"):
                row[f"{measure}_ms"] = np.nanmean(getattr(packets, measure))
            if n_trials > 1:
                for width in WIDTHS:
                    row[f"{width}_sem_ms"] = \
                        np.nanstd(getattr(packets, width), ddof=1) / np.sqrt(n_trials)
        row["note"] = _note(row, packets.size, recording.resolution)
        rows.append(row)
    return rows


def _note(row: dict, size: np.ndarray, resolution: float | None) -> str:
    """Why widths are missing, or what limits them."""
    if row["n_units"] < MIN_ACTIVE:
        return f"not computable: {row['n_units']} units, and a packet width needs {MIN_ACTIVE}"
    if not size.any():
        return "not computable: no unit spikes in any response window"
    if not row["n_trials"]:
        return (f"not computable: no trial has {MIN_ACTIVE} active units "
                f"(at most {size.max(initial=0)})")
    finer = [name for width, name in WIDTH_NAMES.items() if _is_finer(row, width, resolution)]
    if finer:
        return (f"not tested: {', '.join(finer)} finer than the recording's time resolution of "
                f"{resolution:.4g} ms, an artefact")
    return ""


def _is_finer(row: dict, width: str, resolution: float | None) -> bool:
    """Whether a width cannot be resolved."""
    return resolution is not None and row[f"{width}_ms"] < resolution * (1 - 1e-6)


def _default_dither(recording: Recording, rows: list[list[dict]]) -> float:
    """Median shortest half over the areas, to two digits, no less than the resolution."""
    widths = [area_rows[0]["shortest_half_ms"] for area_rows in rows
              if area_rows[0].get("shortest_half_ms", 0.0) > 0]
    if not widths:
        return np.nan
    return max(float(f"{np.median(widths):.2g}"), recording.resolution or 0.0)


def _add_nulls(recording, windows, area, rows, chosen, n_surrogates, dither, neighbours, rng,
               progress) -> None:
    """Compare the widths of one area's rows with both nulls; fills the rows in."""
    units = recording.units_in(area)
    members = {row["cell_type"]: np.isin(units, recording.units_in(area, row["cell_type"]))
               for row in rows if row["n_trials"]}
    if not members:
        return
    nulls = {"shuffled": _Shuffling(recording, windows, units, chosen, neighbours)}
    if np.isfinite(dither):
        nulls["dithered"] = _Dithering(recording, windows, units, chosen, dither)

    def draw(child: np.random.Generator) -> list[np.ndarray]:
        return [_mean_widths(null.draw(child), members) for null in nulls.values()]

    # Sorting releases the interpreter; each surrogate has its own generator, so the order in
    # which they are done changes nothing.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        drawn = pool.map(draw, rng.spawn(n_surrogates))
        widths = np.array(list(progress(drawn, f"nulls, {area}", n_surrogates)))
    for (name, null), surrogates in zip(nulls.items(), widths.swapaxes(0, 1), strict=True):
        observed = _mean_widths(null.observed, members)
        n_trials = len(null.observed)
        for row in rows:
            if row["cell_type"] in members:
                position = list(members).index(row["cell_type"])
                _fill(row, name, observed[position], surrogates[:, position], n_trials,
                      recording.resolution)
    for row in rows:
        if row["cell_type"] in members:
            row["dither_ms"] = dither
            row["note"] = "; ".join(filter(None, [row["note"], nulls["shuffled"].left_out]))


def _fill(row: dict, name: str, observed: np.ndarray, null: np.ndarray, n_trials: int,
          resolution: float | None) -> None:
    """Write one null's comparison of (width,) with (surrogate, width) into a row."""
    if np.isnan(observed).any():
        return
    compared = surrogate_comparison(observed, null, alternative="less")
    row[f"{name}_n_surrogates"] = len(null)
    row[f"{name}_n_trials"] = n_trials
    for position, width in enumerate(WIDTHS):
        if _is_finer(row, width, resolution):
            continue
        row[f"{name}_{width}_ms"] = compared.null_mean[position]
        row[f"{name}_{width}_ratio"] = compared.ratio[position]
        row[f"{name}_{width}_z"] = compared.z[position]
        row[f"{name}_{width}_p_value"] = compared.p_value[position]


def _mean_widths(latency: np.ndarray, members: dict[str, np.ndarray]) -> np.ndarray:
    """Mean shortest half and SD over trials, (cell type, width); nan where no trial has any."""
    means = np.full((len(members), len(WIDTHS)), np.nan)
    for row, mask in enumerate(members.values()):
        packets = pulse_packets(latency if mask.all() else latency[:, mask])
        if (packets.size >= MIN_ACTIVE).any():
            means[row] = [np.nanmean(getattr(packets, width)) for width in WIDTHS]
    return means


class _Shuffling:
    """Responses of one area that change places among the trials of a class."""

    def __init__(self, recording, windows, units, chosen, neighbours):
        label = recording.trials.label[windows.used][chosen]
        group = exchangeable_groups(label, neighbours)
        paired = group >= 0
        trials = chosen[paired]
        seen = exchange_windows(recording, windows)
        self._latency = recording.responses(seen, units).latency[trials]
        self._group = group[paired]
        self._end = (windows.stop - windows.onset)[windows.used][trials, None]
        n_single = int((~paired).sum())
        self.left_out = "" if not n_single else (
            f"shuffled null without {n_single} of {len(chosen)} trials, the only ones of their "
            "class")

    @property
    def observed(self) -> np.ndarray:
        return self._cut(self._latency)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return self._cut(shuffle_trials(self._latency, self._group, rng))

    def _cut(self, latency: np.ndarray) -> np.ndarray:
        return np.where(latency < self._end, latency, np.inf)


class _Dithering:
    """Responses of one area whose spikes move by an independent time each."""

    def __init__(self, recording, windows, units, chosen, dither):
        row = np.full(windows.used.sum(), -1)
        row[chosen] = np.arange(len(chosen))
        times, trial, unit = window_spikes(recording, windows, units)
        kept = row[trial] >= 0
        self._times, self._trial, self._unit = times[kept], row[trial[kept]], unit[kept]
        start, stop = ((border - windows.onset)[windows.used][chosen][self._trial]
                       for border in (windows.start, windows.stop))
        self._start, self._stop, self._dither = start, stop, dither
        self._resolution = recording.resolution
        # Spikes come by unit and trial, so each response is one stretch of them.
        response = self._unit * len(chosen) + self._trial
        self._first = np.flatnonzero(np.diff(response, prepend=-1))
        self._shape = (len(chosen), len(units))

    @property
    def observed(self) -> np.ndarray:
        return self._responses(self._times)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return self._responses(dither_spikes(self._times, self._start, self._stop, self._dither,
                                             rng, self._resolution))

    def _responses(self, times: np.ndarray) -> np.ndarray:
        latency = np.full(self._shape, np.inf)
        if len(times):
            latency[self._trial[self._first], self._unit[self._first]] = \
                np.minimum.reduceat(times, self._first)
        return latency
