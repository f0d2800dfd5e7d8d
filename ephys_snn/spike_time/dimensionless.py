r"""What all kernels have in common: units, the implicit function theorem, trials too long for them.

Kernels (`ephys_snn.spike_time.kernels`) know neither milliseconds nor thresholds. They get times
since the first input of a trial in units of τ_m and weights in units of θ, and return spike times T
and the slopes V̇(T) of the membrane there. For these the derivatives of T exist where V(T) = 1 can
be solved for T, with k the response to an input,

.. math::

    \frac{\partial T}{\partial w_i} = -\frac{k(T - t_i)}{\dot V(T)}, \qquad
    \frac{\partial T}{\partial t_i} = \frac{w_i\,k'(T - t_i)}{\dot V(T)},

and diverge where the membrane only grazes the threshold. V̇(T) is therefore taken to be at least a
smallest slope, `SMALLEST_SLOPE` unless said otherwise.
"""

from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from ephys_snn.lif import LIF
from ephys_snn.spike_time.kernels import reference

SMALLEST_SLOPE = 0.05
"""Smallest slope of the membrane at threshold that the gradient sees, in units of θ / τ_m."""


class Residuals(NamedTuple):
    """What `backward` needs of a `forward` pass, dimensionless but for the neuron."""

    kernel: ModuleType
    lif: LIF
    times: Tensor  # (trial, pre) t, from the first input of the trial on, inf where silent
    weights: Tensor  # (pre, post) w
    spike_times: Tensor  # (trial, post) T, inf where silent or after the end of the trial
    slopes: Tensor  # (trial, post) V'(T), at least the smallest slope


def censor(times: Tensor, t_stop: Tensor) -> Tensor:
    """Spike times (trial, neuron) with inf for spikes at the end (trial,) of a trial or later.

    Causes come before their effects, so censoring inputs and outputs alike computes the outputs
    before the ends from the inputs before them.
    """
    return torch.where(times < t_stop[:, None], times, torch.inf)


def forward(
    kernel: ModuleType,
    input_times: Tensor,
    weights: Tensor,
    lif: LIF,
    smallest_slope: float = SMALLEST_SLOPE,
    t_stop: Tensor | None = None,
) -> tuple[Tensor, Residuals]:
    """First spike times (trial, post) in ms, and what `backward` needs.

    As in `first_spike_times`, of tensors of one dtype, by one of `ephys_snn.spike_time.kernels`.
    """
    # Compiled kernels take at least one trial, input and neuron.
    if 0 in (*input_times.shape, *weights.shape):
        kernel = reference
    spike_times, residuals = _solve(kernel, input_times, weights, lif)
    spike_times = spike_times.to(input_times.dtype)
    if t_stop is not None:
        spike_times = censor(spike_times, t_stop)
        residuals.spike_times.masked_fill_(spike_times == torch.inf, torch.inf)
    residuals.slopes.clamp_(min=smallest_slope)
    return spike_times, residuals


def backward(
    residuals: Residuals, grad_spike_times: Tensor, want_times: bool = True
) -> tuple[Tensor | None, Tensor]:
    """Gradients with respect to input times (trial, pre), if they are wanted, and weights.

    They follow from the gradient with respect to the spike times (trial, post), which is ignored
    where these are silent.
    """
    kernel, lif, times, weights, spike_times, slopes = residuals
    errors = lif.tau_m * grad_spike_times.to(slopes.dtype) / slopes
    grad_times, grad_weights = kernel.backward(
        times, weights, spike_times, errors.contiguous(), lif.equal_time_constants, want_times
    )
    dtype = grad_spike_times.dtype
    if want_times:
        grad_times = grad_times.div_(lif.tau_m).to(dtype)
    return grad_times, _over(grad_weights, lif.threshold).to(dtype)


def _over(weights, threshold):
    """Weights, or their gradient, in units of a threshold, which mostly is 1."""
    return weights if threshold == 1 else weights * (1 / threshold)


def _solve(kernel, input_times, weights, lif):
    """Spike times and residuals, by the kernel if no trial is too long for it, even in float64."""
    origins = 0
    if input_times.numel():
        origins = input_times.amin(dim=1, keepdim=True)
        origins = torch.where(origins < torch.inf, origins, 0)
    times = ((input_times - origins) / lif.tau_m).contiguous()
    scaled = _over(weights, lif.threshold).contiguous()
    found = kernel.forward(times, scaled, lif.equal_time_constants)
    if found is None and times.dtype == torch.float32:
        return _solve(kernel, input_times.double(), weights.double(), lif)
    if found is None:
        return _solve(reference, input_times, weights, lif)
    residuals = Residuals(kernel, lif, times, scaled, *found)
    return residuals.spike_times * lif.tau_m + origins, residuals
