r"""Every first spike time is a weighted mean of its input times, plus a delay.

A neuron spikes at T where its membrane reaches threshold, Σ_i w_i k(T − t_i) = θ, over the inputs
with t_i < T. By the implicit function theorem

.. math::

    J_i = \frac{\partial T}{\partial t_i}
        = \frac{w_i\, k'(T - t_i)}{\sum_j w_j\, k'(T - t_j)}, \qquad \sum_i J_i = 1 :

shifting all inputs shifts the spike by as much. So T is the mean of its input times with weights
J_i, plus a delay c,

.. math:: T = \sum_i J_i t_i + c .

Excitatory inputs on the rise of their response have J > 0, inhibitory ones J < 0; together they
still add up to 1, so that J are means' weights in the strict sense only without a *negative mass*
Σ_i max(−J_i, 0). Independent jitter of SD σ of the inputs moves T, to first order, by

.. math:: \sigma_T = g\, \sigma, \qquad g = \sqrt{\textstyle\sum_i J_i^2},

the *averaging gain*: 1/√n for a plain mean of n inputs, above 1 where large positive and negative
weights nearly cancel. The denominator is the slope of the membrane at threshold; where it only
grazes threshold, J diverge and first order says nothing. Spikes whose slope is below
`SMALLEST_SLOPE` θ/τ_m are therefore left out, and counted.

References
----------
Göltz et al., Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x, for the derivatives
of exact first spike times.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.lif import LIF
from ephys_snn.spike_time import SMALLEST_SLOPE

ELEMENTS = 2**22  # (trial, pre, post) elements at a time


class SpikeAverages(NamedTuple):
    """What each spike time is a mean of; nan where there is no spike, or one that grazes threshold.

    Attributes
    ----------
    gain : (trial, post) float
        √Σ J², by which independent jitter of the inputs arrives.
    negative_mass : (trial, post) float
        Σ max(−J, 0).
    mean_time : (trial, post) float, ms
        Σ J t.
    delay : (trial, post) float, ms
        T − Σ J t.
    """

    gain: np.ndarray
    negative_mass: np.ndarray
    mean_time: np.ndarray
    delay: np.ndarray


def input_shares(input_times: np.ndarray, weights: np.ndarray, spike_times: np.ndarray,
                 lif: LIF = LIF()) -> tuple[np.ndarray, np.ndarray]:
    """How much of a shift of each input arrives at each spike.

    Parameters
    ----------
    input_times : (trial, pre) float, ms
    weights : (pre, post) float
    spike_times : (trial, post) float, ms
        Of these inputs through these weights; inf where silent.
    lif : LIF

    Returns
    -------
    shares : (trial, pre, post) float
        J_i = ∂T/∂t_i; 0 for inputs at the spike or later. nan for silent neurons.
    slope : (trial, post) float
        Of the membrane at threshold, in θ/τ_m.
    """
    with np.errstate(invalid="ignore"):  # a silent input of a silent neuron
        since = spike_times[:, None, :] - input_times[:, :, None]
    pull = weights * lif.response_slope(np.where(since > 0, since, -np.inf))
    slope = pull.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(np.isfinite(spike_times)[:, None, :], pull / slope[:, None, :], np.nan)
    return shares, slope * lif.tau_m / lif.threshold


def spike_averages(input_times: np.ndarray, weights: np.ndarray, spike_times: np.ndarray,
                   lif: LIF = LIF()) -> SpikeAverages:
    """What each spike time of a layer is a mean of.

    Parameters
    ----------
    input_times, weights, spike_times, lif
        As in `input_shares`.
    """
    (n_trials, n_pre), n_post = input_times.shape, weights.shape[1]
    averages = SpikeAverages(*np.full((4, n_trials, n_post), np.nan))
    finite_times = np.where(np.isfinite(input_times), input_times, 0.0)  # silent ones have J = 0
    step = max(1, ELEMENTS // (n_pre * n_post))
    for start in range(0, n_trials, step):
        trials = slice(start, start + step)
        shares, slope = input_shares(input_times[trials], weights, spike_times[trials], lif)
        crosses = np.isfinite(spike_times[trials]) & (slope >= SMALLEST_SLOPE)
        mean_time = np.einsum("tij,ti->tj", shares, finite_times[trials])
        for array, values in zip(averages, (
                np.sqrt((shares**2).sum(axis=1)), np.maximum(-shares, 0).sum(axis=1), mean_time,
                spike_times[trials] - mean_time), strict=True):
            array[trials] = np.where(crosses, values, np.nan)
    return averages
