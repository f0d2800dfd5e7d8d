"""Pulse packets: how many units of an area respond in a trial, when, and how closely together.

The packet of one area in one trial has a size, a latency and a width (see
`ephys_snn.pulse_packets`). A few late units stretch the SD; the shortest half ignores them, so it
shows a packet that first spreads and then converges. Width and size span the plane in which synfire
chains converge to a stable packet or die (Diesmann, Gewaltig & Aertsen 1999, doi:10.1038/990101).

The shortest half grows with the number of units, so areas and cell types are compared by that of
equally many (`ephys_snn.pulse_packets.equal_shortest_halves`): the most that at least half of the
packets of each of them have.

Two nulls say what a width means. *Shuffled*: each unit's latencies change places among the
neighbouring trials that repeat each other and in which it responds, units independently of each
other. What these trials share stays, and who responds in which trial; what units share in the
timing of a single trial goes. Where trials repeat a stimulus, a narrower packet is more than
locking to the stimulus; where they share no more than a class, stimuli that differ within the
class make packets narrower, too. A gain that units share in a trial is timing in so far as it moves
their first spikes together. *Dithered*: every spike moves by an independent uniform time
within +-dither, and no further than its window; the response profile coarser than that stays. A
narrower packet has spikes that are closer together than chance within the dither makes them.
Locking to the stimulus is enough for that.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.statistics import (
    area_tests,
    false_discovery_q,
    surrogate_comparison,
)
from ephys_snn.analysis.synchrony.packet_nulls import (
    WIDTHS,
    DitheredSpikes,
    ShuffledLatencies,
    mean_widths,
)
from ephys_snn.analysis.trial_subsets import exchangeable_trials
from ephys_snn.cli import Progress, no_progress
from ephys_snn.pulse_packets import MIN_ACTIVE, equal_shortest_halves, pulse_packets
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

WIDTH_NAMES = {"shortest_half": "shortest half", "sd": "SD", "iqr": "IQR"}
NULLS = ("shuffled", "dithered")
# Spikes that coincide within 5 ms are what unitary events of motor cortex were found with (Riehle
# et al. 1997, doi:10.1126/science.278.5345.1950).
DITHER = 5.0  # ms
MIN_DRAWS = 10_000  # of equally many units, over all trials of a row
MIN_PACKETS = 10  # areas and types with fewer have no say in how many units are drawn


class SynchronyResult(NamedTuple):
    """Pulse packets of a recording.

    Attributes
    ----------
    table : DataFrame
        A row per area and cell type: the columns of ``synchrony.csv``.
    dither : float, ms
        The dither of the dithered null.
    n_null_trials : int
        Number of trials that the nulls are computed on.
    """

    table: pd.DataFrame
    dither: float
    n_null_trials: int


def analyse_synchrony(recording: Recording, windows: ResponseWindows, *, n_surrogates: int = 200,
                      max_null_trials: int = 200, dither: float | None = None,
                      block_trials: int = 1, seed: int = 0,
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
        Default: `DITHER`, but no less than the recording's time resolution.
    block_trials : int
        See `ephys_snn.analysis.surrogates.exchangeable_groups`.
    seed : int
    progress : Progress
        Of the surrogates of an area.
    """
    rows = [_describe(recording, windows, area) for area in recording.areas]
    _compare_at_equal_numbers(recording, windows, [row for of_area in rows for row in of_area],
                              seed)
    if dither is None:
        dither = max(DITHER, recording.resolution or 0.0)
    trials, group = exchangeable_trials(recording, windows, block_trials, max_null_trials,
                                        np.random.default_rng([seed, 0]))
    plan = _NullPlan(trials, group, n_surrogates, dither)
    if n_surrogates:
        for index, (area, area_rows) in enumerate(zip(recording.areas, rows, strict=True)):
            _add_nulls(recording, windows, area, area_rows, plan,
                       np.random.default_rng([seed, 1, index]), progress)
    table = pd.DataFrame([row for area_rows in rows for row in area_rows], columns=list(COLUMNS))
    table["shuffled_within"] = recording.trials.repeats.of
    same = area_tests(table, "n_units")
    for null in NULLS:
        for width in WIDTHS:
            table[f"{null}_{width}_q_value"] = false_discovery_q(
                table[f"{null}_{width}_p_value"], same)
    return SynchronyResult(table.assign(note=table["note"].fillna("")), dither, len(trials))


class _NullPlan(NamedTuple):
    """Which trials the nulls are made of (positions among those with a window), and how."""

    trials: np.ndarray
    group: np.ndarray
    n_surrogates: int
    dither: float


def _null_columns(null: str) -> list[str]:
    columns = [f"{null}_n_surrogates", f"{null}_n_trials"]
    for width in WIDTHS:
        columns += [f"{null}_{width}_ms", f"{null}_{width}_ratio", f"{null}_{width}_z",
                    f"{null}_{width}_p_value", f"{null}_{width}_q_value"]
    return columns


COLUMNS = ("area", "cell_type", "n_units", "n_trials", "active_units", "active_fraction",
           "latency_ms", "sd_ms", "iqr_ms", "shortest_half_ms", "sd_sem_ms", "shortest_half_sem_ms",
           "shortest_half_equal_ms", "shortest_half_equal_sem_ms", "n_equal_spikes",
           "n_equal_trials", "shuffled_within", *_null_columns("shuffled"),
           *_null_columns("dithered"), "dither_ms", "note")


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


def _add_note(row: dict, note: str) -> None:
    row["note"] = "; ".join(filter(None, [row["note"], note]))


def _is_finer(row: dict, width: str, resolution: float | None) -> bool:
    """Whether a width cannot be resolved."""
    return resolution is not None and row[f"{width}_ms"] < resolution * (1 - 1e-6)


def _compare_at_equal_numbers(recording: Recording, windows: ResponseWindows, rows: list[dict],
                              seed: int) -> None:
    """Add the shortest half of equally many units to the rows that have packets."""
    latency = recording.responses(windows).latency
    with_packets = [row for row in rows if row["n_trials"]]
    members = [recording.units_in(row["area"], row["cell_type"]) for row in with_packets]
    n_spikes = equal_number([np.isfinite(latency[:, units]).sum(axis=1) for units in members])
    for row, units in zip(with_packets, members, strict=True):
        # Few trials need more draws each than many; the same ones where a type is its whole area.
        width = equal_shortest_halves(latency[:, units], n_spikes, -(-MIN_DRAWS // len(latency)),
                                      np.random.default_rng([seed, 4]))
        row["n_equal_spikes"], row["n_equal_trials"] = n_spikes, len(width)
        if not len(width):
            _add_note(row, f"not compared with other areas: no trial has {n_spikes} active units")
            continue
        row["shortest_half_equal_ms"] = width.mean()
        if len(width) > 1:
            row["shortest_half_equal_sem_ms"] = width.std(ddof=1) / np.sqrt(len(width))


def equal_number(sizes: list[np.ndarray]) -> int:
    """The most active units that at least half of the packets of every area and type have.

    Parameters
    ----------
    sizes : list of (trial,) int
        Active units. Areas and types with fewer than `MIN_PACKETS` packets have no say.

    Returns
    -------
    int
        At least 5.
    """
    packets = [np.sort(size[size >= MIN_ACTIVE]) for size in sizes]
    return min((int(size[len(size) // 2]) for size in packets if len(size) >= MIN_PACKETS),
               default=MIN_ACTIVE)


def _add_nulls(recording: Recording, windows: ResponseWindows, area: str, rows: list[dict],
               plan: _NullPlan, rng: np.random.Generator, progress: Progress) -> None:
    """Compare the widths of one area's rows with both nulls; fills the rows in."""
    units = recording.units_in(area)
    rows = [row for row in rows if row["n_trials"]]
    if not rows:
        return
    members = {row["cell_type"]: np.isin(units, recording.units_in(area, row["cell_type"]))
               for row in rows}
    nulls = {"shuffled": ShuffledLatencies(recording, windows, units, plan.trials, plan.group),
             "dithered": DitheredSpikes(recording, windows, units, plan.trials, plan.dither)}

    def draw(child: np.random.Generator) -> list[np.ndarray]:
        return [mean_widths(null.draw(child), members) for null in nulls.values()]

    # Sorting releases the interpreter; each surrogate has its own generator, so the order in
    # which they are done changes nothing.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        drawn = pool.map(draw, rng.spawn(plan.n_surrogates))
        widths = np.array(list(progress(drawn, f"nulls, {area}", plan.n_surrogates)))
    for (name, null), surrogates in zip(nulls.items(), widths.swapaxes(0, 1), strict=True):
        observed = mean_widths(null.observed, members)
        for position, row in enumerate(rows):
            _fill(row, name, observed[position], surrogates[:, position], len(null.observed),
                  recording.resolution)
    for row in rows:
        row["dither_ms"] = plan.dither
        _add_note(row, nulls["shuffled"].left_out)


def _fill(row: dict, name: str, observed: np.ndarray, null: np.ndarray, n_trials: int,
          resolution: float | None) -> None:
    """Write one null's comparison of (width,) with (surrogate, width) into a row."""
    if np.isnan(observed).any():
        return
    compared = surrogate_comparison(observed, null, alternative="less")
    row[f"{name}_n_surrogates"] = len(null)
    row[f"{name}_n_trials"] = n_trials
    for width, *values in zip(WIDTHS, *compared, strict=True):
        if not _is_finer(row, width, resolution):
            row |= {f"{name}_{width}_{measure}": value for measure, value
                    in zip(("ms", "ratio", "z", "p_value"), values, strict=True)}
