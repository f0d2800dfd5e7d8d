"""First spike times on processors, compiled by Numba."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from numba import njit
from torch import Tensor

from ephys_snn.kernels import reference

from ephys_snn.kernels.simd import (
    LANES_FLOAT32,
    LANES_FLOAT64,
    at_least,
    fused,
    load,
    lowest_bit,
    spread,
    store,
    total,
    where_positive,
)

GROUP = 8

compiled = njit(nogil=True, cache=True, error_model="numpy")


@compiled
def sort_events(times, order, scratch):
    """order[b, :n] sorts times[b] (relative, >= 0; finite ones) ; returns n."""
    n_trials, n_pre = times.shape
    counts = np.empty(256, np.int64)
    keys = np.empty(n_pre, np.uint32)
    keys2 = np.empty(n_pre, np.uint32)
    idx = np.empty(n_pre, np.int32)
    idx2 = np.empty(n_pre, np.int32)
    for b in range(n_trials):
        row = times[b]
        n = 0
        largest = row.dtype.type(0)
        for i in range(n_pre):
            t = row[i]
            idx[n] = i
            if t < np.inf:
                n += 1
                largest = max(largest, t)
        scratch[b] = n
        if n == 0:
            continue
        scale = row.dtype.type((2**24 - 1)) / largest if largest > 0 else row.dtype.type(0)
        for k in range(n):
            keys[k] = np.uint32(row[idx[k]] * scale)
        for shift in (0, 8, 16):
            counts[:] = 0
            for k in range(n):
                counts[(keys[k] >> shift) & 255] += 1
            start = 0
            for d in range(256):
                c = counts[d]
                counts[d] = start
                start += c
            for k in range(n):
                d = (keys[k] >> shift) & 255
                position = counts[d]
                counts[d] = position + 1
                keys2[position] = keys[k]
                idx2[position] = idx[k]
            keys, keys2 = keys2, keys
            idx, idx2 = idx2, idx
        for k in range(1, n):
            i = idx[k]
            t = row[i]
            j = k
            while j > 0 and row[idx[j - 1]] > t:
                idx[j] = idx[j - 1]
                j -= 1
            idx[j] = i
        for k in range(n):
            order[b, k] = idx[k]


@compiled
def scan(
    trials,
    order,
    n_events,
    times,
    on_first,
    on_second,
    reach,
    level,
    packed,
    smallest,
    equal,
    n_post,
    first_sum,
    second_sum,
    crossed,
):
    n_pre = order.shape[1]
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_blocks = packed.size // (n_pre * lanes)
    one = packed.dtype.type(1)
    before = np.empty(2 * lanes, packed.dtype)
    limits = np.empty((order.shape[0], n_pre // GROUP + 1), packed.dtype)
    for b in range(trials[0], trials[1]):
        n = n_events[b]
        for start in range(0, n, GROUP):
            stop = min(start + GROUP, n)
            until = times[b, min(stop, n - 1)]
            span = math.exp(times[b, start] - until)
            if equal:
                bound = (one + until - times[b, start]) * span
            else:
                bound = span * (2 * one - span)
            for k in range(start, stop):
                since = until - times[b, k]
                decay = math.exp(-since)
                response = since * decay if equal else decay - decay * decay
                bound += smallest[order[b, k]] * response
            limits[b, start // GROUP] = bound * level[b, min(stop, n - 1)]
    for block in range(n_blocks):
        base = block * n_pre * lanes
        n_alive = min(lanes, n_post - block * lanes)
        for b in range(trials[0], trials[1]):
            n = n_events[b]
            alive = (1 << n_alive) - 1
            first = spread(packed.dtype.type(0))
            second = spread(packed.dtype.type(0))
            out = b * n_blocks * lanes + block * lanes
            for start in range(0, n, GROUP):
                stop = min(start + GROUP, n)
                store(before, 0, first)
                store(before, lanes, second)
                for k in range(start, stop):
                    weights = load(packed, base + order[b, k] * lanes)
                    first = fused(spread(on_first[b, k]), weights, first)
                    second = fused(spread(on_second[b, k]), weights, second)
                at = min(stop, n - 1)
                membrane = fused(spread(reach[b, at]), first, spread(packed.dtype.type(0)) - second)
                suspects = at_least(membrane, spread(limits[b, start // GROUP])) & alive
                while suspects != 0:
                    lane = lowest_bit(suspects)
                    suspects &= suspects - 1
                    x = before[lane]
                    y = before[lanes + lane]
                    for k in range(start, min(stop, n - 1)):
                        w = packed[base + order[b, k] * lanes + lane]
                        x += on_first[b, k] * w
                        y += on_second[b, k] * w
                        if times[b, k + 1] == times[b, k]:
                            continue
                        v = reach[b, k + 1] * x - y
                        crosses = v >= level[b, k + 1]
                        if not crosses:
                            if equal:
                                rose = x > reach[b, k] * x - y
                                falls = x < v
                                crosses = rose and falls and x > 0 and math.log(x) >= one + y / x
                            else:
                                rose = y > reach[b, k] * x - y
                                falls = y < v
                                crosses = rose and falls and x > 0 and x * x >= 4 * y
                        if crosses:
                            first_sum[out + lane] = x
                            second_sum[out + lane] = y
                            crossed[out + lane] = 1
                            alive &= ~(1 << lane)
                            break
                if alive == 0:
                    break
            store(before, 0, first)
            store(before, lanes, second)
            while alive != 0:
                lane = lowest_bit(alive)
                alive &= alive - 1
                first_sum[out + lane] = before[lane]
                second_sum[out + lane] = before[lanes + lane]
                crossed[out + lane] = 0


@compiled
def solve(
    trials, n_events, times, equal, n_post, width, first_sum, second_sum, crossed, spikes, slope
):
    for b in range(trials[0], trials[1]):
        last = times[b, n_events[b] - 1] if n_events[b] > 0 else np.inf
        for o in range(n_post):
            x = np.float64(first_sum[b * width + o])
            y = np.float64(second_sum[b * width + o])
            spike = np.inf
            steep = 1.0
            certain = crossed[b * width + o] != 0
            if x > 0:
                if equal:
                    peak = 1 + y / x
                    q = math.log(x) - peak
                    if certain or (q >= 0 and peak > last):
                        q = max(q, 0.0)
                        h = before_peak(q)
                        spike = peak - h
                        steep = h / (1 - h)
                elif y > 0:
                    square = x * x - 4 * y
                    if certain or (square >= 0 and 2 * y > x * math.exp(last)):
                        root = math.sqrt(max(square, 0.0))
                        u = (x + root) / (2 * y)
                        spike = -math.log(u)
                        steep = u * root
            spikes[b, o] = spike
            slope[b, o] = steep


@compiled
def before_peak(q):
    p = math.sqrt(-2 * math.expm1(-q))
    if q < 0.7:
        h = p * (1 - p * (1 / 3 - p * (11 / 72 - p * (43 / 540 - p * 769 / 17280))))
    else:
        limit = math.exp(-1 - q)
        h = 1 - limit * (1 + limit)
    if h == 0:
        return h
    for _ in range(3):
        if h > 1 - 1e-15:
            h = 1 - 1e-15
        y = 1 - h
        newton = y * (h + math.log1p(-h) + q) / h
        h += newton / (1 + newton / (2 * y * h))
    return min(max(h, 0.0), 1.0)


@compiled
def gradient(
    rows,
    times,
    latest,
    slope_on_spike,
    offset,
    coefficient,
    spike_terms,
    scaled,
    curvature,
    packed,
    want_times,
    grad_times,
    grad_weights,
):
    n_trials = times.shape[1]
    n_pre = grad_times.shape[0]
    lanes = LANES_FLOAT32 if packed.itemsize == 4 else LANES_FLOAT64
    n_blocks = packed.size // (n_pre * lanes)
    minus_curvature = spread(packed.dtype.type(-curvature))
    for i in range(rows[0], rows[1]):
        for block in range(n_blocks):
            weights = load(packed, (block * n_pre + i) * lanes)
            grad = spread(packed.dtype.type(0))
            for b in range(n_trials):
                if times[i, b] < latest[block, b]:
                    at = (block * n_trials + b) * lanes
                    since = fused(
                        spread(slope_on_spike[i, b]), load(spike_terms, at), spread(offset[i, b])
                    )
                    share = where_positive(since, load(scaled, at))
                    value = since * share
                    grad = fused(spread(coefficient[i, b]), value, grad)
                    if want_times:
                        grad_times[i, b] += coefficient[i, b] * total(
                            weights * fused(minus_curvature, value, share)
                        )
            store(grad_weights, (i * n_blocks + block) * lanes, grad)


LONGEST_FLOAT32, LONGEST_FLOAT64 = 10.0, 300.0
"""Longest span of input times in units of τ_m that a kernel computes with exponentials relative to
the first input: in float32 to lose no more than a digit, in float64 not to overflow."""


def forward(times: Tensor, weights: Tensor, equal: bool):
    times, weights = times.detach(), weights.detach()
    finite = torch.isfinite(times)
    start = torch.where(finite, times, torch.inf).amin(dim=1, keepdim=True) if times.numel() else 0
    since_start = times - torch.where(torch.isfinite(start), start, 0) if times.numel() else times
    span = float(torch.where(finite, since_start, 0).max()) if times.numel() else 0.0
    n_trials, n_pre = times.shape
    n_post = weights.shape[1]
    if times.dtype == torch.float32 and LONGEST_FLOAT32 < span < LONGEST_FLOAT64:
        spikes, saved = forward(times.double(), weights.double(), equal)
        return spikes.float(), saved
    if times.numel() == 0 or n_post == 0 or span > LONGEST_FLOAT64:
        return reference.forward(times, weights, equal)
    lanes = LANES_FLOAT32 if times.dtype == torch.float32 else LANES_FLOAT64
    n_blocks = -(-n_post // lanes)
    packed = (
        torch.nn.functional.pad(weights, (0, n_blocks * lanes - n_post))
        .reshape(n_pre, n_blocks, lanes)
        .transpose(0, 1)
        .contiguous()
    )
    smallest = weights.amin(dim=1).clamp(max=0)
    growth = torch.exp(since_start)
    order = np.zeros((n_trials, n_pre), np.int32)
    n_events = np.zeros(n_trials, np.int64)
    dtype = packed.numpy().dtype
    first_sum, second_sum = np.zeros((2, n_trials * n_blocks * lanes), dtype)
    crossed = np.zeros(n_trials * n_blocks * lanes, np.uint8)
    spikes, slope = np.empty((2, n_trials, n_post), dtype)
    relative = since_start.numpy()
    _in_parallel(
        trials_forward,
        n_trials,
        relative,
        growth.numpy(),
        packed.numpy().ravel(),
        smallest.numpy(),
        equal,
        n_post,
        order,
        n_events,
        first_sum,
        second_sum,
        crossed,
        spikes,
        slope,
    )
    spikes = torch.from_numpy(spikes)
    saved = since_start, growth, packed, spikes, torch.from_numpy(slope), equal
    return spikes + start, saved


def backward(saved, grad_spikes: Tensor, want_times: bool):
    if len(saved) == 4:
        return reference.backward(saved, grad_spikes, want_times)
    since_start, growth, packed, spikes, slope, equal = saved
    dtype = grad_spikes.dtype
    grad_spikes = grad_spikes.to(packed.dtype)
    n_blocks, n_pre, lanes = packed.shape
    n_trials, n_post = spikes.shape
    spiked = torch.isfinite(spikes)
    decay = torch.exp(-spikes)
    scaled = torch.where(spiked, grad_spikes, 0) * decay / slope.clamp(min=reference.SMALLEST_SLOPE)
    width = n_blocks * lanes

    def pack(values, padding):
        padded = torch.nn.functional.pad(values, (0, width - n_post), value=padding)
        return padded.reshape(n_trials, n_blocks, lanes).transpose(0, 1).contiguous()

    latest = pack(torch.where(spiked, spikes, -1), -1.0).amax(dim=2).contiguous()
    scaled = pack(scaled, 0.0)
    times_by_input, growth_by_input = since_start.T.contiguous(), growth.T.contiguous()
    if equal:
        spike_terms = pack(torch.where(spiked, spikes, -1), -1.0)
        factor, offset = torch.ones_like(times_by_input), -times_by_input
    else:
        spike_terms = pack(torch.where(spiked, decay, 2), 2.0)
        factor, offset = -growth_by_input, torch.ones_like(times_by_input)
    grad_times = torch.zeros((n_pre, n_trials), dtype=packed.dtype)
    grad_weights = torch.zeros((n_pre, width), dtype=packed.dtype)
    _in_parallel(
        gradient,
        n_pre,
        times_by_input.numpy(),
        latest.numpy(),
        factor.numpy(),
        offset.numpy(),
        growth_by_input.numpy(),
        spike_terms.numpy().ravel(),
        scaled.numpy().ravel(),
        1.0 if equal else 2.0,
        packed.numpy().ravel(),
        want_times,
        grad_times.numpy(),
        grad_weights.numpy().ravel(),
    )
    return grad_times.T.to(dtype), -grad_weights[:, :n_post].to(dtype)


def _in_parallel(kernel, n_items, *arguments):
    """Call kernel((start, stop), ...) on as many parts of the items as PyTorch uses threads."""
    n_parts = max(1, min(torch.get_num_threads(), n_items))
    bounds = [n_items * part // n_parts for part in range(n_parts + 1)]
    parts = list(zip(bounds[:-1], bounds[1:], strict=True))
    others = [_workers(os.getpid()).submit(kernel, part, *arguments) for part in parts[1:]]
    kernel(parts[0], *arguments)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _workers(process):
    return ThreadPoolExecutor(max_workers=os.cpu_count())


@compiled
def trials_forward(
    trials,
    times,
    growth,
    packed,
    smallest,
    equal,
    n_post,
    order,
    n_events,
    first_sum,
    second_sum,
    crossed,
    spikes,
    slope,
):
    lo, hi = trials
    sort_events(times[lo:hi], order[lo:hi], n_events[lo:hi])
    n_pre = times.shape[1]
    s = np.empty((hi - lo, n_pre), times.dtype)
    e = np.empty((hi - lo, n_pre), times.dtype)
    f = np.empty((hi - lo, n_pre), times.dtype)
    for b in range(lo, hi):
        for k in range(n_events[b]):
            i = order[b, k]
            s[b - lo, k] = times[b, i]
            e[b - lo, k] = growth[b, i]
            f[b - lo, k] = growth[b, i] * (times[b, i] if equal else growth[b, i])
    width = first_sum.size // times.shape[0]
    part = slice(lo * width, hi * width)
    reach, level = (s, e) if equal else (e, f)
    scan(
        (0, hi - lo),
        order[lo:hi],
        n_events[lo:hi],
        s,
        e,
        f,
        reach,
        level,
        packed,
        smallest,
        equal,
        n_post,
        first_sum[part],
        second_sum[part],
        crossed[part],
    )
    solve(
        (0, hi - lo),
        n_events[lo:hi],
        s,
        equal,
        n_post,
        width,
        first_sum[part],
        second_sum[part],
        crossed[part],
        spikes[lo:hi],
        slope[lo:hi],
    )
