"""First spike times on graphics processors, compiled by Triton.

The sums A and B are those of `scan`, where V ≥ 1 is r A - B ≥ l, and the gradients those of
`gradient`. A program has one trial and a block of neurons, whose A and B it keeps in registers. It
goes through the inputs in the order of their times, several between two decisions, so that many
rows of weights are on their way at once. A neuron crosses threshold between two inputs if it is
above threshold at the later one, or at a peak in between. Peaks take an exponential; they are rare,
so those that might be high enough are only noted, and where there is one the program goes through
these inputs again. It ends when all its neurons have crossed threshold, and solves for the times.

The gradients are sums over trials for the weights and over neurons for the input times, a tile
(input, neuron) or (trial, input) per program. Where there are too few tiles to occupy the
processor, the sums are computed in slices. No two programs write to the same place, so the same
bits come out every time.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ephys_snn.spike_time.kernels.cpu import LONGEST
from ephys_snn.spike_time.kernels.crossing import SERIES

NEURONS, INPUTS = 64, {torch.float32: 16, torch.float64: 8}
"""Neurons of a program of `_scan`, and inputs between two looks whether all have spiked."""

TILE = {torch.float32: 64, torch.float64: 32}
"""Largest side of the tiles of a gradient."""

PROGRAMS, TERMS = 1024, 32
"""Programs that occupy a processor, and terms of a sum that are worth one."""

C0, C1, C2, C3, C4, C5, C6, C7, C8 = (tl.constexpr(c) for c in SERIES)


def forward(times: Tensor, weights: Tensor, equal: bool):
    """Spike times and the slopes of the membrane there, see `ephys_snn.spike_time.kernels`."""
    n_trials, n_pre, n_post = *times.shape, weights.shape[1]
    in_order, order = times.sort(dim=1, stable=True)
    spiking = torch.isfinite(in_order)
    spike_times, slopes = times.new_empty((2, n_trials, n_post))
    neurons = _side(n_post, NEURONS)
    with torch.cuda.device_of(times):
        _scan[n_trials, triton.cdiv(n_post, neurons)](
            in_order, order, spiking.sum(dim=1, dtype=torch.int32), weights, spike_times, slopes,
            n_pre, n_post, equal=equal, single=times.dtype == torch.float32,
            INPUTS=INPUTS[times.dtype], NEURONS=neurons, num_warps=1,
        )
    # Asked only now, so that the processor is busy while the answer is on its way.
    if torch.where(spiking, in_order, 0).amax() <= LONGEST[times.dtype]:
        return spike_times, slopes
    return None


def backward(
    times: Tensor, weights: Tensor, spike_times: Tensor, errors: Tensor,
    equal: bool, want_times: bool,
):
    """Gradients of times and weights, see `ephys_snn.spike_time.kernels`."""
    # The term, T or e^-T, of a silent neuron is one earlier than any input.
    spiked = torch.isfinite(spike_times)
    decay = torch.exp(-spike_times)
    terms = torch.where(spiked, spike_times, -1) if equal else torch.where(spiked, decay, 2)
    pulls = torch.where(spiked, decay * errors, 0)
    with torch.cuda.device_of(times):
        grad_weights = _sum_over_trials(times, terms, pulls, equal).neg_()
        grad_times = _sum_over_neurons(times, weights, terms, pulls, equal) if want_times else None
    return grad_times, grad_weights


def _sum_over_trials(times, terms, pulls, equal):
    """Gradient with respect to the weights, but for the sign."""
    (n_trials, n_pre), n_post = times.shape, terms.shape[1]
    inputs, neurons = _side(n_pre, TILE[times.dtype]), _side(n_post, TILE[times.dtype])
    tiles = triton.cdiv(n_pre, inputs), triton.cdiv(n_post, neurons)
    per_slice, n_slices = _slices(n_trials, tiles)
    slices = times.new_zeros((n_slices, n_pre, n_post))
    _pull_weights[(*tiles, n_slices)](
        times, terms, pulls, slices, n_trials, n_pre, n_post, per_slice,
        equal=equal, INPUTS=inputs, NEURONS=neurons,
    )
    return slices.sum(dim=0)


def _sum_over_neurons(times, weights, terms, pulls, equal):
    """Gradient with respect to the input times."""
    (n_trials, n_pre), n_post = times.shape, terms.shape[1]
    trials, inputs = _side(n_trials, TILE[times.dtype]), _side(n_pre, TILE[times.dtype])
    tiles = triton.cdiv(n_trials, trials), triton.cdiv(n_pre, inputs)
    per_slice, n_slices = _slices(n_post, tiles)
    slices = times.new_empty((n_slices, n_trials, n_pre))
    # Rows of neurons, so that a program reads along the memory.
    weights, terms, pulls = (tensor.T.contiguous() for tensor in (weights, terms, pulls))
    _pull_times[(*tiles, n_slices)](
        times, weights, terms, pulls, slices, n_trials, n_pre, n_post, per_slice,
        equal=equal, TRIALS=trials, INPUTS=inputs,
    )
    return slices.sum(dim=0)


def _side(n, largest):
    """Side of the tiles that cover n."""
    return min(largest, max(16, triton.next_power_of_2(n)))


def _slices(n_terms, tiles):
    """Terms per slice of a sum, and the number of slices, that occupy the processor."""
    wanted = min(triton.cdiv(PROGRAMS, tiles[0] * tiles[1]), triton.cdiv(n_terms, TERMS))
    per_slice = triton.cdiv(n_terms, wanted)
    return per_slice, triton.cdiv(n_terms, per_slice)


@triton.jit
def _scan(
    in_order, order, n_events, weights, spike_times, slopes, n_pre, n_post,
    equal: tl.constexpr, single: tl.constexpr, INPUTS: tl.constexpr, NEURONS: tl.constexpr,
):
    """Spike times of a block of neurons in one trial, and the slopes of the membrane there."""
    trial = tl.program_id(0).to(tl.int64)
    neuron = tl.program_id(1) * NEURONS + tl.arange(0, NEURONS)
    exists = neuron < n_post
    in_order += trial * n_pre
    order += trial * n_pre
    n = tl.load(n_events + trial)
    weights += tl.minimum(neuron, n_post - 1)
    first = tl.zeros([NEURONS], in_order.dtype.element_ty)
    second, silent = first, tl.where(exists, first + 1, 0.0)
    start = n * 0
    while start < n:
        a, b, s, suspects = _accumulate(
            first, second, silent, in_order, order, weights, n_post, start, n,
            equal, not equal, INPUTS,
        )
        if equal:  # noqa: SIM102, known to the compiler
            if tl.max(suspects, 0) > 0:
                a, b, s, suspects = _accumulate(
                    first, second, silent, in_order, order, weights, n_post, start, n,
                    equal, True, INPUTS,
                )
        first, second, silent = a, b, s
        start = tl.where(tl.max(silent, 0) > 0, start + INPUTS, n)
    last = tl.load(in_order + n - 1, n > 0, other=0.0)
    reach = last if equal else tl.exp(last)
    rate = first if equal else second
    peaks = (rate > reach * first - second) & _peak_is_above(first, second, equal)
    spiked = exists & ((silent == 0) | peaks)
    first = tl.where(spiked, first, 1.0)
    second = tl.where(spiked, second, 0.0 if equal else 0.25)
    if equal:
        peak = 1 + second / first
        spike = peak - _crossing_before_peak(tl.exp(peak) / first, single)
        decay = tl.exp(-spike)
        slope = first * decay - 1
    else:
        square = first * first - 4 * second
        root = tl.sqrt(tl.maximum(square, 0.0))
        spike = tl.log(2 * second / (first + root))
        decay = tl.exp(-spike)
        slope = second * decay * decay - 1
    at = trial * n_post + neuron
    tl.store(spike_times + at, tl.where(spiked, spike, float("inf")), exists)
    tl.store(slopes + at, tl.where(spiked, slope, 0.0), exists)


@triton.jit
def _accumulate(
    first, second, silent, in_order, order, weights, n_post, start, n,
    equal: tl.constexpr, precisely: tl.constexpr, INPUTS: tl.constexpr,
):
    """Sums and silence (1 or 0) after the next inputs, and 1 where a peak may be a crossing.

    `precisely`, peaks are looked at closely and do not remain a suspicion. The sums of a neuron
    that has crossed threshold stay as they were then. The last input is followed by others at the
    same time and without effect. Loads have no masks, so that all can be under way at once.
    """
    suspects = silent * 0
    later = tl.load(in_order + start)
    growth_later = tl.exp(later)
    for j in tl.static_range(INPUTS):
        k = start + j
        w = tl.load(weights + tl.load(order + tl.minimum(k, n - 1)) * n_post) * silent
        t, growth = later, growth_later
        later = tl.load(in_order + tl.minimum(k + 1, n - 1))
        growth_later = tl.exp(later)
        reach = t if equal else growth
        reach_later = later if equal else growth_later
        level_later = growth_later if equal else growth_later * growth_later
        effect = tl.where(k < n, growth, 0.0)
        first += w * effect
        second += w * (effect * reach)
        v_later = reach_later * first - second
        rate = first if equal else second
        above = v_later >= level_later
        peaks = (rate > reach * first - second) & (rate < v_later)
        if precisely:
            above = above | (peaks & _peak_is_above(first, second, equal))
        else:
            # V = 1 and V' > 0 take A > e^t.
            suspects = tl.where(peaks & (first > growth) & (silent > 0), 1.0, suspects)
        silent = tl.where(above, 0.0, silent)
    return first, second, silent, suspects


@triton.jit
def _peak_is_above(a, b, equal: tl.constexpr):
    """Whether the membrane peaks, at threshold or above."""
    above = tl.exp(1 + b / tl.where(a > 0, a, 1.0)) <= a if equal else a * a >= 4 * b
    return (a > 0) & above


@triton.jit
def _crossing_before_peak(inverse, single: tl.constexpr):
    """Time h from the crossing to the peak, h + ln(1 - h) = ln(inverse), inverse = 1 / V_peak.

    In float64 two steps of Halley's method for y = 1 - h make the polynomial exact.
    """
    inverse = tl.minimum(inverse, 1.0)
    p = tl.sqrt(2 * (1 - inverse))
    h = C4 + p * (C5 + p * (C6 + p * (C7 + p * C8)))
    h = p * (C0 + p * (C1 + p * (C2 + p * (C3 + p * h))))
    if not single:
        smallest = inverse / 2.718281828459045  # of y, as y e^-y = inverse / e
        for _ in tl.static_range(2):
            y = tl.maximum(1 - h, smallest)
            h = 1 - y
            solvable = (h > 0) & (inverse > 0)
            ratio = y / tl.where(solvable, inverse, 1.0)
            rest = tl.where(solvable, h, 1.0)
            newton = y * (h + tl.log(ratio)) / rest
            h = tl.where(solvable, h + newton / (1 + newton / (2 * y * rest)), h)
    return h


@triton.jit
def _pull_weights(
    times, terms, pulls, slices, n_trials, n_pre, n_post, per_slice,
    equal: tl.constexpr, INPUTS: tl.constexpr, NEURONS: tl.constexpr,
):
    """Sum over a slice of the trials of e^t d for a tile (input, neuron); see `_delay`."""
    i = tl.program_id(0) * INPUTS + tl.arange(0, INPUTS)
    o = tl.program_id(1) * NEURONS + tl.arange(0, NEURONS)
    part = tl.program_id(2)
    start, stop = part * per_slice, tl.minimum((part + 1) * per_slice, n_trials)
    times += start.to(tl.int64) * n_pre
    terms += start.to(tl.int64) * n_post
    pulls += start.to(tl.int64) * n_post
    # Reading the zeros, rather than making them, lays the tile out over threads as in the memory.
    at = (part.to(tl.int64) * n_pre + i[:, None]) * n_post + o[None, :]
    exists = (i < n_pre)[:, None] & (o < n_post)[None, :]
    total = tl.load(slices + at, exists, other=0.0)
    for _ in range(start, stop):
        t = tl.load(times + i, i < n_pre, other=float("inf"))
        term = tl.load(terms + o, o < n_post, other=0.0)
        g = tl.load(pulls + o, o < n_post, other=0.0)
        growth = _growth(t)
        d = _delay(t[:, None], growth[:, None], term[None, :], equal)
        total += growth[:, None] * tl.where(d > 0, d * g[None, :], 0.0)
        times += n_pre
        terms += n_post
        pulls += n_post
    tl.store(slices + at, total, exists)


@triton.jit
def _pull_times(
    times, weights, terms, pulls, slices, n_trials, n_pre, n_post, per_slice,
    equal: tl.constexpr, TRIALS: tl.constexpr, INPUTS: tl.constexpr,
):
    """Sum over a slice of the neurons of w e^t (1 - d), or w e^t (1 - 2 d) for τ_m = 2 τ_s, for a
    tile (trial, input); see `_delay`. `weights`, `terms` and `pulls` have a row for every neuron.
    """
    b = tl.program_id(0) * TRIALS + tl.arange(0, TRIALS)
    i = tl.program_id(1) * INPUTS + tl.arange(0, INPUTS)
    part = tl.program_id(2)
    exists = (b < n_trials)[:, None] & (i < n_pre)[None, :]
    inside = b.to(tl.int64)[:, None] * n_pre + i[None, :]
    t = tl.load(times + inside, exists, other=float("inf"))
    growth = _growth(t)
    start, stop = part * per_slice, tl.minimum((part + 1) * per_slice, n_post)
    weights += start.to(tl.int64) * n_pre
    terms += start.to(tl.int64) * n_trials
    pulls += start.to(tl.int64) * n_trials
    total = tl.zeros([TRIALS, INPUTS], times.dtype.element_ty)
    for _ in range(start, stop):
        w = tl.load(weights + i, i < n_pre, other=0.0)
        term = tl.load(terms + b, b < n_trials, other=0.0)
        g = tl.load(pulls + b, b < n_trials, other=0.0)
        d = _delay(t, growth, term[:, None], equal)
        slope = 1 - d if equal else 1 - 2 * d
        total += w[None, :] * tl.where(d > 0, slope * g[:, None], 0.0)
        weights += n_pre
        terms += n_trials
        pulls += n_trials
    tl.store(slices + part.to(tl.int64) * n_trials * n_pre + inside, growth * total, exists)


@triton.jit
def _growth(t):
    """e^t, and 0 for silent inputs, which have no effect."""
    return tl.where(t < float("inf"), tl.exp(t), 0.0)


@triton.jit
def _delay(t, growth, term, equal: tl.constexpr):
    """d of `gradient`, positive where an input comes before the spike."""
    return term - t if equal else 1 - growth * term
