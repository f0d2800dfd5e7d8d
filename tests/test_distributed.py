"""Several processes: shares of a batch add up to the batch; only the first prints and writes."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from ephys_snn import distributed, train, training
from ephys_snn.network import Network
from ephys_snn.stimuli import encode, load_stimuli
from ephys_snn.training import Settings, compute_gradients

# Run by every process, and by the test in one.
WORK = """
import sys
import torch
from ephys_snn import distributed, train
from tests.test_distributed import train_a_little

with distributed.joined(torch.device("cpu")):
    torch.save(train_a_little(sys.argv[1]), f"{sys.argv[2]}.{torch.distributed.get_rank()}")
    outcomes = []
    for message in ("disk full", None):
        def action():
            if message:
                raise distributed.InputError(message)
            return torch.distributed.get_rank()
        try:
            outcomes.append(distributed.from_first(action))
        except distributed.InputError as error:
            outcomes.append(str(error))
    rank = torch.distributed.get_rank()
    assert outcomes == ["disk full", 0], outcomes
    assert distributed.any_of(rank == 1) and not distributed.any_of(False)
    sys.exit(train.main(sys.argv[3:]))
"""


def train_a_little(data: str) -> dict[str, list]:
    """Gradients and counts of joint batches of several sizes, and weights after a few steps."""
    stimuli = load_stimuli(data)
    times, labels = (torch.as_tensor(values) for values in stimuli.part("train"))
    network = Network.draw([stimuli.n_inputs, 20, 15, 2], seed=1)
    run = training.start(network, stimuli, Settings(epochs=1, batch_size=5))
    found = {"gradients": [], "counts": []}
    for size in (1, 2, 7, 36):
        tally = compute_gradients(network, times[:size], labels[:size], torch.tensor([0.5, 2.0]))
        found["gradients"] += [weights.grad.clone() for weights in network.weights]
        found["counts"].append(tally.sums)
    training.train_epoch(run, times.float().numpy(), labels.numpy())
    found["weights"] = [weights.detach().clone() for weights in network.weights]
    return found


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = generator.random((60, 2, 3)) * 0.4
    images[labels == 1, 0] += 0.6
    path = tmp_path_factory.mktemp("data") / "own.npz"
    np.savez(path, images=images, labels=np.array(["ant", "bee"])[labels])
    return str(path)


@pytest.fixture(scope="module")
def two(own_data, tmp_path_factory):
    """What two real processes found and printed, and the folder where they wrote."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "work.py").write_text(WORK)
    process = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         folder / "work.py", "--", own_data, folder / "found", *arguments(own_data, folder)],
        capture_output=True, text=True,
    )
    assert process.returncode == 0, process.stderr
    return [torch.load(folder / f"found.{rank}") for rank in (0, 1)], process.stdout, folder
