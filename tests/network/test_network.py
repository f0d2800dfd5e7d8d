"""Networks: drawing, forward pass, decision, files."""

import json
import math
import resource

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF, volley_delay
from ephys_snn.network import Initialization, Network, dale
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


def test_drawn_weights_obey_dales_law_and_have_the_net_weight():
    network = Network.draw([784, 400, 400, 10], LIF(threshold=2.0), seed=1,
                           initialization=Initialization(net_weight=12.0, spread=0.4))
    assert all(dale.obeys(network.weights[layer], network.signs[layer]) for layer in (1, 2))
    for weights in network.weights[:2]:
        np.testing.assert_allclose(weights.sum(dim=0).mean(), 2 * 12.0, rtol=0.1)
    np.testing.assert_allclose(network.weights[1].sum(dim=0).std(), 0.4 * 2 * 12.0, rtol=0.15)


def test_a_volley_through_drawn_layers_takes_the_delay_of_its_net_weight():
    network = Network.draw([400, 400, 10], seed=0)
    weights = network.weights[1]
    spikes = first_spike_times(torch.full((1, 400), 5.0), weights)[0]
    expected = 5.0 + volley_delay(weights.double().sum(dim=0).numpy())
    np.testing.assert_allclose(spikes, expected, rtol=1e-3)


@given(st.integers(1, 1000), st.integers(0, 1000), st.floats(0.01, 3))
def test_the_balance_gives_the_spread(n_excitatory, n_inhibitory, spread):
    balance = Initialization(spread=spread).balance(n_excitatory, n_inhibitory)
    assert 0 <= balance < 1
    if balance > 0:
        variance = (1 / n_excitatory + balance**2 / n_inhibitory) / (1 - balance) ** 2
        np.testing.assert_allclose(variance, spread**2, rtol=1e-6)
    else:
        assert n_inhibitory == 0 or spread**2 <= 1 / n_excitatory


def test_networks_of_excitatory_neurons_only_can_be_drawn():
    network = Network.draw([4, 6, 2], excitatory=1.0)
    assert (network.weights[1] >= 0).all()


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


@pytest.mark.parametrize("arguments, message", [
    ({"net_weight": 2.0}, "must exceed e"),
    ({"net_weight": math.nan}, "must exceed e"),
    ({"spread": 0.0}, "must be above 0"),
    ({"spread": math.nan}, "must be above 0"),
])
def test_impossible_initializations_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Initialization(**arguments)


def test_inputs_of_another_shape_are_refused(network):
    with pytest.raises(InputError, match=r"shape \(trial, 12\); got \(4, 11\)"):
        network(torch.ones(4, 11))


def test_the_first_output_spike_decides():
    inf = math.inf
    times = [[3.0, 1.0, 2.0], [inf, inf, inf], [2.0, 1.0, 1.0], [inf, inf, 9.0], [4.0, 4.0, 4.0]]
    assert Network.decision(np.array(times)).tolist() == [1, -1, 1, 2, 0]


def test_a_network_survives_its_file(network, tmp_path):
    network.metadata["classes"] = ["a", "b", "c"]
    network.save(tmp_path / "model.pt")
    loaded = Network.load(tmp_path / "model.pt")
    assert loaded.sha256() == network.sha256()
    assert loaded.metadata == network.metadata and loaded.lif == network.lif
    assert [types.tolist() for types in loaded.cell_types] == [
        types.tolist() for types in network.cell_types]
    times = torch.rand(2, 12) * 20
    assert all(torch.equal(a, b) for a, b in zip(network(times), loaded(times), strict=True))


def test_the_file_holds_nothing_but_plain_values_and_tensors(network, tmp_path):
    network.save(tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    content.pop("weights")
    json.dumps(content)


def test_a_failed_save_leaves_the_old_file(network, tmp_path):
    path = tmp_path / "model.pt"
    network.save(path)
    before = path.read_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(InputError, match="cannot write .*: File too large"):
            network.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_untrained_network_is_redrawn(network, tmp_path):
    drawn = network.sha256()
    with torch.no_grad():
        for weights in network.weights:
            weights.mul_(0.5)
    network.save(tmp_path / "model.pt")
    assert Network.load(tmp_path / "model.pt").untrained().sha256() == drawn


def test_an_untrained_network_that_differs_is_refused(network):
    network.metadata["seed"] = 4
    with pytest.raises(InputError, match="seed 4 gives other weights here"):
        network.untrained()
    del network.metadata["seed"]
    with pytest.raises(InputError, match="does not say how its weights"):
        network.untrained()


def no_layer_types(content):
    content["cell_types"] = content["cell_types"][:-1]


def wrong_size(content):
    content["weights"][1] = torch.zeros(9, 10)


def no_weights(content):
    del content["weights"]


def odd_neuron(content):
    content["lif"]["tau_m"] = -1.0


def other_weights(content):
    content["weights"][1][3, 2] += 1e-6


def infinite_weights(content):
    content["weights"][1][3, 2] = math.inf
    del content["weights_sha256"]


@pytest.mark.parametrize("damage", [no_layer_types, wrong_size, no_weights, odd_neuron,
                                    other_weights, infinite_weights])
def test_damaged_content_is_refused(network, tmp_path, damage):
    path = tmp_path / "model.pt"
    network.save(path)
    content = torch.load(path, weights_only=True)
    damage(content)
    torch.save(content, path)
    with pytest.raises(InputError, match="model.pt is damaged|tau_m"):
        Network.load(path)


def test_a_later_format_is_refused(network, tmp_path, monkeypatch):
    monkeypatch.setattr("ephys_snn.network.network.FORMAT_VERSION", 2)
    network.save(tmp_path / "model.pt")
    monkeypatch.undo()
    with pytest.raises(InputError, match="version 2 .* reads version 1"):
        Network.load(tmp_path / "model.pt")


def test_files_of_another_kind_are_refused(network, tmp_path):
    path = tmp_path / "model.pt"
    with pytest.raises(InputError, match="no such file"):
        Network.load(path)
    network.save(path)
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2], whole[:100]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not a network"):
            Network.load(path)
    for content in ({"format": "something else"}, [1, 2], {"state_dict": torch.zeros(2)}):
        torch.save(content, path)
        with pytest.raises(InputError, match="is not a network"):
            Network.load(path)
    torch.save(np.float64, path)
    with pytest.raises(InputError, match="is not a network"):
        Network.load(path)


def test_a_damaged_model_is_refused_or_as_it_was(network, tmp_path):
    path = tmp_path / "model.pt"
    network.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged, at = bytearray(whole), int(rng.integers(len(whole)))
        kind = rng.integers(4)
        if kind == 0:
            del damaged[at:at + int(10 ** rng.uniform(0, 4))]
        elif kind == 1:
            damaged[at:at] = rng.bytes(int(10 ** rng.uniform(0, 3)))
        else:
            for position in rng.integers(len(whole), size=rng.integers(1, 10)):
                damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            again = Network.load(path)
        except InputError as error:
            refused += "model.pt" in str(error)
            continue
        for weights, expected in zip(again.weights, network.weights, strict=True):
            torch.testing.assert_close(weights, expected, rtol=0, atol=0)
        assert again.lif == network.lif
        for types, expected in zip(again.cell_types, network.cell_types, strict=True):
            np.testing.assert_array_equal(types, expected)
    assert refused > 200


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
        times = first_spike_times(times, weights.double())
    assert 0.5 < _pattern(times) / before < 2.0


def _pattern(times):
    deviation = times - times.mean(dim=0)
    return (deviation - deviation.mean(dim=1, keepdim=True)).std().item()


def test_a_shallow_network_begins_with_all_connections():
    assert Initialization.for_depth(4).partners is None
    assert Initialization.for_depth(8, partners=None).partners is None


def test_few_spiking_inputs_excite_as_all_would():
    network = Network.draw([784, 300, 10], initialization=Initialization(spiking_inputs=100.0))
    assert (network.weights[0].mean() * 100).item() == pytest.approx(10.0, rel=0.1)
    assert network.weights[0].std().item() * 10 == pytest.approx(2.8, rel=0.05)
