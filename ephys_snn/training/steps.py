r"""The steps of training by exact first-spike times.

Every step is one of Adam, its size relative to the root mean square of a layer's initial weights,
with these additions:

- *Centralization* (Yong et al. 2020). All weights onto a neuron share a gradient component that
  only says "spike earlier" or "later". Adam turns it into a step of the summed weight that is
  larger by the number of inputs than any single weight's; hidden layers then run away together
  until all neurons spike at once, and output neurons fall silent. So the mean over the presynaptic
  neurons is subtracted from the gradient, ∂L/∂w_ij ← ∂L/∂w_ij − ⟨∂L/∂w_ij⟩_i.
- *Exciting the silent*, who have no gradient (`homeostasis.excite_silent_`).
- *Smallest slope*: where a membrane only grazes threshold the gradient explodes; it takes the slope
  at threshold to be at least `SMALLEST_SLOPE`, which few but slow neurons of the first layer need.
- *Weight decay*, decoupled from the gradient (Loshchilov & Hutter 2019). Most of a gradient is
  noise, so weights wander, and Dale's law reflects them at 0: excitation and inhibition grow
  together until a single input spike crosses threshold and no neuron integrates. Without decay 60
  epochs of MNIST end at 50 times the initial weights and fit no better than 5.
- *Dale's law*: weights of the wrong sign become 0 (`FirstSpikeLayer.apply_dale_`).
- *Limited net excitation* in networks of more than `SHALLOW` hidden layers, whose classes are lost
  otherwise (`homeostasis.limit_net_excitation_`).

Trials end soon after their decision (`trial_end`).

Several processes may train one network (see `distributed`): each has the same weights, draws the
same batch and computes, over its own trials, the sums from which all take the same step.

References
----------
Yong et al., Gradient centralization, ECCV 2020, doi:10.1007/978-3-030-58452-8_37.
Kingma, Ba, Adam, ICLR 2015, arXiv:1412.6980.
Loshchilov, Hutter, Decoupled weight decay regularization, ICLR 2019, arXiv:1711.05101.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from ephys_snn.errors import InputError
from ephys_snn.network import SHALLOW, Network
from ephys_snn.spike_time import censor
from ephys_snn.stimuli import Stimuli, augment
from ephys_snn.training import distributed, trial_end
from ephys_snn.training.evaluation import TrialCounts, evaluate
from ephys_snn.training.homeostasis import excite_silent_, limit_net_excitation_
from ephys_snn.training.loss import EARLY_WEIGHT, first_spike_loss
from ephys_snn.training.run import Run, Settings, learning_rate, record_epoch, restore_best, start

# Smallest slope of the membrane at threshold that gradients see, in θ/τ; a synchronous volley of
# the initial net weight crosses with a slope of 8.
SMALLEST_SLOPE = 1.0


class Diverged(InputError):
    """A loss or weights that are not finite any more."""


class StepDone(NamedTuple):
    """A step of training was taken; the counts, of its finished trials if any, are from before."""

    counts: TrialCounts


class EpochDone(NamedTuple):
    """An epoch of training has ended, and was validated; the entry is that of the history."""

    entry: dict


def train(network: Network, stimuli: Stimuli, settings: Settings) -> Network:
    """Train an untrained network in place, and return it.

    It has the weights that did best on the validation samples, or the last ones if these were
    trained on too, and data, settings and history on its card.

    Raises
    ------
    Diverged
        If the loss or the weights are not finite any more; `network` has its best weights then.
    InputError
        If network and stimuli do not fit.
    """
    run = start(network, stimuli, settings)
    try:
        for _ in training_steps(run, stimuli):
            pass
    finally:
        restore_best(run)
    return network


def training_steps(run: Run, stimuli: Stimuli) -> Iterator[StepDone | EpochDone]:
    """Train step by step to the end.

    After each, the run, which changes in place, can be saved, and this goes on from where it is.

    Yields
    ------
    StepDone or EpochDone
        After every step, and after an epoch's last step once more, when it was validated.

    Raises
    ------
    Diverged
        If the loss or the weights are not finite any more.
    """
    times, labels = stimuli.part(*run.settings.training_splits)
    times = times.astype(np.float32, copy=False)
    validation = stimuli.part("validation")
    class_weights = balanced_weights(labels, len(stimuli.classes)) \
        if run.settings.balance_classes else None
    while run.epoch < run.settings.epochs:
        if run.order is None:
            run.order, run.counts = run.rng.permutation(len(times)), TrialCounts.empty(run.network)
        while run.position < len(times):
            fresh = run.order[run.position:run.position + run.settings.batch_size]
            chosen = np.concatenate([run.unfinished, fresh])
            given = augment(times[chosen], stimuli, run.settings.jitter, run.settings.distortion,
                            run.rng)
            counts = _step_on_samples(run, chosen, given, labels[chosen], class_weights)
            run.position += len(fresh)
            run.counts += counts
            yield StepDone(counts)
        run.epoch, run.order, run.position = run.epoch + 1, None, 0
        validated = evaluate(run.network, *validation, run.settings.early_weight)
        yield EpochDone(record_epoch(run, run.counts.evaluation(), validated))


def balanced_weights(labels: np.ndarray, n_classes: int) -> torch.Tensor:
    """What a trial of each class counts so that all classes count alike, 1 on average (class,)."""
    counts = np.bincount(labels, minlength=n_classes)
    return torch.from_numpy(len(labels) / (n_classes * np.maximum(counts, 1)))


def _step_on_samples(run: Run, chosen: np.ndarray, times: np.ndarray, labels: np.ndarray,
                     class_weights: torch.Tensor | None) -> TrialCounts:
    """A step on the samples `chosen`, after which the run knows which of them to repeat."""
    rate = learning_rate(run.epoch * run.n_steps + run.step, run.settings.epochs * run.n_steps,
                         len(run.network.layers) - 1, run.settings)
    largest = trial_end.largest_t_stop(run.last_t_stop[chosen], run.network.lif.tau_s)
    counts, t_stop = step(run, torch.from_numpy(times), torch.from_numpy(labels), rate, largest,
                          class_weights)
    # An unfinished trial may take as long as it will when it is repeated.
    run.last_t_stop[chosen] = torch.nan_to_num(t_stop, nan=torch.inf, posinf=torch.inf).numpy()
    run.unfinished = chosen[torch.isnan(t_stop).numpy()]
    return counts


def step(
    run: Run,
    times: torch.Tensor,
    labels: torch.Tensor,
    rate: float,
    largest_t_stop: torch.Tensor,
    class_weights: torch.Tensor | None = None,
) -> tuple[TrialCounts, torch.Tensor]:
    """One step on a batch of trials.

    Parameters
    ----------
    run : Run
        Its network and optimizer change in place.
    times : torch.Tensor, shape (trial, input)
        Input spike times in ms of the joint batch, the same in all processes.
    labels : torch.Tensor of int64, shape (trial,)
        The right classes.
    rate : float
        Relative step size.
    largest_t_stop : torch.Tensor, shape (trial,)
        Times in ms by which the trials should end.
    class_weights : torch.Tensor, shape (class,), optional
        What a trial of each class counts in the loss; 1 by default.

    Returns
    -------
    TrialCounts
        Of the finished trials of the joint batch, before the step.
    torch.Tensor, shape (trial,)
        When they ended in ms; nan for unfinished trials.

    Raises
    ------
    Diverged
        If the loss or the weights are not finite any more.
    """
    counts, t_stop = compute_gradients(run.network, times, labels, largest_t_stop, class_weights,
                                       run.settings.early_weight)
    if counts.n_trials:
        _check_finite(run, "the loss", counts.parts[0])
        for weights in run.network.weights:
            centralize_(weights.grad)
        for group in run.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        run.optimizer.step()
        _correct(run, counts)
    return counts, t_stop


def compute_gradients(
    network: Network,
    times: torch.Tensor,
    labels: torch.Tensor,
    largest_t_stop: torch.Tensor,
    class_weights: torch.Tensor | None = None,
    early_weight: float = EARLY_WEIGHT,
) -> tuple[TrialCounts, torch.Tensor]:
    """Leave the gradients of the mean loss of a joint batch in the weights, and count its trials.

    Parameters and what is returned are those of `step`; `early_weight` is that of the loss. Each
    process computes the sums over its own trials.
    """
    mine = distributed.own_trials(len(labels))
    device = network.weights[0].device
    labels, largest_t_stop = labels[mine].to(device), largest_t_stop[mine].to(device)
    layers = network(times[mine], largest_t_stop, SMALLEST_SLOPE)
    t_stop = trial_end.find_t_stop(layers[-1], labels, network.lif.tau_s)
    finished = t_stop <= largest_t_stop
    # Gradients of hidden spikes at t_stop or later vanish with the output spikes that are censored.
    losses = first_spike_loss(censor(layers[-1], t_stop), labels, network.lif.tau_s,
                              early_weight)
    weighted = losses if class_weights is None else losses * class_weights.to(losses)[labels]
    for weights in network.weights:
        weights.grad = None
    (weighted[finished].sum() / len(times)).backward()
    counts = TrialCounts.of(
        losses[finished], [censor(spikes.detach(), t_stop)[finished] for spikes in layers],
        labels[finished])
    distributed.sum_(*(weights.grad for weights in network.weights))
    distributed.sum_(counts.sums)
    all_t_stop = torch.zeros(len(times))
    all_t_stop[mine] = torch.where(finished, t_stop, torch.nan).to(all_t_stop)
    distributed.sum_(all_t_stop)
    return counts, all_t_stop


def centralize_(gradient: torch.Tensor) -> torch.Tensor:
    """Subtract from a weight gradient (pre, post) its mean over presynaptic neurons, in place."""
    return gradient.sub_(gradient.mean(dim=0))


def _correct(run: Run, counts: TrialCounts) -> None:
    """After a step of the optimizer: excite the silent, apply Dale's law, limit net excitation."""
    network, n_hidden = run.network, len(run.network.layers) - 1
    floors = [run.settings.activity_floor] * n_hidden + [1.0]
    active = [*counts.spiking[:-1], counts.own_spiking]
    for depth, (layer, fraction, floor) in enumerate(zip(network.layers, active, floors,
                                                         strict=True)):
        excite_silent_(layer.weight, layer.sign, fraction.to(layer.weight), floor,
                       network.lif.threshold)
        layer.apply_dale_()
        if n_hidden > SHALLOW and 0 < depth < n_hidden:
            limit_net_excitation_(layer.weight, layer.sign)
        _check_finite(run, "a weight", layer.weight)


def _check_finite(run: Run, what: str, values: torch.Tensor) -> None:
    # A sum is finite only if every element is; large ones may overflow in it, so look closer.
    total = values.detach().sum()
    if not torch.isfinite(total) and not torch.isfinite(values).all():
        raise Diverged(
            f"{what} is no finite number any more (step {run.step + 1} of epoch {run.epoch + 1}): "
            f"train with a smaller learning rate than {run.settings.learning_rate:g}"
        )
