"""Balance of excitation and inhibition: its law, what it is for, and that training keeps to it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.network import Initialization, Network, dale
from ephys_snn.spike_time import first_spike_times
from ephys_snn.training import training
from ephys_snn.training.balance import LARGEST_COMMON, balance_
from ephys_snn.training.training import Settings


def common_share(weights: torch.Tensor) -> torch.Tensor:
    """Share of the mean in the power of the weights (pre, post) onto each neuron (post,)."""
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
    balanced = balance_(weights.clone(), sign)
    assert dale.obeys(balanced, sign)
    assert torch.equal(balanced[sign[:, 0] < 0], weights[sign[:, 0] < 0])
    assert (balanced[weights == 0] == 0).all()
    for neuron in range(post):
        before, after = weights[:, neuron].numpy(), balanced[:, neuron].numpy()
        within = before.sum() <= np.sqrt(LARGEST_COMMON * pre * (before**2).sum())
        if within:
            np.testing.assert_array_equal(after, before)
        else:
            lowered = after[after > 0] - before[after > 0]
            assert after.sum() < before.sum()
            np.testing.assert_allclose(lowered, lowered.mean() if len(lowered) else 0)


@given(st.integers(0, 2**32 - 1), st.floats(1, 10))
def test_repeated_calls_end_where_the_mean_has_no_more_than_its_share(seed, excitation):
    weights, sign = draw_weights(seed, 40, 5, excitation, 0.2)
    for _ in range(200):
        balance_(weights, sign)
    net = weights.sum(dim=0)
    assert ((common_share(weights) <= LARGEST_COMMON * 1.001) | (net <= 0)).all()


@pytest.mark.parametrize("excitation", [2.0, 0.4])
def test_a_volley_of_all_neurons_passes_differences_by_what_the_share_says(excitation):
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
    share = common_share(weights).numpy()
    np.testing.assert_allclose(gain, np.sqrt((1 / share - 1) / 400), rtol=0.1)
    assert np.median(gain / np.sqrt((1 / share - 1) / 400)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("balanced", [False, True])
def test_noise_under_dales_law_drives_excitation_up_unless_it_is_balanced(balanced):
    weights, sign = draw_weights(0, 100, 20, 0.4, 0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2_000):
        step = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
        weights -= 0.02 * (step - step.mean(dim=0))
        dale.project_(weights, sign)
        if balanced:
            balance_(weights, sign)
    share = common_share(weights)
    if balanced:
        assert share.max() < 1.1 * LARGEST_COMMON
    else:
        assert share.min() > 2 * LARGEST_COMMON


@pytest.mark.parametrize("n_hidden, kept", [(6, True), (2, False)])
def test_training_balances_deep_networks_only(thirds, n_hidden, kept):
    network = Network.draw([30] + [40] * n_hidden + [3], seed=0,
                           initialization=Initialization.for_depth(n_hidden))
    times, labels = thirds.part("train")
    run = training.start(network, thirds, Settings(epochs=60, batch_size=20))
    for _ in range(60):
        training.train_epoch(run, times.astype(np.float32), labels)
    shares = [common_share(weights.detach()) for weights in network.weights[1:-1]]
    excessive = torch.cat([share[weights.detach().sum(dim=0) > 0] for share, weights in zip(
        shares, network.weights[1:-1], strict=True)]) > 1.2 * LARGEST_COMMON
    assert excessive.double().mean() < 0.02 if kept else excessive.double().mean() > 0.5
