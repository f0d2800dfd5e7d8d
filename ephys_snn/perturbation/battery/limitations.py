"""What limits a battery, and what could not be computed and why."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ephys_snn.errors import listed
from ephys_snn.perturbation.battery.trials import NONE, UNTRAINED, UNTRAINED_RANDOM

LEVEL = 0.05  # below which a p should be possible


def battery_limitations(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What limits it, and what could not be computed and why.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By `ephys_snn.perturbation.battery.battery_tables`.
    """
    rows = tables["perturbations"]
    said = _notes(rows)
    if not (rows["control"] == UNTRAINED).any():
        said.append("no untrained twin was tried, so nothing says what training has to do with "
                    "what was found")
    return said + _undecided(rows) + _few_classes(tables) + _empty_classes(tables)


def _notes(rows: pd.DataFrame) -> list[str]:
    """Every note once, with the perturbations that it is about."""
    noted, said = rows[rows["note"] != ""], []
    is_twin = noted["control"].isin([UNTRAINED, UNTRAINED_RANDOM])
    for (experiment, twin, note), these in noted.groupby([noted["experiment"], is_twin, "note"],
                                                         sort=False):
        tried = these["perturbation"].unique()
        said.append(f"{experiment}{', untrained twin' if twin else ''}: {note} "
                    f"({listed(tried, most=3)})")
    return said


def _undecided(rows: pd.DataFrame) -> list[str]:
    """Perturbations under which a network decides in no trial."""
    of_trained = rows[(rows["control"] == NONE) & (rows["undecided"] == 1)]
    said = []
    for network, these in of_trained.groupby("network", sort=False):
        names = list(dict.fromkeys(these["perturbation"]))
        said.append(f"{network} decides in no trial under {listed(names, most=4)}: there, nothing "
                    "but accuracy is known")
    return said


def _few_classes(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    table = tables.get("perturbations_pathways")
    if table is None:
        return []
    if table["n_matched"].min() == 0:
        return ["no matched sets were tried beside the lesions of pathways, so there is no p"]
    n_classes = int(table["n_classes"].min())
    least = 2.0 ** -n_classes
    return [f"with pathways of {n_classes} classes no p can be below {least:.2g}"] \
        if least > LEVEL else []


def _empty_classes(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    by_class = tables.get("perturbations_by_class")
    if by_class is None:
        return []
    empty = by_class.loc[by_class["n_trials"] == 0, "class"].astype(str).unique()
    return [f"no trial is of class {listed(empty)}, whose changes are unknown"] if len(empty) \
        else []
