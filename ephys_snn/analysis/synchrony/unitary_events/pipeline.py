"""Unitary events as a part of the synchrony pipeline: options, sentences, table and figures."""

import argparse
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ephys_snn.analysis.pipeline import Options
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.synchrony.unitary_events.analysis import (
    MAX_UNITS,
    UnitaryEvents,
    UnitaryEventSettings,
    analyse_unitary_events,
    collect,
    equal_trials,
    most_active_units,
    why_not,
)
from ephys_snn.analysis.synchrony.unitary_events.coincidences import whole_bins
from ephys_snn.analysis.synchrony.words import NEIGHBOURS
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import names, number, progress_bar
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, find_units

NOTHING = PipelineResult("unitary_events", {}, {}, {})
STRETCHES_NAMED = 6  # of significant windows, in the summary


def add_options(parser: Options) -> None:
    """Add the options of unitary events."""
    parser.add_argument("--unitary-events", action="store_true",
                        help="also test pairs of units for coincidences beyond their rates, in a "
                             "window that slides over the trial; class by class where the classes "
                             "differ in length")
    parser.add_argument("--ue-units", metavar="A,B", type=names,
                        help=f"2 to {MAX_UNITS} units, by name, unit_id or area/unit_id (default: "
                             "the two with the most spikes)")
    parser.add_argument("--ue-bin", type=number(float, above=0), default=5.0, metavar="MS",
                        help="spikes in one bin are coincident (default: %(default)s)")
    parser.add_argument("--ue-window", type=number(float, above=0), default=100.0, metavar="MS",
                        help="length of the sliding window (default: %(default)s)")
    parser.add_argument("--ue-step", type=number(float, above=0), metavar="MS",
                        help="its step (default: one bin)")
    parser.add_argument("--ue-alpha", type=number(float, above=0, below=1), default=0.05,
                        metavar="P", help="significance level of a window (default: %(default)s)")


def analyse(recording: Recording, windows: ResponseWindows,
            args: argparse.Namespace) -> PipelineResult:
    """Unitary events as the options ask; nothing where they do not ask."""
    if not args.unitary_events:
        return NOTHING
    settings = UnitaryEventSettings(args.ue_bin, args.ue_window, args.ue_step or args.ue_bin,
                                    args.ue_alpha, args.surrogates)
    for option, value in (("--ue-window", settings.window), ("--ue-step", settings.step)):
        whole_bins(option, value, settings.bin_width)
    chosen = None if args.ue_units is None else _few(find_units(recording.units, args.ue_units,
                                                                "--ue-units"))
    trials = equal_trials(recording, windows, settings.bin_width)
    reasons = {name: reason for name, trial in trials.items()
               if (reason := why_not(recording, windows, trial, settings))}
    refused = [f"no unitary events{_of_class(name)}: {reason}" for name, reason in reasons.items()]
    if len(reasons) == len(trials):
        return PipelineResult("unitary_events", {}, {}, {"unitary_events": {
            "not_computed": refused}}, [], refused)
    units = most_active_units(recording, windows) if chosen is None else chosen
    progress = progress_bar(args.quiet)
    found = [analyse_unitary_events(
        recording, windows, units, trial, settings, name, args.block_trials, args.seed, progress)
        for name, trial in trials.items() if name not in reasons]
    table = collect(found)
    return PipelineResult(
        "unitary_events", {"unitary_events": table}, _draw(recording, found, settings),
        {"unitary_events": {**settings._asdict(), "units": found[0].unit_names,
                            "n_trials": {_class_in_table(each): len(each.trial)
                                         for each in found}}},
        _summarise(found, table, settings, recording.trials.repeats.of),
        [*refused, *_warnings(recording, table, settings, chosen is None)])


def _few(units: np.ndarray) -> np.ndarray:
    if not 2 <= len(units) <= MAX_UNITS:
        raise InputError(f"--ue-units needs 2 to {MAX_UNITS} units; got {len(units)}")
    return units


def _draw(recording: Recording, found: Sequence[UnitaryEvents], settings: UnitaryEventSettings
          ) -> dict:
    """A figure per class and pattern; numbered, with what they show, where there are several."""
    from ephys_snn.analysis.synchrony.unitary_events.figure import plot_unitary_events

    drawn = []
    for events in found:
        for index, pattern in enumerate(events.patterns):
            names = [events.unit_names[unit] for unit in pattern]
            title = (f"Coincidences of {_and(names)} beyond their rates: {name_of(recording)}, "
                     f"{len(events.trial)} trials{_of_class(events.class_name)},\n"
                     f"{settings.bin_width:g} ms bins, {settings.window:g} ms windows, "
                     f"α = {settings.alpha:g} without correction for their number")
            what = "_".join([*filter(None, [events.class_name]),
                             *(["+".join(names)] if len(events.patterns) > 1 else [])])
            drawn.append((re.sub(r"[^\w+.-]+", "-", what)[:60],
                          plot_unitary_events(events, index, settings.alpha, title)))
    if len(drawn) == 1:
        return {"unitary_events": drawn[0][1]}
    return {f"unitary_events_{number}_{what}": figure
            for number, (what, figure) in enumerate(drawn, start=1)}


def _of_class(name: str | None) -> str:
    return "" if name is None else f" of class {name or '(no label)'}"


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _summarise(found: Sequence[UnitaryEvents], table: pd.DataFrame,
               settings: UnitaryEventSettings, repeats_of: str) -> list[str]:
    """What was found, in words, a sentence per class."""
    sentences = [f"Unitary events of {_and(found[0].unit_names)} ({settings.bin_width:g} ms bins, "
                 f"{settings.window:g} ms windows): windows with more coincidences than the rates "
                 f"predict (p <= {settings.alpha:g}), and how many there are where each unit's "
                 f"responses are shuffled across {NEIGHBOURS[repeats_of]}."]
    for events in found:
        rows = table[table["class"] == _class_in_table(events)]
        text = (f"  {len(events.trial)} trials{_of_class(events.class_name)}: "
                f"{events.n_significant} of {int(rows['p_value'].notna().sum())} windows")
        if events.n_significant:
            text += ", centred at " + _stretches(rows[rows["significant"]], settings.step)
        if len(events.null_n_significant):
            passed = rows[rows["p_value_corrected"] <= settings.alpha]
            text += (f"; shuffled {events.null_n_significant.mean():.1f} on average "
                     f"(p = {events.p_value:.2g}); corrected for all windows, {len(passed)} "
                     "remain" + (f", centred at {_stretches(passed, settings.step)}"
                                 if len(passed) else ""))
        sentences.append(text + ".")
    return sentences


def _class_in_table(events: UnitaryEvents) -> str:
    return "all" if events.class_name is None else events.class_name


def _stretches(rows: pd.DataFrame, step: float) -> str:
    """Runs of neighbouring windows in words: 860-930, 945 ms."""
    centers = np.unique(rows["window_center_ms"])
    runs = np.split(centers, np.flatnonzero(np.diff(centers) > 1.5 * step) + 1)
    words = [f"{run[0]:g}" if len(run) == 1 else f"{run[0]:g}-{run[-1]:g}" for run in runs]
    more = f" and {len(words) - STRETCHES_NAMED} more stretches" \
        if len(words) > STRETCHES_NAMED else ""
    return ", ".join(words[:STRETCHES_NAMED]) + " ms" + more


def _warnings(recording: Recording, table: pd.DataFrame, settings: UnitaryEventSettings,
              most_active: bool) -> list[str]:
    """What limits the result."""
    n_tested = int(table["p_value"].notna().sum())
    limits = [f"unitary events: {n_tested} overlapping windows are each tested at "
              f"{settings.alpha:g}, of which up to {settings.alpha * n_tested:.0f} pass by chance; "
              "p_value_corrected counts all of them"]
    if n_tested < len(table):
        limits.append(f"unitary events: {len(table) - n_tested} of {len(table)} windows cannot be "
                      "tested, because no coincidence is expected in them")
    if most_active and len(recording.units) > 2:
        limits.append(f"unitary events: {table['pattern'].iloc[0].replace('+', ' and ')} are the "
                      f"two of {len(recording.units)} units with the most spikes; --ue-units "
                      "chooses others")
    low = float(table["n_expected"].max())
    if low < 1:
        limits.append(f"unitary events: at most {low:.2g} coincidences are expected in a window, "
                      "so that a single one may decide; take more trials or longer windows")
    return limits
