"""Permutation, bootstrap, false discovery: is it more than chance, and how sure are we?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats


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


def false_discovery_q(p_values: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg q-values; nan stays nan and does not count as a test.

    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    p_values = np.asarray(p_values, dtype=float)
    q_values = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        q_values[tested] = stats.false_discovery_control(p_values[tested])
    return q_values


def permute_labels(labels: np.ndarray, rng: np.random.Generator, block_trials: int = 1,
                   strata: np.ndarray | None = None) -> np.ndarray:
    """Labels in a new order, blocks of neighbouring trials kept together.

    Labels of real experiments are autocorrelated (blocks of one stimulus, biased random orders),
    and so are responses (drift). Moving whole blocks keeps the labels' autocorrelation up to
    the block length, so that the null is as smooth in time as the data.

    Parameters
    ----------
    labels : (trial,)
        In the order in which the trials took place.
    block_trials : int
        Neighbouring trials that stay together; 1 permutes single trials.
    strata : (trial,), optional
        Labels change places only among trials of equal value, a position or a session: what the
        strata differ in, labels and responses, the null then has, too.
    """
    if strata is not None:
        permuted = np.empty_like(labels)
        for stratum in np.unique(strata):
            inside = strata == stratum
            permuted[inside] = permute_labels(labels[inside], rng, block_trials)
        return permuted
    n_trials = len(labels)
    if block_trials <= 1:
        return rng.permutation(labels)
    # A random rotation first, so that the borders of the blocks differ between permutations.
    rotated = np.roll(labels, rng.integers(n_trials))
    blocks = np.split(rotated, np.arange(block_trials, n_trials, block_trials))
    return np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])


def bootstrap_interval(values: np.ndarray, rng: np.random.Generator, level: float = 0.95,
                       n_resamples: int = 1000,
                       statistic: Callable[..., np.ndarray] = np.mean) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of independent values.

    Parameters
    ----------
    values : (n,) float
    statistic : callable
        Takes ``axis``.

    Returns
    -------
    low, high : float
        nan where there are fewer than two values.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan, np.nan
    samples = statistic(values[rng.integers(len(values), size=(n_resamples, len(values)))], axis=1)
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_difference(values: np.ndarray, others: np.ndarray, rng: np.random.Generator,
                         level: float = 0.95, n_resamples: int = 1000) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(values) - mean(others), both resampled.

    Parameters
    ----------
    values, others : (n,), (m,) float
        Independent samples.

    Returns
    -------
    low, high : float
        nan where either has fewer than two values.
    """
    if min(len(values), len(others)) < 2:
        return np.nan, np.nan
    means = [np.asarray(sample)[rng.integers(len(sample), size=(n_resamples, len(sample)))
                                ].mean(axis=1) for sample in (values, others)]
    low, high = np.quantile(means[0] - means[1], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


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
