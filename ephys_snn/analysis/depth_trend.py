"""Does a value grow along an ordered row of areas?

Without a trend every order of the areas is as likely as theirs, so areas change places. Units do
not: that areas differ in any way, a trend or not, would be enough to make orders of units
significant. Four areas are the fewest whose orders allow p < 0.05.

Areas of one network or one animal are still one network or animal. What its kind does, a sample
of recordings shows (`ephys_snn.report.study`).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.statistics import permutation_p_value

MIN_AREAS = 4
LAST_EXACT_ORDER = 8  # areas whose orders are all tried; more are sampled
SAMPLED_ORDERS = 10_000
ONE_RECORDING = ("trends with depth are those of this recording: its units and areas are no sample "
                 "of other recordings, which a study compares")


class DepthTrend(NamedTuple):
    """Whether a value grows along an ordered row of areas.

    Attributes
    ----------
    spearman_rho : float
        Rank correlation with the position of the area; nan of fewer than three areas, or of
        values that are all equal.
    p_value : float
        One-sided, of a growth, among all orders of the areas; nan of fewer than `MIN_AREAS`.
    note : str
        Why one of them is missing; '' where none is.
    """

    spearman_rho: float
    p_value: float
    note: str


def depth_trend(values: np.ndarray, rng: np.random.Generator) -> DepthTrend:
    """Rank correlation of a value of every area with its position, against orders of the areas.

    Parameters
    ----------
    values : (area,) float
        From the first area to the last.
    rng : numpy.random.Generator
        Draws the orders of more than 8 areas.
    """
    n_areas = len(values)
    if n_areas < 3:
        return DepthTrend(np.nan, np.nan, "fewer than three areas: no trend")
    if np.ptp(values) == 0:
        return DepthTrend(np.nan, np.nan, "all areas have the same value: no trend")
    position, ranks = np.arange(n_areas), stats.rankdata(values)
    rho = float(_correlation(position, ranks))
    if n_areas < MIN_AREAS:
        return DepthTrend(rho, np.nan, "three areas have too few orders for p < 0.05: no p")
    null = _correlation(position, ranks[_other_orders(n_areas, rng)])
    return DepthTrend(rho, float(permutation_p_value(rho, null)), "")


def _other_orders(n_areas: int, rng: np.random.Generator) -> np.ndarray:
    """(order, area) int, all orders of the areas but their own, or a sample of all."""
    if n_areas <= LAST_EXACT_ORDER:
        return np.array(list(itertools.permutations(range(n_areas))))[1:]
    return rng.permuted(np.tile(np.arange(n_areas), (SAMPLED_ORDERS, 1)), axis=1)


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson correlation over the last axis."""
    x, y = x - x.mean(), y - y.mean(axis=-1, keepdims=True)
    return (y @ x) / np.sqrt((x @ x) * (y * y).sum(axis=-1))
