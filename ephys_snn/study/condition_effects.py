"""``networks_effects.csv``: what each condition changes against the base, with networks as n.

Networks of one seed are a pair: they have begun from the same random numbers and been trained on
the same samples in the same order, as far as their sizes allow. Without an effect of the condition
the mean difference of pairs is 0 (Student's t). Of fewer pairs than `MIN_SAMPLE` there is no
interval and no p; what can be seen is whether the ranges over seeds overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis import MIN_SAMPLE, false_discovery_q, mean_interval
from ephys_snn.errors import InputError
from ephys_snn.study.network_config import BASE

FIRST_MEASURE = "accuracy"  # of the columns of networks.csv; those before say what was trained
COLUMNS = ["measure", "condition", "n_pairs", "mean", "base_mean", "difference", "low", "high",
           "p_value", "q_value", "least", "greatest", "n_same_sign", "is_separate", "differences",
           "note"]


def check_networks(networks: pd.DataFrame) -> None:
    """Refuse a table that is none of a study of networks.

    Raises
    ------
    InputError
        If columns or the base are missing, a network is there twice, or a measure is no number.
    """
    missing = [column for column in ("condition", "seed", FIRST_MEASURE, "note")
               if column not in networks]
    if missing:
        raise InputError(f"the table has no column {', '.join(missing)}; it must be a networks.csv")
    if not (networks["condition"] == BASE).any():
        raise InputError(f"the table has no network of the condition {BASE}, with which all others "
                         "are compared")
    twice = networks[networks.duplicated(["condition", "seed"])]
    if len(twice):
        raise InputError(f"the table has {twice['condition'].iloc[0]}, seed "
                         f"{twice['seed'].iloc[0]} twice; each network has one row")
    words = [measure for measure in measures_of(networks)
             if not pd.api.types.is_numeric_dtype(networks[measure])]
    if words:
        raise InputError(f"the table's column {words[0]} must hold numbers, or nothing")


def measures_of(networks: pd.DataFrame) -> list[str]:
    """The columns that are measures."""
    columns = list(networks.columns)
    return [column for column in columns[columns.index(FIRST_MEASURE):] if column != "note"]


def condition_effects(networks: pd.DataFrame) -> pd.DataFrame:
    """Every condition against the base in every measure, paired by seed.

    Parameters
    ----------
    networks : DataFrame
        ``networks.csv``.

    Returns
    -------
    DataFrame
        A row per measure and condition: the mean `difference` of pairs (condition minus base) with
        Student's 95 % interval and two-sided p over networks, and q over the measure's conditions
        (Benjamini-Hochberg); the `least` and `greatest` difference; `n_same_sign`, how many have
        the sign of the mean; `is_separate`, whether all values of the condition lie beyond all of
        the base; the `differences` by seed. `mean` and `base_mean` are over the pairs.
    """
    conditions = [name for name in networks["condition"].unique() if name != BASE]
    by_seed = {name: rows.set_index("seed") for name, rows in networks.groupby("condition")}
    rows = [{"measure": measure, "condition": name}
            | _effect(by_seed[name][measure], by_seed[BASE][measure])
            for measure in measures_of(networks) for name in conditions]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["q_value"] = table.groupby("measure")["p_value"].transform(
        lambda p_values: false_discovery_q(p_values.to_numpy(dtype=float)))
    return table.astype({"n_same_sign": "Int64"})


def _effect(values: pd.Series, base: pd.Series) -> dict[str, Any]:
    """Of one condition in one measure; both are indexed by seed."""
    pairs = pd.DataFrame({"value": values, "base": base}).astype(float).dropna()
    difference = (pairs["value"] - pairs["base"]).to_numpy()
    if not len(pairs):
        return {"n_pairs": 0, "note": "no seed has it in both conditions"}
    low, high = mean_interval(difference)
    p_value, note = paired_p_value(difference)
    notes = [note, *_unpaired(values, base)]
    return {"n_pairs": len(pairs), "mean": pairs["value"].mean(), "base_mean": pairs["base"].mean(),
            "difference": difference.mean(), "low": low, "high": high, "p_value": p_value,
            "least": difference.min(), "greatest": difference.max(),
            "n_same_sign": int((np.sign(difference) == np.sign(difference.mean())).sum()),
            "is_separate": bool(pairs["value"].min() > pairs["base"].max()
                                or pairs["value"].max() < pairs["base"].min()),
            "differences": "; ".join(f"seed {seed} {each:+.3g}" for seed, each
                                     in zip(pairs.index, difference, strict=True)),
            "note": "; ".join(filter(None, notes))}


def paired_p_value(difference: np.ndarray) -> tuple[float, str]:
    """Two-sided p of Student's t that the mean difference of pairs is 0.

    Parameters
    ----------
    difference : (pair,) float

    Returns
    -------
    p_value : float
    note : str
        Why it is nan.
    """
    if len(difference) < MIN_SAMPLE:
        return np.nan, f"fewer than {MIN_SAMPLE} pairs: no interval and no p"
    if np.ptp(difference) == 0:
        return (np.nan, "all pairs differ by the same: no p") if difference[0] else (1.0, "")
    return float(stats.ttest_1samp(difference, 0.0).pvalue), ""


def _unpaired(values: pd.Series, base: pd.Series) -> Sequence[str]:
    """A note on networks that have a value and no partner with one."""
    alone = set(values.dropna().index) ^ set(base.dropna().index)
    return [f"{len(alone)} networks without a partner left out"] if alone else []
