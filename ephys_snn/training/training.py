r"""Training by exact first-spike times.

Every step is one of Adam, its size relative to the root mean square of a layer's initial weights,
with these additions:

- *Centralization* (Yong et al. 2020). All weights onto a neuron share a gradient component that
  only says "spike earlier" or "later". Adam turns it into a step of the summed weight that is
  larger by the number of inputs than any single weight's; hidden layers then run away together
  until all neurons spike at once, and output neurons fall silent. So the mean over the presynaptic
  neurons is subtracted from the gradient, ∂L/∂w_ij ← ∂L/∂w_ij − ⟨∂L/∂w_ij⟩_i.
- *Rousing the silent*, who have no gradient (`silence.rouse_`).
- *Smallest slope*: where a membrane only grazes threshold the gradient explodes; it takes the slope
  at threshold to be at least `SMALLEST_SLOPE`, which few but slow neurons of the first layer need.
- *Weight decay*, decoupled from the gradient (Loshchilov & Hutter 2019). Most of a gradient is
  noise, so weights wander, and Dale's law reflects them at 0: excitation and inhibition grow
  together until a single input spike crosses threshold and no neuron integrates. Without decay 60
  epochs of MNIST end at 50 times the initial weights and fit no better than 5.
- *Dale's law*: weights of the wrong sign become 0 (`dale.project_`).
- *Balance* in networks of more than `SHALLOW` hidden layers, whose classes are lost otherwise
  (`balance.balance_`).

Trials end soon after their decision (`trial_end`).

Several processes may train one network (see `distributed`): each has the same weights, draws the
same batch and computes its share of the sums from which all take the same step.

References
----------
Yong et al., Gradient centralization, ECCV 2020, doi:10.1007/978-3-030-58452-8_37.
Kingma, Ba, Adam, ICLR 2015, arXiv:1412.6980.
Loshchilov, Hutter, Decoupled weight decay regularization, ICLR 2019, arXiv:1711.05101.
"""

import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

import ephys_snn
from ephys_snn.errors import InputError
from ephys_snn.network import SHALLOW, Network, dale
from ephys_snn.spike_time import censor
from ephys_snn.stimuli.distortion import distort
from ephys_snn.stimuli.stimuli import Stimuli, jitter_times
from ephys_snn.training import distributed, trial_end
from ephys_snn.training.balance import balance_
from ephys_snn.training.evaluation import Evaluation, Tally, evaluate
from ephys_snn.training.loss import first_spike_loss
from ephys_snn.training.silence import rouse_

# Steps of the input weights relative to those of other layers: most inputs of an image spike at the
# same time, and what moves all of them moves every neuron of the first layer at once.
INPUT_STEP = 0.5
# Number of hidden layers up to which steps have the size that is asked for.
FULL_STEP_DEPTH = 8
# Smallest slope of the membrane at threshold that gradients see, in θ/τ; a synchronous volley of
# the initial net weight crosses with a slope of 8.
SMALLEST_SLOPE = 1.0
# Decay of Adam's moments per step; a long memory of squares would let the rare large gradients of
# grazing spikes shorten the steps long after.
BETAS = (0.9, 0.99)


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
        reached after the warm-up, it falls to 1 % as a half cosine. Networks of more than
        `FULL_STEP_DEPTH` hidden layers take smaller ones (see `learning_rate`).
    warm_up : float
        Fraction of all steps in which the step size rises from 0.
    weight_decay : float
        Fraction of the weights that is lost per step of relative size 1.
    jitter : float
        Largest standard deviation in ms of the noise added to the input spike times of a training
        trial; each trial's is drawn evenly from 0 on.
    distortion : float
        Strength of the random distortions of training images (see `distortion`); 0 for none.
    activity_floor : float
        Fraction of trials in which every neuron should spike at least before they end.
    balance_classes : bool
        Whether every class counts alike, in the loss and in the choice of the best epoch, however
        few samples it has: trials are weighted by n / (n_classes n_of_their_class).
    include_validation : bool
        Whether the validation samples are trained on as well, once nothing is left to choose: the
        weights of the last epoch are kept.
    seed : int
        Of the order of the samples and the jitter.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    epochs: int
    batch_size: int = 80
    learning_rate: float = 0.05
    warm_up: float = 0.05
    weight_decay: float = 0.005
    jitter: float = 1.0
    distortion: float = 0.0
    activity_floor: float = 0.1
    balance_classes: bool = False
    include_validation: bool = False
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 1; got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"`learning_rate` must be above 0; got {self.learning_rate:g}")
        if not 0 <= self.jitter < math.inf:
            raise InputError(f"`jitter` must be at least 0 ms; got {self.jitter:g}")
        if not 0 <= self.weight_decay * self.learning_rate < 1:
            raise InputError("`weight_decay` must be at least 0 and, times the learning rate, "
                             f"below 1; got {self.weight_decay:g}")
        if not 0 <= self.distortion <= 5:
            raise InputError(f"`distortion` must lie between 0 and 5; got {self.distortion:g}")
        for name in ("warm_up", "activity_floor"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"`{name}` must be at least 0 and below 1; got {getattr(self, name):g}"
                )

    @property
    def training_splits(self) -> tuple[str, ...]:
        """Splits whose samples are trained on."""
        return ("train", "validation") if self.include_validation else ("train",)


class Diverged(InputError):
    """A loss or weights that are no numbers any more."""


def centralize_(gradient: torch.Tensor) -> torch.Tensor:
    """Subtract from a weight gradient (pre, post) its mean over presynaptic neurons, in place."""
    return gradient.sub_(gradient.mean(dim=0))


def learning_rate(step: int, n_steps: int, n_hidden: int, settings: Settings) -> float:
    """Relative step size of Adam: linear warm-up, then a half cosine down to 1 %.

    All layers step at once, and what that does to the output adds up along the depth: with more
    than `FULL_STEP_DEPTH` hidden layers their steps are the smaller, the more there are.
    """
    largest = settings.learning_rate * min(1, FULL_STEP_DEPTH / max(n_hidden, 1))
    warm_up = settings.warm_up * n_steps
    if step < warm_up:
        return largest * (step + 1) / (warm_up + 1)
    progress = (step - warm_up) / max(n_steps - warm_up, 1)
    return largest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass
class Run:
    """A training run: all that its future depends on.

    Parameters
    ----------
    network : Network
        The network as trained so far.
    settings : Settings
        How it is trained.
    optimizer : torch.optim.AdamW
        With its moments.
    generator : numpy.random.Generator
        Source of the samples' order and of the jitter.
    signs : list of torch.Tensor or None
        Signs that Dale's law gives to the rows of each weight matrix; None for the inputs'.
    tally : Tally
        Of the trials of the current epoch so far, each before the step it was used for.
    epoch : int
        Number of epochs done.
    order : numpy.ndarray of int, or None
        Order of the training samples in the current epoch; None between two epochs.
    position : int
        How many of them have been used.
    shape : tuple (height, width) or None
        How the inputs make an image; None where they do not.
    late : float
        Spike time in ms of a pixel without intensity.
    ends : numpy.ndarray of float32, shape (sample,)
        When the last trial of each training sample ended in ms; inf before there was one.
    unfinished : numpy.ndarray of int
        Samples whose trial went on beyond its bound and is to be repeated.
    best : list of torch.Tensor
        The weights that did best on the validation samples.
    history : list of dict
        One entry per epoch.
    """

    network: Network
    settings: Settings
    optimizer: torch.optim.AdamW
    generator: np.random.Generator
    signs: list[torch.Tensor | None]
    tally: Tally
    shape: tuple[int, int] | None
    late: float
    ends: np.ndarray
    unfinished: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    epoch: int = 0
    order: np.ndarray | None = None
    position: int = 0
    best: list[torch.Tensor] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)

    @property
    def n_steps(self) -> int:
        """Number of steps of an epoch."""
        return math.ceil(len(self.ends) / self.settings.batch_size)

    @property
    def step(self) -> int:
        """Number of steps done in the current epoch."""
        return math.ceil(self.position / self.settings.batch_size)

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights did best: of equals the latest, which has seen most; 0 if none.

        The latest epoch if no samples are left to validate with.
        """
        if self.settings.include_validation:
            return len(self.history)
        key = "validation_balanced_accuracy" if self.settings.balance_classes \
            else "validation_accuracy"
        return max(self.history, key=lambda entry: (entry[key], entry["epoch"]),
                   default={"epoch": 0})["epoch"]


def start(network: Network, stimuli: Stimuli, settings: Settings) -> Run:
    """Begin to train a network, whose weights change in place from here on.

    Parameters
    ----------
    network : Network
        The untrained network.
    stimuli : Stimuli
        What it is to be trained on; the network's metadata say so from here on.
    settings : Settings
        How to train.

    Raises
    ------
    InputError
        If network and stimuli do not fit, or there are no samples to train or validate with.
    """
    n_inputs, n_classes = network.layer_sizes[0], network.layer_sizes[-1]
    if (n_inputs, n_classes) != (stimuli.n_inputs, len(stimuli.classes)):
        raise InputError(
            f"the network has {n_inputs} inputs and {n_classes} outputs, but the stimuli "
            f"{stimuli.name} have {stimuli.n_inputs} inputs and {len(stimuli.classes)} classes"
        )
    for part in ("train", "validation"):
        if not (stimuli.split == part).any():
            raise InputError(f"the stimuli {stimuli.name} have no samples in the split '{part}'")
    network.metadata |= {**stimuli.describe(), "training": asdict(settings), "versions": {
        "ephys_snn": ephys_snn.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }}
    for weights in network.weights:
        weights.requires_grad_(True)
    return Run(
        network=network,
        settings=settings,
        optimizer=torch.optim.AdamW(
            [_parameter_group(weights, INPUT_STEP if layer == 0 else 1.0, settings.weight_decay)
             for layer, weights in enumerate(network.weights)],
            betas=BETAS,
            fused=True,
        ),
        generator=np.random.default_rng([settings.seed, 1]),
        signs=[None if sign is None else sign.to(network.weights[0]) for sign in network.signs],
        tally=Tally.empty(network),
        shape=stimuli.shape,
        late=stimuli.code.late,
        ends=np.full(np.isin(stimuli.split, settings.training_splits).sum(), np.inf, np.float32),
        best=[weights.detach().clone() for weights in network.weights],
    )


def _parameter_group(weights: torch.Tensor, factor: float, weight_decay: float) -> dict:
    """Options of the optimizer for a layer whose steps are `factor` times the relative ones."""
    scale = factor * weights.detach().square().mean().sqrt().item()
    # The optimizer multiplies the decay by the layer's own step, which is longer by the scale.
    return {"params": [weights], "scale": scale, "weight_decay": weight_decay / scale}


def step(
    run: Run,
    times: torch.Tensor,
    labels: torch.Tensor,
    rate: float,
    bounds: torch.Tensor,
    class_weights: torch.Tensor | None = None,
) -> tuple[Tally, torch.Tensor]:
    """One step on a batch of trials.

    Parameters
    ----------
    run : Run
        The run; its network and optimizer change in place.
    times : torch.Tensor, shape (trial, input)
        Input spike times in ms of the joint batch, the same in all processes.
    labels : torch.Tensor of int64, shape (trial,)
        The right classes.
    rate : float
        Relative step size.
    bounds : torch.Tensor, shape (trial,)
        Times in ms by which the trials should end.
    class_weights : torch.Tensor, shape (class,), optional
        What a trial of each class counts in the loss; 1 by default.

    Returns
    -------
    Tally
        Of the finished trials of the joint batch, before the step.
    torch.Tensor, shape (trial,)
        When they ended in ms; nan for unfinished trials.

    Raises
    ------
    Diverged
        If the loss or the weights are not finite any more.
    """
    network, settings = run.network, run.settings
    tally, ends = compute_gradients(network, times, labels, bounds, class_weights)
    if not tally.n_trials:
        return tally, ends
    _check_finite(run, "the loss", tally.parts[0])
    for weights in network.weights:
        centralize_(weights.grad)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    run.optimizer.step()
    needed = [*tally.spiking[:-1], tally.own_spiking]
    n_hidden = len(needed) - 1
    floors = [settings.activity_floor] * n_hidden + [1.0]
    for layer, (weights, sign, fraction, floor) in enumerate(zip(
        network.weights, run.signs, needed, floors, strict=True
    )):
        rouse_(weights, sign, fraction.to(weights), floor, network.lif.threshold)
        if sign is not None:
            dale.project_(weights, sign)
            if n_hidden > SHALLOW and layer < n_hidden:
                balance_(weights, sign)
        _check_finite(run, "a weight", weights)
    return tally, ends


def compute_gradients(
    network: Network,
    times: torch.Tensor,
    labels: torch.Tensor,
    bounds: torch.Tensor,
    class_weights: torch.Tensor | None = None,
) -> tuple[Tally, torch.Tensor]:
    """Leave the gradients of the mean loss of a joint batch in the weights, and count its trials.

    Parameters and what is returned are those of `step`. Each process computes its share of the sums
    over trials.
    """
    mine = distributed.share(len(labels))
    labels, bounds = (values[mine].to(network.weights[0].device) for values in (labels, bounds))
    layers = network(times[mine], bounds, SMALLEST_SLOPE)
    ends = trial_end.trial_ends(layers[-1], labels, network.lif.tau_s)
    finished = ends <= bounds
    # Gradients of hidden spikes at the end or later vanish with the output spikes that are cut.
    losses = first_spike_loss(censor(layers[-1], ends), labels, network.lif.tau_s)
    weighted = losses if class_weights is None else losses * class_weights.to(losses)[labels]
    for weights in network.weights:
        weights.grad = None
    (weighted[finished].sum() / len(times)).backward()
    tally = Tally.of(
        losses[finished], [censor(spikes.detach(), ends)[finished] for spikes in layers],
        labels[finished])
    distributed.sum_(*(weights.grad for weights in network.weights))
    distributed.sum_(tally.sums)
    all_ends = torch.zeros(len(times))
    all_ends[mine] = torch.where(finished, ends, torch.nan).to(all_ends)
    distributed.sum_(all_ends)
    return tally, all_ends


def _check_finite(run: Run, what: str, values: torch.Tensor) -> None:
    # A sum is finite only if every element is; large ones may overflow in it, so look closer.
    total = values.detach().sum()
    if not torch.isfinite(total) and not torch.isfinite(values).all():
        raise Diverged(
            f"{what} is no finite number any more (step {run.step + 1} of epoch {run.epoch + 1}): "
            f"train with a smaller learning rate than {run.settings.learning_rate:g}"
        )


def train_epoch(
    run: Run,
    times: np.ndarray,
    labels: np.ndarray,
    after_step: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Evaluation:
    """One pass through the training samples, or what is left of it.

    Parameters
    ----------
    run : Run
        The run; changes in place.
    times : numpy.ndarray of float32, shape (n, input)
        Input spike times in ms.
    labels : numpy.ndarray of int64, shape (n,)
        Classes.
    after_step : callable
        Called after every step with how the network did before it; the run is then in a state that
        can be saved.

    Returns
    -------
    Evaluation
        Of all trials, each before the step it was used for.
    """
    n_trials, batch_size, n_steps = len(times), run.settings.batch_size, run.n_steps
    class_weights = balanced_weights(labels, run.network.layer_sizes[-1]) \
        if run.settings.balance_classes else None
    if run.order is None:
        run.order, run.tally = run.generator.permutation(n_trials), Tally.empty(run.network)
    while run.position < n_trials:
        fresh = run.order[run.position:run.position + batch_size]
        chosen = np.concatenate([run.unfinished, fresh])
        rate = learning_rate(run.epoch * n_steps + run.step, run.settings.epochs * n_steps,
                             len(run.network.weights) - 1, run.settings)
        tally, ends = step(
            run, torch.from_numpy(vary(run, times[chosen])), torch.from_numpy(labels[chosen]), rate,
            trial_end.bounds(run.ends[chosen], run.network.lif.tau_s), class_weights)
        # What is unfinished gets no bound when it is repeated.
        run.ends[chosen] = torch.nan_to_num(ends, nan=torch.inf, posinf=torch.inf).numpy()
        run.unfinished = chosen[torch.isnan(ends).numpy()]
        run.position += len(fresh)
        run.tally += tally
        if tally.n_trials:
            after_step(tally.evaluation())
    run.epoch, run.order, run.position = run.epoch + 1, None, 0
    return run.tally.evaluation()


def vary(run: Run, times: np.ndarray) -> np.ndarray:
    """Distort and jitter stimuli (trial, input) as the settings say; draws from the generator.

    Spikes of a volley without any jitter are simultaneous, and so they are when the network is
    used; a network that only ever saw full jitter has not learned them.
    """
    if run.shape is not None:
        times = distort(times, run.shape, run.late, run.settings.distortion, run.generator)
    sd = run.settings.jitter * run.generator.random((len(times), 1))
    return jitter_times(times, sd, run.generator)


def balanced_weights(labels: np.ndarray, n_classes: int) -> torch.Tensor:
    """What a trial of each class counts so that all classes count alike, 1 on average (class,)."""
    counts = np.bincount(labels, minlength=n_classes)
    return torch.from_numpy(len(labels) / (n_classes * np.maximum(counts, 1)))


def train(
    network: Network,
    stimuli: Stimuli,
    settings: Settings,
    after_step: Callable[[Evaluation], None] = lambda evaluation: None,
    after_epoch: Callable[[Run], None] = lambda run: None,
) -> Network:
    """Train a network and return it as it did best on the validation samples, or as it is last.

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
        `network` with these weights, and with data, settings and history in its metadata.

    Raises
    ------
    Diverged
        If the loss or the weights are not finite any more; `network` has its best weights then.
    InputError
        If network and stimuli do not fit.
    """
    return complete(start(network, stimuli, settings), stimuli, after_step, after_epoch)


def complete(
    run: Run,
    stimuli: Stimuli,
    after_step: Callable[[Evaluation], None] = lambda evaluation: None,
    after_epoch: Callable[[Run], None] = lambda run: None,
) -> Network:
    """Go on with a run to its end; everything else is as in `train`."""
    times, labels = stimuli.part(*run.settings.training_splits)
    times = times.astype(np.float32, copy=False)
    validation = stimuli.part("validation")
    try:
        while run.epoch < run.settings.epochs:
            training = train_epoch(run, times, labels, after_step)
            validated = evaluate(run.network, *validation)
            remember(run, training, validated)
            after_epoch(run)
    finally:
        restore_best(run)
    return run.network


def remember(run: Run, training: Evaluation, validated: Evaluation) -> None:
    """Add an epoch to the history; keep its weights if none before did better."""
    network = run.network
    areas, silent = network.areas, validated.silent
    entry = {
        "epoch": run.epoch,
        "loss": training.loss,
        "accuracy": training.accuracy,
    }
    if not run.settings.include_validation:
        entry |= {
            "validation_loss": validated.loss,
            "validation_accuracy": validated.accuracy,
            "validation_balanced_accuracy": validated.balanced_accuracy,
        }
    entry["silent_fraction"] = dict(zip(areas[1:], silent, strict=True))
    for cell_type in (dale.EXCITATORY, dale.INHIBITORY):
        entry[f"silent_fraction_{cell_type}"] = {
            area: 1 - float(spiking[types == cell_type].mean())
            for area, spiking, types in zip(
                areas[1:-1], validated.spiking[:-1], network.cell_types, strict=True)
            if (types == cell_type).any()
        }
    entry["shortest_half_ms"] = {
        area: width for area, width in zip(areas[:-1], validated.shortest_half, strict=True)
        if math.isfinite(width)
    }
    # Weights are drawn and stepped to all values but 0: where one is 0, Dale's law holds it there.
    entry["clamped_weights"] = {
        area: int((weights == 0).sum())
        for area, weights in zip(areas[2:], network.weights[1:], strict=True)
    }
    run.history.append(entry)
    if run.best_epoch == run.epoch:
        run.best = [weights.detach().clone() for weights in network.weights]


def restore_best(run: Run) -> None:
    """Give the network its best weights, and the history of how it came to them."""
    network = run.network
    with torch.no_grad():
        for weights, best in zip(network.weights, run.best, strict=True):
            weights.requires_grad_(False).copy_(best)
    network.metadata["history"] = run.history
    network.metadata["trained"] = run.best_epoch > 0
