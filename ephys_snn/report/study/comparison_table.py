"""The comparison of groups as a table and in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ephys_snn.analysis import false_discovery_q
from ephys_snn.report.study.comparison import compare_groups, trend_over_recordings
from ephys_snn.report.study.measures import ALL_RECORDINGS

SIGNIFICANT_Q = 0.05
ROW = ["measure", "area", "cell_type"]
PAIR = ["measure", "group", "other", "design"]
COLUMNS = [*ROW, "group", "other", "design", "n_subjects", "n_subjects_other", "n_recordings",
           "n_recordings_other", "n_values", "n_values_other", "mean", "mean_other", "difference",
           "low", "high", "p_value", "q_value", "bootstrap_low", "bootstrap_high",
           "mixed_difference", "mixed_se", "mixed_low", "mixed_high", "mixed_p_value", "note"]


def compare_recordings(values: pd.DataFrame, groups: Iterable[str], seed: int = 0) -> pd.DataFrame:
    """All comparisons of a study, the columns of ``study_comparison.csv``.

    A row per measure, area, cell type and pair of groups, and per trend with depth and group.

    Parameters
    ----------
    values : DataFrame
        Of `study_values`.
    groups : iterable of str
        In the order in which they are compared: each with those after it.
    seed : int

    Returns
    -------
    DataFrame
        q-values are Benjamini-Hochberg over the rows of a measure and pair of groups.
    """
    names, rng, rows = list(groups), np.random.default_rng(seed), []
    for (*key, is_trend), sample in values.groupby([*ROW, "is_trend"], sort=False):
        row = dict(zip(ROW, key, strict=True))
        if is_trend:
            rows += [row | {"group": group, "other": ""} | trend_over_recordings(sample, group, rng)
                     for group in names or [ALL_RECORDINGS] if group in set(sample["group"])]
        rows += [row | {"group": group, "other": other} | compare_groups(sample, group, other, rng)
                 for group, other in itertools.combinations(names, 2)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["q_value"] = table.groupby(PAIR)["p_value"].transform(
        lambda p_values: false_discovery_q(p_values.to_numpy(dtype=float)))
    return table.assign(note=table["note"].fillna(""))


def summarize_comparison(table: pd.DataFrame) -> str:
    """What differs and which trends return, a line for each pair of groups and each group."""
    table = table.fillna(dict.fromkeys(("area", "cell_type", "other", "note"), ""))
    lines = [_sentence(rows, *key)
             for key, rows in table.groupby(["group", "other"], sort=False)]
    return "\n".join(lines or ["nothing to compare: no recording has a trend, and the study has "
                               "no groups"])


def _sentence(rows: pd.DataFrame, group: str, other: str) -> str:
    n, m = (int(rows[column].fillna(0).max()) for column in ("n_subjects", "n_subjects_other"))
    tested = rows[rows["p_value"].notna()]
    what = f"{group} against {other}, {n} and {m} subjects" if other else \
        f"{group}, trends with depth of {n} subjects"
    if tested.empty:
        return f"{what}: not tested ({rows['note'].iloc[0]})"
    what += f", {' or '.join(tested['design'].unique())}" if other else ""
    found = tested[tested["q_value"] < SIGNIFICANT_Q]
    named = [" ".join(filter(None, (row.measure, row.area, row.cell_type)))
             + f" {row.difference:+.2g}" for row in found.itertuples()]
    return (f"{what}: {len(found)} of {len(tested)} "
            f"{'differences' if other else 'means differ from 0'} at q < {SIGNIFICANT_Q}"
            + (f": {', '.join(named)}" if named else ""))
