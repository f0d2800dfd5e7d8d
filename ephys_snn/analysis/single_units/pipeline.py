"""What every pipeline can say of single units besides: ``--baseline`` and ``--psth``."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.single_units.evoked import Baseline, analyse_evoked, baseline_windows
from ephys_snn.analysis.single_units.psth import bin_edges, measure_psth, tabulate
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, find_units

LEVEL = 0.05  # of significance
MAX_PSTHS = 40
MARGIN = 0.2  # of the response window, shown before and after it without a baseline


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> list[PipelineResult]:
    """Evoked activity and PSTHs, as far as the options ask for them."""
    baseline = None if args.baseline is None else \
        baseline_windows(windows, recording, *args.baseline)
    results = [] if baseline is None else [_evoked(recording, windows, baseline, args.seed)]
    return results if args.psth is None else \
        [*results, _psths(recording, windows, baseline, args.psth)]


def _evoked(recording: Recording, windows: ResponseWindows, baseline: Baseline, seed: int
            ) -> PipelineResult:
    from ephys_snn.analysis.single_units.evoked_figure import plot_evoked

    table = analyse_evoked(recording, windows, baseline, np.random.default_rng([seed, 4]))
    if not table["baseline_rate_hz"].any() and table["response_rate_hz"].any():
        raise InputError(f"--baseline {baseline.start:g} {baseline.stop:g}: no unit ever spikes "
                         "there; the file seems to hold nothing before the onsets")
    n_trials = int(table["n_trials"].iloc[0])
    name = "recording" if recording.path is None else recording.path.name
    title = (f"{name}: {windows.description} against {baseline.start:g} to {baseline.stop:g} ms, "
             f"{n_trials} trials")
    return PipelineResult(
        "evoked", {"evoked": table},
        {"evoked": plot_evoked(table, recording.areas, LEVEL, title)},
        {"window": windows.description, "baseline_ms": [baseline.start, baseline.stop],
         "n_trials": n_trials, "n_flips": int(table["n_flips"].iloc[0]), "seed": seed},
        _summarise(recording, table, baseline), _warnings(table, baseline))


def _summarise(recording: Recording, table: pd.DataFrame, baseline: Baseline) -> list[str]:
    tested = table[table["q_value"].notna()]
    significant = tested[tested["q_value"] < LEVEL]
    sentences = [
        f"Evoked activity: of {len(tested)} units, "
        f"{int((significant['difference_hz'] > 0).sum())} spike more and "
        f"{int((significant['difference_hz'] < 0).sum())} less than in the baseline from "
        f"{baseline.start:g} to {baseline.stop:g} ms (q < {LEVEL:g}, signs of "
        f"{table['n_trials'].iloc[0]} paired differences flipped at random)."]
    known = table[table["latency_ms"].notna()]
    if len(known):
        sentences.append(
            "Latency of the first spikes beyond the baseline, median over units (ms after onset): "
            + ", ".join(f"{area} {known.loc[known['area'] == area, 'latency_ms'].median():.3g} "
                        f"({int((known['area'] == area).sum())} units)"
                        for area in recording.areas if (known["area"] == area).any()) + ".")
    return sentences


def _warnings(table: pd.DataFrame, baseline: Baseline) -> list[str]:
    limits = []
    if baseline.n_missing:
        limits.append(f"evoked activity: {baseline.n_missing} trials have no recorded baseline "
                      "and are left out")
    if baseline.n_overlapping:
        limits.append(f"evoked activity: {baseline.n_overlapping} baselines reach into the "
                      "response window of an earlier trial; what is spontaneous there cannot be "
                      "told")
    tested, n_flips = int(table["p_value"].notna().sum()), int(table["n_flips"].iloc[0])
    together = int(np.ceil(tested / ((n_flips + 1) * LEVEL)))
    if together > 1:
        limits.append(f"evoked activity: p is at least {1 / (n_flips + 1):.2g}, so among {tested} "
                      f"units no fewer than {together} can be significant together")
    for note, rows in table[table["note"].str.startswith("not comp")].groupby("note"):
        limits.append(f"evoked activity, {len(rows)} units: {note}")
    return limits


def _psths(recording: Recording, windows: ResponseWindows, baseline: Baseline | None,
           wanted: list[str]) -> PipelineResult:
    from ephys_snn.analysis.single_units.psth_figure import COLUMNS, plot_psths

    units = find_units(recording.units, wanted, "--psth")
    if not 1 <= len(units) <= MAX_PSTHS:
        raise InputError(f"--psth needs 1 to {MAX_PSTHS} units; got {len(units)}")
    used = windows.used
    response = (float((windows.start - windows.onset)[used].min()),
                float((windows.stop - windows.onset)[used].max()))
    margin = MARGIN * (response[1] - response[0])
    shown = None if baseline is None else (baseline.start, baseline.stop)
    longest = float((recording.trials.duration)[used].max())
    edges = bin_edges(min(0.0, response[0] - margin) if shown is None else min(shown[0],
                                                                              response[0]),
                      max(response[1], min(longest, response[1] + margin)), None,
                      recording.resolution)
    psths = [measure_psth(recording, windows, unit, edges) for unit in units]
    name = "recording" if recording.path is None else recording.path.name
    title = f"{name}: {int(used.sum())} trials, bins of {edges[1] - edges[0]:g} ms"
    parts = [psths[begin:begin + COLUMNS] for begin in range(0, len(psths), COLUMNS)]
    stems = ["psth"] if len(parts) == 1 else [f"psth_page_{n}" for n in range(1, len(parts) + 1)]
    return PipelineResult(
        "psth", {"psth": tabulate(psths)},
        {stem: plot_psths(part, response, shown, title)
         for stem, part in zip(stems, parts, strict=True)},
        {"units": [psth.unit for psth in psths], "bin_ms": float(edges[1] - edges[0]),
         "window": windows.description})
