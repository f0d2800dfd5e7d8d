"""Information of units in words: what was found, what the figures show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ephys_snn.analysis.depth_trend import ONE_RECORDING
from ephys_snn.analysis.information.cell_types import BOUNDED
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.surrogates import Relabelling

CAPTIONS = {
    "information_gain": "Left, how much each unit's being active says about the class (dots: one "
                        "unit each; bars: how many units; dashed: what permuted labels give, by "
                        "mere chance). Right, the mean over the units with that chance taken out. "
                        "Outlines and open squares: a control, where one was named.",
    "information_gain_bound": "Every dot is a unit: how often it is active, and its information "
                              "gain. No unit can lie above the solid line, the gain of a unit that "
                              "is active in whole classes only; chance alone lifts it to the "
                              "dashed line. Relative information gain is how far up it lies "
                              "between the two: only that can be compared between units of "
                              "different activity, like excitatory and inhibitory ones.",
    "activity_by_class": "Every unit a row, every class a column. A dark column's block is a group "
                         "of units active for one class: the blocks were sorted by one half of the "
                         "trials and are shown in the other, so sorting alone does not make them.",
}


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """How many units are informative about the class, and how much those of either type are."""
    units, by_area = tables["information_gain"], tables["information_gain_by_area"]
    tested = units["q_value"].notna()
    if not tested.any():
        return "No unit is active often enough to say how informative it is about the class."
    by_activity = int((units["q_value"] < SIGNIFICANT_Q).sum())
    by_count = int((units["spike_count_q_value"] < SIGNIFICANT_Q).sum())
    sentence = (f"Of {int(tested.sum())} units that are active often enough, {by_activity} are "
                f"informative about the class by being active and {by_count} by how often they "
                "spike")
    for column, name in (
            ("mean_corrected", "information gain beyond chance (1: active for one class only)"),
            ("mean_relative", "relative to the most that their activity allows, it")):
        mean = by_area.set_index(["cell_type", "area"])[column].dropna()
        if "excitatory" in mean and "inhibitory" in mean:
            sentence += f"; {name} is " + " and ".join(
                f"{_course(mean[cell_type])} for {cell_type} units"
                for cell_type in ("excitatory", "inhibitory"))
    return sentence + "."


def _course(mean: pd.Series) -> str:
    """The first and the last area's value."""
    if len(mean) == 1:
        return f"{_fixed(mean.iloc[0])} in {mean.index[0]}"
    return (f"{_fixed(mean.iloc[0])} in {mean.index[0]}, {_fixed(mean.iloc[-1])} in "
            f"{mean.index[-1]}")


def summarise(information: UnitInformation, tables: Mapping[str, pd.DataFrame],
              relabelling: Relabelling, within: str | None) -> list[str]:
    """What was found, in plain sentences; what belongs to one is indented below it."""
    if not information.used.any():
        return [f"None of {len(information.units)} units is active in enough trials to say how "
                "informative it is about the class."]
    return [_units(information, _null(relabelling, within)),
            *_areas(tables["information_gain_by_area"]),
            *_contrasts(tables["information_gain_excitatory_inhibitory"]),
            *_depth(tables["information_gain_depth"])]


def _null(relabelling: Relabelling, within: str | None) -> str:
    """What labels were compared with, in words."""
    moved = "shifted along the session" if relabelling.shift else "permuted" \
        if relabelling.block_trials == 1 else f"permuted in blocks of {relabelling.block_trials}"
    return f"the labels {moved}" + (f" within each {within}" if within else "")


def _units(information: UnitInformation, null: str) -> str:
    by_activity, by_silence, by_count = (
        int((information.units[column] < SIGNIFICANT_Q).sum()) for column in
        ("q_value", "mutual_information_q_value", "spike_count_q_value"))
    return (f"Of {information.used.sum()} units that are active often enough, {by_activity} are "
            "informative about the class of a trial by being active (information gain), "
            f"{by_silence} by being active or silent (mutual information), {by_count} by their "
            f"number of spikes (all against {null}, q < {SIGNIFICANT_Q:g}; "
            f"{len(information.classes)} classes, {information.n_trials} trials).")


def _areas(by_area: pd.DataFrame) -> list[str]:
    sentences = ["Means over units: information gain (1: active for one class only; of at most "
                 "what units as active as they are can have), relative information gain and "
                 "uncertainty coefficient (0 chance, 1 the most, however active they are; "
                 "* q < 0.05 against relabelled trials):"]
    for area, rows in by_area[by_area["n_units_used"] > 0].groupby("area", sort=False):
        sentences += [
            f"  {area}, {row.cell_type}: {_fixed(row.mean)} of at most {_fixed(row.mean_max)} "
            f"(beyond chance {_fixed(row.mean_corrected)}), relative "
            f"{_fixed(row.mean_relative)}{_star(row.mean_relative_q_value)}, uncertainty "
            f"coefficient {_fixed(row.mean_uncertainty_coefficient)}"
            f"{_star(row.mean_uncertainty_coefficient_q_value)}; "
            f"{row.fraction_significant:.0%} of {row.n_units_used} significant"
            for row in _known_or_all(rows).itertuples()]
    return sentences


def _contrasts(contrasts: pd.DataFrame) -> list[str]:
    tested = contrasts[contrasts["p_value"].notna()]
    if tested.empty:
        return []
    sentences = ["Probability that an excitatory unit of this recording has more than an "
                 "inhibitory one (0.5: no difference; * q < 0.05):"]
    for measure, rows in tested.groupby("measure", sort=False):
        among = "all units, so that how often they are active counts" if measure == BOUNDED \
            else "units of similar activity"
        sentences.append(f"  {measure.replace('_', ' ')}, among {among}: " + ", ".join(
            f"{row.area} {row.auc:.2f}{_star(row.q_value)}"
            for row in rows.itertuples()))
    return sentences


def _depth(depth: pd.DataFrame) -> list[str]:
    trends = depth[depth["spearman_rho"].notna()]
    if trends.empty:
        return []
    sentences = ["Change of the means from the first to the last area (information gain beyond "
                 "chance; p is that orders of the areas grow as much):"]
    for row in trends.itertuples():
        kind = "all units" if row.cell_type == "all" else f"{row.cell_type} units"
        sentences.append(
            f"  {row.measure.replace('_', ' ')} of {kind}, {row.first_area} to {row.last_area}: "
            f"{row.difference:+.2f} [{row.difference_low:.2f}, {row.difference_high:.2f}] "
            f"(Spearman {row.spearman_rho:.2f}, p = {row.p_value:.2g}, {row.n_areas} areas, "
            f"{row.n_units} units)".replace("nan", "–"))
    return [*sentences, f"  {ONE_RECORDING}"]


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
            f"{_fixed(row.mean_corrected_control)}{_star(row.q_value)}"
            for row in _known_or_all(of_area).itertuples()))
    return sentences


def _known_or_all(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of known cell types of an area, else the row of all its units."""
    known = rows[rows["cell_type"] != "all"]
    return known if len(known) else rows


def _star(q_value: float) -> str:
    return "*" if q_value < SIGNIFICANT_Q else ""


def _fixed(value: float) -> str:
    """Two digits, – where there is no value."""
    return "–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no sign of a zero
