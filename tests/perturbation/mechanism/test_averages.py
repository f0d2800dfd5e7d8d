"""Spike times as weighted means of input times: against autograd, finite differences and theory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.lif import LIF
from ephys_snn.perturbation.mechanism import input_shares, spike_averages
from ephys_snn.spike_time import first_spike_times

LIFS = (LIF(), LIF(tau_m=10.0, tau_s=5.0), LIF(tau_m=20.0, tau_s=20.0, threshold=0.7))


def layer(seed: int, lif: LIF, n_pre: int = 12, n_post: int = 5):
    """Random inputs, some silent, weights of both signs, and the spikes that they make."""
    rng = np.random.default_rng(seed)
    times = rng.uniform(0, 15, (4, n_pre))
    times[rng.random(times.shape) < 0.1] = np.inf
    weights = rng.normal(1.2, 1.5, (n_pre, n_post)) * lif.threshold
    spikes = first_spike_times(torch.from_numpy(times), torch.from_numpy(weights), lif).numpy()
    return times, weights, spikes


@pytest.mark.parametrize("lif", LIFS)
@given(seed=st.integers(0, 10_000))
def test_shares_are_the_derivatives_that_autograd_gives(lif, seed):
    times, weights, spikes = layer(seed, lif)
    shares, slope = input_shares(times, weights, spikes, lif)
    for trial, post in np.argwhere(np.isfinite(spikes) & (slope > 0.1)):
        inputs = torch.from_numpy(times[trial:trial + 1]).requires_grad_()
        first_spike_times(inputs, torch.from_numpy(weights), lif)[0, post].backward()
        gradient = np.where(np.isfinite(times[trial]), inputs.grad[0].numpy(), 0)
        np.testing.assert_allclose(shares[trial, :, post], gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("lif", LIFS)
@given(seed=st.integers(0, 10_000))
def test_shares_add_up_to_one_and_later_inputs_have_none(lif, seed):
    times, weights, spikes = layer(seed, lif)
    shares, _ = input_shares(times, weights, spikes, lif)
    spiked = np.isfinite(spikes)
    np.testing.assert_allclose(shares.sum(axis=1)[spiked], 1, atol=1e-9)
    later = times[:, :, None] >= spikes[:, None, :]
    assert (shares[later & spiked[:, None, :]] == 0).all()
    assert np.isnan(shares.transpose(0, 2, 1)[~spiked]).all()


def test_moving_one_input_moves_the_spike_by_its_share():
    times, weights, spikes = layer(3, LIF())
    shares, slope = input_shares(times, weights, spikes, LIF())
    step = 1e-6
    for pre in range(times.shape[1]):
        moved = times.copy()
        moved[:, pre] += step
        after = first_spike_times(torch.from_numpy(moved), torch.from_numpy(weights)).numpy()
        with np.errstate(invalid="ignore"):
            measured = (after - spikes) / step
        good = np.isfinite(spikes) & (slope > 0.2) & np.isfinite(times[:, pre:pre + 1])
        np.testing.assert_allclose(shares[:, pre][good], measured[good], atol=1e-4)


@pytest.mark.parametrize("n", [1, 4, 100])
def test_equal_simultaneous_inputs_are_a_plain_mean(n):
    times, weights = np.full((1, n), 3.0), np.full((n, 1), 10.0 / n)
    spikes = first_spike_times(torch.from_numpy(times), torch.from_numpy(weights)).numpy()
    averages = spike_averages(times, weights, spikes)
    assert averages.gain.item() == pytest.approx(1 / np.sqrt(n))
    assert averages.negative_mass.item() == 0
    assert averages.mean_time.item() == pytest.approx(3.0)
    assert averages.delay.item() == pytest.approx(spikes.item() - 3.0)


def test_inhibition_is_negative_mass():
    times, weights = np.zeros((1, 3)), np.array([[6.0], [6.0], [-4.0]])
    spikes = first_spike_times(torch.from_numpy(times), torch.from_numpy(weights)).numpy()
    averages = spike_averages(times, weights, spikes)
    assert averages.negative_mass.item() == pytest.approx(4 / 8)  # J = 6/8, 6/8, -4/8
    assert averages.gain.item() == pytest.approx(np.sqrt(6**2 + 6**2 + 4**2) / 8)


def test_grazing_and_silent_neurons_have_no_average():
    times = np.zeros((1, 1))
    weights = np.array([[np.e * (1 + 1e-6), np.e * 0.99, 5.0]])
    spikes = first_spike_times(torch.from_numpy(times), torch.from_numpy(weights)).numpy()
    averages = spike_averages(times, weights, spikes)
    assert np.isfinite(spikes[0]).tolist() == [True, False, True]
    assert np.isfinite(averages.gain[0]).tolist() == [False, False, True]


def test_trials_in_pieces_are_the_trials_at_once(monkeypatch):
    times, weights, spikes = layer(5, LIF())
    whole = spike_averages(times, weights, spikes)
    monkeypatch.setattr("ephys_snn.perturbation.mechanism.averages.ELEMENTS", 1)
    for one, other in zip(whole, spike_averages(times, weights, spikes), strict=True):
        np.testing.assert_array_equal(one, other)
