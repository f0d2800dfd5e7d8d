"""Networks: drawing, forward pass, decision, and what is expected of a module of PyTorch."""

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from ephys_snn.errors import InputError
from ephys_snn.network import Network, dale
from ephys_snn.spike_time import first_spike_times

SIZES = [12, 8, 10, 3]


@pytest.fixture
def network():
    return Network.draw(SIZES, seed=3)


def test_a_network_has_the_layers_asked_for(network):
    assert network.layer_sizes == SIZES
    assert [tuple(weights.shape) for weights in network.weights] == [(12, 8), (8, 10), (10, 3)]
    assert [types.tolist().count("excitatory") for types in network.cell_types] == [6, 8]


def test_calling_gives_the_spike_times_of_every_layer(network):
    times = torch.rand(5, 12, generator=torch.Generator().manual_seed(0)) * 20
    times[0, 0] = torch.inf
    layers = network(times)
    expected = times
    for weights, layer in zip(network.weights, layers, strict=True):
        expected = first_spike_times(expected, weights, network.lif)
        torch.testing.assert_close(layer, expected, rtol=0, atol=0)
    from_array = network(times.double().numpy())
    assert all(torch.equal(a, b) for a, b in zip(layers, from_array, strict=True))


def test_the_same_seed_gives_the_same_weights_and_another_others():
    first, second, other = (Network.draw(SIZES, seed=seed).sha256() for seed in (4, 4, 5))
    assert first == second != other


@pytest.mark.parametrize("arguments, message", [
    ({"layer_sizes": [5]}, "each at least 1"),
    ({"layer_sizes": [5, 0, 2]}, r"got \[5, 0, 2\]"),
    ({"excitatory": 1.5}, "excitatory fraction"),
])
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Network.draw(**{"layer_sizes": SIZES, **arguments})


def test_inputs_of_another_shape_are_refused(network):
    with pytest.raises(InputError, match=r"shape \(trial, 12\); got \(4, 11\)"):
        network(torch.ones(4, 11))


def test_the_first_output_spike_decides():
    inf = math.inf
    times = [[3.0, 1.0, 2.0], [inf, inf, inf], [2.0, 1.0, 1.0], [inf, inf, 9.0], [4.0, 4.0, 4.0]]
    assert Network.decision(np.array(times)).tolist() == [1, -1, 1, 2, 0]


def test_the_untrained_network_is_redrawn(network, tmp_path):
    drawn = network.sha256()
    with torch.no_grad():
        for weights in network.weights:
            weights.mul_(0.5)
    network.save(tmp_path / "model.pt")
    assert Network.load(tmp_path / "model.pt").untrained().sha256() == drawn


def test_an_untrained_network_that_differs_is_refused(network):
    network.card = replace(network.card, seed=4)
    with pytest.raises(InputError, match="seed 4 gives other weights here"):
        network.untrained()
    network.card = replace(network.card, seed=None)
    with pytest.raises(InputError, match="does not say how its weights"):
        network.untrained()


TIMES = torch.rand(6, 12, generator=torch.Generator().manual_seed(1)) * 20


def same(network, other, times=TIMES) -> bool:
    """Whether two networks are alike in all that a user sees."""
    return (all(map(torch.equal, network(times), other(times)))
            and network.card == other.card and network.lif == other.lif
            and [types.tolist() for types in network.cell_types]
            == [types.tolist() for types in other.cell_types])


def test_parameters_are_the_weights_and_buffers_the_signs(network):
    assert [name for name, _ in network.named_parameters()] == [
        "layers.0.weight", "layers.1.weight", "layers.2.weight"]
    assert all(a is b for a, b in zip(network.parameters(), network.weights, strict=True))
    assert all(weights.requires_grad and weights.is_leaf for weights in network.parameters())
    signs = dict(network.named_buffers())
    assert list(signs) == ["layers.1.sign", "layers.2.sign"]
    assert signs["layers.1.sign"][:, 0].tolist() == [1.0] * 6 + [-1.0] * 2


def test_to_moves_weights_and_signs_alike(network):
    expected = [layer.double() for layer in network(TIMES)]
    assert network.to(torch.float64) is network
    assert {values.dtype for values in network.state_dict().values()} == {torch.float64}
    for layer, before in zip(network(TIMES), expected, strict=True):
        assert layer.dtype == torch.float64
        torch.testing.assert_close(layer, before, rtol=1e-3, atol=1e-3)
    network.apply_dale_()
    assert {values.device.type for values in network.to("meta").state_dict().values()} == {"meta"}


def test_a_state_is_given_to_another_network(network):
    other = Network.draw(SIZES, seed=4, excitatory=0.5)
    state = {name: values.clone() for name, values in network.state_dict().items()}
    assert other.load_state_dict(state).missing_keys == []
    other.card = network.card
    assert same(other, network)
    with pytest.raises(RuntimeError, match="size mismatch for layers.1.weight"):
        Network.draw([12, 8, 11, 3]).load_state_dict(state)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_alike_and_independent(network, copied):
    other = copied(network)
    assert same(other, network)
    with torch.no_grad():
        other.weights[1].mul_(2)
    assert other.sha256() != network.sha256()
    assert network.sha256() == network.card.untrained_sha256


def test_an_optimizer_steps_and_the_law_is_applied_after_it(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=10.0)
    optimizer.zero_grad()
    spikes = network(TIMES)[-1]
    spikes[torch.isfinite(spikes)].sum().backward()
    before = [weights.detach().clone() for weights in network.weights]
    gradients = [weights.grad.clone() for weights in network.weights]
    optimizer.step()
    stepped = [weights.detach().clone() for weights in network.weights]
    for weights, initial, gradient in zip(stepped, before, gradients, strict=True):
        torch.testing.assert_close(weights, initial - 10 * gradient)
    assert not dale.obeys(network.weights[1].detach(), network.signs[1])
    assert network.apply_dale_() is network
    assert torch.equal(network.weights[0].detach(), stepped[0])  # inputs may excite and inhibit
    for weights, sign, free in zip(network.weights[1:], network.signs[1:], stepped[1:],
                                   strict=True):
        assert torch.equal(weights.detach(), torch.where(free * sign > 0, free, 0.0))
        assert weights.requires_grad


def test_nothing_is_kept_for_gradients_where_none_are_wanted(network):
    assert all(layer.requires_grad for layer in network(TIMES))
    with torch.no_grad():
        assert not any(layer.requires_grad for layer in network(TIMES))
    network.requires_grad_(False)
    assert not any(layer.requires_grad for layer in network(TIMES))


@pytest.mark.parametrize(("shapes", "n_typed", "message"), [
    ([(4, 5), (6, 2)], [6], r"a row for each neuron .* \[\(4, 5\), \(6, 2\)\]"),
    ([(4, 5), (5, 2)], [4], r"types of \[5\] neurons .* got \[4\]"),
    ([(4, 5), (5, 2)], [], r"types of \[5\] neurons .* got \[\]"),
    ([], [], "row for each neuron"),
])
def test_layers_that_do_not_fit_are_refused(shapes, n_typed, message):
    with pytest.raises(InputError, match=message):
        Network([torch.ones(shape) for shape in shapes],
                cell_types=[dale.cell_types(n, 0.5) for n in n_typed])
