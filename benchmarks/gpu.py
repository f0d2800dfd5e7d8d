"""Training on a GPU: steps against those of a ReLU network, epochs, memory.

The same networks and steps as in `training_step.py`, on a network trained on the GPU. The two take
turns, several steps each, and the ratio is the median over turns. Then whole epochs as
`ephys_snn.train` does them, jitter and counting included.

python benchmarks/gpu.py [--data mnist|IDX_DIRECTORY|digits] [--hidden 400 400 400 400]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from training_step import Batch, relu_step, spiking_step

from ephys_snn.cli import Parser, command
from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.stimuli import Stimuli, load_stimuli
from ephys_snn.training import Settings, start, train, training_steps

DEVICE = "cuda"
STEPS = 10  # between two looks at the clock, so that the GPU never waits for it
LIMIT = 3.0  # s, for an epoch of MNIST


def seconds(action: Callable[[], object]) -> float:
    """Time until the GPU has done it."""
    torch.cuda.synchronize()
    begun = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def gigabytes(action: Callable[[], object]) -> float:
    """Largest memory of the GPU while doing it."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    action()
    return torch.cuda.max_memory_allocated() / 1e9


def several(step: Callable[[], object], n_steps: int = STEPS) -> None:
    """So many steps."""
    for _ in range(n_steps):
        step()


def print_steps(sizes: list[int], network: Network, stimuli: Stimuli, batches: list[int],
                n_turns: int) -> None:
    """A row for every batch size; trials repeat where there are too few."""
    times, labels = stimuli.part("train")
    print(f"{'batch':>6}{'spiking ms':>12}{'ReLU ms':>10}{'ratio':>8}{'trials/s':>12}"
          f"{'spiking GB':>12}{'ReLU GB':>9}")
    for batch in batches:
        chosen = np.arange(batch) % len(times)
        inputs = torch.as_tensor(times[chosen], dtype=torch.float32, device=DEVICE)
        targets = torch.as_tensor(labels[chosen], device=DEVICE)
        trials = Batch(inputs, targets, torch.full((batch,), torch.inf, device=DEVICE))
        steps = [partial(step, trials) for step in (
            spiking_step(network, stimuli, with_t_stop=False), relu_step(sizes, DEVICE))]
        memory = [gigabytes(step) for step in steps]  # and the kernels are compiled now
        turns = np.array([[seconds(lambda step=step: several(step)) / STEPS for step in steps]
                          for _ in range(n_turns)])
        spiking, relu = np.median(turns, axis=0)
        ratio = statistics.median((turns[:, 0] / turns[:, 1]).tolist())
        print(f"{batch:>6}{1e3 * spiking:>12.2f}{1e3 * relu:>10.2f}{ratio:>8.1f}"
              f"{batch / spiking:>12,.0f}{memory[0]:>12.2f}{memory[1]:>9.2f}", flush=True)


def print_epochs(sizes: list[int], stimuli: Stimuli, batches: list[int]) -> None:
    """A row for every batch size: the second epoch, when all is compiled."""
    print(f"{'batch':>6}{'epoch s':>10}{'steps':>8}{'GB':>8}   (limit of MNIST: {LIMIT:g} s)")
    for batch in batches:
        run = start(Network.draw(sizes).to(DEVICE), stimuli, Settings(epochs=2, batch_size=batch))
        next_event = partial(next, training_steps(run, stimuli))
        epoch = partial(several, next_event, run.n_steps)
        memory = gigabytes(epoch)
        next_event()  # the first epoch is validated
        taken = seconds(epoch)
        print(f"{batch:>6}{taken:>10.2f}{run.n_steps:>8}{memory:>8.2f}", flush=True)


@command
def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = Parser(description=__doc__.split("\n")[0],
                    formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--hidden", type=int, nargs="+", default=[400] * 4)
    parser.add_argument("--batch", type=int, nargs="+",
                        default=[80, 256, 512, 1024, 2048, 4096, 8192])
    parser.add_argument("--epoch-batch", type=int, nargs="+", default=[80, 256, 1024])
    parser.add_argument("--turns", type=int, default=20)
    args = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        raise InputError("this benchmark needs a GPU that PyTorch can use as `cuda`, and there is "
                         "none here; benchmarks/training_step.py measures processors")
    stimuli = load_stimuli(args.data)
    sizes = [stimuli.n_inputs, *args.hidden, len(stimuli.classes)]
    network = train(Network.draw(sizes).to(DEVICE), stimuli, Settings(epochs=1))
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, {stimuli.name}, "
          f"{'-'.join(map(str, sizes))} after one epoch, float32, "
          f"medians of {args.turns} turns of {STEPS} steps")
    print_steps(sizes, network, stimuli, args.batch, args.turns)
    print_epochs(sizes, stimuli, args.epoch_batch)


if __name__ == "__main__":
    raise SystemExit(main())
