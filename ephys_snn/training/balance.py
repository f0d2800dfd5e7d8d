r"""Balance of excitation and inhibition: a volley of all neurons must not drown what it carries.

Noise moves weights to and fro, and Dale's law stops those at 0 on the way to the wrong sign but not
on the way back. So the summed weight grows, of excitatory neurons more than of the fewer inhibitory
ones, and the net weight W_j = Σ_i w_ij of a neuron with it: in 16 layers of 100 from 10 to 80
thresholds within five epochs. Of the power Σ_i w_ij² of a neuron's N weights their mean then has
the share

.. math:: c_j = \frac{W_j^2}{N \sum_i w_{ij}^2} = \frac{1}{N g_j^2},

g_j being the gain with which differences between stimuli pass a volley of all neurons (see
`propagation`). In deep networks such volleys come: once the net excitation is large, the stimuli
that drive the network most make all neurons of a layer spike at once, and so all layers above it.
With g = 0.3 ten layers leave 10⁻⁵ of what told these stimuli from others; their class is lost in
one epoch, without any silent neuron, and for good, since the gradient fades on its way down just as
the differences do on their way up.

The cure keeps c_j at or below `LARGEST_COMMON` in the hidden layers: what is too much of the net
weight is taken from the excitatory synapses of the neuron, from all alike. (Deeper inhibition would
do too, but silences neurons, whose excitation then grows, see `silence`, and so forth.)
"""

import torch

from ephys_snn.network import dale

# g of one half in layers of 100, of one quarter in layers of 400.
LARGEST_COMMON = 0.04


def balance_(
    weights: torch.Tensor, sign: torch.Tensor, largest: float = LARGEST_COMMON
) -> torch.Tensor:
    """Lower net weights towards where their mean has at most the share `largest`, in place.

    One call takes away the excess over what the present power allows. Dale's law clamps some of
    the weights meanwhile, and the power changes, so repeated calls come closer, as steps of
    training do. Absent synapses (0) stay absent. Neurons with more inhibition than excitation are
    left alone.

    Parameters
    ----------
    weights : torch.Tensor, shape (pre, post)
        Weights onto the neurons, which obey Dale's law.
    sign : torch.Tensor, shape (pre, 1)
        From `dale.signs`.
    largest : float
        Largest share c of the mean.

    Returns
    -------
    torch.Tensor, shape (pre, post)
        `weights` itself.
    """
    with torch.no_grad():
        allowed = (largest * len(weights)) ** 0.5 * torch.linalg.vector_norm(weights, dim=0)
        excess = (weights.sum(dim=0) - allowed).clamp_(min=0)
        if not bool(excess.any()):
            return weights
        exciting = weights > 0
        weights.sub_(exciting * (excess / exciting.sum(dim=0).clamp(min=1)))
        return dale.project_(weights, sign)
