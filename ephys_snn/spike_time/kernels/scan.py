r"""Which neurons cross threshold after which input: a scan over the sorted inputs of every trial.

Times are in units of τ_m since the first input of a trial, weights in units of θ, so the threshold
is 1. While no input arrives, the membrane follows from two causal sums over the inputs so far
(a₁ and b, or a₁ and a₂, in Göltz et al., Nat. Mach. Intell. 3, 823 (2021),
doi:10.1038/s42256-021-00388-x):

.. math::

    \tau_m = \tau_s: \quad V(t) = (t A - B) e^{-t}, \quad A = \sum w_i e^{t_i}, \quad
    B = \sum w_i t_i e^{t_i}

    \tau_m = 2 \tau_s: \quad V(t) = (e^t A - B) e^{-2t}, \quad A = \sum w_i e^{t_i}, \quad
    B = \sum w_i e^{2 t_i}

In both, V ≥ 1 is r A - B ≥ l, where r (t, or e^t) and l (e^t, or e^{2t}) depend on time alone, and
so do the factors α and β of a weight in A = Σ w α and B = Σ w β. What has to be done for every
synapse is therefore two multiplications and additions, for a block of neurons at once in lanes.

**What to compare, and how rarely.** The first crossing is sought, and V can be above threshold
between two inputs only. To look for it after every input would cost more than the sums. So V is
compared at the end s of each group of 8 inputs only, and with two numbers. If V(s) ≥ 1, the neuron
has crossed threshold for sure. If it has crossed, at T after the group's first input, V may have
come down again, but not far:

- Without further input V(T) = 1 and V̇(T) ≥ 0 determine the rest. For τ_m = τ_s, V̇ = I - V gives
  I(T) ≥ 1 for the synaptic current I, so that δ = s - T later V = (V(T) + δ I(T)) e^{-δ}
  ≥ (1 + δ) e^{-δ}. For τ_m = 2 τ_s, V = X u - Y u² with u = e^{-δ}, X - Y = 1 and
  V̇(T) = 2 Y - X ≥ 0, hence Y ≥ 1 and V = u + Y u (1 - u) ≥ u (2 - u). Both are 1 - O(δ²), and
  least for the largest δ, the time from the group's first input to its end.
- Further excitation only raises V. Further inhibition lowers it by at most Σ |w_i| k(s - t_i) over
  the negative weights of the group, with k the response to an input, and for no neuron more than
  with the most negative weight of every input.

A neuron with V(s) below this bound has not crossed within the group, and one comparison says so of
a whole block of neurons. The few others are suspects. Most of them have no such inhibition: each
suspect's own membrane without any inhibition by the group is above the bound without inhibition if
it crossed, for inhibition only lowers V, before T and after. Whoever remains is looked at input by
input. There a crossing between two inputs is either one that is still above threshold at the later
input, or a peak in between.

The times of the crossings are not computed here but afterwards, from A and B, for many neurons and
trials at once (`ephys_snn.spike_time.kernels.crossing`).
"""

import math
from typing import NamedTuple

import numpy as np

from ephys_snn.spike_time.kernels.execution import borrowing_kernel, kernel
from ephys_snn.spike_time.kernels.lanes import (
    GROUP,
    at_least,
    ctz,
    cumulative_sum,
    fma,
    fms,
    gather_group,
    load,
    load_group,
    load_scalar,
    spread,
    spread_from,
    spread_group,
    store,
    store_scalar,
    where_positive,
)


class Sums(NamedTuple):
    """Causal sums at the threshold crossing of every neuron, or after all inputs, (…, lane)."""

    a: np.ndarray
    b: np.ndarray
    last: np.ndarray  # r of the last input where threshold has not been crossed by then, else -1


class Suspects(NamedTuple):
    """Groups of inputs within which some neurons of a block may have crossed threshold."""

    group: np.ndarray  # (suspect,)
    neurons: np.ndarray  # (suspect,) a bit for every neuron
    a: np.ndarray  # (suspect, lane) A before the group
    b: np.ndarray  # (suspect, lane) B before the group


@kernel
def scan(n_inputs, inputs, groups, weights, equal, n_post, sums):
    """Causal sums (block, trial, lane) of every trial and neuron at its threshold crossing.

    The `weights` (block, pre · lane) are those of a block of neurons, input after input.
    """
    n_blocks, n_trials, lanes = sums.a.shape
    n_groups = groups.r.shape[1]
    dtype = weights.dtype
    suspects = Suspects(
        np.empty(n_groups, np.int64), np.empty(n_groups, np.int64),
        np.empty((n_groups + 1, lanes), dtype), np.empty((n_groups + 1, lanes), dtype),
    )
    # The sums after each input of a group, then those without a crossing; -1: not the last input.
    after = Sums(
        np.empty(GROUP + 1, dtype), np.empty(GROUP + 1, dtype), np.full(GROUP + 1, -1, dtype)
    )
    for block in range(n_blocks):
        neurons = (1 << min(lanes, n_post - block * lanes)) - 1
        for trial in range(n_trials):
            n_suspects = _accumulate(
                block, trial, n_inputs[trial], neurons, inputs, groups, weights, suspects, sums
            )
            # From the last group to the first, so that a neuron's first crossing stays.
            for suspect in range(n_suspects - 1, -1, -1):
                _locate(
                    block, trial, suspect, inputs, groups, weights, equal, suspects, after, sums
                )


@borrowing_kernel
def _accumulate(block, trial, n, neurons, inputs, groups, weights, suspects, sums):
    """Sums of a block of neurons after all inputs, or after all have crossed threshold for sure.

    How many groups of inputs have suspects, which are noted.
    """
    zero = weights.dtype.type(0)
    silent = neurons
    a, b = spread(zero), spread(zero)
    n_suspects = 0
    for group in range((n + GROUP - 1) // GROUP):
        store(suspects.a, (n_suspects, 0), a)
        store(suspects.b, (n_suspects, 0), b)
        for k in range(group * GROUP, (group + 1) * GROUP):
            w = load(weights, (block, load_scalar(inputs.place, (trial, k))))
            a = fma(spread_from(inputs.alpha, (trial, k)), w, a)
            b = fma(spread_from(inputs.beta, (trial, k)), w, b)
        membrane = fms(spread_from(groups.r, (trial, group)), a, b)
        possibly = at_least(membrane, spread_from(groups.bound, (trial, group))) & silent
        silent &= ~at_least(membrane, spread_from(groups.level, (trial, group)))
        suspects.group[n_suspects] = group
        suspects.neurons[n_suspects] = possibly
        n_suspects += possibly != 0
        if silent == 0:
            break
    store(sums.a, (block, trial, 0), a)
    store(sums.b, (block, trial, 0), b)
    store(sums.last, (block, trial, 0), spread(inputs.r[trial, n - 1] if n > 0 else zero))
    return n_suspects


@borrowing_kernel
def _locate(block, trial, suspect, inputs, groups, weights, equal, suspects, after, sums):
    """Where in a group of inputs the suspects cross threshold, and their sums there.

    The lanes, neurons at first, are the inputs of the group when it comes to a single neuron.
    """
    group = suspects.group[suspect]
    start = (trial, group * GROUP)
    possibly = suspects.neurons[suspect] & _excited(
        block, trial, group, suspect, inputs, groups, weights, suspects
    )
    alpha, beta = load_group(inputs.alpha, start), load_group(inputs.beta, start)
    next_r = load_group(inputs.next_r, start)
    next_level = load_group(inputs.next_level, start)
    next_bound = load_group(inputs.next_bound, start)
    while possibly != 0:
        lane = ctz(possibly)
        possibly &= possibly - 1
        a = load_scalar(suspects.a, (suspect, lane))
        b = load_scalar(suspects.b, (suspect, lane))
        w = gather_group(weights, (block, lane), inputs.place, start)
        a_after = spread_group(a) + cumulative_sum(alpha * w)
        b_after = spread_group(b) + cumulative_sum(beta * w)
        membrane = fms(next_r, a_after, b_after)
        crossed = at_least(membrane, next_level)
        # Inputs with a possible peak before the first sure crossing: -1 where there is none.
        before = (crossed & -crossed) - 1
        if at_least(membrane, next_bound) & ~crossed & before:
            peaks, a, b = _locate_peak(block, trial, group, lane, a, b, inputs, weights, equal)
            store(after.a, 0, spread_group(a))
            store(after.b, 0, spread_group(b))
            crossed = np.int64(peaks)
        else:
            store(after.a, 0, a_after)
            store(after.b, 0, b_after)
        # Without a branch, which nothing could predict: the last place is for no crossing.
        place = ctz(crossed | (1 << GROUP))
        neuron = (block, trial, lane)
        store_scalar(after.a, GROUP, load_scalar(sums.a, neuron))
        store_scalar(sums.a, neuron, load_scalar(after.a, place))
        store_scalar(after.b, GROUP, load_scalar(sums.b, neuron))
        store_scalar(sums.b, neuron, load_scalar(after.b, place))
        store_scalar(after.last, GROUP, load_scalar(sums.last, neuron))
        store_scalar(sums.last, neuron, load_scalar(after.last, place))


@borrowing_kernel
def _excited(block, trial, group, suspect, inputs, groups, weights, suspects):
    """Neurons whose membrane at the end of a group would be high enough without its inhibition."""
    a, b = load(suspects.a, (suspect, 0)), load(suspects.b, (suspect, 0))
    membrane = fms(spread_from(groups.r, (trial, group)), a, b)
    for k in range(group * GROUP, (group + 1) * GROUP):
        w = load(weights, (block, load_scalar(inputs.place, (trial, k))))
        response = spread_from(inputs.response, (trial, k))
        membrane = fma(response, where_positive(w, w), membrane)
    return at_least(membrane, spread_from(groups.bound_excited, (trial, group)))


@borrowing_kernel
def _locate_peak(block, trial, group, lane, a, b, inputs, weights, equal):
    """Whether and with which sums one neuron crosses, which may peak between two inputs.

    The membrane peaks in between if it rises at the first and falls at the second one, V̇ being
    A - (r A - B) or B - (r A - B) but for a positive factor; and at 1 + B / A or e^t = 2 B / A.
    """
    for k in range(group * GROUP, (group + 1) * GROUP):
        w = weights[block, inputs.place[trial, k] + lane]
        a += inputs.alpha[trial, k] * w
        b += inputs.beta[trial, k] * w
        if inputs.next_level[trial, k] == np.inf:
            break
        at_next = inputs.next_r[trial, k] * a - b
        crosses = at_next >= inputs.next_level[trial, k]
        if not crosses:
            at_input = inputs.r[trial, k] * a - b
            rate = a if equal else b
            if rate > at_input and rate < at_next and a > 0:
                crosses = math.log(a) >= 1 + b / a if equal else a * a >= 4 * b
        if crosses:
            return True, a, b
    return False, a, b
