"""What limits information about classes: trials, permutations, the design of the experiment."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ephys_snn.analysis.information.comparison import Comparison
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.analysis.words import areas_in_no_order, trials_left_out
from ephys_snn.errors import listed
from ephys_snn.recording import Recording, ResponseWindows

FEW_TRIALS = 10  # per class: below, estimates of single units mean little
CLASSES_NAMED = 8  # in a sentence
FEW_ACTIVE = 20  # trials: from there on, the correction leans down by less than 0.03
BUSY = 0.5  # median fraction of active trials from which activity saturates


def limits(recording: Recording, windows: ResponseWindows, information: UnitInformation,
           tables: Mapping[str, pd.DataFrame], args: argparse.Namespace) -> list[str]:
    """What limits it, and what could not be computed and why."""
    by_area = tables["information_gain_by_area"]
    return [*trials_left_out(windows),
            *_activity(information),
            *_classes(information),
            *_chance(information),
            *_overcorrected(information),
            *_permutations(information),
            *Relabelling(args.block_trials, args.shift_labels).limits(information.n_trials),
            *_crossed_annotations(recording, windows, args.within),
            *_unused_units(by_area, information, args.min_active),
            *_notes(by_area, recording, tables["information_gain_excitatory_inhibitory"]),
            *areas_in_no_order(recording)]


def _activity(information: UnitInformation) -> list[str]:
    active = information.units.loc[information.used, "active_fraction"]
    if active.empty or not active.median() > BUSY:
        return []
    return [f"half of the units are active in {active.median():.0%} of the trials or more: being "
            "active can say little then, whatever they code for; a shorter --window, or the spike "
            "count columns, say more"]


def _classes(information: UnitInformation) -> list[str]:
    few = [f"'{name}' ({count})" for name, count in zip(
        information.classes, information.class_counts, strict=True) if count < FEW_TRIALS]
    return [f"too few trials per class to mean anything for single units: fewer than {FEW_TRIALS} "
            f"of {listed(few, CLASSES_NAMED)}; the plug-in is inflated, corrected values are noisy"
            ] if few else []


def _chance(information: UnitInformation) -> list[str]:
    chance = information.units["information_gain_chance"]
    return ["few active trials inflate the plug-in information gain: permuted labels give "
            f"{chance.mean():.2f} on average and up to {chance.max():.2f}; compare corrected "
            "values, and recordings at equal numbers of trials"] if chance.max() > 0.1 else []


def _overcorrected(information: UnitInformation) -> list[str]:
    n_active = information.units.loc[information.used, "n_active"]
    few = int((n_active <= FEW_ACTIVE).sum())
    return [f"{few} of {len(n_active)} units are active in {FEW_ACTIVE} trials or fewer: corrected "
            "and relative information gain of such units are 0 on average without information, "
            "and too low with some (of 10 classes, a unit active for 3 alike has 0.52, and "
            "corrected on average 0.37 at 5 active trials, 0.44 at 10, 0.49 at 20)"
            ] if few > len(n_active) / 4 else []


def _permutations(information: UnitInformation) -> list[str]:
    """Whether p cannot be small enough for single units to pass."""
    tested, units = int(information.used.sum()), information.units
    n_orders = information.n_permutations + 1  # with the order that was shown
    together = int(np.ceil(tested / (n_orders * SIGNIFICANT_Q)))
    at_the_limit = any(
        ((units[f"{test}p_value"] < 1.5 / n_orders)
         & (units[f"{test}q_value"] >= SIGNIFICANT_Q)).any()
        for test in ("", "mutual_information_", "spike_count_"))
    if not at_the_limit or together <= 1:
        return []
    return [f"with {information.n_permutations} permutations p is at least {1 / n_orders:.2g}, so "
            f"among {tested} units no fewer than {together} can be significant together; raise "
            f"--permutations to {int(np.ceil(tested / SIGNIFICANT_Q))} to find a single one"]


def _crossed_annotations(recording: Recording, windows: ResponseWindows, within: str | None
                         ) -> list[str]:
    if within is not None:
        return []
    label = recording.trials.label[windows.used]
    crossed = [key for key, values in recording.trials.annotations.items()
               if is_crossed(values[windows.used], label)]
    return [f"every class was shown at several values of '{key}': a unit that prefers one class "
            "at one of them and another at the next is not found in all trials together; "
            f"--within {key} tests spike counts at each" for key in crossed]


def is_crossed(values: np.ndarray, label: np.ndarray) -> bool:
    """Whether every class occurs at each of several values, often enough to be tested there."""
    value, code = (np.unique(each, return_inverse=True)[1] for each in (values, label))
    n_values, n_classes = value.max() + 1, code.max() + 1
    n_trials = np.unique(value * n_classes + code, return_counts=True)[1]
    return bool(n_values > 1 and len(n_trials) == n_values * n_classes
                and n_trials.min() >= FEW_TRIALS)


def _unused_units(by_area: pd.DataFrame, information: UnitInformation, min_active: int
                  ) -> list[str]:
    counted = (by_area["cell_type"] == "all") & ~by_area["note"].str.contains("decision")
    unused = int((by_area["n_units"] - by_area["n_units_used"])[counted].sum())
    return [f"{unused} of {len(information.units)} units are active in fewer than {min_active} "
            "trials and have no statistics (--min-active)"] if unused else []


def _notes(by_area: pd.DataFrame, recording: Recording, contrasts: pd.DataFrame) -> list[str]:
    """What the tables note, of areas and of excitatory against inhibitory units."""
    noted = by_area[(by_area["note"] != "") & (by_area["cell_type"] == "all")]
    said = [f"{row.area}: {row.note}" for row in noted.itertuples()]
    if not {"excitatory", "inhibitory"} & set(recording.units.cell_type):
        return [*said, "cell types are not known here: excitatory and inhibitory units are not "
                "compared"]
    noted = contrasts[(contrasts["note"] != "")
                      & (contrasts["n_excitatory"] + contrasts["n_inhibitory"] > 0)]
    return said + [f"{area}, excitatory against inhibitory, {listed(measures)}: {note}"
                   for (area, note), measures in noted.groupby(["area", "note"], sort=False)[
                       "measure"].agg(lambda each: list(each.str.replace("_", " "))).items()]


def comparison_limits(information: UnitInformation, pair: Comparison, compared: pd.DataFrame,
                      path: Path) -> list[str]:
    """What limits the comparison with a control."""
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
                        f"in; its areas are {listed(pair.control.areas)}")
    return warnings
