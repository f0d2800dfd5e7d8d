"""Simultaneous inputs as one: the reference, which takes them one by one, gives the same."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.lif import LIF
from ephys_snn.spike_time import dimensionless, first_spike_times, simultaneous_inputs
from ephys_snn.spike_time.kernels import reference
from ephys_snn.spike_time.simultaneous_inputs import SimultaneousInputs

EQUAL, DOUBLE = LIF(), LIF(tau_m=20.0, tau_s=10.0, threshold=0.7)


@st.composite
def layers(draw):
    """Times, many of them the same at their end or beginning, some of them silent, and weights."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    n_trials, n_post = draw(st.integers(1, 6)), draw(st.integers(1, 20))
    n_pre = n_trials + draw(st.integers(0, 40))
    times = 5 + 10 * torch.rand(n_trials, n_pre, generator=generator, dtype=torch.float64)
    together = torch.rand(n_trials, n_pre, generator=generator) < draw(st.sampled_from([0.5, 1.0]))
    times[together] = draw(st.sampled_from([2.0, 20.0]))
    silent = torch.rand(n_trials, n_pre, generator=generator) < draw(st.sampled_from([0, 0.3]))
    times[silent] = torch.inf
    times[draw(st.integers(0, 2 * n_trials)):] = torch.inf
    weights = torch.randn(n_pre, n_post, generator=generator, dtype=torch.float64)
    return times, draw(st.sampled_from([0.5, 5.0])) * (weights + 0.3)


@settings(max_examples=200, deadline=None)
@given(layers(), st.sampled_from([EQUAL, DOUBLE]))
def test_spikes_and_gradients_are_those_of_inputs_one_by_one(layer, lif):
    times, weights = layer
    expected, residuals = dimensionless.forward(reference, times, weights, lif)
    ours = first_spike_times(times, weights.requires_grad_(), lif)
    torch.testing.assert_close(ours.detach(), expected, rtol=0, atol=1e-6)
    grad = torch.linspace(-1, 2, ours.numel(), dtype=torch.float64).reshape(ours.shape)
    ours.backward(torch.where(torch.isfinite(expected), grad, 0))
    _, wanted = dimensionless.backward(residuals, grad, want_times=False)
    scale = float(wanted.abs().max()) + 1e-12
    torch.testing.assert_close(weights.grad, wanted, rtol=0, atol=1e-5 * scale)


def test_the_last_or_the_first_inputs_are_found():
    late = torch.tensor([[1.0, 9.0, 9.0, 9.0], [2.0, 3.0, 8.0, 8.0]])
    found = simultaneous_inputs.find(late)
    assert found.members.tolist() == [[False, True, True, True], [False, False, True, True]]
    assert found.at.tolist() == [9.0, 8.0]
    early = torch.tensor([[1.0, 1.0, 1.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0]])
    assert simultaneous_inputs.find(early).members.sum() == 3
    silent = torch.tensor([[1.0, 9.0, 9.0, torch.inf], [torch.inf] * 4])
    found = simultaneous_inputs.find(silent)
    assert found.members.tolist() == [[False, True, True, False], [False] * 4]
    assert found.at.tolist() == [9.0, torch.inf]


@pytest.mark.parametrize("times", [
    torch.arange(24.0).reshape(3, 8),  # no two at once
    torch.full((2, 8), torch.inf),
    torch.zeros(3, 2),  # more trials than inputs
    torch.zeros(0, 4),
])
def test_what_is_not_worth_it_is_left_alone(times):
    assert simultaneous_inputs.find(times) is None


def test_black_pixels_reach_the_kernel_as_one_input(monkeypatch):
    """Else the tests above would hold without any of this."""
    seen = []
    join = SimultaneousInputs.join
    monkeypatch.setattr(SimultaneousInputs, "join", lambda self, times, weights:
                        seen.append(join(self, times, weights)) or seen[0])
    times = torch.full((2, 30), 20.0)
    times[:, :5] = torch.arange(5.0)
    first_spike_times(times, torch.ones(30, 3))
    (joined, extended), = seen
    assert torch.isfinite(joined).sum(dim=1).tolist() == [6, 6]
    assert joined[0, 30] == joined[1, 31] == 20 and (extended[30:] == 25).all()


def test_gradients_of_input_times_are_computed_one_by_one():
    times = torch.full((2, 30), 20.0, dtype=torch.float64, requires_grad=True)
    weights = torch.full((30, 3), 0.3, dtype=torch.float64, requires_grad=True)
    first_spike_times(times, weights).sum().backward()
    expected, residuals = dimensionless.forward(reference, times, weights, EQUAL)
    exact = dimensionless.backward(residuals, torch.ones_like(expected))
    for ours, wanted in zip((times.grad, weights.grad), exact, strict=True):
        torch.testing.assert_close(ours, wanted)
