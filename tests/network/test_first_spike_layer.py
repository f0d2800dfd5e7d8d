"""A layer of first-spike neurons as a module of PyTorch."""

import numpy as np
import pytest
import torch

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF
from ephys_snn.network import FirstSpikeLayer, Initialization, Network, dale
from ephys_snn.spike_time import SMALLEST_SLOPE, first_spike_times

TIMES = torch.rand(7, 12, generator=torch.Generator().manual_seed(0)) * 20
SLOW = LIF(20.0, 10.0, 0.5)


def test_a_layer_turns_spike_times_into_spike_times():
    layer = FirstSpikeLayer.draw(12, 5, SLOW, rng=1)
    spikes = layer(TIMES)
    assert torch.equal(spikes, first_spike_times(TIMES, layer.weight, SLOW))
    t_stop = spikes.amin(dim=1) + 1
    assert torch.equal(layer(TIMES, t_stop),
                       first_spike_times(TIMES, layer.weight, SLOW, SMALLEST_SLOPE, t_stop))
    assert torch.isinf(layer(TIMES, t_stop)).any()


def test_layers_in_sequence_are_the_network_of_these_layers():
    network = Network.draw([12, 8, 10, 3], seed=3)
    sequence = torch.nn.Sequential(*network.layers)
    assert torch.equal(sequence(TIMES), network(TIMES)[-1])
    assert len(list(sequence.parameters())) == 3
    other = torch.nn.Sequential(FirstSpikeLayer.draw(12, 8, rng=5), FirstSpikeLayer.draw(8, 3))
    other(TIMES).nan_to_num(posinf=0).sum().backward()
    assert all(torch.isfinite(weight.grad).all() and weight.grad.any()
               for weight in other.parameters())


def test_a_layer_is_drawn_as_those_of_networks():
    rng = np.random.default_rng(3)
    initialization = Initialization(net_weight=12.0)
    types = dale.cell_types(8, 0.75)
    layers = [FirstSpikeLayer.draw(12, 8, initialization=initialization, rng=rng),
              FirstSpikeLayer.draw(8, 3, presynaptic_types=types, initialization=initialization,
                                   rng=rng)]
    network = Network.draw([12, 8, 3], seed=3, initialization=initialization)
    assert all(torch.equal(layer.weight, weights)
               for layer, weights in zip(layers, network.weights, strict=True))


def test_presynaptic_types_are_kept_as_signs():
    types = np.array(["inhibitory", "excitatory", "inhibitory"])
    layer = FirstSpikeLayer(torch.ones(3, 2, dtype=torch.float64), presynaptic_types=types)
    assert layer.presynaptic_types.tolist() == types.tolist()
    assert layer.sign.tolist() == [[-1.0], [1.0], [-1.0]] and layer.sign.dtype == torch.float64
    assert layer.apply_dale_() is layer
    assert layer.weight.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    assert "3 presynaptic neurons, 1 of them excitatory, 2 neurons" in repr(layer)


def test_inputs_may_excite_and_inhibit():
    layer = FirstSpikeLayer(torch.tensor([[1.0], [-1.0]]))
    assert layer.sign is None and layer.presynaptic_types is None
    assert layer.apply_dale_().weight.tolist() == [[1.0], [-1.0]]
    assert list(layer.state_dict()) == ["weight"]


def test_as_many_types_as_presynaptic_neurons_are_needed():
    with pytest.raises(InputError, match="each of the 3 presynaptic neurons; got 2"):
        FirstSpikeLayer(torch.ones(3, 2), presynaptic_types=dale.cell_types(2, 0.5))
