"""What a training would be, without training: the network, its parameters, how long it takes."""

import statistics
import time

import numpy as np
import torch

from ephys_snn.network import EXCITATORY, INHIBITORY, UNKNOWN, Network
from ephys_snn.stimuli import Stimuli, augment
from ephys_snn.training import distributed
from ephys_snn.training.evaluation import EVALUATION_BATCH, evaluate
from ephys_snn.training.run import Run
from ephys_snn.training.steps import step

WARM_UP, MEASURED = 2, 5  # steps


def describe_network(network: Network) -> str:
    """A line per layer: neurons, cell types, weights onto it."""
    lines = [f"{'area':<10}{'neurons':>9}{'excitatory':>12}{'inhibitory':>12}{'weights':>12}"]
    types = [None, *network.cell_types, None]
    weights = [None, *network.weights]
    for area, size, cells, onto in zip(network.areas, network.layer_sizes, types, weights,
                                       strict=True):
        counts = ["", ""] if cells is None or UNKNOWN in cells else [
            f"{(cells == kind).sum():,}" for kind in (EXCITATORY, INHIBITORY)]
        n_weights = "" if onto is None else f"{onto.numel():,}"
        lines.append(f"{area:<10}{size:>9,}{counts[0]:>12}{counts[1]:>12}{n_weights:>12}")
    n_parameters = sum(onto.numel() for onto in network.weights)
    lines.append(f"{'parameters':<10}{n_parameters:>45,}")
    return "\n".join(lines)


def describe_time(run: Run, stimuli: Stimuli) -> str:
    """How long the run will take, from a few steps of it; these change its weights."""
    seconds_step, seconds_validation = measure(run, stimuli)
    settings, n_steps = run.settings, run.n_steps
    total = settings.epochs * (n_steps * seconds_step + seconds_validation)
    processes = distributed.n_processes()
    steps = f"{n_steps:,} step{'s' * (n_steps > 1)} of {settings.batch_size} trials"
    return (f"about {in_words(total)}: {settings.epochs} epochs of {steps}, "
            f"{1e3 * seconds_step:.1f} ms a step, and {in_words(seconds_validation)} to validate, "
            f"on {run.network.weights[0].device} with {processes} process{'es' * (processes > 1)} "
            f"of {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}")


def measure(run: Run, stimuli: Stimuli) -> tuple[float, float]:
    """Seconds of a training step, and of a validation."""
    settings = run.settings
    times, labels = stimuli.part("train")
    seconds = []
    for index in range(WARM_UP + MEASURED):
        first = index * settings.batch_size % len(times)
        batch = slice(first, first + settings.batch_size)
        start = time.perf_counter()
        given = augment(times[batch].astype(np.float32), stimuli, settings.jitter,
                        settings.distortion, run.rng)
        step(run, torch.from_numpy(given), torch.from_numpy(labels[batch]),
             settings.learning_rate / 100, torch.full((len(given),), torch.inf))
        seconds.append(time.perf_counter() - start)
    times, labels = stimuli.part("validation")
    n_evaluated = min(len(times), EVALUATION_BATCH * distributed.n_processes())
    start = time.perf_counter()
    evaluate(run.network, times[:n_evaluated], labels[:n_evaluated])
    validation = (time.perf_counter() - start) * len(times) / n_evaluated
    return statistics.median(seconds[WARM_UP:]), validation


def in_words(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1e3 * seconds:.0f} ms"
