"""Does a value change along an ordered row of areas?

Two questions are asked of it, and two things can be exchangeable:

*units* (`trend_of_units`): every unit has a value of its own. Without a trend, which area a unit
lies in says nothing of its value, so units change places among the areas. That areas differ in any
way, a trend or not, is enough to be significant.

*areas* (`trend_of_areas`): every area has one value, or one of every class; classes share the units
and the trials of an area and are no sample of their own. Without a trend every order of the areas
is as likely as theirs, so areas change places; three areas have too few orders for p < 0.05.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.analysis.statistics import (
    bootstrap_difference,
    bootstrap_interval,
    permutation_p_value,
)

N_RESAMPLES = 1000
MIN_AREAS = 3  # for areas to have another order than theirs and its reverse
LAST_EXACT_ORDER = 8  # areas whose orders are all tried; more are sampled
SAMPLED_ORDERS = 10_000


class DepthTrend(NamedTuple):
    """How a value changes along an ordered row of areas.

    Attributes
    ----------
    difference, difference_low, difference_high : float
        Last area minus first, and its 95 % bootstrap interval.
    spearman_rho, rho_low, rho_high : float
        Rank correlation with the position of the area, and its 95 % bootstrap interval over units;
        nan where nothing varies, the interval also where areas are the sample.
    p_value : float
        Two-sided where units change places among areas, else one-sided, of a growth.
    """

    difference: float
    difference_low: float
    difference_high: float
    spearman_rho: float
    rho_low: float
    rho_high: float
    p_value: float


NO_TREND = DepthTrend(*[np.nan] * 7)


def trend_of_units(values_by_area: Sequence[np.ndarray], rng: np.random.Generator) -> DepthTrend:
    """Trend of units' values along areas, against units that change places among the areas.

    Parameters
    ----------
    values_by_area : sequence of (unit,) float
        Two areas or more, from the first to the last, none of them empty.

    Returns
    -------
    DepthTrend
        The difference is that of the means, both areas resampled; p is two-sided.
    """
    values, first, last = np.concatenate(values_by_area), values_by_area[0], values_by_area[-1]
    position = np.repeat(np.arange(len(values_by_area)), [len(each) for each in values_by_area])
    depth, ranks = stats.rankdata(position), stats.rankdata(values)
    rho = _correlation(depth, ranks)
    null = _correlation(depth, rng.permuted(np.broadcast_to(ranks, (N_RESAMPLES, len(ranks))),
                                            axis=1))
    # Not scipy.stats.bootstrap: an area of a single unit is a sample, too, and stays as it is.
    resampled = np.concatenate([each[rng.integers(len(each), size=(N_RESAMPLES, len(each)))]
                                for each in values_by_area], axis=1)
    rhos = _correlation(depth, stats.rankdata(resampled, axis=1))
    low, high = np.nanquantile(rhos, [0.025, 0.975]) if np.isfinite(rhos).any() else (np.nan,) * 2
    return DepthTrend(float(np.mean(last) - np.mean(first)),
                      *bootstrap_difference(last, first, rng), float(rho), float(low), float(high),
                      float(permutation_p_value(abs(rho), abs(null))))


def trend_of_areas(values: np.ndarray, rng: np.random.Generator) -> DepthTrend:
    """Growth of the mean over classes along areas, against all other orders of the areas.

    Parameters
    ----------
    values : (class, area) float
        From the first area to the last, none of which lacks all classes; nan where one is lacking.

    Returns
    -------
    DepthTrend
        The difference is the mean over the classes that the first and the last area both have,
        classes resampled; correlation and one-sided p are nan for fewer than `MIN_AREAS`.
    """
    change = values[:, -1] - values[:, 0]
    change = change[~np.isnan(change)]
    difference = (float(change.mean()) if len(change) else np.nan,
                  *bootstrap_interval(change, rng))
    n_areas = values.shape[1]
    if n_areas < MIN_AREAS:
        return NO_TREND._replace(**dict(zip(DepthTrend._fields, difference, strict=False)))
    position, ranks = np.arange(n_areas), stats.rankdata(np.nanmean(values, axis=0))
    rho = _correlation(position, ranks)
    null = _correlation(position, ranks[_other_orders(n_areas, rng)])
    return DepthTrend(*difference, float(rho), np.nan, np.nan,
                      float(permutation_p_value(rho, null)))


def _other_orders(n_areas: int, rng: np.random.Generator) -> np.ndarray:
    """(order, area) int, all orders of the areas but their own, or a sample of all."""
    if n_areas <= LAST_EXACT_ORDER:
        return np.array(list(itertools.permutations(range(n_areas))))[1:]
    return rng.permuted(np.tile(np.arange(n_areas), (SAMPLED_ORDERS, 1)), axis=1)


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson correlation over the last axis; nan where either does not vary."""
    x, y = x - x.mean(), y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (y @ x) / np.sqrt((x @ x) * (y * y).sum(axis=-1))
