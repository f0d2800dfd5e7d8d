"""Homeostasis: exciting the silent; limiting net excitation, why, and that training does."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.network import Initialization, Network, dale
from ephys_snn.spike_time import first_spike_times
from ephys_snn.training import Settings, evaluate, start, train, training_steps
from ephys_snn.training.homeostasis import (
    LARGEST_GROWTH,
    LARGEST_MEAN_FRACTION,
    excite_silent_,
    limit_net_excitation_,
)


def test_only_neurons_below_the_floor_are_excited():
    sign = dale.signs(dale.cell_types(4, 0.5))
    before = torch.tensor([0.0, 1.0, -1.0, -2.0])[:, None].repeat(1, 3)
    active = torch.tensor([0.0, 0.15, 0.5])
    after = excite_silent_(before.clone(), sign, active, floor=0.3, threshold=2.0)
    growth = LARGEST_GROWTH * 2.0 / 4
    expected = torch.tensor([[growth, growth / 2, 0.0]] * 2 + [[0.0] * 3] * 2)
    torch.testing.assert_close(after - before, expected)


def test_a_silent_network_is_excited(thirds):
    network = Network.draw([30, 20, 20, 3], seed=4)
    with torch.no_grad():
        for weights in network.weights:
            weights.mul_(0.1)
    assert evaluate(network, *thirds.part("train")).silent[-1] == 1.0
    network = train(network, thirds, Settings(epochs=30, batch_size=10, seed=4))
    assert max(evaluate(network, *thirds.part("test")).silent) < 0.3


def mean_fraction(weights: torch.Tensor) -> torch.Tensor:
    """Fraction of the power of the weights (pre, post) onto each neuron that their mean has."""
    return weights.sum(dim=0).square() / (len(weights) * weights.square().sum(dim=0))


def draw_weights(seed: int, pre: int, post: int, excitation: float, absent: float):
    """Weights under Dale's law, some of them absent, and the signs of their rows."""
    generator = torch.Generator().manual_seed(seed)
    sign = dale.signs(dale.cell_types(pre, 0.75))
    weights = torch.rand(pre, post, generator=generator, dtype=torch.float64) * sign
    weights[sign[:, 0] > 0] *= excitation
    weights[torch.rand(pre, post, generator=generator) < absent] = 0
    return weights, sign


@given(st.integers(0, 2**32 - 1), st.integers(4, 60), st.integers(1, 8), st.floats(0.1, 10),
       st.floats(0, 0.9))
def test_only_excess_excitation_is_taken_away(seed, pre, post, excitation, absent):
    weights, sign = draw_weights(seed, pre, post, excitation, absent)
    limited = limit_net_excitation_(weights.clone(), sign)
    assert dale.obeys(limited, sign)
    assert torch.equal(limited[sign[:, 0] < 0], weights[sign[:, 0] < 0])
    assert (limited[weights == 0] == 0).all()
    for neuron in range(post):
        before, after = weights[:, neuron].numpy(), limited[:, neuron].numpy()
        within = before.sum() <= np.sqrt(LARGEST_MEAN_FRACTION * pre * (before**2).sum())
        if within:
            np.testing.assert_array_equal(after, before)
        else:
            lowered = after[after > 0] - before[after > 0]
            assert after.sum() < before.sum()
            np.testing.assert_allclose(lowered, lowered.mean() if len(lowered) else 0)


@given(st.integers(0, 2**32 - 1), st.floats(1, 10))
def test_repeated_calls_end_where_the_mean_has_no_more_than_its_fraction(seed, excitation):
    weights, sign = draw_weights(seed, 40, 5, excitation, 0.2)
    for _ in range(200):
        limit_net_excitation_(weights, sign)
    net = weights.sum(dim=0)
    assert ((mean_fraction(weights) <= LARGEST_MEAN_FRACTION * 1.001) | (net <= 0)).all()


@pytest.mark.parametrize("excitation", [2.0, 0.4])
def test_a_volley_of_all_neurons_passes_differences_by_what_the_fraction_says(excitation):
    """Against the simulated layer: two stimuli that shift each neuron of a volley a little."""
    weights, _ = draw_weights(1, 400, 50, excitation, 0.0)
    weights *= 10 / weights.sum(dim=0)
    generator = torch.Generator().manual_seed(2)
    differences = 1e-4 * torch.randn(2000, 400, generator=generator, dtype=torch.float64)
    arriving = differences - differences.mean(dim=1, keepdim=True)
    leaving = first_spike_times(arriving + 5, weights) \
        - first_spike_times(torch.full((1, 400), 5.0, dtype=torch.float64), weights)
    gain = (leaving.std(dim=0) / arriving.std()).numpy()
    # Independent differences reach the neuron without their mean, so without that of its weights.
    fraction = mean_fraction(weights).numpy()
    np.testing.assert_allclose(gain, np.sqrt((1 / fraction - 1) / 400), rtol=0.1)
    assert np.median(gain / np.sqrt((1 / fraction - 1) / 400)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("limited", [False, True])
def test_noise_under_dales_law_drives_excitation_up_unless_it_is_limited(limited):
    weights, sign = draw_weights(0, 100, 20, 0.4, 0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2_000):
        step = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
        weights -= 0.02 * (step - step.mean(dim=0))
        dale.project_(weights, sign)
        if limited:
            limit_net_excitation_(weights, sign)
    fraction = mean_fraction(weights)
    if limited:
        assert fraction.max() < 1.1 * LARGEST_MEAN_FRACTION
    else:
        assert fraction.min() > 2 * LARGEST_MEAN_FRACTION


@pytest.mark.parametrize("n_hidden, kept", [(6, True), (2, False)])
def test_training_limits_it_in_deep_networks_only(thirds, n_hidden, kept):
    network = Network.draw([30] + [40] * n_hidden + [3], seed=0,
                           initialization=Initialization.for_depth(n_hidden))
    for _ in training_steps(start(network, thirds, Settings(epochs=60, batch_size=20)), thirds):
        pass
    fractions = [mean_fraction(weights.detach()) for weights in network.weights[1:-1]]
    excessive = torch.cat([fraction[weights.detach().sum(dim=0) > 0] for fraction, weights in zip(
        fractions, network.weights[1:-1], strict=True)]) > 1.2 * LARGEST_MEAN_FRACTION
    assert excessive.double().mean() < 0.02 if kept else excessive.double().mean() > 0.5
