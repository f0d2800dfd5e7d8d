"""Size, latency and width of the pulse packet of an area in every trial.

Of one area in one trial, let s be the sorted first-spike latencies of its n active units. The
packet's size is n, its time the median of s, and its width one of

    SD              sqrt(mean((s - mean(s))^2))
    IQR             Q_0.75(s) - Q_0.25(s), linear quantiles
    shortest half   min_i (s[i + k] - s[i]), k = n // 2

in trials with n >= 5. The shortest half grows with n, and is wider for even n than for odd: of
normal latencies of SD 1 it is 0.65 for n = 5, 1.00 for 6 and 1.35 for many. Packets of different
sizes are compared at equal n, by `equal_shortest_halves`.
"""

from typing import NamedTuple

import numpy as np

MIN_ACTIVE = 5  # units; fewer have no packet width
CHUNK = 1 << 20  # latencies sorted at a time


class Packets(NamedTuple):
    """The pulse packet of one group of units in every trial.

    Attributes
    ----------
    size : (trial,) int
        Number of active units.
    latency : (trial,) float, ms
        Median first-spike latency; nan, like the widths, in trials with fewer than 5 active units.
    sd, iqr, shortest_half : (trial,) float, ms
        Widths.
    """

    size: np.ndarray
    latency: np.ndarray
    sd: np.ndarray
    iqr: np.ndarray
    shortest_half: np.ndarray


def pulse_packets(latency: np.ndarray) -> Packets:
    """Size, time and widths of the packet in every trial.

    Parameters
    ----------
    latency : (trial, unit) float, ms
        First-spike latencies; inf = silent.
    """
    size = np.isfinite(latency).sum(axis=1)
    measures = np.full((4, len(latency)), np.nan)
    wide_enough = np.flatnonzero(size >= MIN_ACTIVE)
    step = max(1, CHUNK // max(1, latency.shape[1]))
    for begin in range(0, len(wide_enough), step):
        trials = wide_enough[begin:begin + step]
        measures[:, trials] = _measure(latency[trials], size[trials])
    return Packets(size, *measures)


def shortest_halves(latency: np.ndarray) -> np.ndarray:
    """Shortest half alone, of the trials that have one.

    Parameters
    ----------
    latency : (trial, unit) float, ms
        First-spike latencies; inf = silent.

    Returns
    -------
    (trial with a packet,) float, ms
    """
    size = np.isfinite(latency).sum(axis=1)
    enough = size >= MIN_ACTIVE
    if not enough.any():
        return np.empty(0)
    size = size[enough]
    s = np.sort(latency[enough], axis=1)[:, :size.max()]
    return _shortest_half(s, size)


def equal_shortest_halves(latency: np.ndarray, n_spikes: int, n_subsets: int,
                          rng: np.random.Generator) -> np.ndarray:
    """Shortest half of equally many active units, of the trials that have so many.

    Latencies that come from one distribution have the same expectation in packets of any size.

    Parameters
    ----------
    latency : (trial, unit) float, ms
        First-spike latencies; inf = silent.
    n_spikes : int
        Active units that are drawn from every packet, at least 2.
    n_subsets : int
        Random draws of them, over which the mean is taken.
    rng : numpy.random.Generator

    Returns
    -------
    (trial with `n_spikes` active units,) float, ms
    """
    size = np.isfinite(latency).sum(axis=1)
    s = np.sort(latency[size >= n_spikes], axis=1)[:, :size.max(initial=0)]
    silent, k = np.isinf(s), n_spikes // 2
    total = np.zeros(len(s))
    for _ in range(n_subsets if len(s) else 0):
        key = rng.random(s.shape) + silent
        drawn = np.sort(np.argpartition(key, n_spikes - 1, axis=1)[:, :n_spikes], axis=1)
        subset = np.take_along_axis(s, drawn, axis=1)
        total += (subset[:, k:] - subset[:, :-k]).min(axis=1)
    return total / n_subsets


def _measure(latency: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Median, SD, IQR, shortest half (4, trial) of trials with enough active units."""
    s = np.sort(latency, axis=1)[:, :size.max()]  # the silent, inf, come last
    first, n = s[:, :1].copy(), size[:, None]
    s -= first  # differences stay exact wherever the packet lies
    present = np.arange(s.shape[1]) < n
    mean = np.where(present, s, 0.0).sum(axis=1, keepdims=True) / n
    deviation = np.where(present, s - mean, 0.0)
    sd = np.sqrt((deviation**2).sum(axis=1) / size)
    low, median, high = (_quantile(s, size, q) for q in (0.25, 0.5, 0.75))
    return np.array([median + first[:, 0], sd, high - low, _shortest_half(s, size)])


def _shortest_half(s: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Shortest half of the first `size` entries of every sorted row."""
    n = size[:, None]
    k = n // 2
    begin = np.arange((n - k).max())
    end = begin + k
    half = np.take_along_axis(s, np.minimum(end, s.shape[1] - 1), axis=1)
    half = np.where(end < n, half - np.where(end < n, s[:, :len(begin)], 0.0), np.inf)
    return half.min(axis=1)


def _quantile(s: np.ndarray, size: np.ndarray, q: float) -> np.ndarray:
    """Linear quantile of the first `size` entries of every sorted row."""
    position = q * (size - 1)
    below = np.floor(position).astype(int)
    rows = np.arange(len(s))
    low, high = s[rows, below], s[rows, np.minimum(below + 1, size - 1)]
    return low + (position - below) * (high - low)
