"""Information of units in words: what was found, what the figures show."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ephys_snn.analysis.information.areas import SIGNIFICANT_Q
from ephys_snn.analysis.information.unit_information import UnitInformation

CAPTIONS = {
    "information_gain": "Left, how much each unit's being active says about the class (dots: one "
                        "unit each; bars: how many units; dashed: what permuted labels give, by "
                        "mere chance). Right, the mean over the units with that chance taken out. "
                        "Outlines and open squares: a control, where one was named.",
    "activity_by_class": "Every unit a row, every class a column. A dark column's block is a group "
                         "of units active for one class: the blocks were sorted by one half of the "
                         "trials and are shown in the other, so sorting alone does not make them.",
}


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """How many units tell the class, and how much those of either type do."""
    units, by_area = tables["information_gain"], tables["information_gain_by_area"]
    tested = units["q_value"].notna()
    if not tested.any():
        return "No unit is active often enough to say what it tells about the class."
    telling = int((units["q_value"] < SIGNIFICANT_Q).sum())
    counting = int((units["spike_count_q_value"] < SIGNIFICANT_Q).sum())
    sentence = (f"Of {int(tested.sum())} units that are active often enough, {telling} tell the "
                f"class by being active and {counting} by how often they spike")
    mean = by_area.set_index(["cell_type", "area"])["mean_corrected"].dropna()
    if "excitatory" in mean and "inhibitory" in mean:
        excitatory, inhibitory = mean["excitatory"], mean["inhibitory"]
        sentence += (f"; information gain beyond chance (1: active for one class only) is "
                     f"{excitatory.iloc[0]:.2f} for excitatory units in {excitatory.index[0]} and "
                     f"{excitatory.iloc[-1]:.2f} in {excitatory.index[-1]}, for inhibitory units "
                     f"{inhibitory.iloc[0]:.2f} and {inhibitory.iloc[-1]:.2f}")
    return sentence + "."


def summarise(information: UnitInformation, tables: Mapping[str, pd.DataFrame], within: str | None
              ) -> list[str]:
    """What was found, in plain sentences; what belongs to one is indented below it."""
    if not information.used.any():
        return [f"None of {len(information.units)} units is active in enough trials to say what "
                "it tells about the class."]
    return [_units(information, within),
            *_areas(tables["information_gain_by_area"]),
            *_contrasts(tables["information_gain_excitatory_inhibitory"]),
            *_depth(tables["information_gain_depth"])]


def _units(information: UnitInformation, within: str | None) -> str:
    by_activity, by_silence, by_count = (
        int((information.units[column] < SIGNIFICANT_Q).sum()) for column in
        ("q_value", "mutual_information_q_value", "spike_count_q_value"))
    null = "permuted labels" if within is None else f"labels permuted within each {within}"
    return (f"Of {information.used.sum()} units that are active often enough, {by_activity} tell "
            f"the class of a trial by being active (information gain), {by_silence} by being "
            f"active or silent (mutual information), {by_count} by their number of spikes (all "
            f"against {null}, q < {SIGNIFICANT_Q:g}; {len(information.classes)} classes, "
            f"{information.n_trials} trials).")


def _areas(by_area: pd.DataFrame) -> list[str]:
    sentences = ["Mean information gain by area (0 nothing, 1 active for one class only; in "
                 "brackets beyond chance, and the part of the units that is significant):"]
    for area, rows in by_area[by_area["n_units_used"] > 0].groupby("area", sort=False):
        sentences.append(f"  {area}: " + ", ".join(
            f"{row.cell_type} {_fixed(row.mean)} ({_fixed(row.mean_corrected)}; "
            f"{row.fraction_significant:.0%} of {row.n_units_used})"
            for row in _known_or_all(rows).itertuples()))
    return sentences


def _contrasts(contrasts: pd.DataFrame) -> list[str]:
    tested = contrasts[contrasts["p_value"].notna()]
    if tested.empty:
        return []
    return ["Probability that an excitatory unit tells more than an inhibitory one (0.5: no "
            "difference; * q < 0.05): " + ", ".join(
                f"{row.area} {row.auc:.2f}{'*' if row.q_value < SIGNIFICANT_Q else ''}"
                for row in tested.itertuples()) + "."]


def _depth(depth: pd.DataFrame) -> list[str]:
    sentences = []
    for row in depth[depth["spearman_rho"].notna()].itertuples():
        kind = "all units" if row.cell_type == "all" else f"{row.cell_type} units"
        sentences.append(
            f"From {row.first_area} to {row.last_area}, the corrected information gain of {kind} "
            f"changes by {row.difference:+.2f} [{row.difference_low:.2f}, "
            f"{row.difference_high:.2f}] (Spearman {row.spearman_rho:.2f} with depth, "
            f"p = {row.p_value:.2g}, n = {row.n_units}).".replace("nan", "–"))
    return sentences


def summarise_comparison(compared: pd.DataFrame, name: str) -> list[str]:
    """How the recording differs from its control, by area."""
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
