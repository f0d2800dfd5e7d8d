"""Trials that end early teach the same as whole ones, but for what comes too late to matter."""

import numpy as np
import pytest
import torch

from ephys_snn.network import Network
from ephys_snn.spike_time import censor
from ephys_snn.stimuli.stimuli import Stimuli
from ephys_snn.training import training, trial_end
from ephys_snn.training.loss import XI, first_spike_loss

TAU = 10.0
inf = torch.inf


def test_a_trial_ends_a_margin_after_its_decision_or_with_the_right_spike():
    outputs = torch.tensor([[5.0, 7.0, 30.0], [5.0, 7.0, 30.0], [inf, 8.0, 9.0], [inf, inf, inf]])
    ends = trial_end.trial_ends(outputs, torch.tensor([0, 2, 0, 1]), TAU)
    margin = trial_end.MARGIN * XI * TAU
    assert ends[0].item() == pytest.approx(5.0 + margin)
    assert 30.0 < ends[1].item() < 30.001
    assert ends[2:].tolist() == [inf, inf]


def test_the_right_spike_is_never_cut():
    rng = np.random.default_rng(0)
    outputs = torch.tensor(rng.exponential(10, (200, 4)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 4, 200))
    kept = censor(outputs, trial_end.trial_ends(outputs, labels, TAU))
    torch.testing.assert_close(kept.gather(1, labels[:, None]), outputs.gather(1, labels[:, None]))
    torch.testing.assert_close(kept.amin(dim=1), outputs.amin(dim=1))


def small_network(seed=0):
    network = Network.draw([12, 20, 16, 4], seed=seed)
    for weights in network.weights:
        weights.requires_grad_(True)
    return network


def stimuli_of(n, seed=0):
    rng = np.random.default_rng(seed)
    times = torch.tensor(20 * rng.random((n, 12)), dtype=torch.float32)
    return times, torch.tensor(rng.integers(0, 4, n))


def test_what_comes_before_the_bound_does_not_depend_on_it():
    network, (times, _) = small_network(), stimuli_of(30)
    with torch.no_grad():
        whole = network(times)
        t_stop = whole[-1].amin(dim=1) + 1.0
        for expected, actual in zip(whole, network(times, t_stop), strict=True):
            torch.testing.assert_close(actual, censor(expected, t_stop))


def test_the_gradient_is_that_of_whole_trials_up_to_the_share_that_is_cut():
    network, (times, labels) = small_network(), stimuli_of(60)
    losses = first_spike_loss(network(times, None, training.SMALLEST_SLOPE)[-1], labels, TAU)
    losses.mean().backward()
    expected = [weights.grad.clone() for weights in network.weights]
    tally, ends = training.compute_gradients(network, times, labels, torch.full((60,), inf))
    assert tally.n_trials == 60
    assert (ends < 30).float().mean() > 0.5
    for weights, gradient in zip(network.weights, expected, strict=True):
        difference = (weights.grad - gradient).norm() / gradient.norm()
        assert difference < 4 * np.exp(-trial_end.MARGIN)


def test_unfinished_trials_teach_nothing():
    network, (times, labels) = small_network(), stimuli_of(20)
    _, ends = training.compute_gradients(network, times, labels, torch.full((20,), inf))
    finishing = torch.isfinite(ends)
    bounds = torch.where(torch.arange(20) % 2 == 0, ends - 0.5, ends + 0.5)
    tally, found = training.compute_gradients(network, times, labels, bounds)
    gradients = [weights.grad.clone() for weights in network.weights]
    finished = bounds >= ends
    torch.testing.assert_close(found[finished & finishing], ends[finished & finishing])
    assert found[~finished & finishing].isnan().all()
    assert tally.n_trials == int(finished.sum())
    whole = torch.full((int(finished.sum()),), inf)
    training.compute_gradients(network, times[finished], labels[finished], whole)
    for weights, gradient in zip(network.weights, gradients, strict=True):
        torch.testing.assert_close(gradient * 20, weights.grad * int(finished.sum()),
                                   rtol=1e-4, atol=1e-5)


def test_unfinished_trials_are_repeated_whole():
    times, labels = stimuli_of(40)
    stimuli = Stimuli("few", times.numpy(), labels.numpy(), tuple("abcd"),
                      np.array(["train"] * 36 + ["validation"] * 4))
    run = training.start(small_network(), stimuli, training.Settings(epochs=2, batch_size=6))
    run.ends[:] = 0.0  # bounds that no trial can keep
    training.train_epoch(run, times.numpy()[:36], labels.numpy()[:36])
    assert len(run.unfinished) == 6  # of the last batch; all others were repeated
    assert np.isinf(run.ends[run.unfinished]).all()
    assert (run.ends[np.setdiff1d(np.arange(36), run.unfinished)] > 1).all()
    assert run.tally.n_trials == 30
