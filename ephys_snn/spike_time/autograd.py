"""The time of the first spike of every neuron of a layer: exact, and differentiable."""

import math
import warnings
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF
from ephys_snn.spike_time import dimensionless, simultaneous_inputs
from ephys_snn.spike_time.kernels import cpu, reference


def first_spike_times(
    input_times: Tensor,
    weights: Tensor,
    lif: LIF = LIF(),
    smallest_slope: float = dimensionless.SMALLEST_SLOPE,
    t_stop: Tensor | None = None,
) -> Tensor:
    """First spike times of a layer of neurons, each driven by at most one spike per input.

    Computed input by input from the closed form of the threshold crossing, without a time grid.
    Differentiable in both arguments by the implicit function theorem. Where the membrane only
    grazes the threshold the gradient diverges; the slope of the membrane at the crossing is
    therefore taken to be at least `smallest_slope`. Silent neurons have no gradient.

    Parameters
    ----------
    input_times : Tensor, shape (trial, pre)
        Input spike times in ms, ``inf`` where silent. Leading dimensions other than one, (…, pre),
        are kept.
    weights : Tensor, shape (pre, post)
        Synaptic weights; the membrane response to an input is w (t/τ) exp(-t/τ) for equal time
        constants (see `ephys_snn.lif`).
    lif : LIF
        Neuron parameters.
    smallest_slope : float
        Smallest slope of the membrane at threshold that the gradient sees, in θ / τ_m: 0.05, or
        more for gradients that vary less. Spike times do not depend on it.
    t_stop : Tensor, shape (trial,), optional
        End of each trial in ms: spikes at it or later count as silence.

    Returns
    -------
    Tensor, shape (trial, post)
        First spike times in ms, ``inf`` where silent, in the arguments' common dtype (float32 or
        float64) on their device.

    Raises
    ------
    InputError
        If an argument is not a floating point tensor of such a shape, an input time is NaN or -inf,
        an end is NaN, or a weight is not finite.

    References
    ----------
    Göltz et al., Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x.

    Examples
    --------
    >>> import torch
    >>> input_times = torch.tensor([[0.0, 2.0], [0.0, torch.inf]], dtype=torch.float64)
    >>> weights = torch.tensor([[2.0], [4.0]], dtype=torch.float64)
    >>> first_spike_times(input_times, weights)
    tensor([[3.4748],
            [   inf]], dtype=torch.float64)
    """
    _check(input_times, weights, t_stop)
    dtype = torch.promote_types(input_times.dtype, weights.dtype)
    *batch, n_pre = input_times.shape
    trials = input_times.to(dtype).reshape(math.prod(batch), n_pre)
    if t_stop is not None:
        t_stop = t_stop.reshape(-1).to(dtype)
    spike_times = _FirstSpikeTimes.apply(trials, weights.to(dtype), lif, smallest_slope, t_stop)
    return spike_times.reshape(*batch, weights.shape[1])


@lru_cache
def kernel_of(device_type: str):
    """The kernel for a kind of device, such as 'cpu' or 'cuda'; plain PyTorch serves the others."""
    if device_type == "cpu":
        return cpu
    if device_type == "cuda":
        if find_spec("triton"):
            # Here, for it takes a compiler that few need.
            from ephys_snn.spike_time.kernels import cuda

            return cuda
        warnings.warn(
            "Triton is not installed, so spike times on this GPU are computed by plain PyTorch, "
            "which is slow; `pip install triton` installs it.",
            stacklevel=4,
        )
    return reference


class _FirstSpikeTimes(torch.autograd.Function):
    """Hands over to the kernel of the device."""

    @staticmethod
    def forward(ctx, input_times, weights, lif, smallest_slope, t_stop):
        kernel = kernel_of(input_times.device.type)
        ctx.simultaneous = None
        # Inputs that were joined have no gradients of their own times.
        if kernel is cpu and not ctx.needs_input_grad[0]:
            ctx.simultaneous = simultaneous_inputs.find(input_times)
        if ctx.simultaneous is not None:
            input_times, weights = ctx.simultaneous.join(input_times, weights)
        spike_times, residuals = dimensionless.forward(
            kernel, input_times, weights, lif, smallest_slope, t_stop
        )
        ctx.kernel, ctx.lif, *tensors = residuals
        ctx.save_for_backward(*tensors)
        return spike_times

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_spike_times):
        residuals = dimensionless.Residuals(ctx.kernel, ctx.lif, *ctx.saved_tensors)
        grad_times, grad_weights = dimensionless.backward(
            residuals, grad_spike_times, ctx.needs_input_grad[0]
        )
        if ctx.simultaneous is not None:
            grad_weights = ctx.simultaneous.share(grad_weights)
        return grad_times, grad_weights, None, None, None


def _check(input_times, weights, t_stop):
    for name, tensor in (("input_times", input_times), ("weights", weights)):
        if not isinstance(tensor, Tensor):
            raise InputError(
                f"`{name}` must be a torch tensor; got {type(tensor).__name__} "
                "(torch.as_tensor makes one)."
            )
        if tensor.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"`{name}` must be of dtype float32 or float64; got {tensor.dtype} "
                f"(use {name}.float() or {name}.double())."
            )
    if weights.ndim != 2:
        raise InputError(
            f"`weights` must have the two dimensions (pre, post); got shape {tuple(weights.shape)}."
        )
    if input_times.ndim == 0 or input_times.shape[-1] != weights.shape[0]:
        raise InputError(
            "`input_times` (trial, pre) must have as many inputs as `weights` (pre, post) has "
            f"rows; got shapes {tuple(input_times.shape)} and {tuple(weights.shape)}."
        )
    if t_stop is not None and t_stop.shape != input_times.shape[:-1]:
        raise InputError(
            "`t_stop` must have one end per trial of `input_times`; "
            f"got shapes {tuple(t_stop.shape)} and {tuple(input_times.shape)}."
        )
    if t_stop is not None and t_stop.isnan().any():
        raise InputError(f"`t_stop` must not be NaN; got {t_stop.isnan().sum()} NaN.")
    if input_times.device != weights.device:
        raise InputError(
            "`input_times` and `weights` must be on one device; "
            f"got {input_times.device} and {weights.device}."
        )
    # The minimum is NaN if any element is, and a sum is finite only if every element is.
    if input_times.numel() and not input_times.detach().amin() > -torch.inf:
        raise InputError(
            "`input_times` must be finite, or inf for a silent input; "
            f"got {input_times.isnan().sum()} NaN and {input_times.isneginf().sum()} -inf "
            f"among {input_times.numel()} times."
        )
    if not torch.isfinite(weights.detach().sum()) and not torch.isfinite(weights).all():
        raise InputError(
            f"`weights` must be finite; got {weights.isnan().sum()} NaN and "
            f"{weights.isinf().sum()} infinite among {weights.numel()} weights."
        )
