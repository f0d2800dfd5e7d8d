"""The kernels against each other, and their parts against NumPy and SciPy."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.special import lambertw
from torch.utils._python_dispatch import TorchDispatchMode

from ephys_snn.lif import LIF
from ephys_snn.spike_time.kernels import cpu, lanes, reference

EQUAL, DOUBLE = LIF(), LIF(tau_m=20.0, tau_s=10.0, threshold=0.7)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@st.composite
def layers(draw):
    """A layer's times and weights: clustered times, ties, silence, Dale's law or mixed signs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n_trials, n_pre = draw(st.integers(1, 6)), draw(st.integers(1, 70))
    n_post = draw(st.integers(1, 70))
    spread = draw(st.sampled_from([0.01, 1.0, 20.0, 200.0]))
    times = 5 + spread * rng.gamma(2.0, 1.0, (n_trials, n_pre))
    ties = rng.random(times.shape) < draw(st.sampled_from([0, 0.5, 1]))
    times = np.where(ties, 5 + spread, times)
    times[rng.random(times.shape) < draw(st.sampled_from([0, 0.2]))] = np.inf
    weights = draw(st.sampled_from([0.3, 3.0, 30.0])) * rng.normal(0.2, 1, (n_pre, n_post))
    if draw(st.booleans()):
        weights = np.abs(weights) * np.where(rng.random((n_pre, 1)) < 0.3, -1, 1)
    return torch.tensor(times), torch.tensor(weights)


@settings(max_examples=150, deadline=None)
@given(layers(), st.sampled_from([EQUAL, DOUBLE]), st.booleans())
def test_compiled_kernel_equals_the_reference(layer, lif, want_times):
    times, weights = layer
    expected, causes = reference.forward(times, weights, lif)
    actual, compiled_causes = cpu.forward(times, weights, lif)
    spikes = torch.isfinite(expected)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)
    grad = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    grad[~spikes] = torch.nan
    expected_grads = reference.backward(causes, grad, want_times)
    actual_grads = cpu.backward(compiled_causes, grad, want_times)
    assert (actual_grads[0] is None) == (expected_grads[0] is None) == (not want_times)
    for value, reference_value in zip(actual_grads, expected_grads, strict=True):
        if value is not None:
            scale = float(reference_value.abs().max()) + 1e-12
            torch.testing.assert_close(value, reference_value, rtol=0, atol=1e-5 * scale)


@settings(max_examples=60, deadline=None)
@given(layers(), st.sampled_from([EQUAL, DOUBLE]))
def test_single_precision_is_close_to_double(layer, lif):
    times, weights = layer
    expected, causes = reference.forward(times, weights, lif)
    actual, _ = cpu.forward(times.float(), weights.float(), lif)
    slopes = grazing(causes)
    steep = slopes > 0.3
    torch.testing.assert_close(actual.double()[steep], expected[steep], rtol=1e-6, atol=2e-3)


@pytest.mark.parametrize("lif", [EQUAL, DOUBLE])
def test_more_trials_than_a_tile(lif):
    rng = np.random.default_rng(5)
    times = torch.tensor(20 * rng.random((2 * cpu.TILE_TRIALS + 9, 7)))
    times[rng.random(times.shape) < 0.3] = torch.inf
    weights = torch.tensor(rng.normal(1, 1, (7, cpu.LANES_FLOAT64 + 3)))
    spikes, causes = reference.forward(times, weights, lif)
    _, compiled_causes = cpu.forward(times, weights, lif)
    grad = torch.tensor(rng.normal(size=spikes.shape))
    grad[: cpu.TILE_TRIALS] *= rng.random((cpu.TILE_TRIALS, 1)) < 0.2
    for expected, actual in zip(
        reference.backward(causes, grad), cpu.backward(compiled_causes, grad), strict=True
    ):
        scale = float(expected.abs().max())
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6 * scale)


def test_silent_inputs_cost_nothing():
    """What the gradient goes through, and the CPU time, fall with the number of spiking inputs."""
    generator = torch.Generator().manual_seed(0)
    times = 20 * torch.rand(40, 784, generator=generator)
    weights = torch.randn(784, 400, generator=generator) / 20
    rank = torch.rand(times.shape, generator=generator).argsort(1)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = []
        for n_spiking in (784, 98):
            inputs = torch.where(rank < n_spiking, times, torch.inf)
            turns = []
            for _ in range(7):
                begin = time.thread_time()
                spikes, causes = cpu.forward(inputs, weights, EQUAL)
                cpu.backward(causes, torch.ones_like(spikes))
                turns.append(time.thread_time() - begin)
            assert causes.n_spiking.tolist() == [n_spiking] * len(times)
            taken.append(min(turns[1:]))
    finally:
        torch.set_num_threads(n_threads)
    # An eighth of the inputs; what is paid per weight and per output remains.
    assert taken[1] < 0.5 * taken[0]


def grazing(causes):
    """Slope of the membrane at each spike in θ/τ_m, 0 where silent."""
    lif, times, weights, spike_times, _ = causes
    since = spike_times[:, None, :] - times[:, :, None]
    causal = (since > 0) & torch.isfinite(spike_times[:, None, :])
    s = torch.where(causal, since, 0)
    slope = (1 - s) * torch.exp(-s) if lif is EQUAL else 2 * torch.exp(-2 * s) - torch.exp(-s)
    return (torch.where(causal, slope, 0) * weights).sum(dim=1)


def test_the_reference_works_in_chunks(monkeypatch):
    times, weights = 20 * torch.rand(9, 12).double(), 2 * torch.rand(12, 5).double()
    spikes, causes = reference.forward(times, weights, EQUAL)
    grad = torch.rand(spikes.shape).double()
    whole = reference.backward(causes, grad)
    monkeypatch.setattr(reference, "CHUNK", 2 * weights.numel())
    for chunked, expected in zip(reference.backward(causes, grad), whole, strict=True):
        torch.testing.assert_close(chunked, expected)


class NothingWider(TorchDispatchMode):
    """Fails at any operation that makes a float64 tensor, which some devices (MPS) lack."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            assert getattr(tensor, "dtype", None) != torch.float64, function
        return result


@pytest.mark.parametrize("lif", [EQUAL, DOUBLE], ids=["tau_m=tau_s", "tau_m=2tau_s"])
def test_the_reference_serves_devices_without_double_precision(lif):
    generator = torch.Generator().manual_seed(0)
    times = 20 * torch.rand(8, 50, generator=generator)
    times[:, :9] = 20.0
    times[:, 9] = torch.inf
    weights = 0.1 + 0.3 * torch.randn(50, 20, generator=generator)
    with NothingWider():
        spikes, causes = reference.forward(times, weights, lif)
        gradients = reference.backward(causes, torch.ones_like(spikes))
    expected, exact_causes = reference.forward(times.double(), weights.double(), lif)
    steep = (grazing(exact_causes) > 0.3) | torch.isinf(expected)
    torch.testing.assert_close(spikes.double()[steep], expected[steep], rtol=1e-6, atol=2e-3)
    exact = reference.backward(exact_causes, torch.ones_like(expected))
    for gradient, wanted in zip(gradients, exact, strict=True):
        assert (gradient.double() - wanted).norm() < 1e-3 * wanted.norm()


def test_crossing_before_peak_is_a_lambert_w():
    """h + ln(1 - h) = -q is solved by h = 1 + W₀(-e^(-1-q))."""
    q = np.logspace(-6, 2, 200)
    expected = 1 + lambertw(-np.exp(-1 - q)).real
    actual = reference.crossing_before_peak(torch.tensor(q)).numpy()
    # W₀ itself is known to √ε only near its branch point.
    np.testing.assert_allclose(actual, expected, atol=3e-8)
    residual = (actual + np.log1p(-actual) + q) * (1 - actual)
    np.testing.assert_allclose(residual, 0, atol=1e-13)

    @njit
    def compiled(inverse):
        return cpu._crossing_before_peak(inverse)

    inverse = np.exp(-q)
    double = np.array([compiled(x) for x in inverse])
    np.testing.assert_allclose(double, expected, atol=3e-8)
    single = np.array([compiled(np.float32(x)) for x in inverse], float)
    np.testing.assert_allclose(single, expected, atol=1e-3)
    np.testing.assert_allclose(single[q > 0.1], expected[q > 0.1], atol=1e-6)


@dtypes
def test_exponential(dtype):
    @njit
    def compiled(x, out):
        for k in range(x.size):
            out[k] = cpu._exp(x[k])

    x = np.linspace(-80, 80, 4001).astype(dtype)
    actual = np.empty_like(x)
    compiled(x, actual)
    np.testing.assert_allclose(actual, np.exp(x.astype(float)), rtol=20 * np.finfo(dtype).eps)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 300), st.sampled_from([0, 1e-7, 1.0, 1e4]))
def test_inputs_are_sorted(seed, n_pre, outlier):
    rng = np.random.default_rng(seed)
    times = rng.choice([0.0, 0.5, outlier, *rng.random(50)], n_pre).astype(np.float32)
    order = np.full(n_pre, -1, np.int64)
    cpu._sort(times, times.max(initial=0), np.empty((4, n_pre), np.uint32), order)
    assert order.tolist() == np.argsort(times, kind="stable").tolist()


@dtypes
def test_lanes_compute_as_arrays_do(dtype):
    n = cpu.lanes_of(dtype)
    rng = np.random.default_rng(0)
    x, y, z = rng.integers(-4, 5, (3, n)).astype(dtype)

    @njit
    def compute(x, y, z, index, out):
        a, b, c = lanes.load(x, 0), lanes.load(y, 0), lanes.load(z, 0)
        results = (
            a + b,
            a - b,
            a * b,
            lanes.fused(a, b, c),
            lanes.fused_difference(a, b, c),
            lanes.where_positive(a, b),
            lanes.where_nonzero(a, b, c),
            lanes.larger(a, b),
            lanes.spread(x[1]),
            lanes.spread_from(y, index),
        )
        for k in range(len(results)):
            lanes.store(out, k * n, results[k])
        return lanes.at_least(a, b), lanes.total(a), lanes.largest(a), lanes.item(z, index)

    out = np.empty(10 * n, dtype)
    bits, total, largest, item = compute(x, y, z, 3, out)
    expected = [
        x + y,
        x - y,
        x * y,
        x * y + z,
        x * y - z,
        np.where(x > 0, y, 0),
        np.where(x != 0, y, z),
        np.maximum(x, y),
        np.full(n, x[1]),
        np.full(n, y[3]),
    ]
    np.testing.assert_array_equal(out.reshape(10, n), expected)
    assert [(bits >> k) & 1 for k in range(n)] == (x >= y).tolist()
    assert (total, largest, item) == (x.sum(), x.max(), z[3])


def test_lowest_bit():
    @njit
    def compiled(bits):
        return lanes.lowest_bit(bits)

    assert [compiled(bits) for bits in (1, 8, 12, 2**40, -(2**63))] == [0, 3, 2, 40, 63]


def test_compilation_is_announced_once(capsys, monkeypatch):
    monkeypatch.setattr(cpu, "_compiled", set())
    monkeypatch.setattr(cpu, "_announcement", cpu._Announcement())
    for part in ("forward", "backward"):
        with cpu._announcing_compilation(part, np.float32):
            njit(lambda x: x + 1)(1)
    assert capsys.readouterr().err.count("compiling the spike-time kernels") == 1


def test_a_call_without_compilation_is_not_announced(capsys, monkeypatch):
    compiled = njit(lambda x: x + 1)
    compiled(1)
    monkeypatch.setattr(cpu, "_compiled", set())
    monkeypatch.setattr(cpu, "_announcement", cpu._Announcement())
    with cpu._announcing_compilation("forward", np.float32):
        compiled(1)
    assert capsys.readouterr().err == ""
