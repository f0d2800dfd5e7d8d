r"""First spike times in plain PyTorch: the reference, and the path for devices without a kernel.

Dimensionless: times in units of τ_m, weights in units of θ, so the threshold is 1. Between two
inputs the membrane follows from two numbers, with s the time since the last input:

- τ_m = τ_s: V(s) = (V + s I) e^{-s}. It peaks at s = 1 - V/I; with q = ln V_peak the neuron crosses
  threshold a time h before the peak, h + ln(1 - h) = -q, which is 1 + W₀(-e^{-1-q}) with the
  principal branch of the Lambert W function, and crosses with slope h / (1 - h).
- τ_m = 2 τ_s: V(s) = X u - Y u², u = e^{-s}; it crosses at u = (X + √(X² - 4Y)) / 2Y.

The states are carried from input to input relative to the present time, so no exponential can
overflow, however long the trial.

The gradient follows from V(T) = 1 by the implicit function theorem: with k the response and
d_i = T - t_i > 0,

.. math::

    \frac{\partial T}{\partial w_i} = -\frac{k(d_i)}{\dot V(T)}, \qquad
    \frac{\partial T}{\partial t_i} = \frac{w_i\,k'(d_i)}{\dot V(T)}, \qquad
    \dot V(T) = \sum_i w_i\,k'(d_i).

It diverges where V only just reaches the threshold; V̇(T) is therefore taken to be at least
`SMALLEST_SLOPE`.
"""

import torch
from torch import Tensor

SMALLEST_SLOPE = 0.05
"""Smallest slope of the membrane at threshold that the gradient sees, in units of θ / τ_m."""

CHUNK = 2**24
"""Largest number of (trial, pre, post) elements that the gradient holds at once."""


def forward(times, weights, equal):
    spike_times = first_spike_times(times, weights, equal)
    return spike_times, (times, weights, spike_times, equal)


def backward(saved, grad_spike_times, want_times):
    times, weights, spike_times, equal = saved
    return gradients(times, weights, spike_times, grad_spike_times, equal)


def first_spike_times(input_times: Tensor, weights: Tensor, equal_time_constants: bool) -> Tensor:
    """Times of the first threshold crossings.

    Parameters
    ----------
    input_times : Tensor, shape (trial, pre)
        Input spike times in units of τ_m, ``inf`` where silent.
    weights : Tensor, shape (pre, post)
        Weights in units of the threshold, of the same dtype.
    equal_time_constants : bool
        Whether τ_m = τ_s; else τ_m = 2 τ_s.

    Returns
    -------
    Tensor, shape (trial, post)
        Spike times in units of τ_m, ``inf`` where silent.
    """
    crossing = _crossing_equal if equal_time_constants else _crossing_double
    advance = _advance_equal if equal_time_constants else _advance_double
    times, order = input_times.sort(dim=1)
    n_trials, n_post = len(times), weights.shape[1]
    spike_times = times.new_full((n_trials, n_post), torch.inf)
    states = times.new_zeros((2, n_trials, n_post))
    n_events = int(torch.isfinite(times).sum(dim=1).max()) if times.numel() else 0
    until_next = torch.diff(times, dim=1, append=times.new_full((n_trials, 1), torch.inf))
    for event in range(n_events):
        present, interval = times[:, event, None], until_next[:, event, None]
        states = advance(states, weights[order[:, event]])
        delay = crossing(*states)
        crosses = (delay < interval) & torch.isinf(spike_times) & torch.isfinite(present)
        spike_times = torch.where(crosses, present + delay, spike_times)
        states = _decay(states, interval, equal_time_constants)
    return spike_times


def gradients(
    input_times: Tensor,
    weights: Tensor,
    spike_times: Tensor,
    grad_spike_times: Tensor,
    equal_time_constants: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of a function of the spike times with respect to input times and weights.

    Parameters
    ----------
    input_times, weights, equal_time_constants
        As for `first_spike_times`.
    spike_times : Tensor, shape (trial, post)
        What `first_spike_times` returned.
    grad_spike_times : Tensor, shape (trial, post)
        The function's gradient with respect to `spike_times`; ignored where silent.

    Returns
    -------
    Tensor, shape (trial, pre)
        Gradient with respect to the input times.
    Tensor, shape (pre, post)
        Gradient with respect to the weights.
    """
    response = _response_equal if equal_time_constants else _response_double
    grad_times, grad_weights = torch.zeros_like(input_times), torch.zeros_like(weights)
    n_trials = max(1, CHUNK // max(1, weights.numel()))
    for start in range(0, len(input_times), n_trials):
        chunk = slice(start, start + n_trials)
        spiked = torch.isfinite(spike_times[chunk])
        since_input = spike_times[chunk, None, :] - input_times[chunk, :, None]
        causal = (since_input > 0) & spiked[:, None, :]
        value, slope = response(torch.where(causal, since_input, 0))
        value, slope = torch.where(causal, value, 0), torch.where(causal, slope, 0) * weights
        slope_at_threshold = slope.sum(dim=1).clamp(min=SMALLEST_SLOPE)
        scaled = torch.where(spiked, grad_spike_times[chunk], 0) / slope_at_threshold
        grad_times[chunk] = (slope * scaled[:, None, :]).sum(dim=2)
        grad_weights -= (value * scaled[:, None, :]).sum(dim=0)
    return grad_times, grad_weights


def _response_equal(s):
    """k(s) and k'(s) for equal time constants."""
    decay = torch.exp(-s)
    return s * decay, (1 - s) * decay


def _response_double(s):
    """k(s) and k'(s) for τ_m = 2 τ_s."""
    decay = torch.exp(-s)
    return decay - decay**2, 2 * decay**2 - decay


def _advance_equal(states, weights):
    membrane, current = states
    return torch.stack((membrane, current + weights))


def _advance_double(states, weights):
    return states + weights


def _decay(states, interval, equal_time_constants):
    """States an interval later; after the last input (infinite interval) they no longer matter."""
    interval = torch.where(torch.isfinite(interval), interval, 0)
    decay = torch.exp(-interval)
    if equal_time_constants:
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
    """Rounding may put a crossing at the very end of an interval into the next one, at its start."""
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
