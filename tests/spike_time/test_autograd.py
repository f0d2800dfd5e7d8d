"""First spike times against their definition, a simulation, their laws and a reference network.

Times in ms; the tolerances are stated in units of the membrane time constant.
"""

import gzip

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF, membrane, volley_delay
from ephys_snn.spike_time import dimensionless, first_spike_times
from ephys_snn.spike_time.kernels import cpu, reference

EQUAL, DOUBLE = LIF(), LIF(tau_m=20.0, tau_s=10.0, threshold=0.7)
both = pytest.mark.parametrize("lif", [EQUAL, DOUBLE], ids=["tau_m=tau_s", "tau_m=2tau_s"])
inf = torch.inf


def layer(seed, n_trials=5, n_pre=30, n_post=8, dtype=torch.float64, mean=0.15, sd=0.5):
    """Random input times, some silent and some simultaneous, and weights of both signs."""
    generator = torch.Generator().manual_seed(seed)
    times = 40 * torch.rand(n_trials, n_pre, dtype=torch.float64, generator=generator)
    times[:, : n_pre // 5] = times[:, :1]
    times[torch.rand(times.shape, generator=generator) < 0.1] = inf
    weights = torch.randn(n_pre, n_post, dtype=torch.float64, generator=generator)
    return times.to(dtype), (mean + sd * weights).to(dtype)


def by_root_finding(input_times, weights, lif):
    """First zero of V - θ: bracketed on a fine grid in every interval, then Brent's method."""
    spike_times = np.full((len(input_times), weights.shape[1]), np.inf)
    for trial, times in enumerate(input_times):
        borders = np.unique(times[np.isfinite(times)])
        if not borders.size:
            continue
        borders = np.append(borders, borders[-1] + 5 * lif.tau_m)
        grid = np.unique(
            np.concatenate(
                [np.linspace(*pair, 200) for pair in zip(borders[:-1], borders[1:], strict=True)]
            )
        )
        above = membrane(grid, times, weights, lif) >= lif.threshold
        for neuron in np.flatnonzero(above.any(axis=0)):
            after = np.argmax(above[:, neuron])

            def distance(t, times=times, neuron=neuron):
                return membrane([t], times, weights[:, [neuron]], lif)[0, 0] - lif.threshold

            spike_times[trial, neuron] = brentq(distance, grid[after - 1], grid[after], xtol=1e-13)
    return spike_times


@both
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_root_finding(lif, seed):
    times, weights = layer(seed)
    actual = first_spike_times(times, weights, lif).numpy()
    expected = by_root_finding(times.numpy(), weights.numpy(), lif)
    assert 0.2 < np.isfinite(expected).mean() < 1
    assert (np.isfinite(actual) == np.isfinite(expected)).all()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-9 * lif.tau_m)


@both
def test_agrees_with_a_dense_simulation(lif):
    """Both state variables stepped through time on a grid, as simulators do."""
    step = 1e-3 * lif.tau_m
    times, weights = layer(7)
    arrivals = torch.ceil(times / step)
    voltage = current = torch.zeros(len(times), weights.shape[1], dtype=torch.float64)
    simulated = torch.full_like(voltage, inf)
    for now in range(int(arrivals[arrivals < inf].max()) + 5000):
        current = current + (arrivals == now).double() @ weights
        crossed = (voltage >= lif.threshold) & torch.isinf(simulated)
        simulated[crossed] = now * step
        voltage, current = (
            voltage + step / lif.tau_m * (current - voltage),
            current - step / lif.tau_s * current,
        )
    exact = first_spike_times(times, weights, lif)
    assert (torch.isfinite(exact) == torch.isfinite(simulated)).double().mean() > 0.97
    difference = (exact - simulated).abs()[torch.isfinite(exact) & torch.isfinite(simulated)]
    assert difference.median() < 3 * step
    assert difference.quantile(0.95) < 20 * step


@both
def test_float32_is_close_to_float64(lif):
    times, weights = layer(3, n_trials=80, n_pre=400, n_post=400, mean=0.02, sd=0.1)
    exact = first_spike_times(times, weights, lif)
    single = first_spike_times(times.float(), weights.float(), lif)
    assert single.dtype == torch.float32
    spikes = torch.isfinite(exact)
    assert (spikes != torch.isfinite(single)).double().mean() < 1e-3
    difference = (exact - single).abs()[spikes & torch.isfinite(single)] / lif.tau_m
    assert difference.median() < 1e-6
    assert difference.max() < 2e-3


@both
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(lif, seed):
    times, weights = layer(seed, n_trials=3, n_pre=12, n_post=5, mean=0.4)
    spikes = torch.isfinite(first_spike_times(times, weights, lif))
    assert spikes.any() and not spikes.all()
    heard = torch.isfinite(times)

    def spike_times(input_times, weights):
        all_times = times.clone()
        all_times[heard] = input_times
        return first_spike_times(all_times, weights, lif)[spikes]

    # Simultaneous inputs have one-sided derivatives only at their own times, which no spike meets.
    arguments = times[heard].clone().requires_grad_(), weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(spike_times, arguments, eps=1e-7, atol=1e-6)


@pytest.mark.parametrize("kernel", [cpu, reference])
@pytest.mark.parametrize("smallest_slope", [0.05, 1.0])
def test_gradient_of_a_grazing_spike_is_bounded(kernel, smallest_slope):
    times = torch.zeros(1, 2, dtype=torch.float64)
    weights = torch.tensor([[np.e * (1 + 1e-12), 20.0], [0.0, 0.0]], dtype=torch.float64)
    spikes, residuals = dimensionless.forward(kernel, times, weights, LIF(), smallest_slope)
    assert spikes[0, 0].item() == pytest.approx(10.0, abs=1e-4)
    _, gradient = dimensionless.backward(residuals, torch.ones_like(spikes))
    # dT/dw = -k(T) / V'(T), with k(τ) = 1/e and V' taken to be the smallest slope, in θ/τ.
    assert gradient[0, 0].item() == pytest.approx(-np.exp(-1) / smallest_slope * 10.0, rel=1e-3)
    # A spike with a steep slope does not notice: with w k(T) = 1, V'(T) = 1/T - 1.
    delay = spikes[0, 1].item() / 10.0
    assert gradient[0, 1].item() == pytest.approx(-10.0 / 20.0 / (1 / delay - 1), rel=1e-9)


def test_the_smallest_slope_reaches_the_kernel():
    times = torch.zeros(1, 1, dtype=torch.float64)
    weights = torch.tensor([[np.e * (1 + 1e-12)]], dtype=torch.float64, requires_grad=True)
    first_spike_times(times, weights, smallest_slope=0.5).backward()
    assert weights.grad.item() == pytest.approx(-np.exp(-1) / 0.5 * 10.0, rel=1e-3)


def test_silent_neurons_give_no_gradient():
    times = torch.tensor([[1.0, 2.0], [inf, 3.0]], requires_grad=True)
    weights = torch.tensor([[9.0, -1.0], [0.5, 0.1]], requires_grad=True)
    spikes = first_spike_times(times, weights)
    assert torch.isfinite(spikes).tolist() == [[True, False], [False, False]]
    torch.where(torch.isfinite(spikes), spikes, 0).sum().backward()
    assert torch.isfinite(times.grad).all() and torch.isfinite(weights.grad).all()
    assert not times.grad[1].any() and not weights.grad[:, 1].any()
    assert times.grad[0, 0] != 0 and weights.grad[0, 0] != 0


@both
def test_infinite_gradients_of_silent_neurons_do_no_harm(lif):
    """A loss on infinite times often sends back NaN where a neuron was silent."""
    times, weights = layer(1)
    weights.requires_grad_()
    spikes = first_spike_times(times, weights, lif)
    assert torch.isinf(spikes).any()
    spikes.backward(torch.where(torch.isfinite(spikes), 1.0, torch.nan))
    assert torch.isfinite(weights.grad).all() and weights.grad.any()


# Laws --------------------------------------------------------------------------------------------

lifs = st.sampled_from([EQUAL, DOUBLE])
seeds = st.integers(0, 2**31)
law = settings(max_examples=40, deadline=None)


def away_from_grazing(spikes, times, weights, lif):
    """Whether every spike moves little when all weights grow by one part in 10^7."""
    moved = first_spike_times(times, weights * (1 + 1e-7), lif)
    difference = torch.where(torch.isfinite(spikes) | torch.isfinite(moved), moved - spikes, 0)
    return bool((difference.abs() < 1e-4).all())


@law
@given(seeds, lifs, st.floats(-1000, 1000))
def test_shifting_all_inputs_shifts_the_spikes(seed, lif, shift):
    times, weights = layer(seed)
    spikes = first_spike_times(times, weights, lif)
    assume(away_from_grazing(spikes, times, weights, lif))
    torch.testing.assert_close(
        first_spike_times(times + shift, weights, lif), spikes + shift, rtol=0, atol=1e-8
    )


@law
@given(seeds, lifs)
def test_input_gradients_of_a_spike_sum_to_one(seed, lif):
    times, weights = layer(seed, n_trials=4, n_post=1)
    times.requires_grad_()
    spikes = first_spike_times(times, weights, lif)
    slopes = membrane_slopes(spikes.detach(), times.detach(), weights, lif)
    torch.where(torch.isfinite(spikes), spikes, 0).sum().backward()
    expected = torch.where(torch.isfinite(spikes[:, 0]), 1.0, 0.0).double()
    # Where the slope at threshold is floored the gradient shrinks in proportion.
    steep = torch.isinf(spikes[:, 0]) | (slopes > 0.05 * lif.threshold / lif.tau_m)
    torch.testing.assert_close(times.grad.sum(dim=1)[steep], expected[steep], rtol=0, atol=1e-8)


def membrane_slopes(spikes, times, weights, lif, step=1e-4):
    """dV/dt just before each spike of the one neuron, by a difference."""
    slopes = []
    for spike, trial in zip(spikes[:, 0].tolist(), times.numpy(), strict=True):
        if np.isfinite(spike):
            before, at = membrane([spike - step, spike], trial, weights.numpy(), lif)[:, 0]
        slopes.append((at - before) / step if np.isfinite(spike) else 0.0)
    return torch.tensor(slopes)


@law
@given(seeds, lifs)
def test_order_of_the_inputs_does_not_matter(seed, lif):
    times, weights = layer(seed)
    spikes = first_spike_times(times, weights, lif)
    assume(away_from_grazing(spikes, times, weights, lif))
    order = torch.randperm(len(weights), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        first_spike_times(times[:, order], weights[order], lif), spikes, rtol=0, atol=1e-8
    )


@law
@given(seeds, lifs, st.floats(0, 50))
def test_inputs_after_the_spike_do_not_matter(seed, lif, delay):
    times, weights = layer(seed, n_trials=1, n_post=1)
    spike = first_spike_times(times, weights, lif)
    assume(away_from_grazing(spike, times, weights, lif))
    assume(torch.isfinite(spike).all())
    more_times = torch.cat([times, spike + delay + torch.tensor([[1e-6, 2.0, 3.0]])], dim=1)
    more_weights = torch.cat([weights, torch.tensor([[50.0], [-70.0], [9.0]])])
    torch.testing.assert_close(
        first_spike_times(more_times, more_weights, lif), spike, rtol=0, atol=1e-8
    )


@law
@given(seeds, lifs)
def test_more_excitation_never_delays(seed, lif):
    times, weights = layer(seed)
    later = first_spike_times(times, weights, lif)
    earlier = first_spike_times(times, weights + 0.1, lif)
    assert (earlier <= later + 1e-8).all()


@law
@given(seeds, lifs, st.floats(0.01, 100))
def test_only_the_ratio_of_weight_and_threshold_matters(seed, lif, scale):
    times, weights = layer(seed)
    spikes = first_spike_times(times, weights, lif)
    assume(away_from_grazing(spikes, times, weights, lif))
    scaled = LIF(lif.tau_m, lif.tau_s, scale * lif.threshold)
    torch.testing.assert_close(
        first_spike_times(times, scale * weights, scaled), spikes, rtol=0, atol=1e-8
    )


@law
@given(seeds, lifs, st.floats(0.01, 100))
def test_time_has_no_unit(seed, lif, scale):
    times, weights = layer(seed)
    spikes = first_spike_times(times, weights, lif)
    assume(away_from_grazing(spikes, times, weights, lif))
    scaled = LIF(scale * lif.tau_m, scale * lif.tau_s, lif.threshold)
    torch.testing.assert_close(
        first_spike_times(scale * times, weights, scaled), scale * spikes, rtol=1e-8, atol=0
    )


# Particular cases --------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("net_weight", [0.5, 2.0, 3.0, 10.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_simultaneous_inputs_act_as_one(lif, net_weight, dtype):
    times = torch.full((2, 50), 4.0, dtype=dtype)
    weights = torch.full((50, 3), net_weight / 50, dtype=dtype)
    expected = 4 + volley_delay(net_weight, lif)
    actual = first_spike_times(times, weights, lif)
    np.testing.assert_allclose(actual, np.full((2, 3), expected), rtol=2e-6)


@both
def test_one_input(lif):
    times = torch.tensor([[3.0], [inf], [-2.0]], dtype=torch.float64)
    weights = torch.tensor([[8.0, 1.0]], dtype=torch.float64)
    delay = float(volley_delay(8.0, lif))
    expected = [[3 + delay, np.inf], [np.inf, np.inf], [-2 + delay, np.inf]]
    np.testing.assert_allclose(first_spike_times(times, weights, lif), expected)


@pytest.mark.parametrize("excess", [-1e-6, 1e-6])
@pytest.mark.parametrize(("lif", "weakest", "time"), [(EQUAL, np.e, 10.0), (DOUBLE, 2.8, 13.8629)])
def test_grazing_spike(lif, weakest, time, excess):
    times = torch.zeros(1, 1, dtype=torch.float64)
    weights = torch.full((1, 1), weakest * (1 + excess), dtype=torch.float64)
    spike = first_spike_times(times, weights, lif).item()
    assert spike == (inf if excess < 0 else pytest.approx(time, abs=0.03))


@both
def test_crossing_between_two_inputs_is_seen(lif):
    """V is below threshold at both inputs and peaks above it in between."""
    weakest = lif.threshold / lif.response(np.linspace(0, 20, 20_001)).max()
    times = torch.tensor([[0.0, 5 * lif.tau_m]], dtype=torch.float64)
    weights = torch.tensor([[1.01 * weakest], [-1e3]], dtype=torch.float64)
    spike = first_spike_times(times, weights, lif).item()
    assert spike == pytest.approx(volley_delay(1.01 * weakest, lif), rel=1e-9)


@both
@pytest.mark.parametrize("n_between", range(12))
def test_inhibition_right_after_the_crossing_does_not_hide_it(lif, n_between):
    """However the kernel groups its inputs: V is above threshold only for a moment."""
    delay = float(volley_delay(20.0, lif))
    between = torch.linspace(0, 0.9 * delay, n_between, dtype=torch.float64)
    times = torch.cat([torch.zeros(1), between, delay + torch.tensor([1e-3, 0.1, 9.0])])[None]
    weights = torch.cat([torch.tensor([20.0]), 0 * between, torch.tensor([-1e4, -1e4, 1.0])])
    spike = first_spike_times(times.double(), weights[:, None].double(), lif).item()
    assert spike == pytest.approx(delay, rel=1e-9)


@both
def test_silence_in_and_out(lif):
    times, weights = layer(0)
    assert torch.isinf(first_spike_times(torch.full_like(times, inf), weights, lif)).all()
    assert torch.isinf(first_spike_times(times, -weights.abs(), lif)).all()
    assert torch.isinf(first_spike_times(times, torch.zeros_like(weights), lif)).all()


def test_silent_inputs_are_as_if_absent():
    times, weights = layer(0)
    times[:, 10:] = inf
    torch.testing.assert_close(
        first_spike_times(times, weights), first_spike_times(times[:, :10], weights[:10])
    )


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (2, 4, 0), (0, 0, 0)])
def test_empty_dimensions(shape):
    n_trials, n_pre, n_post = shape
    times = torch.zeros(n_trials, n_pre, requires_grad=True)
    weights = torch.zeros(n_pre, n_post, requires_grad=True)
    spikes = first_spike_times(times, weights)
    assert spikes.shape == (n_trials, n_post) and torch.isinf(spikes).all()
    torch.where(torch.isinf(spikes), 0, spikes).sum().backward()
    assert times.grad.shape == times.shape and weights.grad.shape == weights.shape


def test_spikes_at_an_end_or_later_are_silence_and_have_no_gradient():
    times, weights = layer(5)
    whole = first_spike_times(times, weights)
    assert torch.isfinite(whole).sum() > 20
    t_stop = whole.median(dim=1).values  # one of the spikes, or inf
    t_stop[0] = torch.inf
    times.requires_grad_()
    weights.requires_grad_()
    spikes = first_spike_times(times, weights, t_stop=t_stop)
    kept = whole < t_stop[:, None]
    assert 0 < kept.sum() < torch.isfinite(whole).sum()
    torch.testing.assert_close(spikes, torch.where(kept, whole, torch.inf))
    actual = torch.autograd.grad(spikes, (times, weights), torch.ones_like(spikes))
    expected = torch.autograd.grad(first_spike_times(times, weights), (times, weights),
                                   kept.to(times))
    torch.testing.assert_close(actual, expected)


def test_leading_dimensions_are_kept():
    times, weights = layer(0, n_trials=12)
    flat = first_spike_times(times, weights)
    assert torch.equal(first_spike_times(times.reshape(3, 2, 2, 30), weights).reshape(12, 8), flat)
    assert torch.equal(first_spike_times(times[0], weights), flat[0])
    t_stop = torch.linspace(1, 30, 12).to(times)
    assert torch.equal(
        first_spike_times(times.reshape(3, 4, 30), weights, t_stop=t_stop.reshape(3, 4)),
        first_spike_times(times, weights, t_stop=t_stop).reshape(3, 4, 8))


def test_layout_in_memory_does_not_matter():
    times, weights = layer(0, n_trials=12)
    expected = first_spike_times(times, weights)
    strided = times.T.contiguous().T
    assert not strided.is_contiguous()
    assert torch.equal(first_spike_times(strided, weights.T.contiguous().T), expected)


def test_the_wider_dtype_wins():
    times, weights = layer(0)
    assert first_spike_times(times, weights.float()).dtype == torch.float64
    times.requires_grad_()
    weights = weights.float().requires_grad_()
    spikes = first_spike_times(times, weights)
    torch.where(torch.isinf(spikes), 0, spikes).sum().backward()
    assert (times.grad.dtype, weights.grad.dtype) == (torch.float64, torch.float32)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("span", [400.0, 8_000.0, 1e5])
def test_long_trials_neither_overflow_nor_lose_digits(lif, dtype, span):
    times, weights = layer(5, dtype=dtype)
    times[:, 20:] += span  # the late inputs come when the early ones are long forgotten
    spikes = first_spike_times(times, weights, lif)
    early = first_spike_times(times[:, :20], weights[:20], lif)
    late = first_spike_times(times[:, 20:], weights[20:], lif)
    expected = torch.where(torch.isfinite(early), early, late)
    assert torch.isfinite(early).any() and torch.isinf(early).any()
    # What is left of the early inputs, and the resolution of float32 at such times.
    tolerance = 1e-6 + 1000 * np.exp(-span / lif.tau_m) + 4 * torch.finfo(dtype).eps * span
    torch.testing.assert_close(spikes, expected, rtol=0, atol=tolerance)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("span", [400.0, 1e5])
def test_gradients_of_long_trials(lif, dtype, span):
    """The gradient of the late inputs is theirs alone."""
    times = torch.tensor([[0.0, 1.0, 2.0, 4.0, 5.0]], dtype=dtype)
    weights = torch.tensor([[0.1], [0.1], [5.0], [3.0], [-1.0]], dtype=dtype)

    def gradients(times, weights):
        times, weights = times.clone().requires_grad_(), weights.clone().requires_grad_()
        first_spike_times(times, weights, lif).sum().backward()
        return times.grad[0, -3:], weights.grad[-3:]

    late = times + torch.tensor([0, 0, span, span, span], dtype=dtype)
    for grad, expected in zip(
        gradients(late, weights), gradients(times[:, 2:], weights[2:]), strict=True
    ):
        torch.testing.assert_close(grad, expected, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_depend_neither_on_the_run_nor_on_the_number_of_threads(dtype):
    def run(n_threads):
        torch.set_num_threads(n_threads)
        times, weights = (x.requires_grad_() for x in layer(2, 83, 131, 57, dtype))
        spikes = first_spike_times(times, weights)
        torch.where(torch.isinf(spikes), 0, spikes).sum().backward()
        return spikes.detach(), times.grad, weights.grad

    n_threads = torch.get_num_threads()
    try:
        first, *others = [run(n) for n in (1, 1, 2, 3)]
    finally:
        torch.set_num_threads(n_threads)
    for other in others:
        assert all(torch.equal(x, y) for x, y in zip(first, other, strict=True))


TIMES, WEIGHTS = torch.zeros(3, 4), torch.zeros(4, 2)


@pytest.mark.parametrize(
    ("times", "weights", "message"),
    [
        (torch.tensor([[0.0, torch.nan, 1, 1]]), WEIGHTS, "`input_times` must be finite.*1 NaN"),
        (torch.tensor([[0.0, -inf, 1, 1]]), WEIGHTS, "`input_times` must be finite.*1 -inf"),
        (TIMES, torch.full((4, 2), torch.nan), "`weights` must be finite; got 8 NaN"),
        (TIMES, torch.full((4, 2), inf), "`weights` must be finite.* 8 infinite"),
        (TIMES, torch.zeros(5, 2), r"as many inputs.*got shapes \(3, 4\) and \(5, 2\)"),
        (TIMES, torch.zeros(4), r"`weights` must have the two dimensions.*got shape \(4,\)"),
        (torch.tensor(1.0), WEIGHTS, r"as many inputs.*got shapes \(\) and \(4, 2\)"),
        (TIMES.int(), WEIGHTS, "`input_times` must be of dtype float32 or float64; got torch.int"),
        (TIMES, WEIGHTS.half(), "`weights` must be of dtype.*torch.float16"),
        (TIMES.numpy(), WEIGHTS, "`input_times` must be a torch tensor; got ndarray"),
    ],
)
def test_impossible_arguments_are_refused(times, weights, message):
    with pytest.raises(InputError, match=message):
        first_spike_times(times, weights)


@pytest.mark.parametrize("t_stop, message", [
    (torch.zeros(4), r"one end per trial of `input_times`; got shapes \(4,\) and \(3, 4\)"),
    (torch.full((3,), torch.nan), "`t_stop` must not be NaN; got 3 NaN"),
])
def test_impossible_ends_are_refused(t_stop, message):
    with pytest.raises(InputError, match=message):
        first_spike_times(TIMES, WEIGHTS, t_stop=t_stop)


def test_large_finite_weights_are_not_mistaken_for_infinite_ones():
    weights = torch.full((4, 2), 3e38)
    first_spike_times(TIMES, weights)


# The authors' network of eight hidden layers (arXiv:2508.12975), in units of τ -------------------


@pytest.fixture(scope="module")
def reference_network(shared):
    with np.load(shared / "reference" / "mnist_dale_8x100_weights.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def mnist_test(shared):
    """Latency-coded images in ms, strong intensities early, and labels."""
    folder = shared / "data" / "mnist"
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.tensor(10 * (0.15 + (1 - pixels / 256) * (2 - 0.15))), labels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reference_network_classifies_as_published(reference_network, mnist_test, dtype):
    times, labels = mnist_test
    times = times.to(dtype)
    for index in range(9):
        weights = torch.tensor(reference_network[f"w{index}"]).to(dtype)
        times = first_spike_times(times, weights)
    correct = (times.argmin(dim=1).numpy() == labels) & torch.isfinite(times).any(dim=1).numpy()
    assert 0.969 <= correct.mean() <= 0.970


def test_reference_network_agrees_layer_by_layer(reference_network, mnist_test):
    """Each layer fed with the authors' times, which are on a grid of 0.01 τ.

    Output neurons spike late, when the errors of the grid have added up: only their decisions are
    compared.
    """
    hidden = 10 * torch.tensor(reference_network["hidden_times_first_150_test"]).double()
    given = [mnist_test[0][:150], *hidden]
    for index, (inputs, expected) in enumerate(zip(given, hidden, strict=False)):
        weights = torch.tensor(reference_network[f"w{index}"]).double()
        actual = first_spike_times(inputs, weights)
        both_silent = torch.isinf(actual) & torch.isinf(expected)
        agree = both_silent | ((actual - expected).abs() <= 0.02 * 10)
        assert agree.double().mean() >= 0.99, f"layer {index + 1}"
    output = first_spike_times(hidden[-1], torch.tensor(reference_network["w8"]).double())
    published = reference_network["test_output_times"][:150].argmin(axis=1)
    assert output.argmin(dim=1).tolist() == published.tolist()
