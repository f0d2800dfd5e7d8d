"""Trials that end early teach the same as whole ones, but for what comes too late to matter."""

import numpy as np
import pytest
import torch

from ephys_snn.network import Network
from ephys_snn.spike_time import censor
from ephys_snn.stimuli import Stimuli
from ephys_snn.training import Settings, start, training_steps, trial_end
from ephys_snn.training.loss import XI, first_spike_loss
from ephys_snn.training.steps import SMALLEST_SLOPE, compute_gradients

TAU = 10.0
inf = torch.inf


def test_a_trial_ends_a_margin_after_its_decision_or_with_the_right_spike():
    outputs = torch.tensor([[5.0, 7.0, 30.0], [5.0, 7.0, 30.0], [inf, 8.0, 9.0], [inf, inf, inf]])
    t_stop = trial_end.find_t_stop(outputs, torch.tensor([0, 2, 0, 1]), TAU)
    margin = trial_end.MARGIN * XI * TAU
    assert t_stop[0].item() == pytest.approx(5.0 + margin)
    assert 30.0 < t_stop[1].item() < 30.001
    assert t_stop[2:].tolist() == [inf, inf]


def test_the_right_spike_is_never_censored():
    rng = np.random.default_rng(0)
    outputs = torch.tensor(rng.exponential(10, (200, 4)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 4, 200))
    kept = censor(outputs, trial_end.find_t_stop(outputs, labels, TAU))
    torch.testing.assert_close(kept.gather(1, labels[:, None]), outputs.gather(1, labels[:, None]))
    torch.testing.assert_close(kept.amin(dim=1), outputs.amin(dim=1))


def small_network(seed=0):
    return Network.draw([12, 20, 16, 4], seed=seed)


def stimuli_of(n, seed=0):
    rng = np.random.default_rng(seed)
    times = torch.tensor(20 * rng.random((n, 12)), dtype=torch.float32)
    return times, torch.tensor(rng.integers(0, 4, n))


def test_what_comes_before_t_stop_does_not_depend_on_it():
    network, (times, _) = small_network(), stimuli_of(30)
    with torch.no_grad():
        whole = network(times)
        t_stop = whole[-1].amin(dim=1) + 1.0
        for expected, actual in zip(whole, network(times, t_stop), strict=True):
            torch.testing.assert_close(actual, censor(expected, t_stop))


def test_the_gradient_is_that_of_whole_trials_but_for_what_is_censored():
    network, (times, labels) = small_network(), stimuli_of(60)
    losses = first_spike_loss(network(times, None, SMALLEST_SLOPE)[-1], labels, TAU)
    losses.mean().backward()
    expected = [weights.grad.clone() for weights in network.weights]
    counts, t_stop = compute_gradients(network, times, labels, torch.full((60,), inf))
    assert counts.n_trials == 60
    assert (t_stop < 30).float().mean() > 0.5
    for weights, gradient in zip(network.weights, expected, strict=True):
        difference = (weights.grad - gradient).norm() / gradient.norm()
        assert difference < 4 * np.exp(-trial_end.MARGIN)


def test_unfinished_trials_teach_nothing():
    network, (times, labels) = small_network(), stimuli_of(20)
    _, t_stop = compute_gradients(network, times, labels, torch.full((20,), inf))
    finishing = torch.isfinite(t_stop)
    largest = torch.where(torch.arange(20) % 2 == 0, t_stop - 0.5, t_stop + 0.5)
    counts, found = compute_gradients(network, times, labels, largest)
    gradients = [weights.grad.clone() for weights in network.weights]
    finished = largest >= t_stop
    torch.testing.assert_close(found[finished & finishing], t_stop[finished & finishing])
    assert found[~finished & finishing].isnan().all()
    assert counts.n_trials == int(finished.sum())
    whole = torch.full((int(finished.sum()),), inf)
    compute_gradients(network, times[finished], labels[finished], whole)
    for weights, gradient in zip(network.weights, gradients, strict=True):
        torch.testing.assert_close(gradient * 20, weights.grad * int(finished.sum()),
                                   rtol=1e-4, atol=1e-5)


def test_unfinished_trials_are_repeated_whole():
    times, labels = stimuli_of(40)
    stimuli = Stimuli("few", times.numpy(), labels.numpy(), tuple("abcd"),
                      np.array(["train"] * 36 + ["validation"] * 4))
    run = start(small_network(), stimuli, Settings(epochs=1, batch_size=6))
    run.last_t_stop[:] = 0.0  # no trial can end so early again
    for _ in training_steps(run, stimuli):
        pass
    assert len(run.unfinished) == 6  # of the last batch; all others were repeated
    assert np.isinf(run.last_t_stop[run.unfinished]).all()
    assert (run.last_t_stop[np.setdiff1d(np.arange(36), run.unfinished)] > 1).all()
    assert run.counts.n_trials == 30
