r"""What training does to weights beside the gradient, to keep spikes informative about stimuli.

*Silent neurons.* A neuron that does not spike has no gradient, so its excitation grows. Where the
fraction f of a batch's trials in which a neuron spikes is below a floor f₀, its excitatory weights
grow, together by `LARGEST_GROWTH`·θ (1 − f/f₀) per step. An output neuron should spike in all
trials of its own class.

*Net excitation* must not drown what a volley of all neurons carries. Noise moves weights to and
fro, and Dale's law stops those at 0 on the way to the wrong sign but not on the way back. So the
summed weight grows, of excitatory neurons more than of the fewer inhibitory ones, and the net
weight W_j = Σ_i w_ij of a neuron with it: in 16 layers of 100 from 10 to 80 thresholds within five
epochs. Of the power Σ_i w_ij² of a neuron's N weights their mean then has the fraction

.. math:: c_j = \frac{W_j^2}{N \sum_i w_{ij}^2} = \frac{1}{N g_j^2},

g_j being the gain with which differences between stimuli pass a volley of all neurons (see
`network.propagation`). In deep networks such volleys come: once the net excitation is large, the
stimuli that drive the network most make all neurons of a layer spike at once, and so all layers
above it. With g = 0.3 ten layers leave 10⁻⁵ of what told these stimuli from others; their class is
lost in one epoch, without any silent neuron, and for good, since the gradient fades on its way down
just as the differences do on their way up.

The cure keeps c_j at or below `LARGEST_MEAN_FRACTION` in the hidden layers: what is too much of the
net weight is taken from the excitatory synapses of the neuron, from all alike. (Deeper inhibition
would do too, but silences neurons, whose excitation then grows, and so forth.)
"""

import torch

from ephys_snn.network import project_

# Growth of the summed excitatory weight of a wholly silent neuron per step, in thresholds.
LARGEST_GROWTH = 0.8
# g of one half in layers of 100, of one quarter in layers of 400.
LARGEST_MEAN_FRACTION = 0.04


def excite_silent_(
    weights: torch.Tensor,
    sign: torch.Tensor | None,
    active: torch.Tensor,
    floor: float,
    threshold: float,
) -> torch.Tensor:
    """Raise the excitatory weights of neurons that spike in too few trials, in place; return them.

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
        Of the neurons.
    """
    if bool((active >= floor).all()):
        return weights
    growth = (1 - active / floor).clamp(min=0) * (LARGEST_GROWTH * threshold / len(weights))
    with torch.no_grad():
        return weights.add_(growth) if sign is None else weights.addcmul_(sign.clamp(min=0), growth)


def limit_net_excitation_(weights: torch.Tensor, sign: torch.Tensor | None) -> torch.Tensor:
    """Lower net weights towards c_j <= `LARGEST_MEAN_FRACTION`, in place; return the weights.

    One call takes away the excess over what the present power allows. Dale's law clamps some of
    the weights meanwhile, and the power changes, so repeated calls come closer, as steps of
    training do. Absent synapses (0) stay absent. Neurons with more inhibition than excitation are
    left alone.

    Parameters
    ----------
    weights : torch.Tensor, shape (pre, post)
        Weights onto the neurons.
    sign : torch.Tensor, shape (pre, 1), or None
        +1 for excitatory presynaptic neurons, −1 for inhibitory, whose Dale's law is kept; None
        where they need not keep it.
    """
    with torch.no_grad():
        largest_ratio = (LARGEST_MEAN_FRACTION * len(weights)) ** 0.5
        allowed = largest_ratio * torch.linalg.vector_norm(weights, dim=0)
        excess = (weights.sum(dim=0) - allowed).clamp_(min=0)
        if not bool(excess.any()):
            return weights
        exciting = weights > 0
        weights.sub_(exciting * (excess / exciting.sum(dim=0).clamp(min=1)))
        return weights if sign is None else project_(weights, sign)
