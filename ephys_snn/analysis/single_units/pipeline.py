"""What any analysis can say of single units besides: of all, and of those that are drawn."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from ephys_snn.analysis.pipeline import Addition, Options
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.single_units.baseline import Baseline, baseline_windows
from ephys_snn.analysis.single_units.psth import bin_edges, measure_psth, tabulate
from ephys_snn.analysis.single_units.responsiveness import analyse_responsiveness
from ephys_snn.analysis.single_units.variability import unit_variability
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import names
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, find_units

MAX_PSTHS = 40
MARGIN = 0.2  # of the response window, shown before and after it without a baseline


def add_baseline_option(parser: Options) -> None:
    """Add ``--baseline START STOP``."""
    parser.add_argument("--baseline", metavar=("START", "STOP"), nargs=2, type=float,
                        help="spontaneous activity is [START, STOP) in ms after the onset, as "
                             "-500 0: also test which units are responsive, and find the latency "
                             "of those that are")


def add_psth_option(parser: Options) -> None:
    """Add ``--psth UNIT,...``."""
    parser.add_argument("--psth", metavar="UNIT,...", type=names,
                        help="also draw the spikes and PSTHs of these units by class; by name, "
                             "unit_id or area/unit_id")


def analyse_baseline(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
                     ) -> PipelineResult | None:
    """Responsiveness and latency of every unit."""
    from ephys_snn.analysis.single_units.responsiveness_figure import plot_responsiveness

    baseline = _baseline(recording, windows, args)
    if baseline is None:
        return None
    table = analyse_responsiveness(recording, windows, baseline,
                                   np.random.default_rng([args.seed, 4]))
    if not table["baseline_rate_hz"].any() and table["response_rate_hz"].any():
        raise InputError(f"--baseline {baseline.start:g} {baseline.stop:g}: no unit ever spikes "
                         "there; the file seems to hold nothing before the onsets")
    n_trials = int(table["n_trials"].iloc[0])
    title = (f"{name_of(recording)}: {windows.description} against {baseline.start:g} to "
             f"{baseline.stop:g} ms, {n_trials} trials")
    return PipelineResult(
        "responsiveness", {"responsiveness": table},
        {"responsiveness": plot_responsiveness(table, recording.areas, title)},
        {"window": windows.description, "baseline_ms": [baseline.start, baseline.stop],
         "n_trials": n_trials, "n_permutations": int(table["n_permutations"].iloc[0]),
         "seed": args.seed},
        _summarise(recording, table, baseline), _warnings(table, baseline))


def _baseline(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
              ) -> Baseline | None:
    return None if args.baseline is None else baseline_windows(windows, recording, *args.baseline)


def _summarise(recording: Recording, table: pd.DataFrame, baseline: Baseline) -> list[str]:
    tested = table[table["q_value"].notna()]
    effect = tested.loc[tested["q_value"] < SIGNIFICANT_Q, "effect_size"]
    for_some_class = int((table["class_q_value"] < SIGNIFICANT_Q).sum())
    sentences = [
        f"Responsiveness: of {len(tested)} units, {int((effect > 0).sum())} spike more and "
        f"{int((effect < 0).sum())} less in the response than in windows of the same length in "
        f"the baseline from {baseline.start:g} to {baseline.stop:g} ms (q < {SIGNIFICANT_Q:g}; in "
        f"each of {table['n_trials'].iloc[0]} trials another window taken for the response at "
        f"random), {for_some_class} spike more in the response to some class (the largest class "
        "against the largest of such choices)."]
    known = table[table["latency_ms"].notna()]
    if len(known):
        sentences.append(
            "Latency of the first spikes beyond what pseudo-onsets in the baseline have by chance, "
            "median over units that spike more (ms after onset): "
            + ", ".join(f"{area} {known.loc[known['area'] == area, 'latency_ms'].median():.3g} "
                        f"({int((known['area'] == area).sum())} units)"
                        for area in recording.areas if (known["area"] == area).any()) + ".")
    return sentences


def _warnings(table: pd.DataFrame, baseline: Baseline) -> list[str]:
    limits = []
    if baseline.n_missing:
        limits.append(f"responsiveness: {baseline.n_missing} trials have no recorded baseline "
                      "and are left out")
    if baseline.n_overlapping:
        limits.append(f"responsiveness: {baseline.n_overlapping} baselines reach into the "
                      "response window of an earlier trial; what is spontaneous there cannot be "
                      "told")
    n_cut = int(table["n_trials_cut"].iloc[0])
    if n_cut:
        limits.append(f"responsiveness: in {n_cut} trials the response is longer than the "
                      f"baseline; its first {baseline.stop - baseline.start:g} ms are tested")
    tested, least = int(table["p_value"].notna().sum()), 2 / (table["n_permutations"].iloc[0] + 1)
    together = int(np.ceil(tested * least / SIGNIFICANT_Q))
    if together > 1:
        limits.append(f"responsiveness: p is at least {least:.2g}, so among {tested} units no "
                      f"fewer than {together} can be significant together")
    for note, rows in table[table["note"].str.startswith("not comp")].groupby("note"):
        limits.append(f"responsiveness, {len(rows)} units: {note}")
    return limits


def analyse_psths(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
                  ) -> PipelineResult | None:
    """Spikes and rates of single units by class."""
    from ephys_snn.analysis.single_units.psth_figure import COLUMNS, plot_psths

    if args.psth is None:
        return None
    baseline = _baseline(recording, windows, args)
    units = find_units(recording.units, args.psth, "--psth")
    if not 1 <= len(units) <= MAX_PSTHS:
        raise InputError(f"--psth needs 1 to {MAX_PSTHS} units; got {len(units)}")
    response = _longest_response(windows)
    shown = None if baseline is None else (baseline.start, baseline.stop)
    edges = _bins(recording, windows, response, shown)
    psths = [measure_psth(recording, windows, unit, edges) for unit in units]
    title = (f"{name_of(recording)}: {windows.used.sum()} trials, bins of "
             f"{edges[1] - edges[0]:g} ms")
    parts = [psths[begin:begin + COLUMNS] for begin in range(0, len(psths), COLUMNS)]
    stems = ["psth"] if len(parts) == 1 else [f"psth_page_{n}" for n in range(1, len(parts) + 1)]
    return PipelineResult(
        "psth", {"psth": tabulate(psths)},
        {stem: plot_psths(part, response, shown, title)
         for stem, part in zip(stems, parts, strict=True)},
        {"units": [psth.unit for psth in psths], "bin_ms": float(edges[1] - edges[0]),
         "window": windows.description})


def add_unit_statistics_option(parser: Options) -> None:
    """Add ``--unit-statistics``."""
    parser.add_argument("--unit-statistics", action="store_true",
                        help="also write rate, Fano factor and CV2 of every unit in the response "
                             "windows")


def analyse_unit_statistics(recording: Recording, windows: ResponseWindows,
                            args: argparse.Namespace) -> PipelineResult | None:
    """Rate and variability of every unit."""
    if not args.unit_statistics:
        return None
    table = unit_variability(recording, windows)
    medians = table.groupby("area", sort=False)[["fano_factor", "cv2"]].median().reindex(
        recording.areas)
    counted = table.groupby("area", sort=False)[["fano_factor", "cv2"]].count()
    summary = [f"Median {name} of units (1: as a Poisson process{more}): " + ", ".join(
        f"{area} {value:.2f} ({counted.loc[area, column]} units)"
        for area, value in medians[column].dropna().items()) + "."
        for column, name, more in (
            ("fano_factor", "Fano factor", "; within classes, "
             f"{table['fano_window_ms'].max():.4g} ms, {int(windows.used.sum())} trials"),
            ("cv2", "CV2", "")) if medians[column].notna().any()]
    return PipelineResult("units", {"units": table}, {}, {"window": windows.description}, summary)


def _longest_response(windows: ResponseWindows) -> tuple[float, float]:
    """Earliest start and latest stop of a response, ms after onset."""
    used = windows.used
    return (float((windows.start - windows.onset)[used].min()),
            float((windows.stop - windows.onset)[used].max()))


def _bins(recording: Recording, windows: ResponseWindows, response: tuple[float, float],
          baseline: tuple[float, float] | None) -> np.ndarray:
    """Edges in ms after onset: from the baseline, or a margin, to a margin within the trials."""
    margin = MARGIN * (response[1] - response[0])
    start = min(0.0, response[0] - margin) if baseline is None else min(baseline[0], response[0])
    longest = float(recording.trials.duration[windows.used].max())
    stop = max(response[1], min(longest, response[1] + margin))
    return bin_edges(start, stop, recording.resolution)


ADDITIONS = (
    Addition("responsiveness", "Responsiveness of units", add_baseline_option, analyse_baseline, {
        "responsiveness": "Left, every unit's rate in the response window against that in the "
                          "baseline; on the line nothing changes. Right, when the spikes of "
                          "units that spike more first exceed those after pseudo-onsets in it."}),
    Addition("units", "Variability of units", add_unit_statistics_option, analyse_unit_statistics,
             {}),
    Addition("psth", "Single units", add_psth_option, analyse_psths, {
        "psth": "Above, a row of spikes per trial, sorted by class; below, the mean rates of "
                "classes."}),
)
