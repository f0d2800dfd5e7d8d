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
from ephys_snn.stimuli.stimuli import Stimuli
from ephys_snn.training import training
from ephys_snn.training.evaluation import evaluate
from ephys_snn.training.loss import first_spike_loss
from ephys_snn.training.silence import ROUSING, rouse_
from ephys_snn.training.training import Settings


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


def test_the_loss_is_the_definition():
    times = torch.tensor([[3.0, 5.0, 20.0], [12.0, 2.0, 7.0]], dtype=torch.float64)
    for trial, label in ((0, 1), (1, 2)):
        scaled = [time / 10 for time in times[trial].tolist()]
        expected = (math.log(sum(math.exp(-time / 0.1) for time in scaled))
                    + scaled[label] / 0.1 + 0.005 * math.exp(scaled[label]))
        loss = first_spike_loss(times[[trial]], torch.tensor([label]), tau=10.0)
        assert loss.item() == pytest.approx(expected, rel=1e-12)


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
    centred = training.centralize_(gradient.clone())
    np.testing.assert_allclose(centred.sum(dim=0), 0, atol=1e-12)
    difference = gradient - centred
    np.testing.assert_allclose(difference, difference[:1].expand_as(difference), atol=1e-12)


def test_only_neurons_below_the_floor_are_roused_by_their_excitation():
    sign = dale.signs(dale.cell_types(4, 0.5))
    before = torch.tensor([0.0, 1.0, -1.0, -2.0])[:, None].repeat(1, 3)
    active = torch.tensor([0.0, 0.15, 0.5])
    after = rouse_(before.clone(), sign, active, floor=0.3, threshold=2.0)
    growth = ROUSING * 2.0 / 4
    expected = torch.tensor([[growth, growth / 2, 0.0]] * 2 + [[0.0] * 3] * 2)
    torch.testing.assert_close(after - before, expected)


def test_a_silent_network_is_roused(stimuli):
    network = draw(stimuli)
    with torch.no_grad():
        for weights in network.weights:
            weights.mul_(0.1)
    assert evaluate(network, *stimuli.part("train")).silent[-1] == 1.0
    network = training.train(network, stimuli, Settings(epochs=30, batch_size=10))
    assert max(evaluate(network, *stimuli.part("test")).silent) < 0.3


def test_dales_law_holds_after_every_step_for_every_hidden_neuron(stimuli):
    network = draw(stimuli)
    checked = []

    def check(evaluation):
        for weights, sign in zip(network.weights[1:], network.signs[1:], strict=True):
            assert dale.obeys(weights.detach(), sign)
        checked.append(evaluation)

    training.train(network, stimuli, Settings(epochs=4, batch_size=8, learning_rate=0.3), check)
    assert len(checked) == 40
    # The steps were large enough to break the law without the projection.
    assert (network.weights[1] == 0).any()


def test_the_same_seed_gives_the_same_weights_bit_for_bit(stimuli):
    first, second, other = (
        training.train(draw(stimuli), stimuli, Settings(epochs=3, seed=seed)).sha256()
        for seed in (0, 0, 1)
    )
    assert first == second != other


def test_the_weights_that_did_best_on_validation_are_kept(stimuli):
    kept = []
    network = training.train(
        draw(stimuli), stimuli, Settings(epochs=8, batch_size=8, learning_rate=0.2),
        after_epoch=lambda run: kept.append([w.detach().clone() for w in run.network.weights]),
    )
    accuracies = [entry["validation_accuracy"] for entry in network.metadata["history"]]
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
        network = training.train(
            draw(samples), samples, settings,
            after_epoch=lambda run: last.append([w.detach().clone() for w in run.network.weights]))
        if is_included:
            assert all(map(torch.equal, network.weights, last[-1]))
            assert not [name for name in network.metadata["history"][0] if "validation" in name]
            assert network.metadata["trained"]
    assert all(map(torch.equal, last[3], last[7]))


def test_evaluation_is_what_counting_gives(stimuli):
    network = draw(stimuli)
    times, labels = stimuli.part("test")
    evaluation = evaluate(network, times, labels)
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
    rates = [training.learning_rate(index, 100, n_hidden, settings) for index in range(100)]
    rates = np.array(rates) * 0.1 / largest
    assert np.argmax(rates) == 10 and rates[10] == pytest.approx(0.1)
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all()
    assert rates[0] > 0 and rates[-1] == pytest.approx(0.001, rel=0.1)


def test_weights_decay_by_what_is_asked_in_every_layer(stimuli):
    run = training.start(draw(stimuli), stimuli, Settings(epochs=1, weight_decay=0.2))
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
        run = training.start(network, stimuli, Settings(epochs=1, weight_decay=weight_decay))
        wandering, sign = network.weights[1], run.signs[1]
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
