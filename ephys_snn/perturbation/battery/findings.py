"""What a battery found, in plain sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from ephys_snn.analysis import MIN_SAMPLE
from ephys_snn.perturbation.battery.effects import (
    NEUTRAL,
    TOLERATED_LOSS,
    Effect,
    tolerated_doses,
)
from ephys_snn.perturbation.battery.kinds import (
    DOSES,
    OTHER,
    PATHWAYS,
    RETRAINING,
    SELECTIVITY,
    SILENCING,
    WITHOUT_DOSE,
    kinds,
)
from ephys_snn.perturbation.battery.retraining import RETRAINED, RETRAINED_INTACT
from ephys_snn.perturbation.battery.rows import intact_accuracy, last_area, ordered_areas
from ephys_snn.perturbation.battery.trials import NONE, RANDOM, UNTRAINED

KEPT = 0.9  # of the intact network's accuracy
MOST_NAMED = 10  # perturbations that a sentence names


def battery_findings(tables: Mapping[str, pd.DataFrame], areas: Sequence[str]) -> list[str]:
    """What became of decisions, experiment by experiment, beside its controls.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By `ephys_snn.perturbation.battery.battery_tables`.
    areas : sequence of str
        In their order.

    Returns
    -------
    list of str
        Sentences; what belongs to one is indented below it.
    """
    rows = tables["perturbations"]
    rows = rows[rows["accuracy"].notna()]
    if not (rows["control"] == NONE).any():
        return ["No perturbation could be tried; the notes say why."]
    said, kind = [_intact(rows)], kinds(rows)
    for experiment, of_experiment in rows.groupby("experiment", sort=False):
        for name, these in of_experiment.groupby(kind, sort=False):
            if (these["control"] == NONE).any():
                sentences = SENTENCES[name](these, tables, areas)
                said += [f"{experiment}: {sentences[0]}", *(f"  {one}" for one in sentences[1:])]
    return said


def _intact(rows: pd.DataFrame) -> str:
    """How well networks do without perturbations, and what the intervals are over."""
    tried = rows[rows["control"] == NONE]
    accuracy = intact_accuracy(tried).groupby(tried["network"]).mean()
    n_trials, n = f"{tried['n_trials'].max():,} trials", len(accuracy)
    if n == 1:
        return (f"The intact network decides {accuracy.iloc[0]:.1%} of {n_trials} right. Changes "
                "are of accuracy (1 is all trials), with a 95 % interval over these trials: of "
                "this network alone.")
    spread = "95 % interval over networks" if n >= MIN_SAMPLE else "range over networks"
    return (f"The {n} intact networks decide {accuracy.mean():.1%} ({accuracy.min():.1%} to "
            f"{accuracy.max():.1%}) of {n_trials} right. Changes are of accuracy (1 is all "
            f"trials), means over networks with the {spread}.")


def _by_area(rows: pd.DataFrame, areas: Sequence[str],
             words: Callable[[pd.DataFrame], str]) -> str:
    """What is to be said of every area, one after the other."""
    return ", ".join(f"{'all layers' if area == 'all' else area} "
                     f"{words(rows[rows['area'] == area])}"
                     for area in ordered_areas(areas, rows))


def _twin(rows: pd.DataFrame) -> list[str]:
    """How well the untrained twin decides in all of an experiment, if it was tried."""
    twin = rows[rows["control"] == UNTRAINED]
    if not len(twin):
        return []
    intact, means = intact_accuracy(twin).mean(), twin.groupby("perturbation")["accuracy"].mean()
    return [f"The untrained twin decides {intact:.1%} right intact, and {means.min():.1%} to "
            f"{means.max():.1%} under these perturbations."]


# --- silencing ------------------------------------------------------------------------------------


def _silencing(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
               ) -> list[str]:
    """What each type of units of each area is needed for, acutely."""
    said = ["units that send no spikes, one layer at a time."]
    measured = last_area(rows, tables, areas)
    for cell_type, of_type in rows[rows["control"] == NONE].groupby("cell_type", sort=False):
        units = "units" if cell_type == "all" else f"{cell_type} units"
        most = of_type["dose"].max()
        strongest = of_type[of_type["dose"] == most]
        part = "all" if most == 1 else f"{most:.0%} of the"
        said += [f"Without {part} {units}, accuracy changes by: "
                 + _by_area(strongest, areas, _accuracy_and_time) + ".",
                 f"It stays above {KEPT:.0%} of the intact network's up to this part of the "
                 f"{units}: " + _by_area(of_type, areas, _kept_up_to) + "."]
        said += _downstream(measured[(measured["cell_type"] == cell_type)
                                     & (measured["dose"] == most)], areas, f"{part} {units}")
    return said + _twin(rows)


def _accuracy_and_time(rows: pd.DataFrame) -> str:
    time = Effect(Effect.of(rows, "decision_change_ms").mean).words("+.2f")
    undecided = rows["undecided"].mean()
    said = ["no decision"] if undecided == 1 else \
        [f"decision {time} ms"] + ([f"{undecided:.0%} undecided"] if undecided > 0 else [])
    return f"{Effect.of(rows).words()} ({', '.join(said)})"


def _kept_up_to(rows: pd.DataFrame) -> str:
    dose, = tolerated_doses(rows, (1 - KEPT) * intact_accuracy(rows).mean())
    return "all" if dose == 1 else "none tried" if dose == 0 else f"{dose:.0%}"


def _downstream(measured: pd.DataFrame, areas: Sequence[str], what: str) -> list[str]:
    """What becomes of packets and information in the last hidden area."""
    trained = measured[measured["control"] == NONE]
    last = trained["measured_area"].iloc[0] if len(trained) else ""
    before = trained[(trained["area"] != last) & trained["information_gain"].notna()]
    if before.empty:
        return []
    intact = before[["control_information_gain", "control_shortest_half_equal_ms"]].mean()
    return [f"Without {what} of a layer before it, {last} has (information gain about the class "
            f"{intact.iloc[0]:.2f} and packets {intact.iloc[1]:.2f} ms wide intact): "
            + _by_area(before, areas, lambda these: "{:.2f} and {:.2f} ms".format(
                *these[["information_gain", "shortest_half_equal_ms"]].mean())) + "."]


# --- pathways and selectivity ---------------------------------------------------------------------


def _pathways(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
              ) -> list[str]:
    """Lesions of pathways beside matched sets, other classes and the untrained twin."""
    table = tables["perturbations_pathways"]
    table = table[table["experiment"] == rows["experiment"].iloc[0]]
    lesions = table[table["trained"]]
    said = ["with the pathway of a class silent in one layer, accuracy changes for that class and "
            "for the others by (means over classes): " + _by_area(lesions, areas, _lesion) + "."]
    matched = lesions[lesions["n_matched"] > 0]
    if len(matched):
        said.append("Matched sets change the class by (p: how often as much would be lost if "
                    "pathways and matched sets, units of like activity and outgoing weight, "
                    "changed places class by class): "
                    + _by_area(matched, areas, _matched) + ".")
    twin = table[~table["trained"]]
    if len(twin):
        said.append("In the untrained twin, pathways and matched sets change the class by: "
                    + _by_area(twin, areas, _twin_lesion) + ".")
    return said


def _lesion(rows: pd.DataFrame) -> str:
    own, others = (Effect.of(rows, column).words() for column in ("own", "others"))
    return f"{own} and {others}"


def _matched(rows: pd.DataFrame) -> str:
    n, p = rows["n_matched"].min(), rows["p_value"]
    tested = f"p = {p.iloc[0]:.2g}" if len(p) == 1 else f"p ≤ 0.05 in {(p <= 0.05).sum()} of " \
        f"{len(p)} networks"
    return f"{Effect.of(rows, 'matched_own').words()} ({n} sets for every class, {tested})"


def _twin_lesion(rows: pd.DataFrame) -> str:
    own = Effect.of(rows, "own").words()
    matched = Effect.of(rows, "matched_own").words()
    p = f" (p = {rows['p_value'].iloc[0]:.2g})" if len(rows) == 1 and rows["n_matched"].iloc[0] \
        else ""
    return f"{own} and {matched}{p}"


def _selectivity(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
                 ) -> list[str]:
    """Whether more selective groups matter more, beside sets matched to them."""
    groups = rows[rows["control"] == NONE]
    worst = groups.loc[groups["change"].idxmin()]
    n_sure = int((groups["high"] < 0).sum())
    said = [f"groups of units of like selectivity, silenced together: the largest loss is "
            f"{Effect.of(groups.loc[[worst.name]]).words()} ('{worst['perturbation']}'), and the "
            f"interval over trials is below 0 for {n_sure} of {len(groups)} groups, where chance "
            f"gives about {0.025 * len(groups):.0f}."]
    table = tables.get("perturbations_selectivity")
    if table is None:
        return said
    table = table[table["experiment"] == groups["experiment"].iloc[0]]
    for cell_type, of_type in table.groupby("cell_type", sort=False):
        units = "units" if cell_type == "all" else f"{cell_type} units"
        said.append(f"Rank correlation of selectivity and loss of {units} (1: the most selective "
                    "matter most), and the same of sets matched in activity and outgoing weight: "
                    + _by_area(of_type, areas, _correlations) + ".")
    return [*said, "Groups of one network are no sample of networks, so there is no p."]


def _correlations(rows: pd.DataFrame) -> str:
    trained, twin = rows[rows["trained"]], rows[~rows["trained"]]
    said = [Effect.of(these, column).words("+.2f")
            for these, column in ((trained, "rho"), (trained, "rho_matched"), (twin, "rho"))]
    return f"{said[0]} and {said[1]}" + (f" (untrained {said[2]})" if len(twin) else "")


# --- doses, retraining, all else ------------------------------------------------------------------


def _doses(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
           ) -> list[str]:
    """Up to which dose a perturbation hardly matters, and what the strongest one does."""
    tried = rows[rows["control"] == NONE]
    said = [f"doses up to which accuracy falls by less than {TOLERATED_LOSS:g}, and the change of "
            "accuracy at the dose that costs most."]
    for (operation, unit, cell_type), these in tried.groupby(
            ["operation", "dose_unit", "cell_type"], sort=False):
        what = operation if cell_type == "all" else f"{operation} {cell_type} units"
        if operation in WITHOUT_DOSE:
            said.append(f"{what} (no dose): {_by_area(these, areas, _accuracy_and_time)}.")
        elif operation == "drive":  # no time of driving is like none
            said.append(f"{what} ({unit}): {_by_area(these, areas, _worst)}.")
        else:
            said.append(f"{what} ({unit}): {_by_area(these, areas, _tolerated)}.")
    return said + _twin(rows)


def _tolerated(rows: pd.DataFrame) -> str:
    doses, neutral = tolerated_doses(rows), NEUTRAL[rows["dose_unit"].iloc[0]]
    said = "none" if set(doses) == {neutral} else " to ".join(f"{dose:g}" for dose in doses)
    return f"{said} ({_worst(rows)})"


def _worst(rows: pd.DataFrame) -> str:
    """The dose that costs most."""
    dose = rows.groupby("dose")["change"].mean().idxmin()
    return f"at {dose:g} {Effect.of(rows[rows['dose'] == dose]).words()}"


def _retraining(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
                ) -> list[str]:
    """Acute silencing beside silencing after which the network learned again."""
    again = rows[rows["control"] == RETRAINED]
    intact = rows[rows["control"] == RETRAINED_INTACT]
    said = ["change of accuracy when units fall silent, and after the network has learned again "
            "without them"
            + (f" (learning as long, the intact network changes by {Effect.of(intact).words()})"
               if len(intact) else "") + "."]
    for name, these in again.groupby("perturbation", sort=False):
        acute = rows[(rows["control"] == NONE) & (rows["perturbation"] == name)]
        said.append(f"{name}: {Effect.of(acute).words()}, then {Effect.of(these).words()}.")
    return said


def _other(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
           ) -> list[str]:
    """The largest changes."""
    tried = rows[rows["control"] == NONE]
    sizes = tried.groupby("perturbation", sort=False)["change"].mean().abs()
    largest = sizes.nlargest(MOST_NAMED).index
    more = f", the {MOST_NAMED} largest of {len(sizes)}" if len(sizes) > MOST_NAMED else ""
    return [f"changes of accuracy{more}.", *_named_changes(rows, largest), *_twin(rows)]


def _named_changes(rows: pd.DataFrame, names: Iterable[str]) -> list[str]:
    said = []
    for name in names:
        of_one = rows[rows["perturbation"] == name]
        matched = of_one[of_one["control"] == RANDOM]
        beside = f", of matched sets {Effect(Effect.of(matched).mean).words()}" if len(matched) \
            else ""
        said.append(f"{name}: {Effect.of(of_one[of_one['control'] == NONE]).words()}{beside}.")
    return said


SENTENCES = {SILENCING: _silencing, PATHWAYS: _pathways, SELECTIVITY: _selectivity, DOSES: _doses,
             RETRAINING: _retraining, OTHER: _other}
