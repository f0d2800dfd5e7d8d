"""What a network does without a perturbation."""

from __future__ import annotations

import numpy as np
import torch

from ephys_snn.cli import Progress, no_progress
from ephys_snn.network import Network

BATCH = 250  # trials in one pass through a layer
Responses = dict[str, np.ndarray]  # area to (trial, unit) first-spike times, ms; inf where silent


def control_responses(network: Network, times: np.ndarray, progress: Progress = no_progress
                      ) -> Responses:
    """First-spike times of every area, input included, without a perturbation.

    Parameters
    ----------
    network : Network
    times : (trial, input) float, ms
        Inf for silent inputs.
    progress : Progress
        Of the batches of trials.

    Returns
    -------
    dict of str to (trial, unit) float, ms
        Areas in their order; inf where silent. In the precision of the weights.
    """
    batches = []
    with torch.no_grad():
        for start in progress(range(0, len(times), BATCH), "recording"):
            # What the network was given, in its own precision, is what it responded to.
            batch = torch.as_tensor(times[start:start + BATCH]).to(network.weights[0])
            batches.append([layer.numpy() for layer in (batch, *network(batch))])
    return {area: np.concatenate(layers)
            for area, layers in zip(network.areas, zip(*batches, strict=True), strict=True)}
