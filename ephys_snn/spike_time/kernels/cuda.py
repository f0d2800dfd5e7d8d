r"""First spike times on graphics processors, compiled by Triton.

The same sums as in `cpu`: with times since the first input of a trial in units of
τ_m and weights in units of θ, V ≥ 1 at time t where r A - B ≥ l, with

.. math::

    \tau_m = \tau_s: \quad r = t,\; l = e^t, \quad A = \sum w_i e^{t_i}, \quad
    B = \sum w_i t_i e^{t_i}

    \tau_m = 2\tau_s: \quad r = e^t,\; l = e^{2t}, \quad A = \sum w_i e^{t_i}, \quad
    B = \sum w_i e^{2 t_i}

A program has one trial and a block of neurons, whose A and B it keeps in registers. It goes through
the inputs in the order of their times, several between two decisions, so that many rows of weights
are on their way at once. A neuron crosses threshold between two inputs if it is above threshold at
the later one, or at a peak in between. Peaks take an exponential; they are rare, so those that
might be high enough are only noted, and where there is one the program goes through these inputs
again. It ends when all its neurons have crossed threshold, and solves for the times.

The gradients are sums over trials for the weights and over neurons for the input times, a tile
(input, neuron) or (trial, input) per program. Where there are too few tiles to occupy the
processor, the sums are computed in slices. No two programs write to the same place, so the same
bits come out every time.
"""

from typing import NamedTuple

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from ephys_snn.lif import LIF
from ephys_snn.spike_time.kernels import cpu, reference

LONGEST = {torch.float32: cpu.LONGEST[np.float32], torch.float64: cpu.LONGEST[np.float64]}
"""Longest span of the input times of a trial in τ_m, as in `ephys_snn.spike_time.kernels.cpu`."""

NEURONS, INPUTS = 64, {torch.float32: 16, torch.float64: 8}
"""Neurons of a program of `_scan`, and inputs between two looks whether all have spiked."""

TILE = {torch.float32: 64, torch.float64: 32}
"""Largest side of the tiles of a gradient."""

PROGRAMS, TERMS = 1024, 32
"""Programs that occupy a processor, and terms of a sum that are worth one."""

C0, C1, C2, C3, C4, C5, C6, C7, C8 = (tl.constexpr(c) for c in cpu.SERIES)


class Causes(NamedTuple):
    """What `backward` needs of a `forward` pass."""

    lif: LIF
    since: Tensor  # (trial, pre) input times since the first in τ_m
    weights: Tensor  # (pre, post) in units of θ
    terms: Tensor  # (trial, post) T, or e^-T for τ_m = 2 τ_s; where silent, earlier than any input
    gain: Tensor  # (trial, post) e^-T / V'(T), 0 where silent


def forward(
    times: Tensor, weights: Tensor, lif: LIF, smallest_slope: float = reference.SMALLEST_SLOPE
):
    """First spike times, and what the gradient needs.

    Parameters
    ----------
    times : Tensor, shape (trial, pre)
        Input spike times in ms, ``inf`` where silent.
    weights : Tensor, shape (pre, post)
        Weights, of the same dtype on the same device.
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
    origins = times.amin(dim=1, keepdim=True)
    origins = torch.where(torch.isfinite(origins), origins, 0)
    since = ((times - origins) / lif.tau_m).contiguous()
    scaled = (weights / lif.threshold).contiguous()
    in_order, order = since.sort(dim=1, stable=True)
    spiking = torch.isfinite(in_order)
    spikes, terms, gain = since.new_empty((3, n_trials, n_post))
    neurons = _side(n_post, NEURONS)
    with torch.cuda.device_of(times):
        _scan[n_trials, triton.cdiv(n_post, neurons)](
            in_order,
            order,
            spiking.sum(dim=1, dtype=torch.int32),
            scaled,
            spikes,
            terms,
            gain,
            n_pre,
            n_post,
            smallest_slope=smallest_slope,
            equal=lif.equal_time_constants,
            single=times.dtype == torch.float32,
            INPUTS=INPUTS[times.dtype],
            NEURONS=neurons,
            num_warps=1,
        )
    # Asked only now, so that the processor is busy while the answer is on its way.
    if torch.where(spiking, in_order, 0).amax() <= LONGEST[times.dtype]:
        return spikes * lif.tau_m + origins, Causes(lif, since, scaled, terms, gain)
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
    lif, since, weights, terms, gain = causes
    share = (torch.where(gain > 0, grad_spike_times.to(gain.dtype), 0) * gain).contiguous()
    with torch.cuda.device_of(since):
        grad_weights = _sum_over_trials(since, terms, share, lif.equal_time_constants)
        grad_times = None
        if want_times:
            grad_times = _sum_over_neurons(since, weights, terms, share, lif.equal_time_constants)
            grad_times = grad_times.to(grad_spike_times.dtype)
    grad_weights = grad_weights * (-lif.tau_m / lif.threshold)
    return grad_times, grad_weights.to(grad_spike_times.dtype)


def _sum_over_trials(since, terms, share, equal):
    """Gradient with respect to the weights, but for a factor."""
    (n_trials, n_pre), n_post = since.shape, terms.shape[1]
    inputs, neurons = _side(n_pre, TILE[since.dtype]), _side(n_post, TILE[since.dtype])
    tiles = triton.cdiv(n_pre, inputs), triton.cdiv(n_post, neurons)
    per_slice, n_slices = _slices(n_trials, tiles)
    slices = since.new_zeros((n_slices, n_pre, n_post))
    _pull_weights[(*tiles, n_slices)](
        since,
        terms,
        share,
        slices,
        n_trials,
        n_pre,
        n_post,
        per_slice,
        equal=equal,
        INPUTS=inputs,
        NEURONS=neurons,
    )
    return slices.sum(dim=0)


def _sum_over_neurons(since, weights, terms, share, equal):
    """Gradient with respect to the input times."""
    (n_trials, n_pre), n_post = since.shape, terms.shape[1]
    trials, inputs = _side(n_trials, TILE[since.dtype]), _side(n_pre, TILE[since.dtype])
    tiles = triton.cdiv(n_trials, trials), triton.cdiv(n_pre, inputs)
    per_slice, n_slices = _slices(n_post, tiles)
    slices = since.new_empty((n_slices, n_trials, n_pre))
    _pull_times[(*tiles, n_slices)](
        since,
        # Rows of neurons, so that a program reads along the memory.
        weights.T.contiguous(),
        terms.T.contiguous(),
        share.T.contiguous(),
        slices,
        n_trials,
        n_pre,
        n_post,
        per_slice,
        equal=equal,
        TRIALS=trials,
        INPUTS=inputs,
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
    in_order,
    order,
    n_events,
    weights,
    spikes,
    terms,
    gain,
    n_pre,
    n_post,
    smallest_slope: tl.constexpr,  # or it would be rounded to float32
    equal: tl.constexpr,
    single: tl.constexpr,
    INPUTS: tl.constexpr,
    NEURONS: tl.constexpr,
):
    """Spike times of a block of neurons in one trial, and what the gradient needs."""
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
        a, b, s, suspects = _listen(
            first, second, silent, in_order, order, weights, n_post, start, n,
            equal, not equal, INPUTS,
        )  # fmt: skip
        if equal:  # noqa: SIM102, known to the compiler
            if tl.max(suspects, 0) > 0:
                a, b, s, suspects = _listen(
                    first, second, silent, in_order, order, weights, n_post, start, n,
                    equal, True, INPUTS,
                )  # fmt: skip
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
        term = tl.where(spiked, spike, -1.0)
    else:
        square = first * first - 4 * second
        root = tl.sqrt(tl.maximum(square, 0.0))
        spike = tl.log(2 * second / (first + root))
        decay = tl.exp(-spike)
        slope = second * decay * decay - 1
        term = tl.where(spiked, decay, 2.0)
    at = trial * n_post + neuron
    tl.store(spikes + at, tl.where(spiked, spike, float("inf")), exists)
    tl.store(terms + at, term, exists)
    tl.store(gain + at, tl.where(spiked, decay / tl.maximum(slope, smallest_slope), 0.0), exists)


@triton.jit
def _listen(
    first,
    second,
    silent,
    in_order,
    order,
    weights,
    n_post,
    start,
    n,
    equal: tl.constexpr,
    precisely: tl.constexpr,
    INPUTS: tl.constexpr,
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
    since,
    terms,
    share,
    slices,
    n_trials,
    n_pre,
    n_post,
    per_slice,
    equal: tl.constexpr,
    INPUTS: tl.constexpr,
    NEURONS: tl.constexpr,
):
    """Sum over a slice of the trials of e^t d for a tile (input, neuron); see `_delay`."""
    i = tl.program_id(0) * INPUTS + tl.arange(0, INPUTS)
    o = tl.program_id(1) * NEURONS + tl.arange(0, NEURONS)
    part = tl.program_id(2)
    start, stop = part * per_slice, tl.minimum((part + 1) * per_slice, n_trials)
    since += start.to(tl.int64) * n_pre
    terms += start.to(tl.int64) * n_post
    share += start.to(tl.int64) * n_post
    # Reading the zeros, rather than making them, lays the tile out over threads as in the memory.
    at = (part.to(tl.int64) * n_pre + i[:, None]) * n_post + o[None, :]
    exists = (i < n_pre)[:, None] & (o < n_post)[None, :]
    total = tl.load(slices + at, exists, other=0.0)
    for _ in range(start, stop):
        t = tl.load(since + i, i < n_pre, other=float("inf"))
        term = tl.load(terms + o, o < n_post, other=0.0)
        g = tl.load(share + o, o < n_post, other=0.0)
        growth = _growth(t)
        d = _delay(t[:, None], growth[:, None], term[None, :], equal)
        total += growth[:, None] * tl.where(d > 0, d * g[None, :], 0.0)
        since += n_pre
        terms += n_post
        share += n_post
    tl.store(slices + at, total, exists)


@triton.jit
def _pull_times(
    since,
    weights,
    terms,
    share,
    slices,
    n_trials,
    n_pre,
    n_post,
    per_slice,
    equal: tl.constexpr,
    TRIALS: tl.constexpr,
    INPUTS: tl.constexpr,
):
    """Sum over a slice of the neurons of w e^t (1 - d), or w e^t (1 - 2 d) for τ_m = 2 τ_s, for a
    tile (trial, input); see `_delay`. `weights`, `terms` and `share` have a row for every neuron.
    """
    b = tl.program_id(0) * TRIALS + tl.arange(0, TRIALS)
    i = tl.program_id(1) * INPUTS + tl.arange(0, INPUTS)
    part = tl.program_id(2)
    exists = (b < n_trials)[:, None] & (i < n_pre)[None, :]
    inside = b.to(tl.int64)[:, None] * n_pre + i[None, :]
    t = tl.load(since + inside, exists, other=float("inf"))
    growth = _growth(t)
    start, stop = part * per_slice, tl.minimum((part + 1) * per_slice, n_post)
    weights += start.to(tl.int64) * n_pre
    terms += start.to(tl.int64) * n_trials
    share += start.to(tl.int64) * n_trials
    total = tl.zeros([TRIALS, INPUTS], since.dtype.element_ty)
    for _ in range(start, stop):
        w = tl.load(weights + i, i < n_pre, other=0.0)
        term = tl.load(terms + b, b < n_trials, other=0.0)
        g = tl.load(share + b, b < n_trials, other=0.0)
        d = _delay(t, growth, term[:, None], equal)
        slope = 1 - d if equal else 1 - 2 * d
        total += w[None, :] * tl.where(d > 0, slope * g[:, None], 0.0)
        weights += n_pre
        terms += n_trials
        share += n_trials
    tl.store(slices + part.to(tl.int64) * n_trials * n_pre + inside, growth * total, exists)


@triton.jit
def _growth(t):
    """e^t, and 0 for silent inputs, which have no effect."""
    return tl.where(t < float("inf"), tl.exp(t), 0.0)


@triton.jit
def _delay(t, growth, term, equal: tl.constexpr):
    """d, positive where an input comes before the spike.

    With d = T - t, or 1 - e^(t - T) for τ_m = 2 τ_s, the response and its derivative at the spike
    are k = e^(t - T) d and k' = e^(t - T) (1 - d), or e^(t - T) (1 - 2 d).
    """
    return term - t if equal else 1 - growth * term
