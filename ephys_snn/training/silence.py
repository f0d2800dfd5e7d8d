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
    growth = (1 - active / floor).clamp(min=0) * (ROUSING * threshold / len(weights))
    with torch.no_grad():
        return weights.add_(growth) if sign is None else weights.addcmul_(sign.clamp(min=0), growth)
