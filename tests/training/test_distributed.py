"""Several processes: their trials add up to the batch; only the first prints and writes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ephys_snn import train
from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.stimuli import Stimuli, load_stimuli
from ephys_snn.training import Settings, distributed, start, training_steps
from ephys_snn.training.steps import compute_gradients

SIZES = (1, 2, 7, 36)  # of joint batches; of the first, one of two processes has no trial at all


def arguments(data: str, out: Path) -> list[str]:
    return ["--data", data, "--hidden", "12", "8", "--epochs", "2", "--batch-size", "8",
            "--out", str(out), "--log", str(out.with_suffix(".csv"))]


def compute(stimuli: Stimuli) -> dict[str, list]:
    """Gradients and counts of joint batches, and the weights after a few steps."""
    times, labels = (torch.as_tensor(values) for values in stimuli.part("train"))
    network = Network.draw([stimuli.n_inputs, 20, 15, 2], seed=1)
    run = start(network, stimuli, Settings(epochs=1, batch_size=10))
    gradients, counts = [], []
    for size in SIZES:
        largest_t_stop = torch.full((size,), torch.inf)
        found, _ = compute_gradients(network, times[:size], labels[:size], largest_t_stop,
                                     torch.tensor([0.5, 2.0]))
        gradients.append([weights.grad.clone() for weights in network.weights])
        counts.append(found.sums)
    for _ in training_steps(run, stimuli):
        pass
    return {"gradients": gradients, "counts": counts,
            "weights": [weights.detach() for weights in network.weights]}


def work(data: str, folder: Path) -> None:
    """What each of the two processes does."""
    with distributed.process_group(torch.device("cpu")):
        rank = torch.distributed.get_rank()
        torch.save(compute(load_stimuli(data)), folder / f"found.{rank}")

        def fail():
            raise InputError("the disk is full")

        with pytest.raises(InputError, match="the disk is full"):
            distributed.broadcast_from_rank0(fail)
        assert distributed.broadcast_from_rank0(lambda: rank) == 0
        assert distributed.any_of(rank == 1) and not distributed.any_of(False)
        assert train.main(arguments(data, folder / "two.pt")) == 0


@pytest.fixture(scope="module")
def data(own_npz) -> str:
    return str(own_npz)


@pytest.fixture(scope="module")
def two(data, tmp_path_factory) -> tuple[list[dict], str, Path]:
    """What two real processes found and printed, and where they wrote."""
    folder = tmp_path_factory.mktemp("two")
    process = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         __file__, data, folder], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return [torch.load(folder / f"found.{rank}") for rank in (0, 1)], process.stdout, folder


def test_two_processes_have_the_gradients_of_one(data, two):
    found, _, _ = two
    one = compute(load_stimuli(data))
    for index in range(len(SIZES)):
        for process in found:
            torch.testing.assert_close(process["counts"][index], one["counts"][index])
            for ours, theirs in zip(process["gradients"][index], one["gradients"][index],
                                    strict=True):
                assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    for ours, theirs in zip(found[0]["weights"], one["weights"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_all_processes_have_the_same_weights(two):
    (first, second), _, _ = two
    assert all(torch.equal(a, b) for a, b in zip(first["weights"], second["weights"], strict=True))


def test_only_the_first_process_prints_and_the_model_is_that_of_one_process(data, two, tmp_path):
    _, printed, folder = two
    assert printed.count("saved ") == 1 and printed.count("test accuracy 0.") <= 1
    assert train.main(arguments(data, tmp_path / "one.pt")) == 0
    one, both = (Network.load(path) for path in (tmp_path / "one.pt", folder / "two.pt"))
    for ours, theirs in zip(both.weights, one.weights, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2)
    assert one.card.history[0]["loss"] == pytest.approx(
        both.card.history[0]["loss"], rel=1e-4)
    assert sorted(path.name for path in folder.glob("two*")) == ["two.csv", "two.pt"]


def test_own_trials_are_a_partition(monkeypatch):
    for n_processes in (1, 2, 3, 7):
        monkeypatch.setattr(distributed, "is_distributed", lambda: True)
        monkeypatch.setattr(distributed.dist, "get_world_size", lambda n=n_processes: n)
        for n_trials in (0, 1, 5, 80):
            trials = []
            for rank in range(n_processes):
                monkeypatch.setattr(distributed.dist, "get_rank", lambda rank=rank: rank)
                trials += range(n_trials)[distributed.own_trials(n_trials)]
            assert trials == list(range(n_trials))


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]))
