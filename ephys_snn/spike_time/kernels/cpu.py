r"""First spike times on processors, compiled by Numba.

Dimensionless: times since the first input of a trial in units of τ_m, weights in units of θ. While
no input arrives the membrane follows from two causal sums over the inputs so far,

.. math::

    \tau_m = \tau_s: \quad V(t) = (t\,A - B)\,e^{-t}, \quad A = \sum w_i e^{t_i}, \quad
    B = \sum w_i t_i e^{t_i}

    \tau_m = 2\tau_s: \quad V(t) = (e^t A - B)\,e^{-2t}, \quad A = \sum w_i e^{t_i}, \quad
    B = \sum w_i e^{2 t_i}

so that V ≥ 1 is r A - B ≥ l with a reach r (t, or e^t) and a level l (e^t, or e^{2t}) that depend
on time alone. A scan over the sorted inputs adds them to the sums of a block of neurons, and only
where a crossing is possible it looks closer. Whether it is, one comparison tells for several inputs
at once: a neuron that crossed threshold δ before, rising, is still at

.. math::

    V \ge (1 + \delta) e^{-\delta} \;\text{or}\; e^{-\delta} (2 - e^{-\delta}), \;\text{both}\;
    1 - O(\delta^2), \;\text{less}\; \sum |w_i|\,k(t - t_i)

over the negative inputs since; this bound and the membrane itself are all that is compared. The
times of the crossings are solved for afterwards, all of a trial at once.
"""

import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numba import njit, types
from numba.core import event
from numba.extending import overload
from torch import Tensor

from ephys_snn.lif import LIF
from ephys_snn.spike_time.kernels import reference
from ephys_snn.spike_time.kernels.lanes import (
    GROUP,
    LANES_FLOAT32,
    LANES_FLOAT64,
    at_least,
    folded_product,
    fused,
    fused_difference,
    gather_group,
    item,
    larger,
    largest,
    load,
    load_group,
    lowest_bit,
    put,
    running_total,
    spread,
    spread_from,
    spread_group,
    store,
    total,
    where_nonzero,
    where_positive,
)

LONGEST = {np.float32: 10.0, np.float64: 300.0}
"""Longest span of the input times of a trial in τ_m for sums relative to its first input: e^t must
neither overflow nor cost digits. Longer float32 trials are computed in float64, longer float64 ones
by the reference."""

GROWTH, SECOND, REACH, LEVEL, NEXT, NEAR, SURE, PULL, N_QUANTITIES = range(9)
"""Quantities of a sorted input: the factors of its weight in A and B, r and l at its time; r at the
time of the next input and there the bound and the level that tell of a crossing in between; the
factor of its weight in r A - B at the end of its group."""

NEAR_GROUP, NEAR_EXCITED, SURE_GROUP, REACH_GROUP, N_BOUNDS = range(5)
"""What is compared at the end of a group of inputs: the bound for r A - B, the bound for it without
the group's inhibition, the level; and r."""

SERIES = (
    0.9999999743,
    -0.333330259,
    0.1527164698,
    -0.07915001143,
    0.04256695851,
    -0.0213802551,
    0.008625190296,
    -0.002296974924,
    0.0002879395979,
)
"""Chebyshev approximation of h / p in powers of p, accurate to 3e-8."""

kernel = njit(nogil=True, cache=True, error_model="numpy")

ROUNDING = 1e-5
"""Margin of the bounds in units of θ, against rounding errors of the membrane."""

TILE_INPUTS, TILE_TRIALS = 4, 96
"""Inputs and trials that the backward pass treats at a time, the trials a multiple of the lanes."""

TILE_SCANNED = 16
"""Trials that the forward pass treats at a time."""


class Causes(NamedTuple):
    """What `backward` needs of a `forward` pass."""

    lif: LIF
    packed: np.ndarray  # (block, pre, lane) weights in units of θ
    n_spiking: np.ndarray  # (trial,) number of inputs that spike
    spiking: np.ndarray  # (trial, pre) their indices, ascending; undefined beyond that number
    since: np.ndarray  # (trial, pre) their times
    growth: np.ndarray  # (trial, pre) their exponentials
    terms: np.ndarray  # (block, trial, lane) T, or e^-T for τ_m = 2 τ_s
    gain: np.ndarray  # (block, trial, lane) e^-T / V'(T), 0 where silent
    shape: tuple  # of the spike times


def forward(
    times: Tensor, weights: Tensor, lif: LIF, smallest_slope: float = reference.SMALLEST_SLOPE
):
    """First spike times, and what the gradient needs.

    Parameters
    ----------
    times : Tensor, shape (trial, pre)
        Input spike times in ms, ``inf`` where silent.
    weights : Tensor, shape (pre, post)
        Weights, of the same dtype.
    lif : LIF
        Neuron parameters.
    smallest_slope : float
        Smallest slope of the membrane at threshold that the gradient sees, in θ / τ_m.

    Returns
    -------
    Tensor, shape (trial, post)
        Spike times in ms, ``inf`` where silent.
    Causes
        For `backward`.
    """
    n_trials, n_pre, n_post = *times.shape, weights.shape[1]
    if 0 in (n_trials, n_pre, n_post):
        return reference.forward(times, weights, lif, smallest_slope)
    dtype = np.float32 if times.dtype == torch.float32 else np.float64
    lanes, longest = lanes_of(dtype), LONGEST[dtype]
    n_blocks = -(-n_post // lanes)
    packed, smallest = np.empty((n_blocks, n_pre, lanes), dtype), np.empty(n_pre, dtype)
    n_spiking, spiking = np.empty(n_trials, np.int64), np.empty((n_trials, n_pre), np.int32)
    since, growth = np.empty((2, n_trials, n_pre), dtype)
    terms, gain = np.empty((2, n_blocks, n_trials, lanes), dtype)
    spike_times = np.empty((n_trials, n_post), dtype)
    with _announcing_compilation("forward", dtype):
        flat_weights = weights.detach().contiguous().numpy().reshape(-1)
        _pack(flat_weights, n_pre, lif.threshold, packed.reshape(-1), smallest)
        spans = _in_parallel(
            _forward_trials,
            n_trials,
            times.detach().contiguous().numpy(),
            packed.reshape(-1),
            smallest,
            lif.tau_m,
            lif.equal_time_constants,
            longest,
            smallest_slope,
            n_spiking,
            spiking,
            since,
            growth,
            terms.reshape(-1),
            gain.reshape(-1),
            spike_times,
        )
    if max(spans) <= longest:
        inputs = n_spiking, spiking, since, growth
        causes = Causes(lif, packed, *inputs, terms, gain, spike_times.shape)
        return torch.from_numpy(spike_times), causes
    if times.dtype == torch.float64:
        return reference.forward(times, weights, lif, smallest_slope)
    spikes, causes = forward(times.double(), weights.double(), lif, smallest_slope)
    return spikes.float(), causes


def backward(causes, grad_spike_times: Tensor, want_times: bool = True):
    """Gradients of a function of the spike times.

    Parameters
    ----------
    causes : Causes
        From `forward`.
    grad_spike_times : Tensor, shape (trial, post)
        The function's gradient with respect to the spike times; ignored where silent.
    want_times : bool
        Whether the gradient with respect to the input times is wanted.

    Returns
    -------
    Tensor, shape (trial, pre)
        Gradient with respect to the input times; None if it is not wanted.
    Tensor, shape (pre, post)
        Gradient with respect to the weights.
    """
    if not isinstance(causes, Causes):
        return reference.backward(causes, grad_spike_times, want_times)
    lif, packed, *inputs, terms, gain, (n_trials, n_post) = causes
    dtype, n_pre = packed.dtype, packed.shape[1]
    grad = grad_spike_times.detach().to(getattr(torch, dtype.name)).contiguous().numpy()
    share, latest = np.empty_like(gain), np.empty(gain.shape[:2], dtype)
    grad_times = np.zeros((n_trials, n_pre) if want_times else (0, 0), dtype)
    grad_weights = np.empty((n_pre, n_post), dtype)
    with _announcing_compilation("backward", dtype):
        _share_gradient(
            grad.reshape(-1),
            terms.reshape(-1),
            gain.reshape(-1),
            lif.equal_time_constants,
            share.reshape(-1),
            latest,
        )
        _in_parallel(
            _backward_inputs,
            n_pre,
            *inputs,
            packed.reshape(-1),
            terms.reshape(-1),
            share.reshape(-1),
            latest,
            lif.equal_time_constants,
            -lif.tau_m / lif.threshold,
            grad_times.reshape(-1),
            grad_weights.reshape(-1),
        )
    grad_weights = torch.from_numpy(grad_weights).to(grad_spike_times.dtype)
    if not want_times:
        return None, grad_weights
    return torch.from_numpy(grad_times).to(grad_spike_times.dtype), grad_weights


def lanes_of(dtype) -> int:
    """Lanes per block of neurons."""
    return LANES_FLOAT32 if dtype == np.float32 else LANES_FLOAT64


def _in_parallel(kernel, n_items, *arguments):
    """[kernel(start, stop, …)] over as many parts of the items as PyTorch uses threads."""
    n_parts = max(1, min(torch.get_num_threads(), n_items))
    bounds = [n_items * part // n_parts for part in range(n_parts + 1)]
    others = [
        _workers(os.getpid()).submit(kernel, start, stop, *arguments)
        for start, stop in zip(bounds[1:-1], bounds[2:], strict=True)
    ]
    return [kernel(0, bounds[1], *arguments), *(other.result() for other in others)]


@lru_cache(maxsize=1)
def _workers(process):
    """Threads of this process; a forked process has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ephys_snn")


class _Announcement(event.Listener):
    """Tells the user, once per process, that Numba compiles; the result is cached on disk."""

    def __init__(self):
        self.made = False

    def on_start(self, event):
        """Numba found nothing in its cache."""
        if not self.made:
            self.made = True
            print(
                "compiling the spike-time kernels, once for this machine: about half a minute …",
                file=sys.stderr,
                flush=True,
            )

    def on_end(self, event):
        """Nothing to say."""


@contextmanager
def _announcing_compilation(part, dtype):
    """Say so where a part's first call takes its time to compile."""
    call = part, np.dtype(dtype)
    if call in _compiled:
        yield
        return
    with event.install_listener("numba:compile", _announcement):
        yield
    _compiled.add(call)


_compiled, _announcement = set(), _Announcement()


@kernel
def _pack(weights, n_pre, threshold, packed, smallest):
    """Weights in units of θ in blocks of lanes, padded by 0; the most negative of each input."""
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_post = weights.size // n_pre
    dtype = packed.dtype.type
    nothing, scale = spread(dtype(0)), spread(dtype(1 / threshold))
    partial = np.zeros(lanes, packed.dtype)
    for i in range(n_pre):
        inhibition = nothing
        for first in range(0, n_post, lanes):
            at = i * n_post + first
            if first + lanes <= n_post:
                of_block = scale * load(weights, at)
            else:
                for lane in range(n_post - first):
                    partial[lane] = weights[at + lane]
                of_block = scale * load(partial, 0)
            store(packed, first * n_pre + i * lanes, of_block)
            inhibition = larger(inhibition, nothing - of_block)
        smallest[i] = -largest(inhibition)


@kernel
def _forward_trials(
    start,
    stop,
    times,
    packed,
    smallest,
    tau,
    equal,
    longest,
    smallest_slope,
    n_spiking,
    spiking,
    since,
    growth,
    terms,
    gain,
    spikes,
):
    """Spike times of the trials [start, stop); the longest span of their inputs in τ_m.

    Tiles of trials keep what is read again for every block of neurons in a fast cache.
    """
    n_trials, n_pre = times.shape
    n_post = spikes.shape[1]
    dtype = packed.dtype.type
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_blocks = packed.size // (n_pre * lanes)
    n_groups = (n_pre + GROUP - 1) // GROUP
    events = np.empty((TILE_SCANNED, N_QUANTITIES, n_groups * GROUP), packed.dtype)
    rows = np.empty((TILE_SCANNED, n_groups * GROUP), np.int64)
    bounds = np.empty((TILE_SCANNED, N_BOUNDS, n_groups), packed.dtype)
    origins = np.empty(TILE_SCANNED, packed.dtype)
    every_sum = np.empty(3 * n_blocks * TILE_SCANNED * lanes, packed.dtype)
    sorter = np.empty((4, n_pre), np.uint32)
    span = dtype(0)
    for first in range(start, stop, TILE_SCANNED):
        n_tile = min(TILE_SCANNED, stop - first)
        sums = every_sum[: 3 * n_blocks * n_tile * lanes].reshape(3, n_blocks, n_tile, lanes)
        for b in range(n_tile):
            trial = first + b
            n = _spiking_inputs(times[trial], spiking[trial])
            n_spiking[trial] = n
            inputs, since_first = spiking[trial, :n], since[trial, :n]
            origins[b], last = _time_since_first(times[trial], inputs, dtype(tau), since_first)
            span = max(span, last)
            if not span <= longest:
                return span
            exponentials = growth[trial, :n]
            for k in range(n):
                exponentials[k] = _exp(since_first[k])
            _sort(since_first, last, sorter, rows[b])
            _prepare(
                since_first, exponentials, inputs, smallest, equal, rows[b], events[b], bounds[b]
            )
            for k in range((n + GROUP - 1) // GROUP * GROUP):
                rows[b, k] *= lanes
        counts = n_spiking[first : first + n_tile]
        _scan(counts, rows, events, bounds, packed, equal, n_pre, n_post, sums)
        for block in range(n_blocks):
            first_sum, second_sum = sums[0, block].reshape(-1), sums[1, block].reshape(-1)
            spike_times = sums[2, block].reshape(-1)
            at = (block * n_trials + first) * lanes
            place = slice(at, at + n_tile * lanes)
            if equal:
                _solve_equal(first_sum, second_sum, spike_times)
                _keep_equal(
                    first_sum, spike_times, dtype(smallest_slope), terms[place], gain[place]
                )
            else:
                _solve_double(first_sum, second_sum, spike_times)
                _keep_double(
                    second_sum, spike_times, dtype(smallest_slope), terms[place], gain[place]
                )
            for b in range(n_tile):
                for lane in range(min(lanes, n_post - block * lanes)):
                    time = sums[2, block, b, lane] * dtype(tau) + origins[b]
                    spikes[first + b, block * lanes + lane] = time
    return span


@kernel
def _spiking_inputs(times, spiking):
    """Indices of the finite times; their number."""
    n = 0
    for i in range(times.size):
        spiking[n] = i
        n += times[i] < np.inf
    return n


@kernel
def _time_since_first(times, inputs, tau, since):
    """Times since the first input in units of τ; that input's time, and the last time since it."""
    if inputs.size == 0:
        return times.dtype.type(0), tau - tau
    first = last = times[inputs[0]]
    for i in inputs:
        first = min(first, times[i])
        last = max(last, times[i])
    for k in range(inputs.size):
        since[k] = (times[inputs[k]] - first) / tau
    return first, (last - first) / tau


@kernel
def _sort(times, last, sorter, order):
    """Indices of the times, ascending: two passes of a radix sort, then insertion."""
    keys, other_keys, indices, other_indices = sorter[0], sorter[1], sorter[2], sorter[3]
    scale = times.dtype.type(65535) / last if last > 0 else times.dtype.type(0)
    counts = np.zeros((2, 256), np.int32)
    n = times.size
    for k in range(n):
        key = np.uint32(times[k] * scale)
        keys[k] = key
        indices[k] = k
        counts[0, key & 255] += 1
        counts[1, key >> 8] += 1
    for digit in range(2):
        position = 0
        for value in range(256):
            count = counts[digit, value]
            counts[digit, value] = position
            position += count
        for k in range(n):
            key = keys[k]
            value = (key >> (8 * digit)) & 255
            position = counts[digit, value]
            counts[digit, value] = position + 1
            other_keys[position] = key
            other_indices[position] = indices[k]
        keys, other_keys = other_keys, keys
        indices, other_indices = other_indices, indices
    for k in range(n):
        i = indices[k]
        t = times[i]
        j = k
        while j > 0 and times[order[j - 1]] > t:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i


@kernel
def _prepare(times, growth, inputs, smallest, equal, order, events, bounds):
    """Quantities of the sorted inputs, and what groups of them are compared with.

    The last group is filled up with inputs without effect. `order` holds places among the inputs
    that spike, and afterwards the inputs themselves.
    """
    n = times.size
    nothing, never = times.dtype.type(0), times.dtype.type(np.inf)
    for k in range(n):
        s, e = times[order[k]], growth[order[k]]
        events[GROWTH, k] = e
        events[SECOND, k] = s * e if equal else e * e
        events[REACH, k] = s if equal else e
        events[LEVEL, k] = e if equal else e * e
        order[k] = inputs[order[k]]
    for k in range(n - 1):
        events[NEXT, k] = events[REACH, k + 1]
        events[SURE, k] = events[LEVEL, k + 1]
        events[NEAR, k] = _bound(_still(events, k, k + 1, equal), nothing) * events[SURE, k]
    n_groups = (n + GROUP - 1) // GROUP
    for k in range(n, n_groups * GROUP):
        order[k] = 0
        events[GROWTH, k] = 0
        events[SECOND, k] = 0
        events[PULL, k] = 0
    for k in range(max(n - 1, 0), n_groups * GROUP):
        events[NEXT, k] = 0
        events[SURE, k] = never
        events[NEAR, k] = never
    for group in range(n_groups):
        start = group * GROUP
        stop = min(start + GROUP, n - 1)
        reach, level = events[REACH, stop], events[LEVEL, stop]
        inhibition = nothing
        for k in range(start, min(start + GROUP, n)):
            events[PULL, k] = events[GROWTH, k] * (reach - events[REACH, k])
            inhibition += smallest[order[k]] * events[PULL, k]
        still = _still(events, start, stop, equal)
        bounds[NEAR_GROUP, group] = _bound(still, inhibition / level) * level
        bounds[NEAR_EXCITED, group] = _bound(still, nothing) * level
        bounds[SURE_GROUP, group] = level
        bounds[REACH_GROUP, group] = reach


@kernel
def _bound(still, inhibition):
    """Least membrane of a neuron that may have crossed threshold, less some rounding errors.

    After a pause so long that the membrane is lost among the rounding errors, all may have.
    """
    if still < 0.5:
        return -np.inf
    return still + inhibition - ROUNDING


@kernel
def _still(events, k, later, equal):
    """Least membrane at the later input of a neuron that rose through threshold after input k."""
    decay = events[GROWTH, k] / events[GROWTH, later]
    if equal:
        return (1 + events[REACH, later] - events[REACH, k]) * decay
    return decay * (2 - decay)


@kernel
def _scan(n_events, rows, events, bounds, packed, equal, n_pre, n_post, sums):
    """Causal sums of every trial and neuron at its threshold crossing.

    sums holds A, B and, of a neuron that has not crossed threshold by the last input, the reach r
    of that input, else -1; each as (block, trial, lane).
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_blocks = packed.size // (n_pre * lanes)
    everything, plane = sums.reshape(-1), sums.size // 3
    nothing = packed.dtype.type(0)
    states = np.empty((rows.shape[1] // GROUP + 1) * 2 * lanes, packed.dtype)
    suspects = np.empty((rows.shape[1] // GROUP, 2), np.int64)
    found = np.full((3, GROUP + 1), -1, packed.dtype)
    for block in range(n_blocks):
        weights_of_block = packed[block * n_pre * lanes : (block + 1) * n_pre * lanes]
        neurons = (1 << min(lanes, n_post - block * lanes)) - 1
        for b in range(len(n_events)):
            silent = neurons
            first, second = spread(nothing), spread(nothing)
            row, growth, growth_second = rows[b], events[b, GROWTH], events[b, SECOND]
            near, sure = bounds[b, NEAR_GROUP], bounds[b, SURE_GROUP]
            reach = bounds[b, REACH_GROUP]
            n_suspect = 0
            for group in range((n_events[b] + GROUP - 1) // GROUP):
                store(states, 2 * lanes * n_suspect, first)
                store(states, 2 * lanes * n_suspect + lanes, second)
                for k in range(group * GROUP, (group + 1) * GROUP):
                    weights = load(weights_of_block, item(row, k))
                    first = fused(spread_from(growth, k), weights, first)
                    second = fused(spread_from(growth_second, k), weights, second)
                membrane = fused_difference(spread_from(reach, group), first, second)
                possibly = at_least(membrane, spread_from(near, group)) & silent
                silent &= ~at_least(membrane, spread_from(sure, group))
                suspects[n_suspect, 0] = group
                suspects[n_suspect, 1] = possibly
                n_suspect += possibly != 0
                if silent == 0:
                    break
            at = (block * len(n_events) + b) * lanes
            store(everything, at, first)
            store(everything, at + plane, second)
            last = events[b, REACH, n_events[b] - 1] if n_events[b] > 0 else nothing
            store(everything, at + 2 * plane, spread(last))
            _locate(
                suspects[:n_suspect],
                states,
                row,
                events[b].reshape(-1),
                bounds[b],
                weights_of_block,
                equal,
                found,
                everything,
                plane,
                at,
            )


@kernel
def _locate(suspects, states, rows, events, bounds, packed, equal, found, sums, plane, column):
    """Find where in the groups of inputs with suspects these neurons cross threshold.

    Most suspects did not, and are told apart by what would be their membrane without the group's
    inhibition. For the others the lanes are the inputs of a group, and the running totals a
    neuron's sums after each. From the last group to the first, so that a neuron's first crossing
    is the one that stays. `found` is scratch for the sums and -1.
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n = rows.size
    firsts, seconds, lasts = found[0], found[1], found[2]
    for entry in range(len(suspects) - 1, -1, -1):
        group, possibly = suspects[entry, 0], suspects[entry, 1]
        start = group * GROUP
        first, second = load(states, 2 * lanes * entry), load(states, 2 * lanes * entry + lanes)
        excited = fused_difference(spread(bounds[REACH_GROUP, group]), first, second)
        for k in range(start, start + GROUP):
            weights = load(packed, item(rows, k))
            pull = spread_from(events, PULL * n + k)
            excited = fused(pull, where_positive(weights, weights), excited)
        possibly &= at_least(excited, spread(bounds[NEAR_EXCITED, group]))
        growth = load_group(events, GROWTH * n + start)
        growth_second = load_group(events, SECOND * n + start)
        reach = load_group(events, NEXT * n + start)
        near = load_group(events, NEAR * n + start)
        sure = load_group(events, SURE * n + start)
        while possibly != 0:
            lane = lowest_bit(possibly)
            possibly &= possibly - 1
            x = item(states, 2 * lanes * entry + lane)
            y = item(states, 2 * lanes * entry + lanes + lane)
            of_neuron = gather_group(packed, rows, start, lane)
            sum_first = spread_group(x) + running_total(growth * of_neuron)
            sum_second = spread_group(y) + running_total(growth_second * of_neuron)
            membrane = fused_difference(reach, sum_first, sum_second)
            crossed = at_least(membrane, sure)
            # Inputs with a possible peak before the first sure crossing: -1 where there is none.
            before = (crossed & -crossed) - 1
            if at_least(membrane, near) & ~crossed & before:
                peaks, x, y = _locate_peak(x, y, lane, start, rows, events, packed, equal)
                store(firsts, 0, spread_group(x))
                store(seconds, 0, spread_group(y))
                crossed = np.int64(peaks)
            else:
                store(firsts, 0, sum_first)
                store(seconds, 0, sum_second)
            # Without a branch, which nothing could predict: the ninth place is for no crossing.
            place = lowest_bit(crossed | (1 << GROUP))
            at = column + lane
            put(firsts, GROUP, item(sums, at))
            put(sums, at, item(firsts, place))
            at += plane
            put(seconds, GROUP, item(sums, at))
            put(sums, at, item(seconds, place))
            at += plane
            put(lasts, GROUP, item(sums, at))
            put(sums, at, item(lasts, place))


@kernel
def _locate_peak(x, y, lane, start, rows, events, packed, equal):
    """As `_locate` for one neuron that may peak above threshold between two inputs."""
    n = rows.size
    for k in range(start, start + GROUP):
        weight = packed[rows[k] + lane]
        x += events[GROWTH * n + k] * weight
        y += events[SECOND * n + k] * weight
        if events[SURE * n + k] == np.inf:
            break
        after = events[NEXT * n + k] * x - y
        crosses = after >= events[SURE * n + k]
        if not crosses:
            before = events[REACH * n + k] * x - y
            rate = x if equal else y
            if rate > before and rate < after and x > 0:
                crosses = math.log(x) >= 1 + y / x if equal else x * x >= 4 * y
        if crosses:
            return True, x, y
    return False, x, y


@kernel
def _solve_equal(first, second, times):
    """Times of the crossings for τ_m = τ_s, inf where there is none.

    `times` holds the time of the last input, or -1 after a crossing.
    """
    one = first.dtype.type(1)
    for o in range(first.size):
        last = times[o]
        safe = first[o] if first[o] > 0 else one
        peak = one + second[o] / safe
        inverse = _exp(peak) / safe
        spikes = (first[o] > 0) & (peak > last) & ((last < 0) | (inverse <= one))
        spike = peak - _crossing_before_peak(inverse if inverse < one else one)
        times[o] = spike if spikes else np.inf


@kernel
def _solve_double(first, second, times):
    """As `_solve_equal` for τ_m = 2 τ_s; `times` holds the exponential of the last input's time."""
    one, two, four = first.dtype.type(1), first.dtype.type(2), first.dtype.type(4)
    for o in range(first.size):
        last = times[o]
        safe = second[o] if second[o] > 0 else one
        square = first[o] * first[o] - four * safe
        rises = (two * second[o] > first[o] * last) & (square >= 0)
        spikes = (first[o] > 0) & (second[o] > 0) & ((last < 0) | rises)
        root = np.sqrt(square if square > 0 else one - one)
        times[o] = np.log(two * safe / (first[o] + root)) if spikes else np.inf


@kernel
def _keep_equal(first, times, smallest_slope, terms, gain):
    """terms and gain (see `Causes`) from A and T; V'(T) = A e^-T - 1."""
    zero, one = first.dtype.type(0), first.dtype.type(1)
    for o in range(first.size):
        spikes = times[o] < np.inf
        decay = _exp(-times[o] if spikes else zero)
        slope = first[o] * decay - one
        gain[o] = decay / (slope if slope > smallest_slope else smallest_slope) if spikes else zero
        terms[o] = times[o] if spikes else -one


@kernel
def _keep_double(second, times, smallest_slope, terms, gain):
    """terms and gain (see `Causes`) from B and T; V'(T) = B e^-2T - 1."""
    zero, one, two = second.dtype.type(0), second.dtype.type(1), second.dtype.type(2)
    for o in range(second.size):
        spikes = times[o] < np.inf
        decay = _exp(-times[o] if spikes else zero)
        slope = second[o] * decay * decay - one
        gain[o] = decay / (slope if slope > smallest_slope else smallest_slope) if spikes else zero
        terms[o] = decay if spikes else two


@kernel
def _share_gradient(grad, terms, gain, equal, share, latest):
    """Gain times gradient; by block and trial the last spike (its exponential) that has one."""
    lanes = LANES_FLOAT32 if gain.itemsize == 4 else LANES_FLOAT64
    n_blocks, n_trials = latest.shape
    n_post = grad.size // n_trials
    dtype = gain.dtype.type
    partial = np.zeros(lanes, gain.dtype)
    sign, never = spread(dtype(1 if equal else -1)), spread(dtype(-np.inf))
    for block in range(n_blocks):
        width = min(lanes, n_post - block * lanes)
        for b in range(n_trials):
            at, here = b * n_post + block * lanes, (block * n_trials + b) * lanes
            if width == lanes:
                arriving = load(grad, at)
            else:
                for lane in range(width):
                    partial[lane] = grad[at + lane]
                arriving = load(partial, 0)
            factor = load(gain, here)
            shared = where_positive(factor, factor * arriving)
            store(share, here, shared)
            # A spike without a gradient asks for nothing of its inputs.
            last = largest(where_nonzero(shared, sign * load(terms, here), never))
            latest[block, b] = last if equal else dtype(-1) / last


@kernel
def _backward_inputs(
    start,
    stop,
    n_spiking,
    spiking,
    since,
    growth,
    packed,
    terms,
    share,
    latest,
    equal,
    scale,
    grad_times,
    grad_weights,
):
    """Gradients with respect to the times and weights of the inputs [start, stop).

    Tiles of trials and inputs keep what the innermost loop reads in the fastest cache.
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_trials, n_pre = since.shape
    n_post = grad_weights.size // n_pre
    n_blocks = len(latest)
    want_times = grad_times.size > 0
    n_causal = np.empty(stop - start, np.int64)
    trials = np.empty((stop - start) * TILE_TRIALS, np.int64)
    since_causal, growth_causal = np.empty((2, trials.size), packed.dtype)
    products = np.empty(TILE_INPUTS * TILE_TRIALS * GROUP, packed.dtype)
    partial = np.zeros(lanes, packed.dtype)
    for tile in range(0, n_trials, TILE_TRIALS):
        stop_tile = min(tile + TILE_TRIALS, n_trials)
        factor = spread(packed.dtype.type(scale if stop_tile == n_trials else 1))
        _causal_trials(
            start,
            tile,
            stop_tile,
            n_spiking,
            spiking,
            since,
            growth,
            latest,
            equal,
            n_causal,
            trials,
            since_causal,
            growth_causal,
        )
        for first in range(start, stop, TILE_INPUTS):
            last = min(first + TILE_INPUTS, stop)
            if want_times:
                products[:] = 0
            for block in range(n_blocks):
                width = min(lanes, n_post - block * lanes)
                whole = width == lanes
                part = slice(block * n_trials * lanes, (block + 1) * n_trials * lanes)
                terms_of_block, share_of_block = terms[part], share[part]
                latest_of_block = latest[block]
                for i in range(first, last):
                    at = i * n_post + block * lanes
                    gradient = spread(packed.dtype.type(0))
                    if tile > 0:
                        if not whole:
                            partial[:width] = grad_weights[at : at + width]
                        gradient = load(grad_weights, at) if whole else load(partial, 0)
                    gradient = factor * _pull(
                        (i - start) * TILE_TRIALS,
                        n_causal[i - start],
                        trials,
                        since_causal,
                        growth_causal,
                        latest_of_block,
                        load(packed, (block * n_pre + i) * lanes),
                        terms_of_block,
                        share_of_block,
                        equal,
                        want_times,
                        products,
                        (i - first) * TILE_TRIALS * GROUP,
                        gradient,
                    )
                    if whole:
                        store(grad_weights, at, gradient)
                    else:
                        store(partial, 0, gradient)
                        for lane in range(width):
                            grad_weights[at + lane] = partial[lane]
            if want_times:
                for i in range(first, last):
                    entry = (i - start) * TILE_TRIALS
                    for k in range(n_causal[i - start]):
                        at = ((i - first) * TILE_TRIALS + k) * GROUP
                        product = total(load_group(products, at))
                        grad_times[trials[entry + k] * n_pre + i] = (
                            growth_causal[entry + k] * product
                        )


@kernel
def _causal_trials(
    start,
    first,
    last,
    n_spiking,
    spiking,
    since,
    growth,
    latest,
    equal,
    n_causal,
    trials,
    since_causal,
    growth_causal,
):
    """For each input the trials in [first, last) in which a spike with a gradient follows it.

    With the input's times in them, and their exponentials.
    """
    n_blocks = len(latest)
    n_causal[:] = 0
    for b in range(first, last):
        latest_of_trial = latest[0, b]
        for block in range(1, n_blocks):
            latest_of_trial = max(latest_of_trial, latest[block, b])
        inputs, times, exponentials = spiking[b], since[b], growth[b]
        reaches = times if equal else exponentials
        for k in range(np.searchsorted(inputs[: n_spiking[b]], start), n_spiking[b]):
            i = inputs[k] - start
            if i >= n_causal.size:
                break
            entry = i * TILE_TRIALS + n_causal[i]
            trials[entry] = b
            since_causal[entry] = times[k]
            growth_causal[entry] = exponentials[k]
            n_causal[i] += reaches[k] < latest_of_trial


@kernel
def _pull(
    entry,
    n,
    trials,
    since,
    growth,
    latest,
    weights,
    terms,
    share,
    equal,
    want_times,
    products,
    place,
    gradient,
):
    """Add up the effects of one input on one block of neurons over n trials, from an entry on.

    With d = T - t, or 1 - e^(t - T) for τ_m = 2 τ_s, the response and its derivative are
    k = e^(t - T) d and k' = e^(t - T) (1 - d) or e^(t - T) (1 - 2 d).
    """
    lanes = LANES_FLOAT32 if terms.itemsize == 4 else LANES_FLOAT64
    one = spread(terms.dtype.type(1))
    reaches = since if equal else growth
    for k in range(entry, entry + n):
        b = item(trials, k)
        if item(latest, b) > item(reaches, k):
            if equal:
                d = load(terms, b * lanes) - spread_from(since, k)
            else:
                d = one - spread_from(growth, k) * load(terms, b * lanes)
            causal_share = where_positive(d, load(share, b * lanes))
            value = d * causal_share
            gradient = fused(spread_from(growth, k), value, gradient)
            if want_times:
                slope = causal_share - value
                if not equal:
                    slope = slope - value
                at = place + (k - entry) * GROUP
                store(products, at, load_group(products, at) + folded_product(weights, slope))
    return gradient


def _exp(x):
    """e^x, in float32 by a polynomial that compilers turn into vector instructions."""
    raise NotImplementedError("compiled only")


@overload(_exp)
def _exp_of_dtype(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def exp(x):
        x = x if x > np.float32(-87) else np.float32(-87)
        x = x if x < np.float32(88) else np.float32(88)
        n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
        r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1 / 5040)
        for coefficient in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
            p = p * r + np.float32(coefficient)
        return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)

    return exp


def _crossing_before_peak(inverse):
    """Time h from the crossing to the peak, h + ln(1 - h) = ln(inverse), inverse = 1 / V_peak.

    h is analytic in p = √(2 (1 - inverse)) on all of [0, √2], and so close to a polynomial.
    """
    raise NotImplementedError("compiled only")


@overload(_crossing_before_peak)
def _crossing_before_peak_of_dtype(inverse):
    if inverse == types.float32:

        def crossing(inverse):
            p = np.sqrt(np.float32(2) * (np.float32(1) - inverse))
            h = np.float32(SERIES[-1])
            for coefficient in SERIES[-2::-1]:
                h = h * p + np.float32(coefficient)
            return h * p
    else:

        def crossing(inverse):
            p = np.sqrt(2 * (1 - inverse))
            y = SERIES[-1]
            for coefficient in SERIES[-2::-1]:
                y = y * p + coefficient
            # Two steps of Halley's method for y = 1 - h; y e^-y = inverse / e, so y > inverse / e.
            y = max(1 - y * p, inverse / math.e)
            for _ in range(2):
                h = 1 - y
                if h <= 0 or inverse <= 0:
                    break
                newton = y * (h + math.log(y / inverse)) / h
                y -= newton / (1 + newton / (2 * y * h))
            return 1 - y

    return crossing
