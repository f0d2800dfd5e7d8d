"""First spike times in plain PyTorch: the reference, and the path for devices without a kernel.

Between two inputs the membrane follows from two numbers, with s the time since the last input:

- τ_m = τ_s: V(s) = (V + s I) e^{-s}. It peaks at s = 1 - V/I; with q = ln V_peak the neuron crosses
  threshold a time h before the peak, h + ln(1 - h) = -q, which is 1 + W₀(-e^{-1-q}) with the
  principal branch of the Lambert W function, and crosses with slope h / (1 - h).
- τ_m = 2 τ_s: V(s) = X u - Y u², u = e^{-s}; it crosses at u = (X + √(X² - 4Y)) / 2Y.

The states are carried from input to input relative to the present time, so no exponential can
overflow, however long the trial.
"""

import torch
from torch import Tensor

CHUNK = 2**24
"""Largest number of (trial, pre, post) elements that the gradient holds at once."""


def forward(times: Tensor, weights: Tensor, equal: bool):
    """Spike times and the slopes of the membrane there, see `ephys_snn.spike_time.kernels`."""
    times, order = times.sort(dim=1)
    spike_times = times.new_full((len(times), weights.shape[1]), torch.inf)
    slopes = torch.zeros_like(spike_times)
    states = times.new_zeros((2, *spike_times.shape))
    n_events = int(torch.isfinite(times).any(dim=0).sum())
    until_next = torch.diff(times, dim=1, append=times.new_full((len(times), 1), torch.inf))
    for event in range(n_events):
        present, interval = times[:, event, None], until_next[:, event, None]
        states = _add(states, weights[order[:, event]], equal)
        delay = (_crossing_equal if equal else _crossing_double)(*states)
        crosses = (delay < interval) & torch.isinf(spike_times) & torch.isfinite(present)
        spike_times = torch.where(crosses, present + delay, spike_times)
        slopes = torch.where(crosses, _slope(states, delay, equal), slopes)
        states = _decay(states, interval, equal)
    return spike_times, slopes


def backward(
    times: Tensor, weights: Tensor, spike_times: Tensor, errors: Tensor,
    equal: bool, want_times: bool,
):
    """Gradients of times and weights, see `ephys_snn.spike_time.kernels`."""
    grad_times = torch.zeros_like(times) if want_times else None
    grad_weights = torch.zeros_like(weights)
    n_trials = max(1, CHUNK // max(1, weights.numel()))
    for start in range(0, len(times), n_trials):
        chunk = slice(start, start + n_trials)
        since_input = spike_times[chunk, None, :] - times[chunk, :, None]
        causal = (since_input > 0) & torch.isfinite(spike_times[chunk, None, :])
        value, slope = _response(torch.where(causal, since_input, 0), equal)
        of_inputs = torch.where(causal, errors[chunk, None, :], 0)
        if want_times:
            grad_times[chunk] = (slope * weights * of_inputs).sum(dim=2)
        grad_weights -= (value * of_inputs).sum(dim=0)
    return grad_times, grad_weights


def _response(s, equal):
    """k(s) and k'(s)."""
    decay = torch.exp(-s)
    if equal:
        return s * decay, (1 - s) * decay
    return decay - decay**2, 2 * decay**2 - decay


def _slope(states, delay, equal):
    """V̇ a delay after the states, where V = 1: I - V, or 2 Y u² - X u = Y u² - 1."""
    decay = torch.exp(-torch.where(torch.isfinite(delay), delay, 0))
    return states[1] * (decay if equal else decay**2) - 1


def _add(states, weights, equal):
    """Membrane and current, or the slow and the fast part of the membrane, after an input."""
    if equal:
        membrane, current = states
        return torch.stack((membrane, current + weights))
    return states + weights


def _decay(states, interval, equal):
    """States an interval later; after the last input (infinite interval) they no longer matter."""
    interval = torch.where(torch.isfinite(interval), interval, 0)
    decay = torch.exp(-interval)
    if equal:
        membrane, current = states
        return torch.stack(((membrane + interval * current) * decay, current * decay))
    slow, fast = states
    return torch.stack((slow * decay, fast * decay**2))


def _crossing_equal(membrane, current):
    """Time to threshold without further input, inf if there is no crossing."""
    rising = current > membrane.clamp(min=0)
    safe_current = torch.where(rising, current, 1)
    to_peak = 1 - membrane / safe_current
    log_peak = torch.log(safe_current) - to_peak
    reaches = rising & (log_peak >= 0)
    delay = to_peak - crossing_before_peak(torch.where(reaches, log_peak, 0))
    return _or_at_once(torch.where(reaches, delay, torch.inf), membrane)


def _crossing_double(slow, fast):
    """Time to threshold without further input, inf if there is no crossing."""
    discriminant = slow**2 - 4 * fast
    reaches = (2 * fast > slow) & (slow > 0) & (discriminant >= 0)
    root = torch.sqrt(torch.where(reaches, discriminant, 0))
    delay = torch.log(2 * torch.where(reaches, fast, 1) / torch.where(reaches, slow + root, 1))
    return _or_at_once(torch.where(reaches, delay, torch.inf), slow - fast)


def _or_at_once(delay, membrane):
    """Rounding may move a crossing at the end of an interval to the start of the next one."""
    return torch.where(membrane >= 1, 0, delay.clamp(min=0))


def crossing_before_peak(log_peak: Tensor) -> Tensor:
    """Time h from the threshold crossing to the peak: h + ln(1 - h) = -q with q = ln V_peak ≥ 0.

    Halley's method, from the series at the branch point for low peaks (Corless et al. 1996,
    doi:10.1007/BF02124750, eq. 4.22) and from the limit h → 1 - e^{-1-q} for high ones.
    """
    q = log_peak
    p = torch.sqrt(-2 * torch.expm1(-q))
    series = p * (1 - p * (1 / 3 - p * (11 / 72 - p * (43 / 540 - p * 769 / 17280))))
    limit = torch.exp(-1 - q)
    h = torch.where(q < 0.7, series, 1 - limit * (1 + limit))
    h = h.clamp(max=1 - torch.finfo(q.dtype).eps)
    for _ in range(3):
        y = 1 - h
        newton = y * (h + torch.log1p(-h) + q) / h
        h = torch.where(h > 0, h + newton / (1 + newton / (2 * y * h)), 0)
        h = h.clamp(min=0, max=1 - torch.finfo(q.dtype).eps)
    return h
