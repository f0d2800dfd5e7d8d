"""Two groups of units compared: as they are, or among units of similar activity.

What a unit's activity says, and how well few trials tell it, depends on how often the unit is
active. Groups of units that differ in activity alone therefore differ in any measure of
information; among units of similar activity they do not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis.statistics import (
    MIN_SAMPLE,
    difference_interval,
    permutation_p_value,
    rank_sum,
)
from ephys_snn.analysis.surrogates import permute_within

# Units of a stratum. In larger ones, groups of different activity still differ in it; in smaller
# ones, few units can be exchanged: what activity alone does shows only among many units.
SIMILAR, SIMILAR_OF_FEW, FEW = 4, 6, 60
N_ORDERS = 4999


class Contrast(NamedTuple):
    """One group of units against another.

    Attributes
    ----------
    difference, low, high : float
        Difference of the means with its 95 % interval over units.
    p_value : float
        Two-sided, of the ranks, if the groups exchange units.
    auc : float
        The probability that a unit of the first group exceeds one of the second, ties counted
        half; 0.5 where there is no difference.
    n_compared : int
        Units that have one of the other group to be compared with.
    """

    difference: float
    low: float
    high: float
    p_value: float
    auc: float
    n_compared: int


NO_CONTRAST = Contrast(*[np.nan] * 5, 0)


def contrast(values: np.ndarray, others: np.ndarray) -> Contrast:
    """Compare two groups of units by Mann and Whitney's test; nan where one is empty.

    Parameters
    ----------
    values, others : (n,), (m,) float
    """
    if not len(values) or not len(others):
        return NO_CONTRAST
    test = rank_sum(values, others)
    return Contrast(float(values.mean() - others.mean()), *difference_interval(values, others),
                    test.p_value, test.auc, len(values) + len(others))


def similar_activity(n_active: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(unit,) int, strata of 4 (of fewer than 60 units: 6) units that are about equally active.

    Parameters
    ----------
    n_active : (unit,) int
    rng : numpy.random.Generator
        Places units that are active equally often.
    """
    n_units = len(n_active)
    n_strata = max(1, n_units // (SIMILAR if n_units >= FEW else SIMILAR_OF_FEW))
    order = np.lexsort((rng.random(n_units), n_active))
    stratum = np.empty(n_units, dtype=int)
    stratum[order] = np.arange(n_units) * n_strata // max(1, n_units)
    return stratum


def contrast_within(values: np.ndarray, is_first: np.ndarray, stratum: np.ndarray,
                    rng: np.random.Generator) -> Contrast:
    """Compare two groups of units within strata, which exchange units there alone.

    The difference is that of a linear model with a mean for every stratum, its interval robust
    against unequal variances (White 1980, doi:10.2307/1912934); the test is of the ranks within
    strata.

    Parameters
    ----------
    values : (unit,) float
    is_first : (unit,) bool
        Whether a unit belongs to the first group.
    stratum : (unit,) int
    rng : numpy.random.Generator
        Draws the exchanges.

    Returns
    -------
    Contrast
        nan where no stratum has units of both groups.
    """
    units = pd.DataFrame({"first": is_first.astype(float), "value": values, "stratum": stratum})
    share = units.groupby("stratum")["first"].transform("mean")
    units = units[(share > 0) & (share < 1)]
    if units.empty:
        return NO_CONTRAST
    grouped = units.groupby("stratum")
    units = units.assign(rank=grouped["value"].rank())
    columns = ["first", "value", "rank"]
    first, value, rank = (units[columns] - units.groupby("stratum")[columns].transform("mean")
                          ).to_numpy().T
    sums = grouped["first"].agg(["sum", "size"])
    n_pairs = (sums["sum"] * (sums["size"] - sums["sum"])).sum()
    difference = first @ value / (first @ first)
    orders = permute_within(units["stratum"].to_numpy(), rng, N_ORDERS)
    p_value = permutation_p_value(np.abs(first @ rank), np.abs(rank[orders] @ first))
    low, high = _interval(difference, first, value - difference * first, len(sums)) \
        if min(units["first"].sum(), (1 - units["first"]).sum()) >= MIN_SAMPLE else [np.nan] * 2
    return Contrast(float(difference), low, high, float(p_value),
                    float(0.5 + first @ rank / n_pairs), len(units))


def _interval(slope: float, x: np.ndarray, residual: np.ndarray, n_strata: int
              ) -> tuple[float, float]:
    freedom = len(x) - n_strata - 1
    error = np.sqrt(len(x) / freedom * (x**2 @ residual**2)) / (x @ x)
    half = stats.t.ppf(0.975, freedom) * error
    return float(slope - half), float(slope + half)
