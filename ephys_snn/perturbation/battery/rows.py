"""What rows of the tables are about: areas in their order, the intact network, the last area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ephys_snn.analysis import MIN_SAMPLE


def ordered_areas(areas: Sequence[str], rows: pd.DataFrame) -> list[str]:
    """The areas of some rows in their order."""
    found = set(rows["area"])
    return [area for area in dict.fromkeys([*areas, *rows["area"]]) if area in found]


def intact_accuracy(rows: pd.DataFrame) -> pd.Series:
    """(row,) float, of the same trials without the perturbation."""
    return rows["accuracy"] - rows["change"]


def last_area(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str]
              ) -> pd.DataFrame:
    """What the last hidden area does under each perturbation, beside what was silenced.

    Parameters
    ----------
    rows : DataFrame
        Of ``perturbations.csv``.
    tables : dict of str to DataFrame
    areas : sequence of str
        In their order.

    Returns
    -------
    DataFrame
        A row per row of enough decided trials, with the columns of ``perturbations_by_area.csv``
        and `measured_area` and `measured_type`: excitatory units where these are known, else all.
    """
    by_area = tables.get("perturbations_by_area")
    if by_area is None:
        return pd.DataFrame(columns=["shortest_half_equal_ms", "information_gain"])
    last = ordered_areas(areas, by_area)[-1]
    of_last = by_area[(by_area["area"] == last) & (by_area["n_trials"] >= MIN_SAMPLE)]
    cell_type = "excitatory" if (of_last["cell_type"] == "excitatory").any() else "all"
    of_last = of_last[of_last["cell_type"] == cell_type].rename(
        columns={"area": "measured_area", "cell_type": "measured_type"})
    key = ["network", "experiment", "perturbation", "control", "replicate"]
    return rows[[*key, "area", "cell_type", "dose"]].merge(of_last, on=key)
