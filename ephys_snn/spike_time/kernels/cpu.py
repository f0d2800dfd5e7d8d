"""First spike times and their gradients on processors, compiled by Numba.

Forward: the inputs of every trial are sorted (`sorted_inputs`), a scan over them finds out where
each neuron crosses threshold (`scan`), and its spike time follows from the causal sums there
(`crossing`). Backward: plain loops over inputs, trials and neurons (`gradient`).
"""

import numpy as np
import torch
from torch import Tensor

from ephys_snn.spike_time.kernels.crossing import solve_double, solve_equal
from ephys_snn.spike_time.kernels.execution import (
    announcing_compilation,
    borrowing_kernel,
    in_parallel,
    kernel,
)
from ephys_snn.spike_time.kernels.gradient import add_up, exponentiate
from ephys_snn.spike_time.kernels.lanes import LANES, load, store
from ephys_snn.spike_time.kernels.scan import Sums, scan
from ephys_snn.spike_time.kernels.sorted_inputs import make_room, sort_inputs

LONGEST = {torch.float32: 10.0, torch.float64: 300.0}
"""Longest span of the input times of a trial in τ_m for sums relative to its first input: e^t must
neither overflow nor cost digits."""

TILE_TRIALS = 16
"""Trials that the forward pass treats at a time, so that what is read again for every block of
neurons stays in a fast cache."""


def forward(times: Tensor, weights: Tensor, equal: bool):
    """Spike times and the slopes of the membrane there, see `ephys_snn.spike_time.kernels`."""
    (n_trials, n_pre), n_post = times.shape, weights.shape[1]
    lanes = LANES[weights.numpy().dtype.name]
    packed = weights.new_empty((-(-n_post // lanes), n_pre, lanes)).numpy()
    smallest = weights.amin(dim=1).clamp_(max=0)
    spike_times, slopes = weights.new_empty((2, n_trials, n_post))
    with announcing_compilation("forward", times.dtype):
        _pack(weights.numpy(), packed)
        in_range = in_parallel(
            _forward_trials, n_trials, times.numpy(), packed, smallest.numpy(), equal,
            LONGEST[times.dtype], spike_times.numpy(), slopes.numpy(),
        )
    return (spike_times, slopes) if all(in_range) else None


def backward(
    times: Tensor, weights: Tensor, spike_times: Tensor, errors: Tensor,
    equal: bool, want_times: bool,
):
    """Gradients of times and weights, see `ephys_snn.spike_time.kernels`."""
    grad_times = torch.zeros_like(times) if want_times else times.new_empty((0, 0))
    grad_weights = torch.empty_like(weights)
    growth, terms = torch.empty_like(times), torch.empty_like(spike_times)
    pulls, latest = torch.empty_like(errors), errors.new_empty(len(errors))
    with announcing_compilation("backward", times.dtype):
        in_parallel(
            exponentiate, len(times), times.numpy(), spike_times.numpy(), errors.numpy(), equal,
            growth.numpy(), terms.numpy(), pulls.numpy(), latest.numpy(),
        )
        in_parallel(
            add_up, len(weights), times.numpy(), growth.numpy(), weights.numpy(), terms.numpy(),
            pulls.numpy(), latest.numpy(), equal, grad_times.numpy(), grad_weights.numpy(),
        )
    return grad_times if want_times else None, grad_weights


@borrowing_kernel
def _pack(weights, packed):
    """Weights (pre, post) in blocks of neurons (block, pre, lane), the last filled up with 0."""
    n_blocks, n_pre, lanes = packed.shape
    n_post = weights.shape[1]
    for i in range(n_pre):
        for block in range(n_post // lanes):
            store(packed, (block, i, 0), load(weights, (i, block * lanes)))
        for o in range(n_post // lanes * lanes, n_blocks * lanes):
            packed[n_blocks - 1, i, o % lanes] = weights[i, o] if o < n_post else 0


@kernel
def _forward_trials(start, stop, times, packed, smallest, equal, longest, spike_times, slopes):
    """Spike times and slopes of the trials [start, stop); False if one of them is too long."""
    n_blocks, n_pre, lanes = packed.shape
    n_post = spike_times.shape[1]
    dtype = packed.dtype
    weights = packed.reshape(n_blocks, n_pre * lanes)
    inputs, groups, scratch = make_room(TILE_TRIALS, n_pre, dtype)
    n_inputs = np.empty(TILE_TRIALS, np.int64)
    room = np.empty((4, n_blocks * TILE_TRIALS * lanes), dtype)
    for first in range(start, stop, TILE_TRIALS):
        n_tile = min(TILE_TRIALS, stop - first)
        for trial in range(n_tile):
            n_inputs[trial], last = sort_inputs(
                trial, times[first + trial], smallest, equal, lanes, inputs, groups, scratch
            )
            if last > longest:
                return False
        size, shape = n_blocks * n_tile * lanes, (n_blocks, n_tile, lanes)
        a, b = room[0, :size], room[1, :size]
        solved, slope = room[2, :size], room[3, :size]
        sums = Sums(a.reshape(shape), b.reshape(shape), solved.reshape(shape))
        scan(n_inputs, inputs, groups, weights, equal, n_post, sums)
        if equal:
            solve_equal(a, b, solved, slope)
        else:
            solve_double(a, b, solved, slope)
        rows = slice(first, first + n_tile)
        _unpack(solved.reshape(shape), spike_times[rows])
        _unpack(slope.reshape(shape), slopes[rows])
    return True


@borrowing_kernel
def _unpack(blocks, rows):
    """From (block, trial, lane) to (trial, post)."""
    n_blocks, n_trials, lanes = blocks.shape
    n_post = rows.shape[1]
    for block in range(n_blocks):
        first = block * lanes
        for trial in range(n_trials):
            for lane in range(min(lanes, n_post - first)):
                rows[trial, first + lane] = blocks[block, trial, lane]
