"""How a network does on labelled stimuli: loss, accuracy, silence."""

from typing import NamedTuple

import numpy as np
import torch

from ephys_snn.loss import first_spike_loss
from ephys_snn.network import Network

EVALUATION_BATCH = 500


class Evaluation(NamedTuple):
    """How a network does on labelled stimuli.

    Attributes
    ----------
    loss : float
        Mean loss.
    accuracy : float
        Fraction of trials whose first output spike is that of the right class.
    silent : list of float
        Per layer, the fraction of (trial, neuron) without a spike.
    """

    loss: float
    accuracy: float
    silent: list[float]


def evaluate(network: Network, times: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Loss, accuracy and silence of a network.

    Parameters
    ----------
    network : Network
        The network.
    times : numpy.ndarray, shape (n, input)
        Input spike times in ms.
    labels : numpy.ndarray of int64, shape (n,)
        The right classes.
    """
    loss, right, silent = 0.0, 0, np.zeros(len(network.weights))
    with torch.no_grad():
        for start in range(0, len(times), EVALUATION_BATCH):
            layers = network(times[start:start + EVALUATION_BATCH])
            target = torch.as_tensor(labels[start:start + EVALUATION_BATCH])
            loss += first_spike_loss(layers[-1], target, network.lif.tau_s).sum().item()
            right += int((network.decision(layers[-1]) == target).sum())
            silent += [torch.isinf(layer).double().mean(dim=1).sum().item() for layer in layers]
    return Evaluation(loss / len(times), right / len(times), (silent / len(times)).tolist())
