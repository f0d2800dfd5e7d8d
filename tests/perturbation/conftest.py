"""A small trained network, some of whose units fall silent, and what it does."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ephys_snn.network import Network
from ephys_snn.perturbation import (
    Reference,
    Responses,
    control_responses,
    find_conditions,
    parse_perturbation,
    perturbed_responses,
)
from ephys_snn.training import Settings, train


@pytest.fixture(scope="session")
def network(thirds) -> Network:
    """Layers of 16 and 12 units, in float64: laws hold to the last digits."""
    drawn = Network.draw([30, 16, 12, 3], seed=2)
    return train(drawn, thirds, Settings(epochs=15, batch_size=20, seed=1)).to(torch.float64)


@pytest.fixture(scope="session")
def times(thirds) -> np.ndarray:
    """Of the stimuli that perturbations are tested with; too few spikes for some units."""
    shown = thirds.part("test")[0]
    return np.where(shown < 10, shown, np.inf)


@pytest.fixture(scope="session")
def control(network, times) -> Responses:
    return control_responses(network, times)


@pytest.fixture(scope="session")
def reference(network, thirds) -> Reference:
    return Reference(network, *thirds.part("validation"), thirds.classes)


@pytest.fixture(scope="session")
def perturb(network, control, reference) -> Callable[..., Responses]:
    """What the network does under a perturbation in words."""
    def respond(words: str, seed: int = 0) -> Responses:
        ((operation, acted_on, rng),) = find_conditions([parse_perturbation(words)], reference,
                                                        seed)
        return perturbed_responses(network, operation, acted_on, control, reference, rng)
    return respond
