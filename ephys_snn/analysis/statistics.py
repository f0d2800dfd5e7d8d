"""Permutation, intervals, false discovery: is it more than chance, and how sure are we?"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

SIGNIFICANT_Q = 0.05
MAX_EXACT = 20_000  # arrangements that are all tried; of more, as many are drawn
MIN_SAMPLE = 5  # values; of fewer, nobody can see how they are distributed


def permutation_p_value(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """One-sided p: how often chance reaches what was observed.

    p = (1 + #{null >= observed}) / (1 + N), which is never 0 and exact under exchangeability
    (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).

    Parameters
    ----------
    observed : (...) float
    null : (permutation, ...) float
        The same statistic under the null hypothesis.

    Returns
    -------
    (...) float
        nan where `observed` is nan.
    """
    observed, null = np.asarray(observed, dtype=float), np.asarray(null, dtype=float)
    # Equal statistics may differ in the last bits; a tie counts for chance.
    reached = null >= observed - 1e-12 * np.maximum(1.0, np.abs(observed))
    p = (1 + reached.sum(axis=0)) / (1 + len(null))
    return np.where(np.isnan(observed), np.nan, p)


def sign_flip_p_value(values: np.ndarray, rng: np.random.Generator, two_sided: bool = True
                      ) -> float:
    """p of a mean when the signs of the values are flipped (Fisher's randomization test).

    Exact up to 14 values, and then at least 2^-n, twice that if it is two-sided.

    Parameters
    ----------
    values : (n,) float
        Symmetric about 0 under the null, as differences of pairs that could change places.
    rng : numpy.random.Generator
        Chooses among the signs of more values.
    two_sided : bool
        Whether as large means of either sign count, else as low ones.

    Returns
    -------
    float
        nan without values.
    """
    if not len(values):
        return np.nan
    if 2 ** len(values) <= MAX_EXACT:
        signs = np.array(list(itertools.product([1.0, -1.0], repeat=len(values))))[1:]
    else:
        signs = rng.choice([1.0, -1.0], size=(MAX_EXACT, len(values)))
    extent = np.abs if two_sided else np.negative
    return float(permutation_p_value(extent(np.mean(values)), extent(signs @ values) / len(values)))


def false_discovery_q(p_values: np.ndarray, same: np.ndarray | None = None) -> np.ndarray:
    """Benjamini-Hochberg q-values; nan stays nan and does not count as a test.

    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.

    Parameters
    ----------
    p_values : (n,) float
    same : (n,), optional
        Tests of equal value are one test under several names, which counts once.
    """
    p_values = np.asarray(p_values, dtype=float)
    if same is not None:
        _, first, copy = np.unique(same, return_index=True, return_inverse=True)
        return false_discovery_q(p_values[first])[copy]
    q_values = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        q_values[tested] = stats.false_discovery_control(p_values[tested])
    return q_values


def area_tests(table: pd.DataFrame, *counts: str) -> pd.Series:
    """(row,) str, `same` of `false_discovery_q` for a table with a row per area and cell type.

    A cell type that has as many units (columns `counts`) as its area is no second test.
    """
    is_all = np.all([table[n] == table.groupby("area")[n].transform("max") for n in counts], axis=0)
    return table["area"] + "/" + table["cell_type"].mask(is_all, "all")


# --- intervals -----------------------------------------------------------------------------------

CONFIDENCE = 0.95


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean of independent values.

    Of 5 to 15 values it covers 95 %, where bootstraps, percentile or BCa, cover 80 to 90 %.

    Parameters
    ----------
    values : (n,) float

    Returns
    -------
    low, high : float
        nan where there are fewer than `MIN_SAMPLE` values.
    """
    if len(values) < MIN_SAMPLE:
        return np.nan, np.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    return _student(np.mean(values), stats.sem(values), len(values) - 1)


def difference_interval(values: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Welch's 95 % interval of mean(values) - mean(others) (Welch 1947, doi:10.2307/2332510).

    Parameters
    ----------
    values, others : (n,), (m,) float
        Independent samples.

    Returns
    -------
    low, high : float
        nan where either has fewer than `MIN_SAMPLE` values.
    """
    if min(len(values), len(others)) < MIN_SAMPLE:
        return np.nan, np.nan
    if np.ptp(values) + np.ptp(others) == 0:
        return (float(values[0] - others[0]),) * 2
    squares = np.array([np.var(each, ddof=1) / len(each) for each in (values, others)])
    freedom = squares.sum() ** 2 / (squares ** 2 / [len(values) - 1, len(others) - 1]).sum()
    return _student(np.mean(values) - np.mean(others), np.sqrt(squares.sum()), freedom)


def stratified_difference_interval(values: np.ndarray, is_first: np.ndarray, stratum: np.ndarray
                                   ) -> tuple[float, float]:
    """Student's 95 % interval of the mean difference of two groups within strata.

    The mean is that of least squares with an effect of every stratum: strata of n and m values
    weigh n m / (n + m). Its variance is that which allows for values of any variance (HC2:
    MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7), its degrees of freedom those of Bell
    and McCaffrey (Imbens & Kolesar 2016, doi:10.1162/REST_a_00552). Of a single stratum it has the
    variance of Welch's interval, of strata of two values that of paired differences.

    Parameters
    ----------
    values : (n,) float
    is_first : (n,) bool
        Values of the first group, else of the second.
    stratum : (n,) int
        From 0; each has values of both groups.
    """
    size = np.bincount(stratum)
    x = is_first - (np.bincount(stratum, is_first) / size)[stratum]
    square = x @ x
    slope = x @ values / square
    centred = values - (np.bincount(stratum, values) / size)[stratum]
    leverage = np.minimum(1 / size[stratum] + x**2 / square, 1 - 1e-9)
    if np.ptp(centred) < 1e-12 * max(1.0, np.abs(values).max()):
        return float(slope), float(slope)
    scale = x**2 / (1 - leverage)  # of the square of each residual in the variance
    variance = scale @ np.square(centred - x * slope) / square**2
    # Sum of squares of the residual maker's entries, each scaled by its row and column.
    by_stratum = [np.bincount(stratum, scale * x**power) for power in (0, 1)]
    traces = np.sum((by_stratum[0] / size)**2) + 2 * np.sum(by_stratum[1]**2 / size) / square \
        + (scale @ x**2 / square)**2 \
        + np.sum(scale**2 * ((1 - leverage)**2 - leverage**2))
    return _student(slope, np.sqrt(variance), square**2 / traces)


def proportion_difference_interval(proportion: float, n: float, other: float, m: float
                                   ) -> tuple[float, float]:
    """95 % interval of the difference of two proportions of n and m independent cases.

    Agresti & Caffo 2000, doi:10.1080/00031305.2000.10474560: as if each had one case more that is
    so and one that is not. n and m need not be whole.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(proportion * n, n, other * m, m, compare="diff",
                                           method="agresti-caffo", alpha=1 - CONFIDENCE)
    return float(max(-1.0, low)), float(min(1.0, high))


def _student(mean: float, sem: float, freedom: float) -> tuple[float, float]:
    low, high = stats.t.interval(CONFIDENCE, freedom, mean, sem)
    return float(low), float(high)


def wilson_interval(fraction: float, n: float) -> tuple[float, float]:
    """95 % score interval of a fraction of n independent trials.

    Wilson 1927, doi:10.1080/01621459.1927.10502953; unlike a bootstrap, it has a width where all
    or none of the trials count, too.

    Parameters
    ----------
    fraction : float
        From 0 to 1.
    n : float
        Number of trials, or of trials that say as much; need not be whole.

    Returns
    -------
    low, high : float
    """
    z = special.ndtri((1 + CONFIDENCE) / 2)
    center = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    return float(max(0.0, center - half)), float(min(1.0, center + half))


def paired_fraction_interval(n_gained: float, n_lost: float, n: float) -> tuple[float, float]:
    """95 % interval of the change of a fraction of n trials that are the same before and after.

    Agresti & Min 2005, doi:10.1002/sim.1781: as if there were two trials more, half a trial of each
    kind (counts before, after, both times, never).

    Parameters
    ----------
    n_gained, n_lost : float
        Trials that count after and not before, and before and not after.
    n : float
        All trials.

    Returns
    -------
    low, high : float
    """
    gained, lost, n = n_gained + 0.5, n_lost + 0.5, n + 2
    change = (gained - lost) / n
    half = special.ndtri((1 + CONFIDENCE) / 2) * np.sqrt((gained + lost) / n - change**2) \
        / np.sqrt(n)
    return float(max(-1.0, change - half)), float(min(1.0, change + half))


# --- two groups ----------------------------------------------------------------------------------


class RankSum(NamedTuple):
    """Mann and Whitney's test of two groups.

    Attributes
    ----------
    p_value : float
    auc : float
        U / (n m), the probability that a value of the first group exceeds one of the second, ties
        counted half; the area under the ROC curve. 0.5 where there is no difference.
    """

    p_value: float
    auc: float


def rank_sum(values: np.ndarray, others: np.ndarray, method: str = "auto") -> RankSum:
    """Compare two groups of values, none empty (Mann & Whitney 1947, doi:10.1214/aoms/1177730491).

    Parameters
    ----------
    values, others : (n,), (m,) float
    method : str
        As in `scipy.stats.mannwhitneyu`.
    """
    test = stats.mannwhitneyu(values, others, method=method)
    return RankSum(float(test.pvalue), float(test.statistic) / (len(values) * len(others)))


# --- against surrogates --------------------------------------------------------------------------


class SurrogateComparison(NamedTuple):
    """How a statistic compares with its surrogates.

    Attributes
    ----------
    null_mean : (...) float
        Mean of the surrogates.
    ratio : (...) float
        observed / null_mean.
    z : (...) float
        (observed - null_mean) / SD of the surrogates (ddof 1); nan where they do not vary.
    p_value : (...) float
        One-sided permutation p.
    """

    null_mean: np.ndarray
    ratio: np.ndarray
    z: np.ndarray
    p_value: np.ndarray


def surrogate_comparison(observed: np.ndarray, null: np.ndarray,
                         alternative: str = "greater") -> SurrogateComparison:
    """Effect sizes and one-sided p of a statistic against surrogate data.

    Parameters
    ----------
    observed : (...) float
    null : (surrogate, ...) float
        A surrogate without a value (nan) counts for chance in p and not at all in the mean.
    alternative : {'greater', 'less'}
        Whether the observed statistic should be greater or less than chance.
    """
    observed, null = np.asarray(observed, dtype=float), np.asarray(null, dtype=float)
    sign = {"greater": 1.0, "less": -1.0}[alternative]
    p_value = permutation_p_value(sign * observed, np.where(np.isnan(null), np.inf, sign * null))
    valid = ~np.isnan(null)
    n_valid = valid.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(valid, null, 0.0).sum(axis=0) / n_valid
        squares = np.where(valid, (null - mean) ** 2, 0.0).sum(axis=0)
        sd = np.sqrt(squares / (n_valid - 1))
        z = np.where(sd > 1e-12 * np.abs(mean), (observed - mean) / sd, np.nan)
        return SurrogateComparison(mean, observed / mean, z, p_value)
