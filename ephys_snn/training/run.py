"""A training run: how it is done, all that its future depends on, and what became of it so far."""

import math
import platform
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch

import ephys_snn
from ephys_snn.errors import InputError
from ephys_snn.network import EXCITATORY, INHIBITORY, ModelCard, Network, TrainingData
from ephys_snn.stimuli import Stimuli
from ephys_snn.training.evaluation import Evaluation, TrialCounts
from ephys_snn.training.loss import EARLY_WEIGHT

# Steps of the input weights relative to those of other layers: most inputs of an image spike at the
# same time, and what moves all of them moves every neuron of the first layer at once.
INPUT_STEP = 0.5
# Number of hidden layers up to which steps have the size that is asked for.
FULL_STEP_DEPTH = 8
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
        Strength of the random distortions of training images (see `stimuli.augment`); 0 for none.
    early_weight : float
        Weight of early decisions in the loss (see `first_spike_loss`); 0 for no reward.
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
    early_weight: float = EARLY_WEIGHT
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
        if not 0 <= self.early_weight < math.inf:
            raise InputError(f"`early_weight` must be at least 0; got {self.early_weight:g}")
        for name in ("warm_up", "activity_floor"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 0 and below 1; "
                                 f"got {getattr(self, name):g}")

    @property
    def training_splits(self) -> tuple[str, ...]:
        """Splits whose samples are trained on."""
        return ("train", "validation") if self.include_validation else ("train",)


def learning_rate(step: int, n_steps: int, n_hidden: int, settings: Settings) -> float:
    """Relative step size of Adam: linear warm-up, then a half cosine down to 1 %.

    All layers step at once, and the effects on the output add up along the depth: with more than
    `FULL_STEP_DEPTH` hidden layers steps are the smaller, the more there are.
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
        As trained so far.
    settings : Settings
    optimizer : torch.optim.AdamW
        With its moments.
    rng : numpy.random.Generator
        Source of the samples' order and of their variations.
    counts : TrialCounts
        Of the trials of the current epoch so far, each before the step it was used for.
    last_t_stop : numpy.ndarray of float32, shape (sample,)
        When the last trial of each training sample ended in ms; inf before there was one.
    unfinished : numpy.ndarray of int
        Samples whose trial went on beyond its largest t_stop and is to be repeated.
    epoch : int
        Number of epochs done.
    order : numpy.ndarray of int, or None
        Order of the training samples in the current epoch; None between two epochs.
    position : int
        How many of them have been used.
    best : list of torch.Tensor
        The weights that did best on the validation samples.
    history : list of dict
        One entry per epoch.
    """

    network: Network
    settings: Settings
    optimizer: torch.optim.AdamW
    rng: np.random.Generator
    counts: TrialCounts
    last_t_stop: np.ndarray
    unfinished: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    epoch: int = 0
    order: np.ndarray | None = None
    position: int = 0
    best: list[torch.Tensor] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)

    @property
    def n_steps(self) -> int:
        """Number of steps of an epoch."""
        return math.ceil(len(self.last_t_stop) / self.settings.batch_size)

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

    @property
    def card(self) -> ModelCard:
        """The network's card with the history of the run so far."""
        return replace(self.network.card, history=tuple(self.history), trained=self.best_epoch > 0)


def start(network: Network, stimuli: Stimuli, settings: Settings) -> Run:
    """Begin to train a network, whose weights and card change in place from here on.

    Steps are relative to its weights as they are: the initial ones, unless it was trained before.

    Raises
    ------
    InputError
        If network and stimuli do not fit, or there are no samples to train or validate with.
    """
    _check_fit(network, stimuli)
    network.card = replace(
        network.card,
        data=TrainingData(stimuli.name, stimuli.source, stimuli.path, stimuli.shape,
                          stimuli.sha256()),
        encoding=asdict(stimuli.code),
        classes=tuple(stimuli.classes),
        training=asdict(settings),
        versions={"ephys_snn": ephys_snn.__version__, "python": platform.python_version(),
                  "torch": torch.__version__, "numpy": np.__version__},
    )
    n_samples = np.isin(stimuli.split, settings.training_splits).sum()
    return Run(
        network=network,
        settings=settings,
        optimizer=torch.optim.AdamW(
            [_parameter_group(weights, INPUT_STEP if layer == 0 else 1.0, settings.weight_decay)
             for layer, weights in enumerate(network.weights)],
            betas=BETAS,
            fused=True,
        ),
        # Other numbers than those of the initial weights, which are drawn from the seed alone.
        rng=np.random.default_rng([settings.seed, 1]),
        counts=TrialCounts.empty(network),
        last_t_stop=np.full(n_samples, np.inf, np.float32),
        best=[weights.detach().clone() for weights in network.weights],
    )


def _check_fit(network: Network, stimuli: Stimuli) -> None:
    n_inputs, n_classes = network.layer_sizes[0], network.layer_sizes[-1]
    if (n_inputs, n_classes) != (stimuli.n_inputs, len(stimuli.classes)):
        raise InputError(
            f"the network has {n_inputs} inputs and {n_classes} outputs, but the stimuli "
            f"{stimuli.name} have {stimuli.n_inputs} inputs and {len(stimuli.classes)} classes"
        )
    for part in ("train", "validation"):
        if not (stimuli.split == part).any():
            raise InputError(f"the stimuli {stimuli.name} have no samples in the split '{part}'")


def _parameter_group(weights: torch.Tensor, factor: float, weight_decay: float) -> dict:
    """Options of the optimizer for a layer whose steps are `factor` times the relative ones."""
    scale = factor * weights.detach().square().mean().sqrt().item()
    # The optimizer multiplies the decay by the layer's own step, which is longer by the scale.
    return {"params": [weights], "scale": scale, "weight_decay": weight_decay / scale}


def record_epoch(run: Run, training: Evaluation, validated: Evaluation) -> dict:
    """Add an epoch to the history; keep its weights if none before did better.

    Parameters
    ----------
    run : Run
        Changes in place.
    training, validated : Evaluation
        Of the epoch's trials, each before the step it was used for, and of the validation samples.

    Returns
    -------
    dict
        The entry: numbers, or numbers by area.
    """
    network = run.network
    entry = {"epoch": run.epoch, "loss": training.loss, "accuracy": training.accuracy}
    if not run.settings.include_validation:
        entry |= {
            "validation_loss": validated.loss,
            "validation_accuracy": validated.accuracy,
            "validation_balanced_accuracy": validated.balanced_accuracy,
        }
    entry |= _silence_by_area(network, validated)
    entry["shortest_half_ms"] = {
        area: width for area, width in zip(network.areas[:-1], validated.shortest_half, strict=True)
        if math.isfinite(width)
    }
    # Weights are drawn and stepped to all values but 0: where one is 0, Dale's law holds it there.
    entry["clamped_weights"] = {
        area: int((weights == 0).sum())
        for area, weights in zip(network.areas[2:], network.weights[1:], strict=True)
    }
    run.history.append(entry)
    if run.best_epoch == run.epoch:
        run.best = [weights.detach().clone() for weights in network.weights]
    return entry


def _silence_by_area(network: Network, validated: Evaluation) -> dict[str, dict[str, float]]:
    """Fraction of (trial, neuron) without a spike, of all neurons and of each cell type."""
    areas = network.areas
    silence = {"silent_fraction": dict(zip(areas[1:], validated.silent, strict=True))}
    for cell_type in (EXCITATORY, INHIBITORY):
        silence[f"silent_fraction_{cell_type}"] = {
            area: 1 - float(spiking[types == cell_type].mean())
            for area, spiking, types in zip(
                areas[1:-1], validated.spiking[:-1], network.cell_types, strict=True)
            if (types == cell_type).any()
        }
    return silence


def restore_best(run: Run) -> None:
    """Give the network its best weights, and its card the history of how it came to them."""
    set_weights(run.network, run.best)
    run.network.card = run.card


def set_weights(network: Network, values: list[torch.Tensor]) -> None:
    """Give a network other weights, one (pre, post) per layer, in place."""
    with torch.no_grad():
        for weights, value in zip(network.weights, values, strict=True):
            weights.copy_(value)
