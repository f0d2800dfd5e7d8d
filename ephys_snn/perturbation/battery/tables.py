"""The tables of the battery: a row per perturbation and control, and what follows from them.

``perturbations.csv`` has a row per perturbation, draw, control and network; its interval is over
trials of that network. ``perturbations_pathways.csv`` compares the lesions of all classes' pathways
in an area with matched sets; ``perturbations_selectivity.csv`` says whether more selective units
matter more. ``perturbations_networks.csv`` has means over networks, with intervals over networks.

References
----------
Morcos et al., On the importance of single directions for generalization, ICLR 2018,
arXiv:1803.06959, for selectivity and importance.
Zhou et al., Revisiting the importance of individual units in CNNs via ablation, 2018,
arXiv:1806.02891, for the damage to one class beside the damage to all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis import mean_interval, sign_flip_p_value
from ephys_snn.perturbation.battery.trials import (
    NONE,
    RANDOM,
    UNTRAINED,
    UNTRAINED_RANDOM,
    WRONG_CLASS,
    Outcome,
)

KEY = ["network", "experiment", "perturbation", "operation", "area", "cell_type", "target_class",
       "dose", "dose_unit"]
MEASURES = ("accuracy", "change", "change_own_class", "change_other_classes", "decision_ms",
            "decision_change_ms", "undecided")
COLUMNS = [*KEY, "n_units", "activity", "outgoing_weight", "selectivity", "control", "replicate",
           "n_trials", "accuracy", "change", "low", "high", *MEASURES[2:], "note"]
MATCHED = {NONE: RANDOM, UNTRAINED: UNTRAINED_RANDOM}
MIN_GROUPS = 5  # of units, for a rank correlation


def battery_tables(outcomes: Sequence[Outcome]) -> dict[str, pd.DataFrame]:
    """Every table of the battery, by file stem; those that would be empty are left out."""
    by_class = pd.DataFrame([row for one in outcomes for row in one.by_class])
    by_area = pd.DataFrame([row for one in outcomes for row in one.by_area])
    rows = pd.DataFrame([one.row for one in outcomes]).reindex(columns=COLUMNS)
    rows = pd.concat([rows, wrong_class_rows(rows, by_class)], ignore_index=True)
    tables = {
        "perturbations": rows,
        "perturbations_by_class": by_class,
        "perturbations_by_area": by_area,
        "perturbations_pathways": pathway_lesions(rows),
        "perturbations_selectivity": selectivity_and_damage(rows),
        "perturbations_networks": over_networks(rows),
    }
    return {name: table for name, table in tables.items() if len(table)}


def wrong_class_rows(rows: pd.DataFrame, by_class: pd.DataFrame) -> pd.DataFrame:
    """What the lesions of other classes' pathways do to a class: a row per class and lesion.

    `target_class` is the class that is tested, `replicate` numbers the lesions of the others.
    """
    lesions = rows[(rows["target_class"] != "") & (rows["control"] == NONE)
                   & rows["accuracy"].notna()]
    if not len(lesions):
        return rows[:0]
    own = lesions.set_index(["network", "experiment", "perturbation"])["target_class"]
    tested = by_class[by_class["control"] == NONE].join(
        own, on=["network", "experiment", "perturbation"], how="inner")
    names = tested["class"].astype(str).str.split().str.join("_")
    tested = tested.assign(tested=names)[names != tested["target_class"]]
    wrong = lesions.merge(tested[["network", "experiment", "perturbation", "tested", "change"]],
                          on=["network", "experiment", "perturbation"], suffixes=("", "_tested"))
    wrong = wrong.assign(target_class=wrong["tested"], change_own_class=wrong["change_tested"],
                         change_other_classes=np.nan, control=WRONG_CLASS)
    wrong["replicate"] = wrong.groupby(["network", "experiment", "area", "target_class"]).cumcount()
    return wrong[COLUMNS]


def pathway_lesions(rows: pd.DataFrame) -> pd.DataFrame:
    """Lesions of pathways beside matched sets: a row per network, trained or not, and area.

    `own` and `others` are the mean changes of the accuracy for the class of the lesion and for the
    others, `matched_own` and `matched_others` the same of matched sets; `excess` is the mean over
    classes of own minus matched_own, with a 95 % interval over classes (`excess_low`,
    `excess_high`). p: how often the excess is as low if in every class the pathway may change
    places with its matched sets, units of like activity and outgoing weight; at least
    2^-n_classes.
    """
    lesions = rows[(rows["target_class"] != "") & rows["control"].isin([*MATCHED,
                                                                       *MATCHED.values()])]
    found = []
    for control, matched in MATCHED.items():
        of_control = lesions[lesions["control"] == control]
        for (network, experiment, area), these in of_control.groupby(
                ["network", "experiment", "area"], sort=False):
            others = lesions[(lesions["control"] == matched) & (lesions["network"] == network)
                             & (lesions["experiment"] == experiment) & (lesions["area"] == area)]
            own, by_matched = (each.groupby("target_class")["change_own_class"].mean()
                               for each in (these, others))
            excess = (own - by_matched).dropna().to_numpy()
            low, high = mean_interval(excess)
            found.append({
                "network": network, "experiment": experiment, "trained": control == NONE,
                "area": area, "n_classes": int(own.notna().sum()),
                "n_units": these["n_units"].mean(), "own": own.mean(),
                "others": these["change_other_classes"].mean(),
                "n_matched": others["replicate"].nunique(), "matched_own": by_matched.mean(),
                "matched_others": others["change_other_classes"].mean(),
                "excess": excess.mean() if len(excess) else np.nan,
                "excess_low": low, "excess_high": high,
                "p_value": sign_flip_p_value(excess, np.random.default_rng(0), two_sided=False),
            })
    return pd.DataFrame(found)


def selectivity_and_damage(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of the selectivity of groups of units with the damage of silencing them.

    A row per network, trained or not, area and cell type with at least `MIN_GROUPS` groups: `rho`,
    Spearman's, of selectivity and loss of accuracy, positive where selective units matter more;
    `rho_matched`, the same with the loss by sets matched to each group in activity and outgoing
    weight, which is what these alone would give. Groups of one network are no sample of networks;
    there is no p.
    """
    ranked = rows[rows["dose_unit"] == "rank of selectivity"]
    found = []
    for control, matched in MATCHED.items():
        of_control = ranked[(ranked["control"] == control) & ranked["selectivity"].notna()]
        for key, these in of_control.groupby(["network", "experiment", "area", "cell_type"],
                                             sort=False):
            if len(these) < MIN_GROUPS:
                continue
            others = ranked[(ranked["control"] == matched) & (ranked["network"] == key[0])
                            & (ranked["experiment"] == key[1])]
            others = others.groupby("perturbation")["change"].mean()
            found.append({
                **dict(zip(("network", "experiment", "area", "cell_type"), key, strict=True)),
                "trained": control == NONE, "n_groups": len(these),
                "rho": _rank_correlation(these["selectivity"], -these["change"]),
                "rho_matched": _rank_correlation(
                    these["selectivity"], -these["perturbation"].map(others)),
            })
    return pd.DataFrame(found)


def _rank_correlation(values: pd.Series, others: pd.Series) -> float:
    """Spearman's rho; nan where either is constant or unknown."""
    values, others = values.to_numpy(dtype=float), others.to_numpy(dtype=float)
    if np.isnan(others).any() or np.ptp(values) == 0 or np.ptp(others) == 0:
        return np.nan
    return float(stats.spearmanr(values, others).statistic)


def over_networks(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over networks of every measure, draws and replicates averaged within each.

    Intervals are Student's 95 % over networks, where there are at least five of them.
    """
    if rows["network"].nunique() < 2:
        return rows[:0]
    key = [*KEY[1:], "control"]
    of_network = rows.groupby([*key, "network"], sort=False, dropna=False)[list(MEASURES)].mean()
    found = []
    for values, group in of_network.groupby(level=key, sort=False, dropna=False):
        row = dict(zip(key, values, strict=True)) | {"n_networks": len(group)}
        for measure in MEASURES:
            known = group[measure].dropna().to_numpy()
            row[measure] = known.mean() if len(known) else np.nan
            row[f"{measure}_low"], row[f"{measure}_high"] = mean_interval(known)
        found.append(row)
    return pd.DataFrame(found)
