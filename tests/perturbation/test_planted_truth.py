"""A network made by hand, of whose units everybody knows what they are for."""

import numpy as np
import pytest
import torch

from ephys_snn.lif import LIF
from ephys_snn.network import Network
from ephys_snn.perturbation import (
    Reference,
    control_responses,
    find_conditions,
    parse_perturbation,
    perturbed_responses,
)

DECIDER, TWIN, OTHER_TWIN, DECORATION, WEAK, DISTRACTOR, GUARD = range(7)
CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def network() -> Network:
    """One hidden layer; a stimulus is a single spike of the input of its class.

    The decider is the only way to a. Twins lead to b, each strong enough. A decoration hears all
    inputs and is heard by nobody. For c there is a weak unit, and a distractor that leads to a
    sooner, but for the inhibition by a guard, which is sooner still.
    """
    heard, sent = torch.zeros(3, 7), torch.zeros(7, 3)
    a, b, c = range(3)
    for source, unit, weight in ((a, DECIDER, 6), (b, TWIN, 6), (b, OTHER_TWIN, 6), (c, WEAK, 4),
                                 (c, DISTRACTOR, 8), (c, GUARD, 20)):
        heard[source, unit] = weight
    heard[:, DECORATION] = 5
    for unit, output, weight in ((DECIDER, a, 6), (TWIN, b, 6), (OTHER_TWIN, b, 6), (WEAK, c, 4),
                                 (DISTRACTOR, a, 8), (GUARD, a, -30)):
        sent[unit, output] = weight
    return Network([heard, sent], LIF(), [np.array(["excitatory"] * 6 + ["inhibitory"])])


@pytest.fixture(scope="module")
def accuracy(network):
    """Accuracy of each class, and the fraction without a decision, under a perturbation."""
    labels = np.repeat([0, 1, 2], [2, 3, 4])
    times = np.full((len(labels), 3), np.inf)
    times[np.arange(len(labels)), labels] = np.linspace(1, 3, len(labels))
    reference = Reference(network, times, labels, CLASSES)
    control = control_responses(network, times)

    def measure(words: str | None) -> tuple[list[float], float]:
        responses = control
        if words is not None:
            ((operation, acted_on, rng),) = find_conditions([parse_perturbation(words)], reference,
                                                            0)
            responses = perturbed_responses(network, operation, acted_on, control, reference, rng)
        decided = network.decision(responses["output"]).numpy()
        return [float((decided == labels)[labels == c].mean()) for c in range(3)], \
            float((decided < 0).mean())

    return measure


@pytest.mark.parametrize("words, by_class, undecided", [
    (None, [1, 1, 1], 0),
    (f"silence layer_1 units={DECIDER}", [0, 1, 1], 2 / 9),
    ("silence layer_1 pathway=a k=0.5", [0, 1, 1], 2 / 9),
    (f"cut layer_1 units={DECIDER} onto output", [0, 1, 1], 2 / 9),
    (f"cut onto layer_1 units={DECIDER}", [0, 1, 1], 2 / 9),
    (f"drop layer_1 units={DECIDER} p=1", [0, 1, 1], 2 / 9),
    (f"silence layer_1 units={TWIN}", [1, 1, 1], 0),
    (f"silence layer_1 units={OTHER_TWIN}", [1, 1, 1], 0),
    (f"silence layer_1 units={TWIN},{OTHER_TWIN}", [1, 0, 1], 3 / 9),
    ("silence layer_1 pathway=b", [1, 0, 1], 3 / 9),
    (f"silence layer_1 units={DECORATION}", [1, 1, 1], 0),
    (f"silence layer_1 units={WEAK}", [1, 1, 0], 4 / 9),
    ("silence layer_1 inhibitory", [1, 1, 0], 0),  # c is taken for a
    (f"delay layer_1 units={GUARD} by=20", [1, 1, 0], 0),
    (f"silence layer_1 units={GUARD},{DISTRACTOR}", [1, 1, 1], 0),
    (f"drive layer_1 units={DECIDER} at=0", [1, 0, 0], 0),
    (f"drive layer_1 units={GUARD} at=0", [0, 1, 1], 2 / 9),
])
def test_every_unit_matters_as_it_was_made_to(accuracy, words, by_class, undecided):
    assert accuracy(words) == (by_class, pytest.approx(undecided))
