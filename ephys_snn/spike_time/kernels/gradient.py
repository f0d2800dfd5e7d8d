r"""Gradients of spike times on processors, as plain loops that Numba compiles.

With d = T - t for τ_m = τ_s, or d = 1 - e^{t - T} for τ_m = 2 τ_s, an input at t drives the
membrane at the time T of a spike by w k(T - t), where

.. math::

    k = e^{t - T} d, \qquad k' = e^{t - T} (1 - d) \;\text{or}\; e^{t - T} (1 - 2 d)

if d > 0, and else not at all. By the implicit function theorem an error ε at the spike, which is
the gradient that arrives there over V̇(T), adds -ε k to the gradient of the weight and ε w k' to
that of the input time. The loops take e^{-T} ε as the spike's pull on its inputs, and e^t out of
the sums.
"""

import numpy as np

from ephys_snn.spike_time.kernels.crossing import exp
from ephys_snn.spike_time.kernels.execution import kernel, reordering_kernel

TILE_INPUTS = 8
"""Inputs treated at a time: their weights, gradients and a trial's spikes fit into a fast cache."""


@kernel
def exponentiate(start, stop, times, spike_times, errors, equal, growth, terms, pulls, latest):
    """What `add_up` needs of the trials [start, stop)."""
    early, nothing = times.dtype.type(-1), times.dtype.type(0)
    for b in range(start, stop):
        for i in range(times.shape[1]):
            growth[b, i] = exp(times[b, i])
        last = early
        for o in range(errors.shape[1]):
            # Without a spike or an error: a spike before all inputs, which asks nothing of them.
            counts = (spike_times[b, o] < np.inf) & (errors[b, o] != 0)
            terms[b, o] = spike_times[b, o] if counts else early
            pulls[b, o] = errors[b, o] if counts else nothing
            last = max(last, terms[b, o])
        latest[b] = last
        for o in range(errors.shape[1]):
            decay = exp(-terms[b, o])
            terms[b, o] = terms[b, o] if equal else decay
            pulls[b, o] *= decay


@reordering_kernel
def add_up(start, stop, times, growth, weights, terms, pulls, latest, equal, grad_times, gradient):
    """Gradients of the times (trial, pre), unless empty, and weights of the inputs [start, stop).

    `growth` (trial, pre) is e^t, `terms` and `pulls` (trial, post) are T, or e^{-T} for
    τ_m = 2 τ_s, and e^{-T} ε. Inputs from `latest` (trial,), the last T with an error, on have no
    effect. Threads have different inputs, so no two write to the same place.
    """
    n_trials = len(times)
    want_times = grad_times.size > 0
    trials = np.empty(TILE_INPUTS * n_trials, np.int64)
    inputs = np.empty(TILE_INPUTS * n_trials, np.int64)
    for first in range(start, stop, TILE_INPUTS):
        last = min(first + TILE_INPUTS, stop)
        gradient[first:last] = 0
        n_causal = 0
        for b in range(n_trials):
            for i in range(first, last):
                trials[n_causal], inputs[n_causal] = b, i
                n_causal += times[b, i] < latest[b]
        for k in range(n_causal):
            b, i = trials[k], inputs[k]
            t, e = times[b, i], growth[b, i]
            if want_times:
                grad_times[b, i] = e * _pull(t, e, b, i, weights, terms, pulls, equal, gradient)
            else:
                _pull_weights(t, e, b, i, terms, pulls, equal, gradient)


@reordering_kernel
def _pull(t, e, b, i, weights, terms, pulls, equal, gradient):
    """Add the effect of input i in trial b to its weights' gradient; return that on its time."""
    zero, one = terms.dtype.type(0), terms.dtype.type(1)
    on_time = zero
    for o in range(terms.shape[1]):
        d = terms[b, o] - t if equal else one - e * terms[b, o]
        pull = pulls[b, o] if d > zero else zero
        value = d * pull
        gradient[i, o] -= e * value
        on_time += weights[i, o] * (pull - value if equal else pull - value - value)
    return on_time


@reordering_kernel
def _pull_weights(t, e, b, i, terms, pulls, equal, gradient):
    """As `_pull` for the weights alone."""
    zero, one = terms.dtype.type(0), terms.dtype.type(1)
    for o in range(terms.shape[1]):
        d = terms[b, o] - t if equal else one - e * terms[b, o]
        pull = pulls[b, o] if d > zero else zero
        gradient[i, o] -= e * (d * pull)
