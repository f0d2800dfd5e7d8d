"""Train a network: ``python -m ephys_snn.train --data digits --out model.pt``."""

import argparse
import os
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch

from ephys_snn.cli import Parser, command, names, number
from ephys_snn.errors import InputError
from ephys_snn.files import check_writable
from ephys_snn.lif import LIF
from ephys_snn.network import IN_DEGREE, SHALLOW, Initialization, Network
from ephys_snn.stimuli import BACKGROUNDS, NAMED, SPLITS, LatencyCode, Stimuli, load_stimuli
from ephys_snn.training import (
    FULL_STEP_DEPTH,
    Files,
    Run,
    Settings,
    broadcast_from_rank0,
    describe_network,
    describe_time,
    evaluate,
    is_distributed,
    is_rank0,
    keep_training,
    n_processes,
    open_checkpoint,
    process_group,
    start,
)

DEFAULT_HIDDEN = [400, 400, 400, 400]
# Settings that suit a data set: few samples need more epochs, smaller batches and more jitter, and
# coordinates bear less jitter than images.
PRESETS = {
    "digits": {"epochs": 60, "batch_size": 30, "jitter": 2.0},
    "mnist": {"epochs": 50, "distortion": 1.0},
    "yin-yang": {"epochs": 80, "learning_rate": 0.02, "jitter": 0.2},
}
DEFAULT_EPOCHS = 30
# Synapses per step (weights times trials) below which threads cost more than they save.
WORTH_THREADS = 5_000_000
# The largest class in units of the smallest from which on accuracy alone misleads.
UNEQUAL = 2.0
MANY_CLASSES = 20  # more are not listed one by one


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="ephys_snn train",
        description="Train a deep network of first-spike neurons under Dale's law to classify.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_data(options.add_argument_group("data"))
    _add_network(options.add_argument_group("network"))
    _add_training(options.add_argument_group("training"))
    _add_output(options.add_argument_group("output"))
    return options


def _add_data(group: argparse._ArgumentGroup) -> None:
    add, code = group.add_argument, LatencyCode()
    add("--data", default="digits", metavar="NAME|PATH",
        help=f"{', '.join(NAMED)}, an .npz file with images or times and labels, "
             "or a folder with IDX files")
    add("--classes", type=names, metavar="A,B,...",
        help="only samples of these classes (default: all)", default=argparse.SUPPRESS)
    add("--early", type=float, default=code.early, metavar="MS",
        help="spike time of the strongest intensity")
    add("--late", type=float, default=code.late, metavar="MS",
        help="spike time of the weakest intensity")
    add("--background", choices=BACKGROUNDS, default=code.background,
        help="pixels without intensity spike late, or are silent")


def _add_network(group: argparse._ArgumentGroup) -> None:
    add, lif, draw = group.add_argument, LIF(), Initialization()
    add("--hidden", type=int, nargs="+", default=DEFAULT_HIDDEN, metavar="N",
        help="numbers of neurons of the hidden layers")
    add("--excitatory", type=float, default=0.75, metavar="FRACTION",
        help="fraction of excitatory neurons in every hidden layer")
    add("--no-dale", action="store_true",
        help="let weights of hidden neurons change their signs: neurons are neither excitatory nor "
             "inhibitory, and what compares these cannot be asked")
    add("--tau-m", type=float, default=lif.tau_m, metavar="MS", help="membrane time constant")
    add("--tau-s", type=float, default=lif.tau_s, metavar="MS",
        help="synaptic time constant: tau-m, or half of it")
    add("--net-weight", type=float, default=draw.net_weight, metavar="W",
        help="initial net weight onto a neuron, in thresholds")
    add("--net-weight-cv", type=float, default=draw.net_weight_cv, metavar="CV",
        help="coefficient of variation of the initial net weight between neurons")
    add("--in-degree", type=number(int, least=0), default=argparse.SUPPRESS, metavar="K",
        help="begin sparse: each neuron hears K excitatory and K inhibitory neurons, 0 for all "
             f"(default: 0 up to {SHALLOW} hidden layers, else {IN_DEGREE})")


def _add_training(group: argparse._ArgumentGroup) -> None:
    def add(option: str, of: str, **keywords) -> None:
        name = option.strip("-").replace("-", "_")
        group.add_argument(option, default=argparse.SUPPRESS, help=f"{of} ({defaults(name)})",
                           **keywords)

    add("--epochs", "passes through the training samples", type=int, metavar="N")
    add("--batch-size", "trials per step", type=int, metavar="N")
    add("--learning-rate", "largest step relative to the RMS initial weight of a layer, in "
        f"networks of n > {FULL_STEP_DEPTH} hidden layers times {FULL_STEP_DEPTH} / n",
        type=float, metavar="RATE")
    add("--weight-decay", "fraction of the weights that is lost per step of relative size 1",
        type=float, metavar="RATE")
    add("--jitter", "largest SD of the noise on the input spike times of a training trial",
        type=float, metavar="MS")
    add("--early-weight", "weight of early decisions in the loss, 0 for no reward", type=float,
        metavar="WEIGHT")
    add("--activity-floor", "fraction of trials in which every neuron should spike at least, else "
        "its excitation grows", type=float, metavar="FRACTION")
    add("--distortion", "random rotations, scalings, shears, shifts and bends of training images, "
        "1 for what handwriting bears", type=float, metavar="STRENGTH")
    group.add_argument(
        "--balance-classes", action="store_true",
        help="weigh the loss so that every class counts alike, however few samples it has")
    group.add_argument(
        "--include-validation", action="store_true",
        help="train on the validation samples too and keep the last epoch, once nothing is left to "
             "choose")
    group.add_argument(
        "--seed", type=number(int, least=0), default=0, metavar="N",
        help="of the initial weights, the order of the samples and the jitter")
    group.add_argument(
        "--device", default="cpu", metavar="cpu|cuda|mps",
        help="where to compute; cuda:N is the CUDA device of that number")


def _add_output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--out", type=Path, default=Path("model.pt"), metavar="FILE",
        help="where to save; the checkpoint is beside it, under FILE.checkpoint")
    add("--resume", action="store_true",
        help="go on from the checkpoint; if there is none yet, start")
    add("--log", type=Path, default=argparse.SUPPRESS, metavar="FILE.csv",
        help="write loss, accuracies, silence, widths of pulse packets and clamped weights of "
             "every epoch")
    add("--tensorboard", type=Path, default=argparse.SUPPRESS, metavar="FOLDER",
        help="write the same for TensorBoard")
    add("--dry-run", action="store_true",
        help="print the network, its parameters and the time that training will take")


def defaults(name: str) -> str:
    """What a setting is by default, in words: for other data, and for those with a preset."""
    usual = getattr(Settings(DEFAULT_EPOCHS), name)
    special = [f"{preset[name]} for {data}" for data, preset in PRESETS.items() if name in preset]
    return ", ".join([f"default: {usual}", *special])


def choose_settings(options: argparse.Namespace) -> Settings:
    """What the user says, else what suits the data set."""
    known = {field.name for field in fields(Settings)}
    given = {name: value for name, value in vars(options).items() if name in known}
    return Settings(**{"epochs": DEFAULT_EPOCHS, **PRESETS.get(options.data, {}), **given})


@command
def main(arguments: list[str] | None = None) -> int | None:
    """Train, save and test a network as the command line says."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["--"]:  # without it, torchrun may take our options for its own
        del given[0]
    options = parser().parse_args(given)
    files = Files(options.out, getattr(options, "log", None), getattr(options, "tensorboard", None))
    with process_group(device := choose_device(options.device)):
        stimuli, run = begin(options, device)
        if options.dry_run:
            print(describe_network(run.network))
            print(describe_time(run, stimuli))
            return None
        for path in filter(None, (files.model, files.log)):
            broadcast_from_rank0(lambda path=path: prepare_output(path))
        open_checkpoint(run, files, options.resume)
        stopped_by = keep_training(run, stimuli, files, resume_command(given))
        if stopped_by:
            return 128 + stopped_by
        finish(run.network, stimuli, files)
    return None


def choose_device(name: str) -> torch.device:
    """The device of a name; of several CUDA devices each process of a machine has its own."""
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    kind = name.partition(":")[0]
    is_available = {"cpu": lambda: True, "cuda": torch.cuda.is_available,
                    "mps": torch.backends.mps.is_available}
    if kind not in is_available:
        raise InputError(f"--device must be cpu, cuda, cuda:N or mps; got {name}")
    if not is_available[kind]():
        raise InputError(f"--device {name}: PyTorch finds no {kind} device here; use cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name} cannot be used here: {reason}; use cpu") from error
    return device


def begin(options: argparse.Namespace, device: torch.device) -> tuple[Stimuli, Run]:
    """The stimuli and an untrained network about to learn them; says what they are."""
    settings = choose_settings(options)
    lif = LIF(options.tau_m, options.tau_s)
    code = LatencyCode(options.early, options.late, options.background)
    stimuli = load_stimuli(options.data, code, getattr(options, "classes", None))
    layer_sizes = [stimuli.n_inputs, *options.hidden, len(stimuli.classes)]
    network = Network.draw(layer_sizes, lif, options.excitatory, options.seed,
                           choose_initialization(options, stimuli), not options.no_dale).to(device)
    n_weights = sum(weights.numel() for weights in network.parameters())
    sizes = ", ".join(f"{(stimuli.split == part).sum():,} {part}" for part in SPLITS)
    print(f"{stimuli.name}: {sizes}; network {'-'.join(map(str, layer_sizes))}, "
          f"{n_weights:,} weights")
    print(describe_classes(stimuli))
    if is_unequal(stimuli) and not settings.balance_classes:
        print("warning: the classes are unequal, and accuracy favours the large ones; "
              "--balance-classes lets all count alike")
    if settings.include_validation:
        print("the validation samples are trained on too; the last epoch is kept")
    if n_weights * settings.batch_size < WORTH_THREADS:
        torch.set_num_threads(1)
    return stimuli, start(network, stimuli, settings)


def choose_initialization(options: argparse.Namespace, stimuli: Stimuli) -> Initialization:
    """What the user says, else what suits the depth and the number of inputs that spike."""
    given = {"net_weight": options.net_weight, "net_weight_cv": options.net_weight_cv}
    if hasattr(options, "in_degree"):
        given["in_degree"] = options.in_degree or None
    times, _ = stimuli.part("train")
    n_spiking = float(np.isfinite(times).sum(axis=1).mean())
    if 0 < n_spiking < stimuli.n_inputs:
        given["spiking_inputs"] = n_spiking
    return Initialization.for_depth(len(options.hidden), **given)


def describe_classes(stimuli: Stimuli) -> str:
    """Numbers of training samples of the classes, in words."""
    sizes = stimuli.class_sizes()
    if len(sizes) > MANY_CLASSES or not is_unequal(stimuli):
        return f"{len(sizes)} classes of {sizes.min():,} to {sizes.max():,} training samples"
    named = zip(stimuli.classes, sizes, strict=True)
    return "training samples by class: " + ", ".join(f"{name} {size:,}" for name, size in named)


def is_unequal(stimuli: Stimuli) -> bool:
    """Whether some class has so few training samples that accuracy says little about it."""
    sizes = stimuli.class_sizes()
    return sizes.max() >= UNEQUAL * sizes.min()


def prepare_output(path: Path) -> None:
    """Make the folder of a file, and fail before hours of training if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    check_writable(path)


def resume_command(given: list[str]) -> str:
    """The command line that goes on with a run that was started with the arguments `given`."""
    words = ["python", "-m", "ephys_snn.train"]
    if is_distributed():
        n_local = int(os.environ.get("LOCAL_WORLD_SIZE", n_processes()))
        n_machines = n_processes() // n_local
        words = ["torchrun", *(["--nnodes", str(n_machines)] if n_machines > 1 else []),
                 "--nproc-per-node", str(n_local), "-m", "ephys_snn.train", "--"]
    return shlex.join([*words, *given, *([] if "--resume" in given else ["--resume"])])


def finish(network: Network, stimuli: Stimuli, files: Files) -> None:
    """Test the network, save it, say how it does, and drop the checkpoint."""
    tested = evaluate(network, *stimuli.part("test"))
    by_class = {name: None if accuracy != accuracy else accuracy for name, accuracy
                in zip(stimuli.classes, tested.class_accuracy, strict=True)}
    network.card = replace(network.card, test_accuracy=tested.accuracy,
                           test_accuracy_by_class=by_class)
    broadcast_from_rank0(lambda: network.save(files.model))
    if is_rank0():
        files.checkpoint.unlink(missing_ok=True)
    print(f"saved {files.model}")
    if len(by_class) <= MANY_CLASSES:
        print("test accuracy by class: " + ", ".join(
            f"{name} {'(no samples)' if accuracy is None else f'{accuracy:.3f}'}"
            for name, accuracy in by_class.items()))
    if is_unequal(stimuli):
        print(f"balanced test accuracy {tested.balanced_accuracy:.4f}")
    print(f"test accuracy {tested.accuracy:.4f}")


if __name__ == "__main__":
    raise SystemExit(main())
