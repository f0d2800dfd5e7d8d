"""Coincidences of a few units in bins: how many there are, and how many their rates predict.

x_u(i, b) says whether unit u spikes in bin b of trial i; a pattern occurs in a bin in which exactly
its units spike. In a window of B bins, with p_u(i) the fraction of its bins in which u spikes in
trial i,

    n_emp = sum_i sum_b prod_u x_u(i, b)         (1 - x_u for units not in the pattern)
    n_exp = sum_i B prod_u p_u(i)                (1 - p_u for units not in the pattern)
    p     = P(Poisson(n_exp) >= n_emp)

(Gruen, Diesmann & Aertsen 2002, doi:10.1162/089976602753284455).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import gammainc

from ephys_snn.errors import InputError

ROUNDING = 1e-6  # bins; a spike this close to the next bin lies in it


class WindowCounts(NamedTuple):
    """Coincidences in every window, (pattern, window).

    Attributes
    ----------
    n_empirical : int
    n_expected : float
    """

    n_empirical: np.ndarray
    n_expected: np.ndarray


def whole_bins(option: str, value: float, bin_width: float) -> int:
    """How many bins a time is.

    Raises
    ------
    InputError
        If it is not a whole number of them.
    """
    n_bins = round(value / bin_width)
    if n_bins < 1 or abs(value / bin_width - n_bins) > ROUNDING * n_bins:
        raise InputError(f"{option} must be a whole number of bins of {bin_width:g} ms; "
                         f"got {value:g} ms")
    return n_bins


def bin_trials(spikes: Sequence[Sequence[np.ndarray]], bin_width: float, n_bins: int) -> np.ndarray:
    """(trial, unit, bin) bool, whether a unit spikes in a bin.

    Parameters
    ----------
    spikes : by trial and unit (spike,) float, ms
    """
    binned = np.zeros((len(spikes), len(spikes[0]), n_bins), dtype=bool)
    for i, trains in enumerate(spikes):
        for u, times in enumerate(trains):
            place = np.floor(times / bin_width + ROUNDING).astype(int)
            binned[i, u, place[(place >= 0) & (place < n_bins)]] = True
    return binned


def count_coincidences(binned: np.ndarray, patterns: Sequence[Sequence[int]], window_bins: int,
                       step_bins: int) -> WindowCounts:
    """Empirical and expected number of every pattern in every window.

    The same numbers as Elephant's, by running sums over all windows at once, because thousands of
    surrogates need them.

    Parameters
    ----------
    binned : (trial, unit, bin) bool
    patterns : sequence of sequence of int
        Units that spike together.
    """
    n_units = binned.shape[1]
    rate = _window_sums(binned, window_bins, step_bins) / window_bins
    empirical, expected = [], []
    for pattern in patterns:
        part = np.isin(np.arange(n_units), pattern)[:, None]
        together = pattern_occurs(binned, pattern)
        empirical.append(_window_sums(together, window_bins, step_bins).sum(axis=0))
        chance = np.where(part, rate, 1 - rate).prod(axis=1)
        expected.append(window_bins * chance.sum(axis=0))
    return WindowCounts(np.array(empirical), np.array(expected))


def coincidence_p_value(n_empirical: np.ndarray, n_expected: np.ndarray) -> np.ndarray:
    """P(Poisson(n_expected) >= n_empirical); nan where nothing is expected."""
    n_empirical = np.asarray(n_empirical, dtype=float)
    n_expected = np.asarray(n_expected, dtype=float)
    at_least = gammainc(np.maximum(n_empirical, 1), n_expected)
    p = np.where(n_empirical > 0, at_least, 1.0)
    return np.where(n_expected > 0, p, np.nan)


def pattern_occurs(binned: np.ndarray, pattern: Sequence[int]) -> np.ndarray:
    """Whether these units spike in a bin and no other of `binned`.

    Parameters
    ----------
    binned : (trial, unit, bin) bool
    pattern : sequence of int
        Units.

    Returns
    -------
    (trial, bin) bool
    """
    part = np.isin(np.arange(binned.shape[1]), pattern)[:, None]
    return np.where(part, binned, ~binned).all(axis=1)


def _window_sums(values: np.ndarray, window_bins: int, step_bins: int) -> np.ndarray:
    """Sums over windows that slide along the last axis."""
    total = np.cumsum(values, axis=-1, dtype=np.int64)
    total = np.concatenate([np.zeros((*total.shape[:-1], 1), dtype=np.int64), total], axis=-1)
    begin = np.arange(0, values.shape[-1] - window_bins + 1, step_bins)
    return total[..., begin + window_bins] - total[..., begin]
