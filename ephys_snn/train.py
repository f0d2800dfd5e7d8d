"""Train a network: ``python -m ephys_snn.train --data digits --out model.pt``."""

import argparse
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import ephys_snn
from ephys_snn import datasets
from ephys_snn.atomic import replacing
from ephys_snn.errors import InputError, command
from ephys_snn.evaluation import Evaluation, evaluate
from ephys_snn.lif import LIF
from ephys_snn.network import Initialization, Network
from ephys_snn.stimuli import LatencyCode, Stimuli, load_stimuli
from ephys_snn.training import Run, Settings, train

DEFAULT_HIDDEN = [400, 400, 400, 400]
# Settings that suit a data set: few samples need more epochs, smaller batches and more jitter, and
# coordinates bear less jitter than images.
PRESETS = {
    "digits": {"epochs": 60, "batch_size": 30, "jitter": 2.0},
    "mnist": {"epochs": 20},
    "yin-yang": {"epochs": 80, "learning_rate": 0.02, "jitter": 0.2},
}
DEFAULT_EPOCHS = 30
# Synapses per step (weights times trials) below which threads cost more than they save.
WORTH_THREADS = 5_000_000


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    code, lif, draw = LatencyCode(), LIF(), Initialization()
    options = argparse.ArgumentParser(
        prog="ephys_snn train",
        description="Train a deep network of first-spike neurons under Dale's law to classify.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = options.add_argument
    add("--data", default="digits", metavar="NAME|PATH",
        help=f"{', '.join(datasets.NAMED)}, an .npz file with images or times and labels, "
             "or a folder with IDX files")
    add("--hidden", type=int, nargs="+", default=DEFAULT_HIDDEN, metavar="N",
        help="numbers of neurons of the hidden layers")
    add("--excitatory", type=float, default=0.75, metavar="FRACTION",
        help="fraction of excitatory neurons in every hidden layer")
    add("--epochs", type=int, default=argparse.SUPPRESS, metavar="N",
        help=f"passes through the training samples ({defaults('epochs')})")
    add("--seed", type=int, default=0, metavar="N",
        help="of the initial weights, the order of the samples and the jitter")
    add("--out", type=Path, default=Path("model.pt"), metavar="FILE", help="where to save")
    add("--batch-size", type=int, default=argparse.SUPPRESS, metavar="N",
        help=f"trials per step ({defaults('batch_size')})")
    add("--learning-rate", type=float, default=argparse.SUPPRESS, metavar="RATE",
        help="largest step relative to the RMS initial weight of a layer "
             f"({defaults('learning_rate')})")
    add("--jitter", type=float, default=argparse.SUPPRESS, metavar="MS",
        help=f"SD of the noise on input spike times in training ({defaults('jitter')})")
    add("--early", type=float, default=code.early, metavar="MS",
        help="spike time of the strongest intensity")
    add("--late", type=float, default=code.late, metavar="MS",
        help="spike time of the weakest intensity")
    add("--tau-m", type=float, default=lif.tau_m, metavar="MS", help="membrane time constant")
    add("--tau-s", type=float, default=lif.tau_s, metavar="MS",
        help="synaptic time constant: tau-m, or half of it")
    add("--net-weight", type=float, default=draw.net_weight, metavar="W",
        help="initial net weight onto a neuron, in thresholds")
    add("--spread", type=float, default=draw.spread, metavar="RATIO",
        help="initial SD of the net weight between neurons, relative to it")
    return options


def defaults(name: str) -> str:
    """What a setting is by default, in words: for other data, and for those with a preset."""
    usual = getattr(Settings(DEFAULT_EPOCHS), name)
    special = [f"{preset[name]} for {data}" for data, preset in PRESETS.items() if name in preset]
    return ", ".join([f"default: {usual}", *special])


def choose_settings(options: argparse.Namespace) -> Settings:
    """What the user says, else what suits the data set."""
    names = ("epochs", "batch_size", "learning_rate", "jitter", "seed")
    given = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return Settings(**{"epochs": DEFAULT_EPOCHS, **PRESETS.get(options.data, {}), **given})


@command
def main(arguments: list[str] | None = None) -> None:
    """Train, save and test a network as the command line says."""
    options = parser().parse_args(arguments)
    if options.seed < 0:
        raise InputError(f"--seed must be at least 0; got {options.seed}")
    settings = choose_settings(options)
    code = LatencyCode(options.early, options.late)
    lif = LIF(options.tau_m, options.tau_s)
    initialization = Initialization(options.net_weight, options.spread)
    check_writable(options.out)
    stimuli = load_stimuli(options.data, code)
    layer_sizes = [stimuli.times.shape[1], *options.hidden, len(stimuli.classes)]
    network = Network.draw(layer_sizes, lif, options.excitatory, options.seed, initialization)
    network.metadata |= describe(options.data, stimuli, code, settings)

    n_weights = sum(weights.numel() for weights in network.weights)
    print(f"{stimuli.name}: {describe_split(stimuli)}; network {'-'.join(map(str, layer_sizes))}, "
          f"{n_weights:,} weights")
    if n_weights * settings.batch_size < WORTH_THREADS:
        torch.set_num_threads(1)
    n_steps = settings.epochs * -(-int((stimuli.split == "train").sum()) // settings.batch_size)
    with tqdm(total=n_steps, unit="step", dynamic_ncols=True) as progress:
        train(network, stimuli, settings, show_step(progress), show_epoch(progress))
    accuracy = evaluate(network, *stimuli.part("test")).accuracy
    network.metadata["test_accuracy"] = accuracy
    network.save(options.out)
    print(f"saved {options.out}")
    print(f"test accuracy {accuracy:.4f}")


def check_writable(path: Path) -> None:
    """Fail before hours of training, not after them, if `path` cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    probe = path.with_name(f".{path.name}.probe")
    with replacing(probe):
        pass
    probe.unlink()
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")


def describe(data: str, stimuli: Stimuli, code: LatencyCode, settings: Settings) -> dict:
    """What a model says about where it comes from, beside what `Network.draw` says."""
    return {
        "data": {
            "name": stimuli.name,
            "source": data,
            "path": None if data in datasets.NAMED else str(Path(data).resolve()),
            "shape": None if stimuli.shape is None else list(stimuli.shape),
        },
        "encoding": asdict(code),
        "classes": list(stimuli.classes),
        "training": asdict(settings),
        "versions": {
            "ephys_snn": ephys_snn.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def describe_split(stimuli: Stimuli) -> str:
    """Numbers of samples of each part of the split, in words."""
    return ", ".join(
        f"{int((stimuli.split == part).sum()):,} {part}" for part in datasets.SPLITS
    )


def show_step(progress: tqdm) -> Callable[[Evaluation], None]:
    """Move the progress bar by a step and show the loss, accuracy and silence of recent steps."""
    recent: dict[str, float] = {}

    def show(evaluation: Evaluation) -> None:
        values = {"loss": evaluation.loss, "accuracy": evaluation.accuracy}
        values |= {f"silent {layer}": value for layer, value in enumerate(evaluation.silent, 1)}
        for name, value in values.items():
            recent[name] = 0.95 * recent.get(name, value) + 0.05 * value
        silent = " ".join(f"{recent[name]:.2f}" for name in values if name.startswith("silent"))
        progress.set_postfix_str(
            f"loss {recent['loss']:.3f}, accuracy {recent['accuracy']:.3f}, silent {silent}",
            refresh=False,
        )
        progress.update()

    return show


def show_epoch(progress: tqdm) -> Callable[[Run], None]:
    """Name the epoch and its validation accuracy beside the progress bar."""

    def show(run: Run) -> None:
        validated = run.history[-1]["validation_accuracy"]
        progress.set_description(
            f"epoch {run.epoch}/{run.settings.epochs}, validation {validated:.3f}"
        )

    return show


if __name__ == "__main__":
    raise SystemExit(main())
