r"""When a trial of training is over: soon after its decision, as later spikes hardly matter.

The gradient of the loss weighs output neuron k by exp(−T_k/ξ) / Σ exp(−T/ξ). One that spikes
`MARGIN` ξ after the decision has a weight below e^−MARGIN of that of the first, and a spike in a
hidden layer acts on later spikes only. So a trial ends at

.. math:: t_\mathrm{stop} = \max(T_y^+,\; \min_k T_k + \mathrm{MARGIN}\,\xi),

T_y⁺ lying just after the spike of the right output neuron; what would come at the end or later
counts as silent, in every layer. If the right output neuron is silent, the trial has no end. In
trained networks most spikes come after that, and a step costs half as much without them.

The end of a trial is known only after it, so beforehand a largest one is set: where the same
sample's trial ended last time, and some slack. A trial that goes on beyond it is *unfinished*: it
is left out of this step, and repeated whole in the next batch. Where the largest t_stop lies
changes what a step costs, and nothing else about finished trials.
"""

import numpy as np
import torch

from ephys_snn.training.loss import XI

MARGIN = 5.0
# How much later than last time a trial may end, in ξ, before it has to be repeated.
SLACK = 3.0


def find_t_stop(output_times: torch.Tensor, labels: torch.Tensor, tau: float) -> torch.Tensor:
    """When each trial ends.

    Parameters
    ----------
    output_times : torch.Tensor, shape (trial, class)
        Spike times in ms of the output layer; inf for silent neurons.
    labels : torch.Tensor of int64, shape (trial,)
        The right classes.
    tau : float
        Time constant in ms.

    Returns
    -------
    torch.Tensor, shape (trial,)
        t_stop in ms; inf where the right output neuron is silent.
    """
    output_times = output_times.detach()
    right = output_times.gather(1, labels[:, None])[:, 0]
    just_after = torch.nextafter(right, torch.full_like(right, torch.inf))
    return torch.maximum(just_after, output_times.amin(dim=1) + MARGIN * XI * tau)


def largest_t_stop(last_t_stop: np.ndarray, tau: float) -> torch.Tensor:
    """Largest t_stop (trial,) in ms, from that of the same samples' last trials in ms."""
    return torch.from_numpy(last_t_stop + np.float32(SLACK * XI * tau))
