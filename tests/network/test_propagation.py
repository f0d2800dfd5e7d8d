"""The theory of propagation against layers of first-spike neurons drawn as networks draw them."""

import numpy as np
import pytest
import torch

from ephys_snn.lif import LIF, volley_delay
from ephys_snn.network import Initialization, Network, propagation
from ephys_snn.spike_time import first_spike_times

NEURONS = 400
NET_WEIGHT = 10.0
LIFS = [LIF(), LIF(tau_m=20.0, tau_s=10.0)]


def hidden_weights(cv, lif, depth=1, seed=0):
    initialization = Initialization(net_weight=NET_WEIGHT, net_weight_cv=cv)
    network = Network.draw([4] + [NEURONS] * (depth + 1) + [2], lif, seed=seed,
                           initialization=initialization)
    return [weights.detach().double() for weights in network.weights[1:-1]]


def volleys(width, trials=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 20 + width * torch.randn(trials, NEURONS, dtype=torch.float64, generator=generator)


def width_of(times):
    return times.std(dim=1).mean().item()


def pattern_of(times):
    deviation = times - times.mean(dim=0)
    return (deviation - deviation.mean(dim=1, keepdim=True)).square().mean().sqrt().item()


@pytest.mark.parametrize("lif", LIFS)
def test_sensitivity_is_the_slope_of_the_delay(lif):
    weights = np.array([5.0, 10.0, 40.0])
    step = 1e-6
    slope = (volley_delay(weights * (1 - step), lif) - volley_delay(weights * (1 + step), lif))
    np.testing.assert_allclose(propagation.sensitivity(weights, lif), slope / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("lif", LIFS)
def test_a_volley_that_fails_is_infinitely_sensitive(lif):
    assert propagation.sensitivity(1.0, lif) == np.inf


@pytest.mark.parametrize("lif", LIFS)
@pytest.mark.parametrize(("cv", "error"), [(0.07, 0.05), (0.12, 0.2)])
@pytest.mark.parametrize("width", [0.02, 0.2])
def test_width_and_pattern_of_the_next_layer(lif, cv, error, width):
    advance = propagation.sensitivity(NET_WEIGHT, lif)
    before = volleys(width)
    weights = hidden_weights(cv, lif)[0]
    after = first_spike_times(before, weights, lif)
    drawn = (weights.sum(dim=0).std() / weights.sum(dim=0).mean()).item()
    assert width_of(after) == pytest.approx(
        propagation.next_width(width, drawn, advance), rel=error)
    assert pattern_of(after) == pytest.approx(
        propagation.next_pattern(pattern_of(before), cv), rel=error)


def test_widths_forget_the_input_and_patterns_fade():
    cv, depth, lif = 0.1, 3, LIF()
    advance = propagation.sensitivity(NET_WEIGHT, lif)
    final = {}
    for width in (0.01, 0.3):
        times = volleys(width)
        before = pattern_of(times)
        for weights in hidden_weights(cv, lif, depth):
            times = first_spike_times(times, weights, lif)
        final[width] = width_of(times)
        assert pattern_of(times) == pytest.approx(before * cv**depth, rel=0.25)
    assert final[0.01] == pytest.approx(final[0.3], rel=0.02)
    assert final[0.3] == pytest.approx(propagation.final_width(cv, advance), rel=0.15)


def test_a_common_shift_passes_undiminished():
    weights = hidden_weights(0.5, LIF())[0]
    times = volleys(0.5, trials=2)
    before, after = (first_spike_times(times + shift, weights) for shift in (0.0, 3.0))
    torch.testing.assert_close(after, before + 3.0)


def test_variation_as_large_as_the_mean_keeps_what_tells_stimuli_apart():
    assert propagation.next_pattern(0.3, 1.0) == 0.3
    assert propagation.final_width(1.0, 1.0) == np.inf


@pytest.mark.parametrize("lif", LIFS)
@pytest.mark.parametrize("width", [0.05, 0.3])
def test_the_gradient_is_mostly_common(lif, width):
    weights = hidden_weights(0.1, lif)[0].requires_grad_()
    times = volleys(width, trials=1)
    first_spike_times(times, weights, lif).sum().backward()
    gradient = weights.grad
    common = (gradient.mean(dim=0).square() / gradient.square().mean(dim=0)).mean().item()
    advance = propagation.sensitivity(NET_WEIGHT, lif)
    individual = 1 - propagation.common_fraction(width, advance)
    assert 1 - common == pytest.approx(individual, rel=0.3)
