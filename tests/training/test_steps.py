"""Training: loss, corrections, Dale's law after every step, reproducibility, accuracy."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.network import Network, dale
from ephys_snn.stimuli import Stimuli
from ephys_snn.training import (
    EpochDone,
    Settings,
    StepDone,
    evaluate,
    first_spike_loss,
    learning_rate,
    start,
    train,
    training_steps,
)
from ephys_snn.training.steps import centralize_, compute_gradients


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Layers of twenty neurons are faster on one thread than on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def stimuli(thirds) -> Stimuli:
    return thirds


def draw(stimuli, hidden=(20, 20), seed=0) -> Network:
    return Network.draw([stimuli.times.shape[1], *hidden, len(stimuli.classes)], seed=seed)


def weights_by_epoch(run, stimuli) -> list[list[torch.Tensor]]:
    """The weights after every epoch of a run to its end."""
    return [[weights.detach().clone() for weights in run.network.weights]
            for event in training_steps(run, stimuli) if isinstance(event, EpochDone)]


def test_the_loss_is_the_definition():
    times = torch.tensor([[3.0, 5.0, 20.0], [12.0, 2.0, 7.0]], dtype=torch.float64)
    for trial, label in ((0, 1), (1, 2)):
        scaled = [time / 10 for time in times[trial].tolist()]
        expected = (math.log(sum(math.exp(-time / 0.1) for time in scaled))
                    + scaled[label] / 0.1 + 0.005 * math.exp(scaled[label]))
        loss = first_spike_loss(times[[trial]], torch.tensor([label]), tau=10.0)
        assert loss.item() == pytest.approx(expected, rel=1e-12)
        plain = first_spike_loss(times[[trial]], torch.tensor([label]), 10.0, early_weight=0.0)
        assert (loss - plain).item() == pytest.approx(0.005 * math.exp(scaled[label]))


def test_the_weight_of_early_decisions_reaches_the_gradient(thirds):
    times, labels = (torch.as_tensor(part[:20]) for part in thirds.part("train"))
    gradients = []
    for early_weight in (0.0, 1.0):
        network = Network.draw([30, 20, 3], seed=1)
        compute_gradients(network, times.float(), labels, torch.full((20,), math.inf),
                          early_weight=early_weight)
        gradients.append(network.weights[-1].grad.clone())
    # The reward alone pulls the right output forward: excitation onto it grows.
    pulled = (gradients[1] - gradients[0])[:15]
    assert pulled.sum() < 0


def test_silent_outputs_leave_loss_and_gradient_finite():
    times = torch.tensor([[math.inf, 8.0, math.inf]] * 2, requires_grad=True)
    loss = first_spike_loss(times, torch.tensor([0, 1]), tau=10.0)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(times.grad).all()
    assert loss[0] > loss[1]
    assert (times.grad[:, [0, 2]] == 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 10))
def test_centralized_gradients_have_no_common_mode(seed, pre, post):
    gradient = torch.randn(pre, post, generator=torch.Generator().manual_seed(seed)).double()
    centred = centralize_(gradient.clone())
    np.testing.assert_allclose(centred.sum(dim=0), 0, atol=1e-12)
    difference = gradient - centred
    np.testing.assert_allclose(difference, difference[:1].expand_as(difference), atol=1e-12)


def test_dales_law_holds_after_every_step_for_every_hidden_neuron(stimuli):
    network = draw(stimuli)
    run = start(network, stimuli, Settings(epochs=4, batch_size=8, learning_rate=0.3))
    n_checked = 0
    for event in training_steps(run, stimuli):
        for weights, sign in zip(network.weights[1:], network.signs[1:], strict=True):
            assert dale.obeys(weights.detach(), sign)
        n_checked += isinstance(event, StepDone)
    assert n_checked == 40
    # The steps were large enough to break the law without the projection.
    assert (network.weights[1] == 0).any()


def test_the_same_seed_gives_the_same_weights_bit_for_bit(stimuli):
    first, second, other = (
        train(draw(stimuli), stimuli, Settings(epochs=3, seed=seed)).sha256()
        for seed in (0, 0, 1)
    )
    assert first == second != other


def test_the_weights_that_did_best_on_validation_are_kept(stimuli):
    settings = Settings(epochs=8, batch_size=8, learning_rate=0.2)
    kept = weights_by_epoch(start(draw(stimuli), stimuli, settings), stimuli)
    network = train(draw(stimuli), stimuli, settings)
    accuracies = [entry["validation_accuracy"] for entry in network.card.history]
    best = len(accuracies) - 1 - int(np.argmax(accuracies[::-1]))
    assert all(torch.equal(a, b) for a, b in zip(network.weights, kept[best], strict=True))
    evaluation = evaluate(network, *stimuli.part("validation"))
    assert evaluation.accuracy == max(accuracies)


def test_validation_samples_are_trained_on_if_asked_to(stimuli):
    """As if they had been training samples; nothing chooses among the epochs."""
    split = np.where(stimuli.split == "validation", "train", stimuli.split).astype(object)
    split[split == "test"] = "validation"
    last = []
    for samples, is_included in ((stimuli, True), (replace(stimuli, split=split), False)):
        settings = Settings(epochs=4, batch_size=8, learning_rate=0.2,
                            include_validation=is_included)
        last += weights_by_epoch(start(draw(samples), samples, settings), samples)
        network = train(draw(samples), samples, settings)
        if is_included:
            assert all(map(torch.equal, network.weights, last[-1]))
            assert not [name for name in network.card.history[0] if "validation" in name]
            assert network.card.trained
    assert all(map(torch.equal, last[3], last[7]))


def test_evaluation_is_what_counting_gives(stimuli):
    network = draw(stimuli)
    times, labels = stimuli.part("test")
    evaluation = evaluate(network, times, labels)
    with torch.no_grad():
        layers = network(times)
    right = sum(
        bool(np.isfinite(row).any()) and int(np.argmin(row)) == label
        for row, label in zip(layers[-1].numpy(), labels, strict=True)
    )
    assert evaluation.accuracy == right / len(labels)
    np.testing.assert_allclose(
        evaluation.silent, [np.isinf(layer.numpy()).mean() for layer in layers]
    )


@pytest.mark.parametrize("n_hidden, largest",
                         [(0, 0.1), (1, 0.1), (8, 0.1), (16, 0.05), (32, 0.025)])
def test_the_step_size_warms_up_and_falls_and_shrinks_with_depth(n_hidden, largest):
    settings = Settings(epochs=1, learning_rate=0.1, warm_up=0.1)
    rates = [learning_rate(index, 100, n_hidden, settings) for index in range(100)]
    rates = np.array(rates) * 0.1 / largest
    assert np.argmax(rates) == 10 and rates[10] == pytest.approx(0.1)
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all()
    assert rates[0] > 0 and rates[-1] == pytest.approx(0.001, rel=0.1)


def test_weights_decay_by_what_is_asked_in_every_layer(stimuli):
    run = start(draw(stimuli), stimuli, Settings(epochs=1, weight_decay=0.2))
    before = [weights.detach().clone() for weights in run.network.weights]
    for group in run.optimizer.param_groups:
        group["params"][0].grad = torch.zeros_like(group["params"][0])
        group["lr"] = 0.1 * group["scale"]
    run.optimizer.step()
    for weights, initial in zip(run.network.weights, before, strict=True):
        np.testing.assert_allclose(weights.detach(), (1 - 0.1 * 0.2) * initial, rtol=1e-5)


def test_weight_decay_keeps_wandering_weights_from_growing(stimuli):
    """Gradients that are noise only, under Dale's law: why there is a decay."""
    growth = {}
    for weight_decay in (0.0, Settings(epochs=1).weight_decay):
        network = draw(stimuli, hidden=(40, 40))
        run = start(network, stimuli, Settings(epochs=1, weight_decay=weight_decay))
        wandering, sign = network.weights[1], network.signs[1]
        initial = wandering.square().mean().sqrt().item()
        generator, sizes = torch.Generator().manual_seed(0), []
        for _ in range(20_000):
            wandering.grad = torch.randn(wandering.shape, generator=generator)
            for group in run.optimizer.param_groups:
                group["lr"] = run.settings.learning_rate * group["scale"]
            run.optimizer.step()
            dale.project_(wandering, sign)
            sizes.append(wandering.square().mean().sqrt().item() / initial)
        growth[weight_decay] = sizes[4_999], sizes[-1]
    without, with_decay = growth.values()
    assert without[1] > 1.7 * without[0] > 5
    assert with_decay[1] < 1.1 * with_decay[0] < 4


@pytest.mark.parametrize("arguments, message", [
    ({"epochs": 0}, "`epochs` must be at least 1; got 0"),
    ({"batch_size": 0}, "`batch_size`"),
    ({"learning_rate": 0.0}, "`learning_rate` must be above 0"),
    ({"learning_rate": math.nan}, "`learning_rate`"),
    ({"weight_decay": -0.1}, "`weight_decay` must be at least 0"),
    ({"weight_decay": 50.0}, "`weight_decay` .*times the learning rate, below 1; got 50"),
    ({"jitter": -1.0}, "`jitter` must be at least 0 ms"),
    ({"warm_up": 1.0}, "`warm_up`"),
    ({"activity_floor": -0.5}, "`activity_floor`"),
])
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Settings(**{"epochs": 1, **arguments})
