"""Initial weights: what they add up to, how they vary, what volleys do in them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF, volley_delay
from ephys_snn.network import Initialization, Network, dale
from ephys_snn.spike_time import first_spike_times


def test_drawn_weights_obey_dales_law_and_have_the_net_weight():
    network = Network.draw([784, 400, 400, 10], LIF(threshold=2.0), seed=1,
                           initialization=Initialization(net_weight=12.0, net_weight_cv=0.4))
    assert all(dale.obeys(network.weights[layer], network.signs[layer]) for layer in (1, 2))
    net_weights = [weights.detach().sum(dim=0) for weights in network.weights[:2]]
    for net_weight in net_weights:
        np.testing.assert_allclose(net_weight.mean(), 2 * 12.0, rtol=0.1)
    np.testing.assert_allclose(net_weights[1].std(), 0.4 * 2 * 12.0, rtol=0.15)


def test_a_volley_through_drawn_layers_takes_the_delay_of_its_net_weight():
    network = Network.draw([400, 400, 10], seed=0)
    weights = network.weights[1].detach()
    spikes = first_spike_times(torch.full((1, 400), 5.0), weights)[0]
    expected = 5.0 + volley_delay(weights.double().sum(dim=0).numpy())
    np.testing.assert_allclose(spikes, expected, rtol=1e-3)


@given(st.integers(1, 1000), st.integers(0, 1000), st.floats(0.01, 3))
def test_the_balance_gives_the_variation(n_excitatory, n_inhibitory, cv):
    balance = Initialization(net_weight_cv=cv).balance(n_excitatory, n_inhibitory)
    assert 0 <= balance < 1
    if balance > 0:
        variance = (1 / n_excitatory + balance**2 / n_inhibitory) / (1 - balance) ** 2
        np.testing.assert_allclose(variance, cv**2, rtol=1e-6)
    else:
        assert n_inhibitory == 0 or cv**2 <= 1 / n_excitatory


def test_networks_of_excitatory_neurons_only_can_be_drawn():
    network = Network.draw([4, 6, 2], excitatory=1.0)
    assert (network.weights[1] >= 0).all()


@pytest.mark.parametrize("arguments, message", [
    ({"net_weight": 2.0}, "must exceed e"),
    ({"net_weight": math.nan}, "must exceed e"),
    ({"net_weight_cv": 0.0}, "must be above 0"),
    ({"net_weight_cv": math.nan}, "must be above 0"),
])
def test_impossible_initializations_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Initialization(**arguments)


@pytest.mark.parametrize("n", [40, 100])
def test_a_deep_network_begins_sparse_and_keeps_what_tells_stimuli_apart(n):
    depth = 8
    network = Network.draw([5] + [n] * (depth + 1) + [3],
                           initialization=Initialization.for_depth(depth + 1))
    for weights in network.weights[1:]:
        torch.testing.assert_close(weights.sum(dim=0), torch.full((weights.shape[1],), 10.0))
        assert ((weights > 0).sum(dim=0) == 4).all() and ((weights < 0).sum(dim=0) == 4).all()
    generator = torch.Generator().manual_seed(0)
    times = 20 + 0.02 * torch.randn(30, n, dtype=torch.float64, generator=generator)
    before = _pattern(times)
    for weights in network.weights[1:-1]:
        times = first_spike_times(times, weights.detach().double())
    assert 0.5 < _pattern(times) / before < 2.0


def _pattern(times):
    deviation = times - times.mean(dim=0)
    return (deviation - deviation.mean(dim=1, keepdim=True)).std().item()


def test_a_shallow_network_begins_with_all_connections():
    assert Initialization.for_depth(4).in_degree is None
    assert Initialization.for_depth(8, in_degree=None).in_degree is None


def test_few_spiking_inputs_excite_as_all_would():
    network = Network.draw([784, 300, 10], initialization=Initialization(spiking_inputs=100.0))
    assert (network.weights[0].mean() * 100).item() == pytest.approx(10.0, rel=0.1)
    assert network.weights[0].std().item() * 10 == pytest.approx(2.8, rel=0.05)
