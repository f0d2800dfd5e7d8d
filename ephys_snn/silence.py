"""Rousing the silent: a neuron that does not spike has no gradient, so its excitation grows.

Where the fraction f of a batch's trials in which a neuron spikes is below a floor f₀, its
excitatory weights grow, together by `ROUSING`·θ (1 − f/f₀) per step. An output neuron should spike
in all trials of its own class.
"""

import torch

# Growth of the summed excitatory weight of a wholly silent neuron per step, in thresholds.
ROUSING = 0.8


def rouse_(
    weights: torch.Tensor,
    sign: torch.Tensor | None,
    active: torch.Tensor,
    floor: float,
    threshold: float,
) -> torch.Tensor:
    """Raise the excitatory weights of neurons that spike in too few trials, in place.

    Parameters
    ----------
    weights : torch.Tensor, shape (pre, post)
        Weights onto the neurons.
    sign : torch.Tensor, shape (pre, 1), or None
        +1 for excitatory presynaptic neurons, −1 for inhibitory; None where any may excite.
    active : torch.Tensor, shape (post,)
        Fraction of trials in which each neuron spikes.
    floor : float
        Fraction of trials in which each should spike at least.
    threshold : float
        Threshold of the neurons.

    Returns
    -------
    torch.Tensor, shape (pre, post)
        `weights` itself.
    """
    if bool((active >= floor).all()):
        return weights
    excitatory = slice(None) if sign is None else (sign[:, 0] > 0)
    growth = (1 - active / floor).clamp(min=0) * (ROUSING * threshold / len(weights))
    with torch.no_grad():
        weights[excitatory] += growth
    return weights


def active_fraction(times: torch.Tensor) -> torch.Tensor:
    """Fraction of trials in which each neuron spikes, from spike times (trial, neuron)."""
    return torch.isfinite(times).to(times.dtype).mean(dim=0)


def right_fraction(output_times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Fraction of its own class's trials in which each output neuron spikes; 1 without trials."""
    own = torch.nn.functional.one_hot(labels, output_times.shape[1])
    spiked = (own * torch.isfinite(output_times)).sum(dim=0)
    return torch.where(own.any(dim=0), spiked / own.sum(dim=0).clamp(min=1), 1.0)
