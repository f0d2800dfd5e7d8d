"""Semantization: which units tell the class of a trial, and more so in deeper areas?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis.information.areas import (
    SIGNIFICANT_Q,
    compare_areas,
    excitatory_against_inhibitory,
    information_by_area,
    information_by_depth,
    keep_windows,
    match_trials,
)
from ephys_snn.analysis.information.unit_information import (
    MIN_PERMUTATIONS,
    UnitInformation,
    unit_information,
)
from ephys_snn.analysis.pipeline import Pipeline, run
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.cli import number
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows, open_recording

FEW_TRIALS = 10  # per class: below, estimates of single units mean little
FEW_BLOCKS = 20  # fewer can hardly be permuted
BUSY = 0.5  # median fraction of active trials from which activity saturates


def add_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--permutations", type=number(int, least=1), metavar="N",
                        help="permutations of the labels, for chance and significance; the "
                        f"smallest p is 1 / (N + 1) (default: {MIN_PERMUTATIONS}, or as many "
                        "more as it takes to find a single significant unit, where that is "
                        "quick)")
    parser.add_argument("--block-trials", type=number(int, least=1), default=1, metavar="N",
                        help="neighbouring trials that stay together in a permutation, where "
                        "labels or responses drift (default: %(default)s)")
    parser.add_argument("--within", metavar="KEY",
                        help="array annotation of the trials, such as a position or a session: "
                        "permute labels among trials of equal value only, and test spike counts "
                        "at each of its values (default: all trials together)")
    parser.add_argument("--min-active", type=number(int, least=1), default=5, metavar="N",
                        help="units active in fewer trials have no statistics "
                        "(default: %(default)s)")
    parser.add_argument("--compare", type=Path, metavar="RECORDING",
                        help="a control to compare with, such as the untrained network or "
                        "another animal, read with the same options")


Measure = Callable[[Recording, ResponseWindows, str, int], UnitInformation]


class Comparison(NamedTuple):
    """A recording and its control at equal numbers of trials."""

    recording: Recording
    windows: ResponseWindows
    information: UnitInformation
    control: Recording
    control_windows: ResponseWindows
    control_information: UnitInformation


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Information gain of every unit, by area, cell type and depth, and against a control."""
    from ephys_snn.analysis.information.figures import (
        Control,
        plot_activity_by_class,
        plot_information_gain,
    )

    measure: Measure = partial(_measure, args)
    opened = None if args.compare is None else _open_control(args)  # errors before the work
    information = measure(recording, windows, "permuted labels", 0)
    rng = np.random.default_rng([args.seed, 1])
    by_area = information_by_area(recording, windows, information, rng)
    contrasts = excitatory_against_inhibitory(recording, windows, information, rng)
    depth = information_by_depth(recording, information, rng)
    tables = {"information_gain": information.units, "information_gain_by_area": by_area,
              "information_gain_excitatory_inhibitory": contrasts,
              "information_gain_depth": depth}
    summary = _summarise(recording, information, by_area, contrasts, depth, args.within)
    warnings = _warnings(recording, windows, information, by_area, contrasts, args)
    name = "recording" if recording.path is None else recording.path.name
    n_classes = len(information.classes)
    title = f"{name}: {{}} {n_classes} classes in {{}} trials, {windows.description}"
    gain_title = title.format("information about", information.n_trials)
    drawn, drawn_by_area, control = information, by_area, None
    if opened is not None:
        pair = _compare(recording, windows, information, *opened, args.seed, measure)
        tables["information_gain_comparison"] = compared = compare_areas(
            recording, pair.information, pair.control, pair.control_information, rng)
        summary += _summarise_comparison(compared, args.compare.name)
        warnings += _comparison_warnings(information, pair, compared, args.compare)
        drawn = pair.information
        if drawn is not information:
            drawn_by_area = information_by_area(recording, pair.windows, drawn, rng)
        gain_title = title.format("information about", drawn.n_trials)
        control = Control(pair.control, pair.control_information, information_by_area(
            pair.control, pair.control_windows, pair.control_information, rng),
            args.compare.name)
    figures = {
        "information_gain": plot_information_gain(recording, drawn, drawn_by_area, gain_title,
                                                  control),
        "activity_by_class": plot_activity_by_class(
            recording, information, title.format("activity in", information.n_trials)),
    }
    return PipelineResult("information_gain", tables, figures, {
        "window": windows.description, "n_trials": information.n_trials,
        "trials_per_class": dict(zip(information.classes, information.class_counts.tolist(),
                                     strict=True)),
        "permutations": information.n_permutations, "block_trials": args.block_trials,
        "within": args.within, "min_active": args.min_active, "seed": args.seed,
        "compare": None if args.compare is None else str(args.compare),
    }, summary, warnings)


def _measure(args: argparse.Namespace, recording: Recording, windows: ResponseWindows, what: str,
             stream: int) -> UnitInformation:
    from tqdm import tqdm

    return unit_information(
        recording, windows, np.random.default_rng([args.seed, 2, stream]), args.permutations,
        args.block_trials, args.min_active, within=args.within,
        progress=partial(tqdm, desc=what, unit="batch", disable=args.quiet, leave=False))


def _open_control(args: argparse.Namespace) -> tuple[Recording, ResponseWindows]:
    """Read the control with the options of the recording."""
    try:
        return open_recording(argparse.Namespace(**{**vars(args), "recording": args.compare}))
    except InputError as error:
        raise InputError(f"--compare {args.compare}: {error}") from error


def _compare(recording: Recording, windows: ResponseWindows, information: UnitInformation,
             control: Recording, control_windows: ResponseWindows, seed: int, measure: Measure
             ) -> Comparison:
    """Measure the control, and the recording again where it has to give up trials."""
    ours, theirs = match_trials(recording.trials.label[windows.used],
                                control.trials.label[control_windows.used],
                                np.random.default_rng([seed, 3]))
    if len(ours) < windows.used.sum():
        windows = keep_windows(windows, ours)
        information = measure(recording, windows, "permuted labels, matched", 1)
    control_windows = keep_windows(control_windows, theirs)
    return Comparison(recording, windows, information, control, control_windows,
                      measure(control, control_windows, "permuted labels, control", 2))


def _summarise(recording: Recording, information: UnitInformation, by_area: pd.DataFrame,
               contrasts: pd.DataFrame, depth: pd.DataFrame, within: str | None) -> list[str]:
    """What was found, in plain sentences."""
    units = information.units
    used = int(information.used.sum())
    if not used:
        return [f"None of {len(units)} units is active in enough trials to say what it tells "
                "about the class."]
    by_activity, by_silence, by_count = (
        int((units[column] < SIGNIFICANT_Q).sum()) for column in
        ("q_value", "mutual_information_q_value", "spike_count_q_value"))
    null = "permuted labels" if within is None else f"labels permuted within each {within}"
    sentences = [
        f"Of {used} units that are active often enough, {by_activity} tell the class of a trial by "
        f"being active (information gain), {by_silence} by being active or silent (mutual "
        f"information), {by_count} by their number of spikes (all against {null}, "
        f"q < {SIGNIFICANT_Q:g}; {len(information.classes)} classes, {information.n_trials} "
        "trials).",
        "Mean information gain by area (0 nothing, 1 active for one class only; in brackets "
        "beyond chance, and the part of the units that is significant):"]
    for area, rows in by_area[by_area["n_units_used"] > 0].groupby("area", sort=False):
        sentences.append(f"  {area}: " + ", ".join(
            f"{row.cell_type} {_fixed(row.mean)} ({_fixed(row.mean_corrected)}; "
            f"{row.fraction_significant:.0%} of {row.n_units_used})"
            for row in _known_or_all(rows).itertuples()))
    tested = contrasts[contrasts["p_value"].notna()]
    if len(tested):
        sentences.append(
            "Probability that an excitatory unit tells more than an inhibitory one (0.5: no "
            "difference; * q < 0.05): " + ", ".join(
                f"{row.area} {row.auc:.2f}{'*' if row.q_value < SIGNIFICANT_Q else ''}"
                for row in tested.itertuples()) + ".")
    for row in depth[depth["spearman_rho"].notna()].itertuples():
        kind = "all units" if row.cell_type == "all" else f"{row.cell_type} units"
        sentences.append(
            f"From {row.first_area} to {row.last_area}, the corrected information gain of {kind} "
            f"changes by {row.difference:+.2f} [{row.difference_low:.2f}, "
            f"{row.difference_high:.2f}] (Spearman {row.spearman_rho:.2f} with depth, "
            f"p = {row.p_value:.2g}, n = {row.n_units}).".replace("nan", "–"))
    return sentences


def _summarise_comparison(compared: pd.DataFrame, name: str) -> list[str]:
    rows = compared[compared["p_value"].notna()]
    if rows.empty:
        return []
    sentences = [f"Corrected information gain here against the control {name}, at equal numbers "
                 "of trials (* q < 0.05):"]
    for area, of_area in rows.groupby("area", sort=False):
        sentences.append(f"  {area}: " + ", ".join(
            f"{row.cell_type} {_fixed(row.mean_corrected)} against "
            f"{_fixed(row.mean_corrected_control)}{'*' if row.q_value < SIGNIFICANT_Q else ''}"
            for row in _known_or_all(of_area).itertuples()))
    return sentences


def _known_or_all(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of known cell types of an area, else the row of all its units."""
    known = rows[rows["cell_type"] != "all"]
    return known if len(known) else rows


def _fixed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0 takes the sign off a rounded zero


def _warnings(recording: Recording, windows: ResponseWindows, information: UnitInformation,
              by_area: pd.DataFrame, contrasts: pd.DataFrame, args: argparse.Namespace
              ) -> list[str]:
    """What limits it, and what could not be computed and why."""
    label = recording.trials.label[windows.used]
    return [*_trial_warnings(windows, information, by_area),
            *_permutation_warnings(label, information, args),
            *_design_warnings(recording, windows, label, args.within),
            *_decision_warnings(windows, label),
            *_row_warnings(recording, by_area, contrasts, information, args.min_active)]


def _trial_warnings(windows: ResponseWindows, information: UnitInformation,
                    by_area: pd.DataFrame) -> list[str]:
    warnings = []
    left_out = int((~windows.used).sum())
    if left_out:
        warnings.append(f"{left_out} of {len(windows.used)} trials have no response window "
                        f"({windows.description}) and are left out")
    active = information.units.loc[information.used, "active_fraction"]
    if len(active) and active.median() > BUSY:
        warnings.append(f"half of the units are active in {active.median():.0%} of the trials or "
                        "more: being active can say little then, whatever they code for; a "
                        "shorter --window, or the spike count columns, say more")
    few = [f"'{name}' ({count})" for name, count in zip(
        information.classes, information.class_counts, strict=True) if count < FEW_TRIALS]
    if few:
        listed = ", ".join(few[:8]) + (f" and {len(few) - 8} more" if len(few) > 8 else "")
        warnings.append(f"too few trials per class to mean anything for single units: fewer than "
                        f"{FEW_TRIALS} of {listed}; the plug-in is inflated, corrected values "
                        "are noisy")
    chance = information.units["information_gain_chance"]
    if chance.max() > 0.1:
        warnings.append("few active trials inflate the plug-in information gain: permuted labels "
                        f"give {chance.mean():.2f} on average and up to {chance.max():.2f}; "
                        "compare corrected values, and recordings at equal numbers of trials")
    return warnings


def _permutation_warnings(label: np.ndarray, information: UnitInformation,
                          args: argparse.Namespace) -> list[str]:
    warnings = []
    tested = int(information.used.sum())
    n_permutations = information.n_permutations
    together = int(np.ceil(tested / ((n_permutations + 1) * SIGNIFICANT_Q)))
    units = information.units
    at_the_limit = any(
        ((units[f"{test}p_value"] < 1.5 / (n_permutations + 1))
         & (units[f"{test}q_value"] >= SIGNIFICANT_Q)).any()
        for test in ("", "mutual_information_", "spike_count_"))
    if at_the_limit and together > 1:
        warnings.append(f"with {n_permutations} permutations p is at least "
                        f"{1 / (n_permutations + 1):.2g}, so among {tested} units no fewer "
                        f"than {together} can be significant together; raise --permutations to "
                        f"{int(np.ceil(tested / SIGNIFICANT_Q))} to find a single one")
    if args.block_trials == 1:
        repeats, expected, p_value = label_repeats(label)
        if p_value < 0.01:
            warnings.append(f"labels are not in random order: {repeats:.0%} of the trials repeat "
                            f"the label of the one before, where {expected:.0%} would by chance; "
                            "drift can look like information, so permute blocks of neighbouring "
                            "trials (--block-trials)")
    elif len(label) / args.block_trials < FEW_BLOCKS:
        warnings.append(f"{len(label)} trials make {len(label) / args.block_trials:.1f} blocks of "
                        f"{args.block_trials}: so few that p cannot be small; use shorter blocks")
    return warnings


def _design_warnings(recording: Recording, windows: ResponseWindows, label: np.ndarray,
                     within: str | None) -> list[str]:
    if within is not None:
        return []
    crossed = [key for key, values in recording.trials.annotations.items()
               if is_crossed(values[windows.used], label)]
    return [f"every class was shown at several values of '{key}': a unit that prefers one class "
            "at one of them and another at the next is not found in all trials together; "
            f"--within {key} tests spike counts at each" for key in crossed]


def is_crossed(values: np.ndarray, label: np.ndarray) -> bool:
    """Whether every class occurs at each of several values, often enough to be tested there."""
    value, code = (np.unique(each, return_inverse=True)[1] for each in (values, label))
    if value.max() < 1 or (value.max() + 1) * (code.max() + 1) * FEW_TRIALS > len(label):
        return False
    trials = np.zeros((value.max() + 1, code.max() + 1), dtype=int)
    np.add.at(trials, (value, code), 1)
    return bool(trials.min() >= FEW_TRIALS)


def label_repeats(label: np.ndarray) -> tuple[float, float, float]:
    """Fraction of trials that repeat the label before, expected fraction, one-sided p.

    The p-value is that of a normal approximation with the binomial variance.
    """
    counts = np.unique(label, return_counts=True)[1]
    n_pairs = len(label) - 1
    repeats = float(np.mean(label[1:] == label[:-1]))
    expected = float((counts * (counts - 1)).sum() / (len(label) * n_pairs))
    sd = np.sqrt(expected * (1 - expected) / n_pairs)
    return repeats, expected, float(stats.norm.sf((repeats - expected) / sd)) if sd else 1.0


def _decision_warnings(windows: ResponseWindows, label: np.ndarray) -> list[str]:
    """Whether trials of some classes are decided later; other windows have limits of their own."""
    if not windows.until_decision:
        return []
    duration = windows.durations[windows.used]
    if np.ptp(duration) < 1e-6 * duration.mean():
        return []
    groups = [duration[label == name] for name in np.unique(label)]
    if stats.kruskal(*groups).pvalue >= 0.05:
        return []
    medians = [np.median(group) for group in groups]
    return [f"decisions come at different times in the classes (medians {min(medians):.3g} to "
            f"{max(medians):.3g} ms): a unit that merely fires late or all the time is active more "
            "often where they come late; --window START STOP makes windows equally long"]


def _row_warnings(recording: Recording, by_area: pd.DataFrame, contrasts: pd.DataFrame,
                  information: UnitInformation, min_active: int) -> list[str]:
    warnings = []
    decided = by_area["note"].str.contains("decision")
    unused = int((by_area["n_units"] - by_area["n_units_used"])[
        (by_area["cell_type"] == "all") & ~decided].sum())
    if unused:
        warnings.append(f"{unused} of {len(information.units)} units are active in fewer than "
                        f"{min_active} trials and have no statistics (--min-active)")
    for row in by_area[(by_area["note"] != "") & (by_area["cell_type"] == "all")].itertuples():
        warnings.append(f"{row.area}: {row.note}")
    if not {"excitatory", "inhibitory"} & set(recording.units.cell_type):
        warnings.append("cell types are not known here: excitatory and inhibitory units are not "
                        "compared")
    else:
        for row in contrasts[contrasts["note"] != ""].itertuples():
            if (row.n_excitatory or row.n_inhibitory):
                warnings.append(f"{row.area}, excitatory against inhibitory: {row.note}")
    if len(recording.areas) > 1 and not recording.areas_ordered:
        warnings.append("nobody stated the order of the areas, so there is no trend with depth "
                        "(--areas A,B,...)")
    return warnings


def _comparison_warnings(information: UnitInformation, pair: Comparison, compared: pd.DataFrame,
                         path: Path) -> list[str]:
    warnings = [f"{path.name}: {note}" for note in pair.control.notes]
    if pair.information.n_trials < information.n_trials:
        warnings.append(f"the comparison and its figure use {pair.information.n_trials} of "
                        f"{information.n_trials} trials, as many as the control can match")
    n_control = int(np.isfinite(pair.control_windows.stop).sum())
    if pair.control_information.n_trials < n_control:
        warnings.append(f"the comparison uses {pair.control_information.n_trials} of {n_control} "
                        f"trials of {path.name}, as many as the recording can match")
    if set(pair.information.classes) != set(pair.control_information.classes):
        warnings.append(f"{path.name} has other classes: only the numbers of trials are matched")
    if compared["p_value"].isna().all():
        warnings.append(f"{path.name} shares no area with this recording that both have units "
                        f"in; its areas are {', '.join(pair.control.areas)}")
    return warnings


PIPELINE = Pipeline(
    "information_gain",
    "Measure what the activity of every unit tells about the class of the trial, corrected for "
    "chance, by area, cell type and depth.",
    add_options, analyse)
main = partial(run, PIPELINE)
