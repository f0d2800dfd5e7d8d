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
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from torch import Tensor

from ephys_snn.kernels import reference
from ephys_snn.kernels.simd import (
    GROUP,
    LANES_FLOAT32,
    LANES_FLOAT64,
    at_least,
    folded_product,
    fused,
    fused_difference,
    gather_group,
    item,
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
    where_positive,
)
from ephys_snn.lif import LIF

LONGEST = {np.float32: 10.0, np.float64: 300.0}
"""Longest span of the input times of a trial in τ_m for sums relative to its first input: e^t must
neither overflow nor cost digits. Longer float32 trials are computed in float64, longer float64 ones
by the reference."""

GROWTH, SECOND, REACH, LEVEL, NEXT, NEAR, SURE, N_QUANTITIES = range(8)
"""Quantities of a sorted input: the factors of its weight in A and B, r and l at its time; r at the
time of the next input and there the bound and the level that tell of a crossing in between."""

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

PATIENCE = 1.0
"""Seconds after which a first call says what it is doing."""

_compiled = set()


class Causes(NamedTuple):
    """What `backward` needs of a `forward` pass."""

    lif: LIF
    packed: np.ndarray  # (block, pre, lane) weights in units of θ
    since: np.ndarray  # (pre, trial) input times, padded by inf
    growth: np.ndarray  # (pre, trial) their exponentials
    terms: np.ndarray  # (block, trial, lane) T, or e^-T for τ_m = 2 τ_s
    gain: np.ndarray  # (block, trial, lane) e^-T / V'(T), 0 where silent
    shape: tuple  # of the spike times


def forward(times: Tensor, weights: Tensor, lif: LIF):
    """First spike times, and what the gradient needs.

    Parameters
    ----------
    times : Tensor, shape (trial, pre)
        Input spike times in ms, ``inf`` where silent.
    weights : Tensor, shape (pre, post)
        Weights, of the same dtype.
    lif : LIF
        Neuron parameters.

    Returns
    -------
    Tensor, shape (trial, post)
        Spike times in ms, ``inf`` where silent.
    Causes
        For `backward`.
    """
    n_trials, n_pre, n_post = *times.shape, weights.shape[1]
    if 0 in (n_trials, n_pre, n_post):
        return reference.forward(times, weights, lif)
    dtype = np.float32 if times.dtype == torch.float32 else np.float64
    lanes, longest = lanes_of(dtype), LONGEST[dtype]
    n_blocks = -(-n_post // lanes)
    packed, smallest = np.empty((n_blocks, n_pre, lanes), dtype), np.empty(n_pre, dtype)
    padded = -(-n_trials // lanes) * lanes
    since, growth = np.full((2, n_pre, padded), np.inf, dtype)
    terms, gain = np.empty((2, n_blocks, n_trials, lanes), dtype)
    spike_times = np.empty((n_trials, n_post), dtype)
    with _announcing_compilation(dtype):
        _pack(weights.detach().contiguous().numpy(), lif.threshold, packed, smallest)
        spans = _in_parallel(
            _forward_trials,
            n_trials,
            times.detach().contiguous().numpy(),
            packed.reshape(-1),
            smallest,
            lif.tau_m,
            lif.equal_time_constants,
            longest,
            since,
            growth,
            terms.reshape(-1),
            gain.reshape(-1),
            spike_times,
        )
    if max(spans) <= longest:
        causes = Causes(lif, packed, since, growth, terms, gain, spike_times.shape)
        return torch.from_numpy(spike_times), causes
    if times.dtype == torch.float64:
        return reference.forward(times, weights, lif)
    spikes, causes = forward(times.double(), weights.double(), lif)
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
    lif, packed, since, growth, terms, gain, (n_trials, n_post) = causes
    dtype = packed.dtype
    grad = grad_spike_times.detach().to(getattr(torch, dtype.name)).contiguous().numpy()
    share, latest = np.empty_like(gain), np.empty((len(gain), since.shape[1]), dtype)
    grad_times = np.zeros((len(since), n_trials if want_times else 0), dtype)
    grad_weights = np.empty((len(since), n_post), dtype)
    with _announcing_compilation(dtype):
        _share_gradient(grad, terms, gain, lif.equal_time_constants, share, latest)
        _in_parallel(
            _backward_inputs,
            len(since),
            since,
            growth,
            packed.reshape(-1),
            terms.reshape(-1),
            share.reshape(-1),
            latest,
            lif.equal_time_constants,
            -lif.tau_m / lif.threshold,
            grad_times,
            grad_weights.reshape(-1),
        )
    grad_weights = torch.from_numpy(grad_weights).to(grad_spike_times.dtype)
    if not want_times:
        return None, grad_weights
    return torch.from_numpy(grad_times).T.to(grad_spike_times.dtype), grad_weights


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


@contextmanager
def _announcing_compilation(dtype):
    """Say so where a first call takes its time to compile; the result is cached on disk."""
    announcement = threading.Timer(
        PATIENCE,
        print,
        ("compiling the spike-time kernels, once for this machine …",),
        {"file": sys.stderr, "flush": True},
    )
    announcement.daemon = True
    if dtype not in _compiled:
        announcement.start()
    try:
        yield
    finally:
        announcement.cancel()
    _compiled.add(dtype)


@kernel
def _pack(weights, threshold, packed, smallest):
    """Weights in units of θ in blocks of lanes, padded by 0; the most negative of each input."""
    n_blocks, n_pre, lanes = packed.shape
    n_post = weights.shape[1]
    scale = packed.dtype.type(1 / threshold)
    for i in range(n_pre):
        lowest = packed.dtype.type(0)
        for block in range(n_blocks):
            first = block * lanes
            width = min(lanes, n_post - first)
            for lane in range(width):
                weight = weights[i, first + lane] * scale
                packed[block, i, lane] = weight
                lowest = min(lowest, weight)
            for lane in range(width, lanes):
                packed[block, i, lane] = 0
        smallest[i] = lowest


@kernel
def _forward_trials(
    start, stop, times, packed, smallest, tau, equal, longest, since, growth, terms, gain, spikes
):
    """Spike times of the trials [start, stop); the longest span of their inputs in τ_m."""
    n_trials, n_pre = times.shape
    n_post = spikes.shape[1]
    dtype = packed.dtype.type
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    width = packed.size // n_pre
    n_chunk = stop - start
    n_groups = (n_pre + GROUP - 1) // GROUP
    events = np.empty((n_chunk, N_QUANTITIES, n_groups * GROUP), packed.dtype)
    rows = np.empty((n_chunk, n_groups * GROUP), np.int64)
    bounds = np.empty((n_chunk, 3, n_groups), packed.dtype)
    n_events = np.empty(n_chunk, np.int64)
    origins = np.empty(n_chunk, packed.dtype)
    sums = np.zeros((n_chunk, 3, width), packed.dtype)
    sorter = np.empty((4, n_pre), np.uint32)
    relative, exponentials = np.empty(n_pre, packed.dtype), np.empty(n_pre, packed.dtype)
    span = dtype(0)
    for b in range(n_chunk):
        origin = dtype(np.inf)
        for i in range(n_pre):
            origin = min(origin, times[start + b, i])
        origins[b] = origin
        n = 0
        last = dtype(0)
        for i in range(n_pre):
            t = times[start + b, i]
            s = (t - origin) / dtype(tau) if t < np.inf else dtype(np.inf)
            relative[i] = s
            last = max(last, s) if s < np.inf else last
            n += s < np.inf
        span = max(span, last)
        if not span <= longest:
            return span
        for i in range(n_pre):
            exponentials[i] = _exp(relative[i])
        for i in range(n_pre):
            since[i, start + b] = relative[i]
            growth[i, start + b] = exponentials[i]
        n_events[b] = n
        _sort(relative, n, last, sorter, rows[b])
        _prepare(relative, exponentials, n, smallest, equal, rows[b], events[b], bounds[b])
        for k in range(rows.shape[1]):
            rows[b, k] *= lanes
    _scan(n_events, rows, events, bounds, packed, equal, n_pre, n_post, sums)
    for b in range(n_chunk):
        _solve(sums[b], equal)
        at, stride = (start + b) * lanes, n_trials * lanes
        _keep_for_gradient(sums[b], equal, at, stride, lanes, terms, gain)
        for o in range(n_post):
            spikes[start + b, o] = sums[b, 2, o] * dtype(tau) + origins[b]
    return span


@kernel
def _sort(times, n, last, sorter, order):
    """Indices of the n finite times, ascending: two passes of a radix sort, then insertion."""
    keys, other_keys, indices, other_indices = sorter[0], sorter[1], sorter[2], sorter[3]
    scale = times.dtype.type(65535) / last if last > 0 else times.dtype.type(0)
    counts = np.zeros((2, 256), np.int32)
    k = 0
    for i in range(times.size):
        if times[i] < np.inf:
            key = np.uint32(times[i] * scale)
            keys[k] = key
            indices[k] = i
            counts[0, key & 255] += 1
            counts[1, key >> 8] += 1
            k += 1
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
def _prepare(times, growth, n, smallest, equal, order, events, bounds):
    """Quantities of the sorted inputs, and what groups of them are compared with.

    The last group is filled up with inputs without effect.
    """
    nothing, never = times.dtype.type(0), times.dtype.type(np.inf)
    for k in range(n):
        s, e = times[order[k]], growth[order[k]]
        events[GROWTH, k] = e
        events[SECOND, k] = s * e if equal else e * e
        events[REACH, k] = s if equal else e
        events[LEVEL, k] = e if equal else e * e
    for k in range(n - 1):
        events[NEXT, k] = events[REACH, k + 1]
        events[SURE, k] = events[LEVEL, k + 1]
        events[NEAR, k] = _bound(_still(events, k, k + 1, equal), nothing) * events[SURE, k]
    n_groups = (n + GROUP - 1) // GROUP
    for k in range(n, n_groups * GROUP):
        order[k] = 0
        events[GROWTH, k] = 0
        events[SECOND, k] = 0
    for k in range(max(n - 1, 0), n_groups * GROUP):
        events[NEXT, k] = 0
        events[SURE, k] = never
        events[NEAR, k] = never
    for group in range(n_groups):
        start = group * GROUP
        stop = min(start + GROUP, n - 1)
        inhibition = nothing
        for k in range(start, stop):
            inhibition += smallest[order[k]] * _response(events, k, stop, equal)
        still = _still(events, start, stop, equal)
        bounds[0, group] = events[REACH, stop]
        bounds[1, group] = _bound(still, inhibition) * events[LEVEL, stop]
        bounds[2, group] = events[LEVEL, stop]


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
def _response(events, k, later, equal):
    """Membrane response at the later input to input k."""
    decay = events[GROWTH, k] / events[GROWTH, later]
    if equal:
        return (events[REACH, later] - events[REACH, k]) * decay
    return decay - decay * decay


@kernel
def _scan(n_events, rows, events, bounds, packed, equal, n_pre, n_post, sums):
    """Causal sums of every trial and neuron at its threshold crossing.

    sums[b] holds A, B and, of a neuron that has not crossed threshold by the last input, the reach
    r of that input, else -1.
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_blocks = packed.size // (n_pre * lanes)
    width = n_blocks * lanes
    nothing = packed.dtype.type(0)
    states = np.empty((rows.shape[1] // GROUP + 1) * 2 * lanes, packed.dtype)
    suspects = np.empty((rows.shape[1] // GROUP, 2), np.int64)
    for block in range(n_blocks):
        weights_of_block = packed[block * n_pre * lanes : (block + 1) * n_pre * lanes]
        neurons = (1 << min(lanes, n_post - block * lanes)) - 1
        for b in range(len(n_events)):
            silent = neurons
            first, second = spread(nothing), spread(nothing)
            row, growth, growth_second = rows[b], events[b, GROWTH], events[b, SECOND]
            reach, near, sure = bounds[b, 0], bounds[b, 1], bounds[b, 2]
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
            flat = sums[b].reshape(-1)
            store(flat, block * lanes, first)
            store(flat, width + block * lanes, second)
            last = events[b, REACH, n_events[b] - 1] if n_events[b] > 0 else nothing
            store(flat, 2 * width + block * lanes, spread(last))
            _locate(
                suspects[:n_suspect],
                states,
                row,
                events[b].reshape(-1),
                weights_of_block,
                equal,
                flat,
                width,
                block * lanes,
            )


@kernel
def _locate(suspects, states, rows, events, packed, equal, sums, width, column):
    """Find where in the groups of inputs with suspects these neurons cross threshold.

    The lanes are the inputs of a group here, and the running totals a neuron's sums after each.
    From the last group to the first, so that a neuron's first crossing is the one that stays.
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n = rows.size
    firsts, seconds = np.empty(GROUP + 1, packed.dtype), np.empty(GROUP + 1, packed.dtype)
    lasts = np.full(GROUP + 1, -1, packed.dtype)
    for entry in range(len(suspects) - 1, -1, -1):
        start, possibly = suspects[entry, 0] * GROUP, suspects[entry, 1]
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
            weights = gather_group(packed, rows, start, lane)
            first = spread_group(x) + running_total(growth * weights)
            second = spread_group(y) + running_total(growth_second * weights)
            membrane = fused_difference(reach, first, second)
            crossed = at_least(membrane, sure)
            # Inputs with a possible peak before the first sure crossing: -1 where there is none.
            before = (crossed & -crossed) - 1
            if at_least(membrane, near) & ~crossed & before:
                found, x, y = _locate_peak(x, y, lane, start, rows, events, packed, equal)
                store(firsts, 0, spread_group(x))
                store(seconds, 0, spread_group(y))
                crossed = np.int64(found)
            else:
                store(firsts, 0, first)
                store(seconds, 0, second)
            # Without a branch, which nothing could predict: the ninth place is for no crossing.
            place = lowest_bit(crossed | (1 << GROUP))
            at = column + lane
            put(firsts, GROUP, item(sums, at))
            put(sums, at, item(firsts, place))
            at += width
            put(seconds, GROUP, item(sums, at))
            put(sums, at, item(seconds, place))
            at += width
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
def _solve(sums, equal):
    """Replace the third row of the sums by the times of the crossings, inf where there is none."""
    if equal:
        _solve_equal(sums[0], sums[1], sums[2])
    else:
        _solve_double(sums[0], sums[1], sums[2])


@kernel
def _solve_equal(first, second, times):
    """For τ_m = τ_s; `times` holds the time of the last input, or -1 after a crossing."""
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
    """For τ_m = 2 τ_s; `times` holds the exponential of the last input's time, or -1."""
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
def _keep_for_gradient(sums, equal, at, stride, lanes, terms, gain):
    """terms and gain (see `Causes`) of one trial, from A, B and T."""
    for block in range(sums.shape[1] // lanes):
        part = slice(block * lanes, (block + 1) * lanes)
        place = slice(block * stride + at, block * stride + at + lanes)
        if equal:
            _keep_equal(sums[0, part], sums[2, part], terms[place], gain[place])
        else:
            _keep_double(sums[1, part], sums[2, part], terms[place], gain[place])


@kernel
def _keep_equal(first, times, terms, gain):
    """V'(T) = A e^-T - 1."""
    zero, one = first.dtype.type(0), first.dtype.type(1)
    smallest = first.dtype.type(reference.SMALLEST_SLOPE)
    for o in range(first.size):
        spikes = times[o] < np.inf
        decay = _exp(-times[o] if spikes else zero)
        slope = first[o] * decay - one
        gain[o] = decay / (slope if slope > smallest else smallest) if spikes else zero
        terms[o] = times[o] if spikes else -one


@kernel
def _keep_double(second, times, terms, gain):
    """V'(T) = B e^-2T - 1."""
    zero, one, two = second.dtype.type(0), second.dtype.type(1), second.dtype.type(2)
    smallest = second.dtype.type(reference.SMALLEST_SLOPE)
    for o in range(second.size):
        spikes = times[o] < np.inf
        decay = _exp(-times[o] if spikes else zero)
        slope = second[o] * decay * decay - one
        gain[o] = decay / (slope if slope > smallest else smallest) if spikes else zero
        terms[o] = decay if spikes else two


@kernel
def _share_gradient(grad, terms, gain, equal, share, latest):
    """Gain times gradient; by block and trial the last spike time (its exponential) that has one."""
    n_blocks, n_trials, lanes = gain.shape
    latest[:] = -1
    for block in range(n_blocks):
        first = block * lanes
        for b in range(n_trials):
            for lane in range(min(lanes, grad.shape[1] - first)):
                product = gain[block, b, lane] * grad[b, first + lane]
                share[block, b, lane] = product if gain[block, b, lane] > 0 else 0
            for lane in range(grad.shape[1] - first, lanes):
                share[block, b, lane] = 0
            for lane in range(lanes):
                # A spike without a gradient asks for nothing of its inputs.
                if share[block, b, lane] != 0:
                    term = terms[block, b, lane]
                    latest[block, b] = max(latest[block, b], term if equal else 1 / term)


@kernel
def _backward_inputs(
    start, stop, since, growth, packed, terms, share, latest, equal, scale, grad_times, grad_weights
):
    """Gradients with respect to the times and weights of the inputs [start, stop).

    Tiles of trials and inputs keep what the innermost loop reads in the fastest cache.
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_pre, n_padded = since.shape
    n_post = grad_weights.size // n_pre
    n_blocks = packed.size // (n_pre * lanes)
    n_trials = share.size // (n_blocks * lanes)
    products = np.empty(TILE_INPUTS * TILE_TRIALS * GROUP, packed.dtype)
    gradients = np.zeros(TILE_INPUTS * n_blocks * lanes, packed.dtype)
    for first in range(start, stop, TILE_INPUTS):
        last = min(first + TILE_INPUTS, stop)
        gradients[:] = 0
        for trial in range(0, n_trials, TILE_TRIALS):
            n_tile = min(TILE_TRIALS, n_trials - trial)
            products[:] = 0
            for block in range(n_blocks):
                tile = (block * n_trials + trial) * lanes
                for i in range(first, last):
                    at = i * n_padded + trial
                    _pull(
                        since.reshape(-1)[at : at + n_padded],
                        growth.reshape(-1)[at : at + n_padded],
                        latest[block, trial:],
                        n_tile,
                        packed[(block * n_pre + i) * lanes : (block * n_pre + i + 1) * lanes],
                        terms[tile : tile + n_tile * lanes],
                        share[tile : tile + n_tile * lanes],
                        equal,
                        grad_times.size > 0,
                        products[(i - first) * n_tile * GROUP :],
                        gradients[((i - first) * n_blocks + block) * lanes :],
                    )
            if grad_times.size > 0:
                for i in range(first, last):
                    for b in range(n_tile):
                        product = total(load_group(products, ((i - first) * n_tile + b) * GROUP))
                        if since[i, trial + b] < np.inf:
                            grad_times[i, trial + b] = growth[i, trial + b] * product
        for i in range(first, last):
            for o in range(n_post):
                gradient = gradients[(i - first) * n_blocks * lanes + o]
                grad_weights[i * n_post + o] = gradient * packed.dtype.type(scale)


@kernel
def _pull(
    since, growth, latest, n_trials, packed, terms, share, equal, want_times, products, gradients
):
    """Add up the effects of one input on one block of neurons over some trials.

    With d = T - t, or 1 - e^(t - T) for τ_m = 2 τ_s, the response and its derivative are
    k = e^(t - T) d and k' = e^(t - T) (1 - d) or e^(t - T) (1 - 2 d).
    """
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    one = spread(packed.dtype.type(1))
    weights, gradient = load(packed, 0), load(gradients, 0)
    times = since if equal else growth
    for trial in range(0, n_trials, lanes):
        causal = at_least(load(latest, trial), load(times, trial))
        if trial + lanes > n_trials:
            causal &= (1 << (n_trials - trial)) - 1
        while causal != 0:
            b = trial + lowest_bit(causal)
            causal &= causal - 1
            if equal:
                d = load(terms, b * lanes) - spread_from(since, b)
            else:
                d = one - spread_from(growth, b) * load(terms, b * lanes)
            causal_share = where_positive(d, load(share, b * lanes))
            value = d * causal_share
            gradient = fused(spread_from(growth, b), value, gradient)
            if want_times:
                slope = causal_share - value
                if not equal:
                    slope = slope - value
                product = folded_product(weights, slope)
                store(products, b * GROUP, load_group(products, b * GROUP) + product)
    store(gradients, 0, gradient)


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
