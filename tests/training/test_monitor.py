"""What is shown of every epoch, against its definition; TensorBoard; the dry run."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from ephys_snn import train
from ephys_snn.network import Network
from ephys_snn.spike_time import censor
from ephys_snn.stimuli import Stimuli
from ephys_snn.training import (
    EpochDone,
    Settings,
    StepDone,
    find_t_stop,
    first_spike_loss,
    start,
    training_steps,
)
from ephys_snn.training.evaluation import packet_widths
from ephys_snn.training.monitor import write_log
from ephys_snn.training.steps import SMALLEST_SLOPE, balanced_weights, compute_gradients


@pytest.fixture(scope="module")
def stimuli() -> Stimuli:
    """Three unequal classes that differ in which third of 15 inputs is early."""
    generator = np.random.default_rng(0)
    labels = generator.choice(3, 120, p=[0.6, 0.3, 0.1])
    times = generator.uniform(5, 20, (120, 15))
    for row, label in zip(times, labels, strict=True):
        row[5 * label:5 * (label + 1)] = generator.uniform(1, 6, 5)
    times[:, 14] = np.inf
    split = np.array(["train", "validation", "test"])[np.arange(120) % 3]
    return Stimuli("thirds", times, labels, ("a", "b", "c"), split)


def shortest_half(latencies: np.ndarray) -> float:
    s = sorted(latencies[np.isfinite(latencies)].tolist())
    k = len(s) // 2
    return min(s[i + k] - s[i] for i in range(len(s) - k)) if len(s) >= 5 else np.nan


def by_definition(weights: list[torch.Tensor], network: Network, stimuli: Stimuli) -> dict:
    """The columns of an epoch that depend on the weights at its end alone."""
    times, labels = stimuli.part("validation")
    given = torch.tensor(times, dtype=torch.float32)
    with torch.no_grad():
        layers = [layer.numpy() for layer in
                  Network(weights, network.lif, network.cell_types)(given)]
    first = layers[-1].min(axis=1)
    right = np.isfinite(first) & (layers[-1].argmin(axis=1) == labels)
    row = {
        "validation_loss": float(first_spike_loss(torch.tensor(layers[-1]), torch.tensor(labels),
                                                  network.lif.tau_s).mean()),
        "validation_accuracy": right.mean(),
        "validation_balanced_accuracy": np.mean([right[labels == c].mean() for c in range(3)]),
    }
    for area, layer in zip(["layer_1", "layer_2", "output"], layers, strict=True):
        row[f"silent_fraction_{area}"] = np.isinf(layer).mean()
    for area, layer, types in zip(["layer_1", "layer_2"], layers, network.cell_types,
                                  strict=False):
        for kind in ("excitatory", "inhibitory"):
            row[f"silent_fraction_{kind}_{area}"] = np.isinf(layer[:, types == kind]).mean()
    for area, layer in zip(["input", "layer_1", "layer_2"], [given.numpy(), *layers],
                           strict=False):
        widths = [shortest_half(np.where(trial < decision, trial, np.inf))
                  for trial, decision in zip(layer, first, strict=True) if np.isfinite(decision)]
        row[f"shortest_half_ms_{area}"] = np.nanmean(widths)
    for area, matrix in zip(["layer_2", "output"], weights[1:], strict=True):
        row[f"clamped_weights_{area}"] = sum(value == 0 for value in matrix.flatten().tolist())
    return row


def test_the_log_is_the_definition(stimuli, tmp_path):
    network = Network.draw([15, 16, 12, 3], seed=1)
    run = start(network, stimuli, Settings(epochs=3, batch_size=8, learning_rate=0.2))
    kept = [[weights.detach().clone() for weights in network.weights]
            for event in training_steps(run, stimuli) if isinstance(event, EpochDone)]
    write_log(tmp_path / "log.csv", run.history)
    log = pd.read_csv(tmp_path / "log.csv")
    expected = pd.DataFrame([by_definition(weights, network, stimuli) for weights in kept])
    assert set(log) - set(expected) == {"epoch", "loss", "accuracy"}
    assert list(log["epoch"]) == [1, 2, 3]
    pd.testing.assert_frame_equal(log[list(expected)], expected, check_dtype=False, rtol=1e-5)
    assert (log["clamped_weights_layer_2"] > 0).all()


def test_the_loss_of_an_epoch_is_of_all_its_trials(stimuli):
    """With a last batch of one trial, a mean over batches would be another number."""
    network = Network.draw([15, 16, 3], seed=1)
    n_trials = int((stimuli.split == "train").sum())
    run = start(network, stimuli, Settings(epochs=1, batch_size=n_trials - 1))
    first, last = (event.counts.evaluation() for event in training_steps(run, stimuli)
                   if isinstance(event, StepDone))
    expected = ((n_trials - 1) * first.loss + last.loss) / n_trials
    assert run.history[0]["loss"] == pytest.approx(expected)
    assert abs(expected - (first.loss + last.loss) / 2) > 1e-3


def test_an_epoch_without_packets_leaves_its_cell_empty(tmp_path):
    write_log(tmp_path / "log.csv", [{"epoch": 1, "shortest_half_ms": {}},
                                     {"epoch": 2, "shortest_half_ms": {"layer_1": 0.5}}])
    assert (tmp_path / "log.csv").read_text() == "epoch,shortest_half_ms_layer_1\n1,\n2,0.5\n"


def test_every_class_counts_alike_where_they_are_balanced(stimuli):
    """The gradient is that of the mean over classes of the mean loss of their trials."""
    times, labels = (torch.as_tensor(values) for values in stimuli.part("train"))
    network = Network.draw([15, 16, 3], seed=1)
    weights = balanced_weights(labels.numpy(), 3)
    compute_gradients(network, times, labels, torch.full((len(times),), torch.inf), weights)
    gradients = [matrix.grad.clone() for matrix in network.weights]
    outputs = network(times, None, SMALLEST_SLOPE)[-1]
    outputs = censor(outputs, find_t_stop(outputs, labels, network.lif.tau_s))
    losses = first_spike_loss(outputs, labels, network.lif.tau_s)
    balanced = sum(losses[labels == label].mean() for label in range(3)) / 3
    expected = torch.autograd.grad(balanced, network.weights)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.fixture
def unequal(tmp_path):
    generator = np.random.default_rng(0)
    labels = np.array(["ant", "bee", "cow"])[generator.choice(3, 90, p=[0.7, 0.2, 0.1])]
    images = generator.random((90, 2, 3)) * 0.4
    images[labels == "bee", 0] += 0.6
    np.savez(tmp_path / "own.npz", images=images, labels=labels)
    return tmp_path / "own.npz"


def options(data, *more) -> list[str]:
    return ["--data", str(data), "--hidden", "12", "--epochs", "2", "--out",
            str(data.parent / "model.pt"), *map(str, more)]


def test_unequal_classes_are_said_and_told_apart_in_the_end(unequal, capsys):
    assert train.main(options(unequal)) == 0
    printed = capsys.readouterr().out
    assert re.search(r"training samples by class: ant \d+, bee \d+, cow \d+\nwarning: the classes "
                     "are unequal.*--balance-classes", printed)
    assert re.search(r"test accuracy by class: ant [01]\.\d+, bee [01]\.\d+, cow [01]\.\d+\n"
                     r"balanced test accuracy [01]\.\d+\ntest accuracy [01]\.\d+\n$", printed)
    assert train.main(options(unequal, "--balance-classes")) == 0
    assert "warning" not in capsys.readouterr().out


def test_chosen_classes_are_those_of_the_model(unequal, capsys):
    assert train.main(options(unequal, "--classes", "cow, ant")) == 0
    network = Network.load(unequal.parent / "model.pt")
    assert network.card.classes == ("cow", "ant") and network.layer_sizes[-1] == 2
    assert list(network.card.test_accuracy_by_class) == ["cow", "ant"]
    assert train.main(options(unequal, "--classes", "cow,dog")) == 2
    assert "no class 'dog'; they have ant, bee, cow" in capsys.readouterr().err


def test_tensorboard_shows_what_the_log_says(unequal):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                 reason="tensorboard is not installed")
    folder, log = unequal.parent / "board", unequal.parent / "log.csv"
    assert train.main(options(unequal, "--tensorboard", folder, "--log", log)) == 0
    board = events.EventAccumulator(str(folder)).Reload()
    log = pd.read_csv(log)
    for tag, column in {"run/loss": "loss", "silent_fraction/layer_1": "silent_fraction_layer_1",
                        "shortest_half_ms/input": "shortest_half_ms_input"}.items():
        shown = board.Scalars(tag)
        assert [scalar.step for scalar in shown] == [1, 2]
        np.testing.assert_allclose([scalar.value for scalar in shown], log[column], rtol=1e-5)


def test_without_tensorboard_a_line_says_what_to_do(unequal, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert train.main(options(unequal, "--tensorboard", unequal.parent / "board")) == 2
    assert list(unequal.parent.iterdir()) == [unequal]
    error = capsys.readouterr().err
    assert re.fullmatch("error: --tensorboard needs .*pip install tensorboard.*--log.*\n", error)


def test_a_dry_run_says_what_would_be_and_writes_nothing(unequal, capsys):
    before = set(unequal.parent.iterdir())
    assert train.main(options(unequal, "--dry-run", "--log", unequal.parent / "log.csv")) == 0
    printed = capsys.readouterr().out
    assert set(unequal.parent.iterdir()) == before
    lines = [line.split() for line in printed.splitlines()]
    assert ["layer_1", "12", "9", "3", "72"] in lines and ["output", "3", "36"] in lines
    assert ["parameters", "108"] in lines
    assert re.match(r"about \d+(\.\d)? (ms|s|min|h): 2 epochs of 1 step of 80 trials",
                    printed.splitlines()[-1])


def test_packets_end_before_the_decision_and_trials_without_one_do_not_count():
    times = torch.tensor([[1.0, 2, 3, 4, 5, 9, 9, 9], [1.0, 2, 3, 4, 5, 6, 7, 8]])
    output = torch.tensor([[torch.inf, 9.0], [torch.inf, torch.inf]])
    assert packet_widths([times, output]).tolist() == [[2.0, 1.0]]
