"""A training step of a spiking network against one of a ReLU network of the same size.

All of a step of training (`ephys_snn.training`), on a trained network, against forward, backward
and Adam, with batches that cycle through the training samples; spiking and ReLU steps take
turns on the same batch with the same threads, and the ratio is the median over turns. With one
thread CPU time is measured, which other programs hardly disturb, with more threads wall time.

Two spiking steps are compared. `all` computes every spike. `t_stop` is what training does
(`ephys_snn.training.trial_end`): trials end soon after their decision, and when at the latest is
known from the sample's previous trial.

The stimuli are those of training: jittered (`--jitter`), and distorted on request (`--distortion`).
Without jitter the black pixels of an image spike at once and count as one input.

python benchmarks/training_step.py [--data mnist|IDX_DIRECTORY|digits] [--hidden 400 400 400 400]
python benchmarks/training_step.py --data mnist --curves [--figure training_step.png]
"""

import argparse
import copy
import itertools
import resource
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ephys_snn.network import Network
from ephys_snn.spike_time import first_spike_times
from ephys_snn.stimuli import Stimuli, augment, load_stimuli
from ephys_snn.training import Settings, find_t_stop, largest_t_stop, learning_rate, start
from ephys_snn.training import step as training_step

N_BATCHES = 10  # distinct ones


class Batch(NamedTuple):
    """Trials: input spike times (trial, input) in ms, classes, largest t_stop (trial,) in ms."""

    times: torch.Tensor
    labels: torch.Tensor
    largest_t_stop: torch.Tensor


class Cost(NamedTuple):
    """Median milliseconds per step, and median ratios to ReLU."""

    every: float
    t_stop: float
    relu: float
    ratio_every: float
    ratio_t_stop: float


def trained(sizes: list[int], stimuli: Stimuli, n_steps: int) -> Network:
    """A network after so many steps of training."""
    settings = Settings(epochs=1)
    run = start(Network.draw(sizes), stimuli, settings)
    times, labels = (torch.as_tensor(part) for part in stimuli.part("train"))
    order = torch.from_numpy(run.rng.permutation(len(times)))
    for index in range(n_steps):
        chosen = order[torch.arange(index * 80, (index + 1) * 80) % len(order)]
        rate = settings.learning_rate * (1 - index / n_steps)
        training_step(run, times[chosen].float(), labels[chosen], rate,
                      torch.full((len(chosen),), torch.inf))
    return run.network


def varied(times: np.ndarray, stimuli: Stimuli, args: argparse.Namespace) -> torch.Tensor:
    """Training samples (trial, input) as a step of training gets them."""
    return torch.from_numpy(augment(times.astype(np.float32), stimuli, args.jitter,
                                    args.distortion, np.random.default_rng(0)))


def batches_of(
    network: Network, stimuli: Stimuli, size: int, args: argparse.Namespace
) -> list[Batch]:
    """Batches of training samples, and when their trials should end at the latest."""
    times, labels = stimuli.part("train")
    chosen = np.arange(size * min(args.turns, N_BATCHES)) % len(times)
    batches = []
    for inputs, classes in zip(varied(times[chosen], stimuli, args).split(size),
                               torch.as_tensor(labels[chosen]).split(size), strict=True):
        t_stop = find_t_stop(network(inputs)[-1], classes, network.lif.tau_s)
        batches.append(Batch(inputs, classes, largest_t_stop(t_stop.numpy(), network.lif.tau_s)))
    return batches


def relu_step(layer_sizes: list[int], device: str = "cpu") -> Callable[[Batch], None]:
    """A training step of a ReLU network with these numbers of neurons, without biases."""
    layers = []
    for pre, post in itertools.pairwise(layer_sizes):
        layers += [torch.nn.Linear(pre, post, bias=False), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1]).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        outputs = network(batch.times / 20)
        torch.nn.functional.cross_entropy(outputs, batch.labels).backward()
        optimizer.step()

    return step


def spiking_step(network: Network, stimuli: Stimuli, with_t_stop: bool) -> Callable[[Batch], None]:
    """A step as training takes it at its end, so small that the network stays as trained."""
    settings = Settings(epochs=1)
    run = start(copy.deepcopy(network), stimuli, settings)

    def step(batch: Batch) -> None:
        largest = batch.largest_t_stop if with_t_stop \
            else torch.full_like(batch.largest_t_stop, torch.inf)
        training_step(run, batch.times, batch.labels, learning_rate(1, 1, 1, settings), largest)

    return step


def clock() -> Callable[[], float]:
    """CPU time for one thread, else wall time."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def milliseconds(step: Callable[[Batch], None], batch: Batch) -> float:
    """Time of one step."""
    now = clock()
    begin = now()
    step(batch)
    return 1e3 * (now() - begin)


def compare(network: Network, stimuli: Stimuli, batches: list[Batch], n_turns: int) -> Cost:
    """Steps in turn on batch after batch, after a warm-up."""
    steps = [spiking_step(network, stimuli, with_t_stop=False),
             spiking_step(network, stimuli, with_t_stop=True), relu_step(network.layer_sizes)]
    cycle = itertools.cycle(batches)
    for _ in range(3):
        for step in steps:
            step(batches[0])
    taken = np.array([[milliseconds(step, batch) for step in steps]
                      for batch in itertools.islice(cycle, n_turns)])
    every, t_stop, relu = np.median(taken, axis=0)
    return Cost(every, t_stop, relu, *(statistics.median((taken[:, column] / taken[:, 2]).tolist())
                                     for column in (0, 1)))


def print_costs(rows: dict[str, Cost]) -> None:
    """The table."""
    print(f"{'':<18}{'all ms':>9}{'t_stop ms':>11}{'ReLU ms':>9}{'all/ReLU':>10}"
          f"{'t_stop/ReLU':>13}")
    for name, cost in rows.items():
        print(f"{name:<18}{cost.every:>9.1f}{cost.t_stop:>11.1f}{cost.relu:>9.1f}"
              f"{cost.ratio_every:>10.1f}{cost.ratio_t_stop:>13.1f}", flush=True)


def first_layer(stimuli: Stimuli, n_post: int, args: argparse.Namespace) -> dict[int, float]:
    """Milliseconds of the first layer, forward and backward, by the spiking inputs per trial."""
    times = varied(stimuli.part("train")[0][:80], stimuli, args)
    weights = Network.draw([times.shape[1], n_post, 2]).weights[0]
    generator = torch.Generator().manual_seed(0)
    rank = torch.rand(times.shape, generator=generator).argsort(1)
    costs = {}
    for n_spiking in (times.shape[1] // part for part in (1, 2, 4, 8, 16)):
        inputs = torch.where(rank < n_spiking, times, torch.inf)
        batch = Batch(inputs, torch.zeros(0), torch.zeros(0))

        def step(batch: Batch) -> None:
            spikes = first_spike_times(batch.times, weights)
            torch.autograd.grad(spikes, weights, torch.isfinite(spikes).float())

        costs[n_spiking] = statistics.median(milliseconds(step, batch) for _ in range(args.turns))
    return costs


def curves(stimuli: Stimuli, args: argparse.Namespace) -> dict[str, dict[int, Cost]]:
    """Costs against batch, width and depth around 4 layers of 400 neurons and batches of 80."""
    ends = stimuli.n_inputs, len(stimuli.classes)

    def cost(hidden: list[int], batch: int) -> Cost:
        network = trained([ends[0], *hidden, ends[1]], stimuli, args.train_steps)
        batches = batches_of(network, stimuli, batch, args)
        return compare(network, stimuli, batches, args.turns)

    axes = {
        "trials per batch": ([10, 20, 40, 80, 160, 320], lambda n: ([400] * 4, n)),
        "neurons per layer": ([50, 100, 200, 400, 800], lambda n: ([n] * 4, 80)),
        "hidden layers": ([1, 2, 4, 8, 16], lambda n: ([400] * n, 80)),
    }
    found = {}
    for axis, (values, arguments) in axes.items():
        print(axis)
        found[axis] = {value: cost(*arguments(value)) for value in values}
        print_costs({str(value): one for value, one in found[axis].items()})
    return found


def draw(found: dict[str, dict[int, Cost]], path: str, title: str) -> None:
    """Milliseconds per step against batch, width and depth."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
    styles = {"every": ("spiking, every spike", "C0", "-"),
              "t_stop": ("spiking, until t_stop", "C1", "-"),
              "relu": ("ReLU", "0.4", "--")}
    for ax, (name, costs) in zip(axes, found.items(), strict=True):
        for key, (label, color, line) in styles.items():
            ax.loglog(list(costs), [getattr(cost, key) for cost in costs.values()],
                      line, marker="o", ms=4, color=color, label=label)
        ax.set_xticks(list(costs), [str(value) for value in costs])
        ax.minorticks_off()
        ax.set_xlabel(name)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("training step (ms)")
    axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--hidden", type=int, nargs="+", default=[400] * 4)
    parser.add_argument("--batch", type=int, nargs="+", default=[80])
    parser.add_argument("--model", help="a trained network instead of --hidden and --train-steps")
    parser.add_argument("--train-steps", type=int, default=400, help="steps before measuring")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--jitter", type=float, default=Settings.jitter, help="of stimuli, in ms")
    parser.add_argument("--distortion", type=float, default=Settings.distortion)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--curves", action="store_true", help="against batch, width and depth")
    parser.add_argument("--figure", help="PNG of the curves")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    stimuli = load_stimuli(args.data)
    unit = "CPU time" if args.threads == 1 else "wall time"
    training = args.model or f"{args.train_steps} steps of training"
    header = (f"{stimuli.name}, {training}, {args.threads} thread(s), {unit}, "
              f"medians of {args.turns} turns")
    print(header)
    if args.curves:
        found = curves(stimuli, args)
        if args.figure:
            draw(found, args.figure, header)
        return
    sizes = [stimuli.n_inputs, *args.hidden, len(stimuli.classes)]
    network = (Network.load(args.model) if args.model
               else trained(sizes, stimuli, args.train_steps))
    print("-".join(map(str, network.layer_sizes)))
    print_costs({
        f"batch {size}": compare(network, stimuli, batches_of(network, stimuli, size, args),
                                 args.turns)
        for size in args.batch
    })
    n_post = network.layer_sizes[1]
    print(f"first layer of {n_post} neurons, forward and backward, batch 80, by spiking inputs")
    for n_spiking, cost in first_layer(stimuli, n_post, args).items():
        print(f"{n_spiking:>8} {cost:>6.2f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory of the whole run {peak:.2f} GB")


if __name__ == "__main__":
    main()
