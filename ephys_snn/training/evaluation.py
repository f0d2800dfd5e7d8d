"""How a network does on labelled stimuli: loss, accuracy, silence, pulse packets."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ephys_snn.network import Network
from ephys_snn.pulse_packets import shortest_halves
from ephys_snn.training import distributed
from ephys_snn.training.loss import EARLY_WEIGHT, first_spike_loss

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """How a network does on labelled stimuli.

    Attributes
    ----------
    loss : float
        Mean loss.
    accuracy : float
        Fraction of trials whose first output spike is that of the right class.
    class_accuracy : list of float
        The same of each class's trials; nan for a class without trials.
    spiking : list of numpy.ndarray, each of shape (neuron,)
        Per hidden layer and for the output layer, the fraction of trials in which a neuron spikes.
    shortest_half : list of float, ms
        Mean shortest half of the spikes before the decision (see `pulse_packets`) of the inputs and
        of every hidden layer; nan where no trial has a packet, empty where it was not measured.
    """

    loss: float
    accuracy: float
    class_accuracy: list[float]
    spiking: list[np.ndarray]
    shortest_half: list[float]

    @property
    def silent(self) -> list[float]:
        """Per layer, the fraction of (trial, neuron) without a spike."""
        return [float(1 - fraction.mean()) for fraction in self.spiking]

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the accuracies of all classes that have trials."""
        return float(np.nanmean(self.class_accuracy))


@dataclass
class TrialCounts:
    """Counts of trials, which add up over batches and over processes.

    Attributes
    ----------
    layer_sizes : list of int
        Numbers of neurons of every hidden layer and of the output layer.
    sums : torch.Tensor of float64
        All counts one after another, as `parts` splits them.
    """

    layer_sizes: list[int]
    sums: torch.Tensor

    @classmethod
    def empty(cls, network: Network) -> "TrialCounts":
        """Of no trials yet."""
        layer_sizes = network.layer_sizes[1:]
        n_sums = 1 + 3 * layer_sizes[-1] + sum(layer_sizes)
        return cls(layer_sizes, torch.zeros(n_sums, dtype=torch.float64))

    @classmethod
    def of(
        cls, losses: torch.Tensor, layers: list[torch.Tensor], labels: torch.Tensor
    ) -> "TrialCounts":
        """Count trials.

        Parameters
        ----------
        losses : torch.Tensor, shape (trial,)
        layers : list of torch.Tensor, each of shape (trial, neuron)
            Spike times in ms of every hidden layer and of the output layer.
        labels : torch.Tensor of int64, shape (trial,)
            The right classes.
        """
        with torch.no_grad():
            spiked = [times < torch.inf for times in layers]
            own = torch.nn.functional.one_hot(labels, layers[-1].shape[1])
            right = own * (Network.decision(layers[-1]) == labels)[:, None]
            counts = [losses.sum()[None], own.sum(dim=0), right.sum(dim=0),
                      (own * spiked[-1]).sum(dim=0), *(one.sum(dim=0) for one in spiked)]
            sums = torch.cat([count.cpu().double() for count in counts])
        return cls([times.shape[1] for times in layers], sums)

    def __add__(self, other: "TrialCounts") -> "TrialCounts":
        return TrialCounts(self.layer_sizes, self.sums + other.sums)

    @property
    def parts(self) -> tuple[torch.Tensor, ...]:
        """Summed loss (1,); trials, right decisions and spikes of the right output neuron, each
        (class,); trials with a spike (neuron,) of every layer."""
        n_classes = self.layer_sizes[-1]
        return self.sums.split([1, n_classes, n_classes, n_classes, *self.layer_sizes])

    @property
    def n_trials(self) -> float:
        """Number of trials."""
        return self.parts[1].sum().item()

    @property
    def spiking(self) -> list[torch.Tensor]:
        """Per layer, the fraction of trials in which each neuron spikes."""
        return [count / self.n_trials for count in self.parts[4:]]

    @property
    def own_spiking(self) -> torch.Tensor:
        """Fraction of its own class's trials in which each output neuron spikes; 1 without any."""
        _, trials, _, spikes, *_ = self.parts
        return torch.where(trials > 0, spikes / trials.clamp(min=1), 1.0)

    def evaluation(self, shortest_half: list[float] | None = None) -> Evaluation:
        """What the counts say, beside the widths of the packets if these were measured."""
        loss, trials, right, *_ = self.parts
        return Evaluation(
            loss=loss.item() / self.n_trials,
            accuracy=right.sum().item() / self.n_trials,
            class_accuracy=(right / trials).tolist(),
            spiking=[fraction.numpy() for fraction in self.spiking],
            shortest_half=shortest_half or [],
        )


def evaluate(network: Network, times: np.ndarray, labels: np.ndarray,
             early_weight: float = EARLY_WEIGHT) -> Evaluation:
    """How a network does; processes that train together share the work.

    Parameters
    ----------
    times : numpy.ndarray, shape (n, input)
        Input spike times in ms.
    labels : numpy.ndarray of int64, shape (n,)
        The right classes.
    early_weight : float
        Of the loss (`first_spike_loss`).
    """
    counts = TrialCounts.empty(network)
    widths = torch.zeros(len(network.weights), 2, dtype=torch.float64)
    mine = distributed.own_trials(len(times))
    with torch.no_grad():
        for start in range(mine.start, mine.stop, EVALUATION_BATCH):
            batch = slice(start, min(start + EVALUATION_BATCH, mine.stop))
            given = torch.as_tensor(times[batch]).to(network.weights[0])
            layers = network(given)
            target = torch.as_tensor(labels[batch], device=given.device)
            losses = first_spike_loss(layers[-1], target, network.lif.tau_s, early_weight)
            counts += TrialCounts.of(losses, layers, target)
            widths += packet_widths([given, *layers])
    distributed.sum_(counts.sums, widths)
    return counts.evaluation([width / n if n else math.nan for width, n in widths.tolist()])


def packet_widths(layers: list[torch.Tensor]) -> torch.Tensor:
    """Summed shortest half in ms and number of packets (area, 2) before the decision.

    Parameters
    ----------
    layers : list of torch.Tensor, each of shape (trial, neuron)
        Spike times in ms of the inputs, of every hidden layer and, last, of the output layer, whose
        first spike is the decision; trials without one do not count.
    """
    decision = layers[-1].amin(dim=1, keepdim=True)
    decided = torch.isfinite(decision[:, 0])
    sums = []
    for times in layers[:-1]:
        latency = torch.where(times < decision, times, torch.inf)[decided]
        halves = shortest_halves(latency.cpu().numpy())
        sums.append([halves.sum(dtype=np.float64), len(halves)])
    return torch.tensor(sums, dtype=torch.float64)
