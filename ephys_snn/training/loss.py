r"""The loss: the output neuron of the right class is to spike first, and early.

Of a trial with output spike times T_k and class y (Göltz et al. 2021), times in units of τ_s:

.. math::

    L = \log \sum_k e^{-T_k/\xi} + T_y/\xi + \alpha\, e^{T_y/\beta},
    \qquad \xi = 0.1,\ \beta = 1,

and the weight α of early decisions 0.005 unless said.

References
----------
Göltz et al., Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x.
"""

import torch

XI, BETA = 0.1, 1.0
EARLY_WEIGHT = 0.005  # α
# A silent output neuron counts as one that spikes this many time constants after time 0.
SILENT_OUTPUT = 6.0


def first_spike_loss(output_times: torch.Tensor, labels: torch.Tensor, tau: float,
                     early_weight: float = EARLY_WEIGHT) -> torch.Tensor:
    """Loss of each trial: the right output neuron is to spike before the others, and early.

    Parameters
    ----------
    output_times : torch.Tensor, shape (trial, class)
        Spike times in ms; inf for silent neurons, which count as spiking at `SILENT_OUTPUT` τ.
    labels : torch.Tensor of int64, shape (trial,)
        The right class.
    tau : float
        Time constant in ms.
    early_weight : float
        α, by which early decisions are rewarded; 0 for not at all.

    Returns
    -------
    torch.Tensor, shape (trial,)
        Loss, without unit.
    """
    times = output_times / tau
    times = torch.where(torch.isinf(times), SILENT_OUTPUT, times)
    right = times.gather(1, labels[:, None])[:, 0]
    return torch.logsumexp(-times / XI, dim=1) + right / XI \
        + early_weight * torch.exp(right / BETA)
