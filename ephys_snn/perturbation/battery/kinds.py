"""What the rows of an experiment can show: courses over doses, lesions of pathways, and so on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ephys_snn.perturbation.battery.retraining import RETRAINED, RETRAINED_INTACT
from ephys_snn.perturbation.battery.trials import WRONG_CLASS

SILENCING, PATHWAYS, SELECTIVITY, DOSES, RETRAINING, OTHER = (
    "silencing", "pathways", "selectivity", "doses", "retraining", "other")
WITHOUT_DOSE = ("synchronize", "shuffle", "cut")
# Words after which the area and the cell type do not yet say which units these are.
FEWER_UNITS = r"^cut \S.* onto |(?:units|pathway|functional|selective)="
CURVE = ["operation", "dose_unit", "area", "cell_type"]


def kinds(rows: pd.DataFrame) -> pd.Series:
    """What each row of ``perturbations.csv`` is drawn and told as.

    Parameters
    ----------
    rows : DataFrame
        ``perturbations.csv``.

    Returns
    -------
    (row,) str
        `SILENCING`: of a growing part of an area. `PATHWAYS`: one lesion per area and class.
        `SELECTIVITY`: of groups of units by their rank. `DOSES`: anything else with at least two
        doses, and what has no dose beside it. `RETRAINING`: experiments in which networks learned
        again. `OTHER`: all else.
    """
    found = pd.Series(OTHER, index=rows.index, dtype=object)
    for _, of_experiment in rows.groupby("experiment", sort=False):
        found[of_experiment.index] = _kinds_of_experiment(of_experiment)
    return found


def _kinds_of_experiment(rows: pd.DataFrame) -> np.ndarray:
    if rows["control"].isin([RETRAINED, RETRAINED_INTACT]).any():
        return np.full(len(rows), RETRAINING, dtype=object)
    is_lesion = rows["target_class"] != ""
    is_ranked = ~is_lesion & (rows["dose_unit"] == "rank of selectivity")
    is_fraction = rows["dose_unit"] == "fraction of units"
    is_plain = ~rows["perturbation"].str.contains(FEWER_UNITS) \
        & (is_fraction | ~rows["perturbation"].str.contains(" of=")) \
        & (_number_of(rows, "perturbation") == _number_of(rows, "dose"))
    is_curve = is_plain & (_number_of(rows, "dose") > 1)
    is_silencing = is_curve & is_fraction & (rows["operation"] == "silence") \
        & (rows["area"] != "all")
    is_beside = is_plain & rows["operation"].isin(WITHOUT_DOSE) & (is_curve & ~is_silencing).any()
    own = rows[is_lesion & (rows["control"] != WRONG_CLASS)]
    one_each = own.groupby(["area", "target_class"])["perturbation"].nunique().max() == 1
    return np.select([is_lesion & one_each, is_ranked, is_silencing, is_curve | is_beside],
                     [PATHWAYS, SELECTIVITY, SILENCING, DOSES], OTHER)


def _number_of(rows: pd.DataFrame, column: str) -> pd.Series:
    """(row,) int, how many different values rows of the same curve have."""
    return rows.groupby(CURVE, sort=False)[column].transform("nunique")
