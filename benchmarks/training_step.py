"""A training step of a spiking network against one of a ReLU network of the same size.

Forward, backward and Adam, on a trained network, in the same run with the same threads; the two
take turns, and the ratio is the median over turns.

python benchmarks/training_step.py [--data mnist|IDX_DIRECTORY|digits] [--hidden 400 400 400 400]
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from ephys_snn import dale
from ephys_snn.loss import first_spike_loss
from ephys_snn.network import Network
from ephys_snn.stimuli import load_stimuli
from ephys_snn.training import Settings, train


def relu_step(layer_sizes: list[int], inputs: torch.Tensor, labels: torch.Tensor
              ) -> Callable[[], None]:
    """A training step of a ReLU network with these numbers of neurons, without biases."""
    layers = []
    for pre, post in zip(layer_sizes, layer_sizes[1:], strict=False):
        layers += [torch.nn.Linear(pre, post, bias=False), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()

    return step


def spiking_step(network: Network, times: torch.Tensor, labels: torch.Tensor
                 ) -> Callable[[], None]:
    """A training step of a spiking network, Dale's law included."""
    weights = [matrix.detach().clone().requires_grad_() for matrix in network.weights]
    copy = Network(weights, network.lif, network.cell_types)
    signs = [None if sign is None else sign.to(weights[0]) for sign in copy.signs]
    optimizer = torch.optim.Adam(weights, lr=1e-6)  # the network stays as trained

    def step() -> None:
        optimizer.zero_grad()
        first_spike_loss(copy(times)[-1], labels, copy.lif.tau_s).mean().backward()
        optimizer.step()
        with torch.no_grad():
            for matrix, sign in zip(weights, signs, strict=True):
                if sign is not None:
                    dale.project_(matrix, sign)

    return step


def milliseconds(step: Callable[[], None]) -> float:
    """Wall time of one step."""
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def take_turns(steps: list[Callable[[], None]], n_turns: int) -> np.ndarray:
    """Milliseconds (turn, step), the steps in turn, after a warm-up."""
    for step in steps:
        for _ in range(3):
            step()
    return np.array([[milliseconds(step) for step in steps] for _ in range(n_turns)])


def compare(layer_sizes: list[int], network: Network, times: np.ndarray, labels: np.ndarray,
            n_turns: int) -> tuple[float, float, float]:
    """Median milliseconds of the spiking and the ReLU step, and the median ratio."""
    times = torch.as_tensor(times, dtype=torch.float32)
    labels = torch.as_tensor(labels)
    taken = take_turns([spiking_step(network, times, labels),
                        relu_step(layer_sizes, times / 20, labels)], n_turns)
    ratio = statistics.median((taken[:, 0] / taken[:, 1]).tolist())
    return *np.median(taken, axis=0), ratio


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--hidden", type=int, nargs="+", default=[400] * 4)
    parser.add_argument("--batch", type=int, nargs="+", default=[80])
    parser.add_argument("--train-steps", type=int, default=400, help="steps before measuring")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    stimuli = load_stimuli(args.data)
    sizes = [stimuli.times.shape[1], *args.hidden, len(stimuli.classes)]
    n_train = int((stimuli.split == "train").sum())
    epochs = max(1, round(args.train_steps * 80 / n_train))
    network = train(Network.draw(sizes), stimuli, Settings(epochs=epochs))
    times, labels = stimuli.part("train")
    print(f"{stimuli.name}, {'-'.join(map(str, sizes))}, trained for {epochs} epochs, "
          f"{args.threads} threads, medians of {args.turns} turns")
    print(f"{'batch':>6}{'spiking ms':>12}{'ReLU ms':>10}{'ratio':>8}")
    for batch in args.batch:
        spiking, relu, ratio = compare(sizes, network, times[:batch], labels[:batch], args.turns)
        print(f"{batch:>6}{spiking:>12.1f}{relu:>10.1f}{ratio:>8.1f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory of the whole run {peak:.2f} GB")


if __name__ == "__main__":
    main()
