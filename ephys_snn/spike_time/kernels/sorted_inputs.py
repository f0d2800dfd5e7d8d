r"""The inputs of a trial in the order of their times, and all of the scan that is theirs alone.

Whatever depends on times but not on weights is computed here, once for all neurons: the factors
α and β of the weights in the causal sums, r and l that turn the sums into a membrane, and the
bounds with which the membrane is compared (`ephys_snn.spike_time.kernels.scan` derives them). With
t in units of τ_m since the first input of the trial,

.. math::

    \tau_m = \tau_s: \quad r = t, \; l = e^t, \; \alpha = e^t, \; \beta = t e^t \qquad\qquad
    \tau_m = 2 \tau_s: \quad r = e^t, \; l = e^{2t}, \; \alpha = e^t, \; \beta = e^{2t}
"""

from typing import NamedTuple

import numpy as np

from ephys_snn.spike_time.kernels.crossing import exp
from ephys_snn.spike_time.kernels.execution import borrowing_kernel, kernel
from ephys_snn.spike_time.kernels.lanes import GROUP

ROUNDING = 1e-5
"""Margin of the bounds in units of θ, against rounding errors of the membrane."""


class Inputs(NamedTuple):
    """Inputs of several trials in the order of their times, (trial, input).

    Whole groups of inputs: the last group is filled up with inputs without effect.
    """

    place: np.ndarray  # where the input's weights begin in those of a block of neurons
    alpha: np.ndarray  # factor of the weight in A
    beta: np.ndarray  # factor of the weight in B
    r: np.ndarray  # at the time of the input
    level: np.ndarray  # l at the time of the input
    next_r: np.ndarray  # r at the time of the next input
    next_level: np.ndarray  # l then: what r A - B reaches there if V is above threshold
    next_bound: np.ndarray  # what it reaches there if V crossed threshold since this input
    response: np.ndarray  # factor of the weight in r A - B at the end of the group


class Groups(NamedTuple):
    """What is compared at the end of each group of inputs, which is the next input, (trial, group).

    The last group ends with its last input: what comes after it is a matter of `crossing`.
    """

    r: np.ndarray
    level: np.ndarray  # what r A - B reaches if V is above threshold
    bound: np.ndarray  # what it at least reaches if V crossed threshold within the group
    bound_excited: np.ndarray  # the same for it without the inhibition by the group


class Scratch(NamedTuple):
    """Room to sort the inputs of a trial, (input,)."""

    times: np.ndarray  # of the inputs that spike, in the order of their indices
    growth: np.ndarray  # e^t
    spiking: np.ndarray  # the inputs that spike
    order: np.ndarray  # of the times, then the inputs in this order
    keys: np.ndarray
    other_keys: np.ndarray
    indices: np.ndarray
    counts: np.ndarray  # (byte, value)


@kernel
def make_room(n_trials, n_pre, dtype):
    """Room for so many trials of so many inputs."""
    n_groups = (n_pre + GROUP - 1) // GROUP
    of_inputs, of_groups = (n_trials, n_groups * GROUP), (n_trials, n_groups)
    inputs = Inputs(
        np.empty(of_inputs, np.int64), np.empty(of_inputs, dtype), np.empty(of_inputs, dtype),
        np.empty(of_inputs, dtype), np.empty(of_inputs, dtype), np.empty(of_inputs, dtype),
        np.empty(of_inputs, dtype), np.empty(of_inputs, dtype), np.empty(of_inputs, dtype),
    )
    groups = Groups(
        np.empty(of_groups, dtype), np.empty(of_groups, dtype), np.empty(of_groups, dtype),
        np.empty(of_groups, dtype),
    )
    scratch = Scratch(
        np.empty(n_pre, dtype), np.empty(n_pre, dtype), np.empty(n_pre, np.int64),
        np.empty(n_pre, np.int64), np.empty(n_pre, np.uint32), np.empty(n_pre, np.uint32),
        np.empty(n_pre, np.int64), np.empty((2, 256), np.int32),
    )
    return inputs, groups, scratch


@borrowing_kernel
def sort_inputs(trial, times, smallest, equal, lanes, inputs, groups, scratch):
    """Fill in a trial of `inputs` and `groups`; how many inputs it has, and the last one's time.

    `times` (pre,) are inf where silent, `smallest` (pre,) is each input's most negative weight.
    """
    n = 0
    for i in range(times.size):
        scratch.spiking[n] = i
        n += times[i] < np.inf
    for k in range(n):
        scratch.times[k] = times[scratch.spiking[k]]
    for k in range(n):
        scratch.growth[k] = exp(scratch.times[k])
    last = sort(n, scratch)
    _in_order(trial, n, equal, lanes, inputs, scratch)
    _look_ahead(trial, n, equal, inputs)
    for group in range((n + GROUP - 1) // GROUP):
        _bound_group(trial, group, n, smallest, equal, inputs, groups, scratch)
    return n, last


@borrowing_kernel
def _in_order(trial, n, equal, lanes, inputs, scratch):
    """What is known of each input alone; the order becomes one of all inputs, silent or not."""
    for k in range(n):
        which = scratch.order[k]
        t, e = scratch.times[which], scratch.growth[which]
        inputs.alpha[trial, k] = e
        inputs.beta[trial, k] = t * e if equal else e * e
        inputs.r[trial, k] = t if equal else e
        inputs.level[trial, k] = e if equal else e * e
        scratch.order[k] = scratch.spiking[which]
        inputs.place[trial, k] = scratch.spiking[which] * lanes


@borrowing_kernel
def _look_ahead(trial, n, equal, inputs):
    """What is known of the next input; fill up the last group."""
    nothing = inputs.r.dtype.type(0)
    n_filled = (n + GROUP - 1) // GROUP * GROUP
    for k in range(n - 1):
        level = inputs.level[trial, k + 1]
        inputs.next_r[trial, k] = inputs.r[trial, k + 1]
        inputs.next_level[trial, k] = level
        still = _still(trial, k, k + 1, equal, inputs)
        inputs.next_bound[trial, k] = _bound(still, nothing) * level
    for k in range(n - 1, n_filled):
        inputs.next_r[trial, k] = 0
        inputs.next_level[trial, k] = np.inf
        inputs.next_bound[trial, k] = np.inf
    for k in range(n, n_filled):
        inputs.place[trial, k] = 0
        inputs.alpha[trial, k] = 0
        inputs.beta[trial, k] = 0
        inputs.response[trial, k] = 0


@borrowing_kernel
def _bound_group(trial, group, n, smallest, equal, inputs, groups, scratch):
    """The responses to the inputs of a group at its end, and what is compared there."""
    nothing = inputs.r.dtype.type(0)
    start = group * GROUP
    end = min(start + GROUP, n - 1)
    r, level = inputs.r[trial, end], inputs.level[trial, end]
    inhibition = nothing
    for k in range(start, min(start + GROUP, n)):
        inputs.response[trial, k] = inputs.alpha[trial, k] * (r - inputs.r[trial, k])
        inhibition += smallest[scratch.order[k]] * inputs.response[trial, k]
    still = _still(trial, start, end, equal, inputs)
    groups.r[trial, group] = r
    groups.level[trial, group] = level
    groups.bound[trial, group] = _bound(still, inhibition / level) * level
    groups.bound_excited[trial, group] = _bound(still, nothing) * level


@kernel
def _bound(still, inhibition):
    """Least membrane of a neuron that may have crossed threshold, less some rounding errors.

    After a pause so long that the membrane is lost among the rounding errors, all may have.
    """
    if still < 0.5:
        return -np.inf
    return still + inhibition - ROUNDING


@borrowing_kernel
def _still(trial, k, later, equal, inputs):
    """Least membrane at the later input of a neuron that rose through threshold after input k.

    (1 + δ) e^-δ or e^-δ (2 - e^-δ): both decrease with δ, which is at most the time between.
    """
    decay = inputs.alpha[trial, k] / inputs.alpha[trial, later]
    if equal:
        return (1 + inputs.r[trial, later] - inputs.r[trial, k]) * decay
    return decay * (2 - decay)


@borrowing_kernel
def sort(n, scratch):
    """Indices of the times (≥ 0), ascending: two passes of a radix sort, then insertion.

    Returns the last time, 0 if there is none.
    """
    times, order = scratch.times, scratch.order
    last = times.dtype.type(0)
    for k in range(n):
        last = max(last, times[k])
    scale = times.dtype.type(65535) / last if last > 0 else times.dtype.type(0)
    scratch.counts[:] = 0
    for k in range(n):
        key = np.uint32(times[k] * scale)
        scratch.keys[k] = key
        scratch.indices[k] = k
        scratch.counts[0, key & 255] += 1
        scratch.counts[1, key >> 8] += 1
    _sort_by_byte(0, n, scratch, scratch.keys, scratch.indices, scratch.other_keys, order)
    _sort_by_byte(1, n, scratch, scratch.other_keys, order, scratch.keys, scratch.indices)
    for k in range(n):
        i = scratch.indices[k]
        t = times[i]
        j = k
        while j > 0 and times[order[j - 1]] > t:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
    return last


@borrowing_kernel
def _sort_by_byte(byte, n, scratch, keys, indices, sorted_keys, sorted_indices):
    """One pass: by a byte of the keys, each of whose values occurs so many times."""
    position = 0
    for value in range(256):
        count = scratch.counts[byte, value]
        scratch.counts[byte, value] = position
        position += count
    for k in range(n):
        key = keys[k]
        value = (key >> (8 * byte)) & 255
        position = scratch.counts[byte, value]
        scratch.counts[byte, value] = position + 1
        sorted_keys[position] = key
        sorted_indices[position] = indices[k]
