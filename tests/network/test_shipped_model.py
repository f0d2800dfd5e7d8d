"""The network that comes with the project."""


import numpy as np
import pytest
from builders import CHECKOUT

from ephys_snn.network import Network, dale
from ephys_snn.stimuli import LatencyCode, load_stimuli

PATH = CHECKOUT / "examples" / "models" / "mnist_dale_4x400.pt"


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.load(PATH)


def test_it_is_what_its_card_says(network):
    assert PATH.stat().st_size < 4_000_000
    assert network.layer_sizes == [784, 400, 400, 400, 400, 10]
    for weights, types, sign in zip(network.weights[1:], network.cell_types, network.signs[1:],
                                    strict=True):
        assert (types == dale.EXCITATORY).sum() == 300
        assert dale.obeys(weights, sign)
    assert f"{network.card.test_accuracy:.4f}" in (PATH.parent / "README.md").read_text()


def test_its_untrained_twin_can_be_redrawn(network):
    twin = network.untrained()
    assert twin.layer_sizes == network.layer_sizes and twin.sha256() == twin.card.untrained_sha256
    assert twin.sha256() != network.sha256()


def test_it_reads_digits(network, shared):
    stimuli = load_stimuli(shared / "data" / "mnist", LatencyCode(**network.card.encoding))
    times, labels = (values[:1000] for values in stimuli.part("test"))
    decided = network.decision(network(times)[-1]).numpy()
    assert np.mean(decided == labels) > 0.97
