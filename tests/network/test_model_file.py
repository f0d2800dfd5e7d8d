"""Files of networks: what they keep, which are refused, those of earlier versions."""

import json
import math
import resource
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import CHECKOUT

from ephys_snn.errors import InputError
from ephys_snn.network import Initialization, Network, load_model

SIZES = [12, 8, 10, 3]


@pytest.fixture
def network():
    return Network.draw(SIZES, seed=3)


def test_a_network_survives_its_file(network, tmp_path):
    network.card = replace(network.card, classes=("a", "b", "c"))
    network.save(tmp_path / "model.pt")
    loaded = Network.load(tmp_path / "model.pt")
    assert loaded.sha256() == network.sha256()
    assert loaded.card == network.card and loaded.lif == network.lif
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
    monkeypatch.setattr("ephys_snn.network.model_file.FORMAT_VERSION", 3)
    network.save(tmp_path / "model.pt")
    monkeypatch.undo()
    with pytest.raises(InputError, match="version 3 .* reads version 2 and earlier"):
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


FILES = CHECKOUT / "tests" / "files"


def test_files_of_version_1_are_read():
    """What the program wrote before it called `spread` and `partners` otherwise."""
    network = Network.load(FILES / "version_1.model")
    assert network.layer_sizes == [6, 12, 8, 2]
    assert network.card.initialization == Initialization(net_weight_cv=0.4)
    assert network.card.data.name == "own" and network.card.data.shape == (2, 3)
    assert network.card.training["batch_size"] == 8 and len(network.card.history) == 4
    assert network.card.trained and not network.card.other
    assert network.untrained().sha256() == network.card.untrained_sha256 != network.sha256()


def test_a_checkpoint_of_version_1_is_a_network_and_a_run():
    content = load_model(FILES / "version_1.checkpoint")
    assert Network.load(FILES / "version_1.checkpoint").card == content.card
    assert content.run["epoch"] == 1 and content.run["position"] == 16
    assert len(content.run["last_t_stop"]) == 36 and content.run["counts"].dtype == torch.float64


def test_what_was_version_1_is_saved_as_today(tmp_path):
    network = Network.load(FILES / "version_1.model")
    network.save(tmp_path / "model.pt")
    values = torch.load(tmp_path / "model.pt", weights_only=True)
    assert values["format_version"] == 2
    assert values["metadata"]["initialization"]["net_weight_cv"] == 0.4
    assert "spread" not in values["metadata"]["initialization"]
    again = Network.load(tmp_path / "model.pt")
    assert again.card == network.card and again.sha256() == network.sha256()
