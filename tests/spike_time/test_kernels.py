"""The kernels against each other, and their parts against NumPy and SciPy."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from builders import CHECKOUT
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.special import lambertw
from torch.utils._python_dispatch import TorchDispatchMode

from ephys_snn.lif import LIF
from ephys_snn.spike_time import dimensionless
from ephys_snn.spike_time.kernels import (
    cpu,
    crossing,
    execution,
    gradient,
    lanes,
    reference,
    sorted_inputs,
)

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
    expected, residuals = dimensionless.forward(reference, times, weights, lif)
    actual, compiled_residuals = dimensionless.forward(cpu, times, weights, lif)
    spikes = torch.isfinite(expected)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)
    grad = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    grad[~spikes] = torch.nan
    expected_grads = dimensionless.backward(residuals, grad, want_times)
    actual_grads = dimensionless.backward(compiled_residuals, grad, want_times)
    assert (actual_grads[0] is None) == (expected_grads[0] is None) == (not want_times)
    for value, reference_value in zip(actual_grads, expected_grads, strict=True):
        if value is not None:
            scale = float(reference_value.abs().max()) + 1e-12
            torch.testing.assert_close(value, reference_value, rtol=0, atol=1e-5 * scale)


@settings(max_examples=60, deadline=None)
@given(layers(), st.sampled_from([EQUAL, DOUBLE]))
def test_single_precision_is_close_to_double(layer, lif):
    times, weights = layer
    expected, residuals = dimensionless.forward(reference, times, weights, lif)
    actual, _ = dimensionless.forward(cpu, times.float(), weights.float(), lif)
    slopes = grazing(residuals)
    steep = slopes > 0.3
    torch.testing.assert_close(actual.double()[steep], expected[steep], rtol=1e-6, atol=2e-3)


@pytest.mark.parametrize("lif", [EQUAL, DOUBLE])
def test_more_trials_inputs_and_neurons_than_a_tile(lif):
    rng = np.random.default_rng(5)
    n_trials, n_pre = 12 * cpu.TILE_TRIALS + 9, 2 * gradient.TILE_INPUTS + 7
    times = torch.tensor(20 * rng.random((n_trials, n_pre)))
    times[rng.random(times.shape) < 0.3] = torch.inf
    weights = torch.tensor(rng.normal(0.5, 1, (n_pre, lanes.LANES["float64"] + 3)))
    spikes, residuals = dimensionless.forward(reference, times, weights, lif)
    _, compiled_residuals = dimensionless.forward(cpu, times, weights, lif)
    grad = torch.tensor(rng.normal(size=spikes.shape))
    grad[: n_trials // 2] *= rng.random((n_trials // 2, 1)) < 0.2
    for expected, actual in zip(dimensionless.backward(residuals, grad),
                                dimensionless.backward(compiled_residuals, grad), strict=True):
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
                spikes, residuals = dimensionless.forward(cpu, inputs, weights, EQUAL)
                dimensionless.backward(residuals, torch.ones_like(spikes))
                turns.append(time.thread_time() - begin)
            assert n_sorted(inputs) == [n_spiking] * len(times)
            taken.append(min(turns[1:]))
    finally:
        torch.set_num_threads(n_threads)
    # An eighth of the inputs; what is paid per weight and per output remains.
    assert taken[1] < 0.5 * taken[0]


def n_sorted(times):
    """How many inputs of each trial the scan goes through."""

    @njit
    def count(times, smallest):
        inputs, groups, scratch = sorted_inputs.make_room(1, times.size, times.dtype)
        return sorted_inputs.sort_inputs(0, times, smallest, True, 32, inputs, groups, scratch)[0]

    since = ((times - times.amin(dim=1, keepdim=True)) / 10).numpy()
    return [count(row, np.zeros_like(row)) for row in since]


def grazing(residuals):
    """Slope of the membrane at each spike in θ/τ_m, 0 where silent."""
    _, lif, times, weights, spike_times, _ = residuals
    since = spike_times[:, None, :] - times[:, :, None]
    causal = (since > 0) & torch.isfinite(spike_times[:, None, :])
    s = torch.where(causal, since, 0)
    slope = (1 - s) * torch.exp(-s) if lif is EQUAL else 2 * torch.exp(-2 * s) - torch.exp(-s)
    return (torch.where(causal, slope, 0) * weights).sum(dim=1)


def test_the_reference_works_in_chunks(monkeypatch):
    times, weights = 20 * torch.rand(9, 12).double(), 2 * torch.rand(12, 5).double()
    spikes, residuals = dimensionless.forward(reference, times, weights, EQUAL)
    grad = torch.rand(spikes.shape).double()
    whole = dimensionless.backward(residuals, grad)
    monkeypatch.setattr(reference, "CHUNK", 2 * weights.numel())
    for chunked, expected in zip(dimensionless.backward(residuals, grad), whole, strict=True):
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
        spikes, residuals = dimensionless.forward(reference, times, weights, lif)
        gradients = dimensionless.backward(residuals, torch.ones_like(spikes))
    expected, exact_residuals = dimensionless.forward(
        reference, times.double(), weights.double(), lif)
    steep = (grazing(exact_residuals) > 0.3) | torch.isinf(expected)
    torch.testing.assert_close(spikes.double()[steep], expected[steep], rtol=1e-6, atol=2e-3)
    exact = dimensionless.backward(exact_residuals, torch.ones_like(expected))
    for actual, wanted in zip(gradients, exact, strict=True):
        assert (actual.double() - wanted).norm() < 1e-3 * wanted.norm()


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
        return crossing.crossing_before_peak(inverse)

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
            out[k] = crossing.exp(x[k])

    x = np.linspace(-80, 80, 4001).astype(dtype)
    actual = np.empty_like(x)
    compiled(x, actual)
    np.testing.assert_allclose(actual, np.exp(x.astype(float)), rtol=20 * np.finfo(dtype).eps)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 300), st.sampled_from([0, 1e-7, 1.0, 1e4]))
def test_inputs_are_sorted(seed, n_pre, outlier):
    rng = np.random.default_rng(seed)
    times = rng.choice([0.0, 0.5, outlier, *rng.random(50)], n_pre).astype(np.float32)
    expected = np.argsort(times, kind="stable")

    @njit
    def sort(times):
        _, _, scratch = sorted_inputs.make_room(1, times.size, times.dtype)
        scratch.times[:] = times
        last = sorted_inputs.sort(times.size, scratch)
        return scratch.order, last

    order, last = sort(times)
    assert order.tolist() == expected.tolist()
    assert last == times.max(initial=0)


@dtypes
def test_lanes_compute_as_arrays_do(dtype):
    n = lanes.LANES[dtype.__name__]
    rng = np.random.default_rng(0)
    x, y, z = rng.integers(-4, 5, (3, n)).astype(dtype)

    @njit
    def compute(x, y, z, index, out):
        a, b, c = lanes.load(x, 0), lanes.load(y, 0), lanes.load(z, 0)
        results = (
            a + b,
            a * b,
            lanes.fma(a, b, c),
            lanes.fms(a, b, c),
            lanes.where_positive(a, b),
            lanes.spread(x[1]),
            lanes.spread_from(y, index),
        )
        for k in range(len(results)):
            lanes.store(out, (k, 0), results[k])
        lanes.store_scalar(z, 0, x[1])
        return lanes.at_least(a, b), lanes.load_scalar(z, index), lanes.load_scalar(out, (1, index))

    out = np.empty((7, n), dtype)
    expected = [
        x + y,
        x * y,
        x * y + z,
        x * y - z,
        np.where(x > 0, y, 0),
        np.full(n, x[1]),
        np.full(n, y[3]),
    ]
    bits, *scalars = compute(x, y, z, 3, out)
    np.testing.assert_array_equal(out, expected)
    assert [(bits >> k) & 1 for k in range(n)] == (x >= y).tolist()
    assert scalars == [z[3], x[3] * y[3]]
    assert z[0] == x[1]


@dtypes
def test_groups_of_inputs_compute_as_arrays_do(dtype):
    rng = np.random.default_rng(1)
    values = rng.integers(-4, 5, (3, 40)).astype(dtype)
    offsets = rng.integers(0, 30, (2, 20))

    @njit
    def compute(values, offsets, out):
        gathered = lanes.gather_group(values, (1, 4), offsets, (1, 6))
        lanes.store(out, (0, 0), gathered)
        lanes.store(out, (1, 0), lanes.cumulative_sum(lanes.load_group(values, (2, 5))))
        lanes.store(out, (2, 0), lanes.spread_group(values[0, 1]))

    out = np.empty((3, lanes.GROUP), dtype)
    compute(values, offsets, out)
    np.testing.assert_array_equal(out, [
        values[1, 4 + offsets[1, 6 : 6 + lanes.GROUP]],
        np.cumsum(values[2, 5 : 5 + lanes.GROUP]),
        np.full(lanes.GROUP, values[0, 1]),
    ])


def test_count_of_trailing_zeros():
    @njit
    def compiled(bits):
        return lanes.ctz(bits)

    assert [compiled(bits) for bits in (1, 8, 12, 2**40, -(2**63))] == [0, 3, 2, 40, 63]


def test_compilation_is_announced_once(capsys, monkeypatch):
    monkeypatch.setattr(execution, "_called", set())
    monkeypatch.setattr(execution, "_announcement", execution._Announcement())
    for part in ("forward", "backward"):
        with execution.announcing_compilation(part, np.float32):
            njit(lambda x: x + 1)(1)
    assert capsys.readouterr().err.count("compiling the spike-time kernels") == 1


def test_a_call_without_compilation_is_not_announced(capsys, monkeypatch):
    compiled = njit(lambda x: x + 1)
    compiled(1)
    monkeypatch.setattr(execution, "_called", set())
    monkeypatch.setattr(execution, "_announcement", execution._Announcement())
    with execution.announcing_compilation("forward", np.float32):
        compiled(1)
    assert capsys.readouterr().err == ""


def test_a_change_in_any_module_of_the_kernels_compiles_all_anew(monkeypatch):
    """A cache that knew a function's own file alone would go on with what it called before."""
    cache = execution._Cache(cpu._forward_trials.py_func)
    signature, codegen = cpu._forward_trials.signatures, cpu._forward_trials.targetctx.codegen()
    before = cache._index_key(signature, codegen)
    assert cache._index_key(signature, codegen) == before
    monkeypatch.setattr(execution, "SOURCES", "other")
    assert cache._index_key(signature, codegen) != before


GRADIENTS = """
import hashlib, torch
from ephys_snn.spike_time.kernels import cpu
generator = torch.Generator().manual_seed(1)
times, weights = 2 * torch.rand(7, 50, generator=generator), torch.ones(50, 32)
spike_times, errors = (torch.rand(7, 32, generator=generator) + 1 for _ in range(2))
for equal in (True, False):
    for want_times in (True, False):
        found = cpu.backward(times, weights, spike_times, errors, equal, want_times)
        print([hashlib.sha256(x.numpy().tobytes()).hexdigest() for x in found if x is not None])
"""


@pytest.mark.slow
def test_gradients_have_the_same_bits_where_they_are_compiled_and_later(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    runs = [subprocess.run([sys.executable, "-c", GRADIENTS], env=environment, text=True,
                           capture_output=True, check=True) for _ in range(2)]
    assert ["compiling" in run.stderr for run in runs] == [True, False]
    assert runs[0].stdout == runs[1].stdout


@settings(max_examples=60, deadline=None)
@given(layers(), st.sampled_from([EQUAL, DOUBLE]))
def test_slopes_are_those_of_the_membrane(layer, lif):
    """V'(T) is the sum over the causal inputs of the derivatives of their responses."""
    for kernel in (cpu, reference):
        _, residuals = dimensionless.forward(kernel, *layer, lif, smallest_slope=0.05)
        spiked = torch.isfinite(residuals.spike_times)
        expected = grazing(residuals).clamp(min=0.05)
        torch.testing.assert_close(residuals.slopes[spiked], expected[spiked], rtol=1e-6, atol=1e-6)
