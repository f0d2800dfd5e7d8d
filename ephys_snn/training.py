r"""Training by exact first-spike times.

Every step is one of Adam, its size relative to the root mean square of a layer's initial weights,
with two corrections and one law:

- *Centralization* (Yong et al. 2020). All weights onto a neuron share a gradient component that
  only says "spike earlier" or "later". Adam turns it into a step of the summed weight that is
  larger by the number of inputs than any single weight's; hidden layers then run away together
  until all neurons spike at once, and output neurons fall silent. So the mean over the presynaptic
  neurons is subtracted from the gradient, ∂L/∂w_ij ← ∂L/∂w_ij − ⟨∂L/∂w_ij⟩_i.
- *Rousing the silent*, who have no gradient (`silence.rouse_`).
- *Dale's law*: weights of the wrong sign become 0 (`dale.project_`).

References
----------
Yong et al., Gradient centralization, ECCV 2020, doi:10.1007/978-3-030-58452-8_37.
Kingma, Ba, Adam, ICLR 2015, arXiv:1412.6980.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from ephys_snn import dale
from ephys_snn.errors import InputError
from ephys_snn.evaluation import Evaluation, evaluate
from ephys_snn.loss import first_spike_loss
from ephys_snn.network import Network
from ephys_snn.silence import active_fraction, right_fraction, rouse_
from ephys_snn.stimuli import Stimuli, jitter_times

# Steps of the input weights relative to those of other layers: most inputs of an image spike at the
# same time, and what moves all of them moves every neuron of the first layer at once.
INPUT_STEP = 0.5


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes through the training samples.
    batch_size : int
        Trials per step.
    learning_rate : float
        Largest step size of Adam, relative to the root mean square of a layer's initial weights;
        reached after the warm-up, it falls to 1 % as a half cosine.
    warm_up : float
        Fraction of all steps in which the step size rises from 0.
    jitter : float
        Standard deviation in ms of the noise added to the input spike times of training trials.
    activity_floor : float
        Fraction of trials in which every neuron should spike at least, at some time.
    seed : int
        Of the order of the samples and the jitter.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    epochs: int
    batch_size: int = 80
    learning_rate: float = 0.08
    warm_up: float = 0.05
    jitter: float = 1.0
    activity_floor: float = 0.3
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 1; got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"`learning_rate` must be above 0; got {self.learning_rate:g}")
        if not 0 <= self.jitter < math.inf:
            raise InputError(f"`jitter` must be at least 0 ms; got {self.jitter:g}")
        for name in ("warm_up", "activity_floor"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"`{name}` must be at least 0 and below 1; got {getattr(self, name):g}"
                )


def centralize_(gradient: torch.Tensor) -> torch.Tensor:
    """Subtract from a weight gradient (pre, post) its mean over presynaptic neurons, in place."""
    return gradient.sub_(gradient.mean(dim=0))


def learning_rate(step: int, n_steps: int, settings: Settings) -> float:
    """Relative step size of Adam: linear warm-up, then a half cosine down to 1 %."""
    warm_up = settings.warm_up * n_steps
    if step < warm_up:
        return settings.learning_rate * (step + 1) / (warm_up + 1)
    progress = (step - warm_up) / max(n_steps - warm_up, 1)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass
class Run:
    """A training run between two epochs: all that its future depends on.

    Parameters
    ----------
    network : Network
        The network as trained so far.
    settings : Settings
        How it is trained.
    optimizer : torch.optim.Adam
        With its moments.
    generator : numpy.random.Generator
        Source of the samples' order and of the jitter.
    signs : list of torch.Tensor or None
        Signs that Dale's law gives to the rows of each weight matrix; None for the inputs'.
    epoch : int
        Number of epochs done.
    best : list of torch.Tensor
        The weights that did best on the validation samples.
    history : list of dict
        One entry per epoch.
    """

    network: Network
    settings: Settings
    optimizer: torch.optim.Adam
    generator: np.random.Generator
    signs: list[torch.Tensor | None]
    epoch: int = 0
    best: list[torch.Tensor] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)


def start(network: Network, settings: Settings) -> Run:
    """Begin to train a network, whose weights change in place from here on."""
    for weights in network.weights:
        weights.requires_grad_(True)
    return Run(
        network=network,
        settings=settings,
        optimizer=torch.optim.Adam(
            [{"params": [weights], "scale": weights.detach().square().mean().sqrt().item()
              * (INPUT_STEP if layer == 0 else 1.0)}
             for layer, weights in enumerate(network.weights)],
            fused=True,
        ),
        generator=np.random.default_rng([settings.seed, 1]),
        signs=network.signs,
        best=[weights.detach().clone() for weights in network.weights],
    )


def step(run: Run, times: torch.Tensor, labels: torch.Tensor, rate: float) -> Evaluation:
    """One step on a batch of trials.

    Parameters
    ----------
    run : Run
        The run; its network and optimizer change in place.
    times : torch.Tensor, shape (trial, input)
        Input spike times in ms.
    labels : torch.Tensor of int64, shape (trial,)
        The right classes.
    rate : float
        Relative step size.

    Returns
    -------
    Evaluation
        On this batch, before the step.
    """
    network, settings = run.network, run.settings
    layers = network(times)
    loss = first_spike_loss(layers[-1], labels, network.lif.tau_s).mean()
    run.optimizer.zero_grad()
    loss.backward()
    for weights in network.weights:
        centralize_(weights.grad)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    run.optimizer.step()
    active = [active_fraction(spikes) for spikes in layers]
    needed = [*active[:-1], right_fraction(layers[-1], labels)]
    floors = [settings.activity_floor] * (len(layers) - 1) + [1.0]
    for weights, sign, fraction, floor in zip(
        network.weights, run.signs, needed, floors, strict=True
    ):
        rouse_(weights, sign, fraction, floor, network.lif.threshold)
        if sign is not None:
            dale.project_(weights, sign)
    right = network.decision(layers[-1].detach()) == labels
    return Evaluation(
        loss.item(), right.double().mean().item(), [1 - one.mean().item() for one in active]
    )


def batches(
    times: np.ndarray, labels: np.ndarray, settings: Settings, generator: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Jittered batches of all samples in random order.

    Parameters
    ----------
    times : numpy.ndarray of float32, shape (n, input)
        Input spike times in ms.
    labels : numpy.ndarray of int64, shape (n,)
        Classes.
    settings : Settings
        Batch size and jitter.
    generator : numpy.random.Generator
        Source of the order and the jitter.

    Yields
    ------
    times : torch.Tensor, shape (trial, input)
    labels : torch.Tensor, shape (trial,)
    """
    order = generator.permutation(len(times))
    for first in range(0, len(order), settings.batch_size):
        chosen = order[first:first + settings.batch_size]
        jittered = jitter_times(times[chosen], settings.jitter, generator)
        yield torch.from_numpy(jittered), torch.from_numpy(labels[chosen])


def train_epoch(
    run: Run,
    times: np.ndarray,
    labels: np.ndarray,
    after_step: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Evaluation:
    """One pass through the training samples.

    Parameters
    ----------
    run : Run
        The run; changes in place.
    times : numpy.ndarray of float32, shape (n, input)
        Input spike times in ms.
    labels : numpy.ndarray of int64, shape (n,)
        Classes.
    after_step : callable
        Called after every step with what it returned.

    Returns
    -------
    Evaluation
        Mean over the steps, each before it was taken.
    """
    per_epoch = math.ceil(len(times) / run.settings.batch_size)
    done = []
    for index, (batch, targets) in enumerate(batches(times, labels, run.settings, run.generator)):
        rate = learning_rate(run.epoch * per_epoch + index, run.settings.epochs * per_epoch,
                             run.settings)
        done.append(step(run, batch, targets, rate))
        after_step(done[-1])
    run.epoch += 1
    return Evaluation(
        float(np.mean([one.loss for one in done])),
        float(np.mean([one.accuracy for one in done])),
        np.mean([one.silent for one in done], axis=0).tolist(),
    )


def train(
    network: Network,
    stimuli: Stimuli,
    settings: Settings,
    after_step: Callable[[Evaluation], None] = lambda evaluation: None,
    after_epoch: Callable[[Run], None] = lambda run: None,
) -> Network:
    """Train a network and return it as it did best on the validation samples.

    Parameters
    ----------
    network : Network
        The untrained network; its weights change in place.
    stimuli : Stimuli
        Samples to train and to validate.
    settings : Settings
        How to train.
    after_step, after_epoch : callable
        Called after every step with its `Evaluation`, after every epoch with the `Run`.

    Returns
    -------
    Network
        `network` with its best weights, and with the settings and the history in its metadata.
    """
    run = start(network, settings)
    times, labels = stimuli.part("train")
    times = times.astype(np.float32)
    validation = stimuli.part("validation")
    while run.epoch < settings.epochs:
        training = train_epoch(run, times, labels, after_step)
        validated = evaluate(network, *validation)
        _remember(run, training, validated)
        after_epoch(run)
    return finish(run)


def _remember(run: Run, training: Evaluation, validated: Evaluation) -> None:
    """Add an epoch to the history; keep its weights if none before did better."""
    accuracies = [entry["validation_accuracy"] for entry in run.history]
    # Of equals the latest, which has seen the most.
    if validated.accuracy >= max(accuracies, default=0.0):
        run.best = [weights.detach().clone() for weights in run.network.weights]
    run.history.append({
        "epoch": run.epoch,
        "loss": training.loss,
        "accuracy": training.accuracy,
        "validation_loss": validated.loss,
        "validation_accuracy": validated.accuracy,
        "silent_fraction": validated.silent,
    })


def finish(run: Run) -> Network:
    """The network with its best weights, its settings and history in its metadata."""
    network = run.network
    with torch.no_grad():
        for weights, best in zip(network.weights, run.best, strict=True):
            weights.requires_grad_(False).copy_(best)
    network.metadata["history"] = run.history
    network.metadata["trained"] = True
    return network
