"""The Triton kernels against the reference: compiled where there is a GPU, else interpreted.

Triton's interpreter runs the same source on the processor with NumPy, program by program; it tells
whether the kernels are right, not whether they compile (`test_kernels_compile_for_a_gpu`).
"""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch

from ephys_snn.lif import LIF, volley_delay
from ephys_snn.spike_time import autograd, dimensionless, first_spike_times
from ephys_snn.spike_time.kernels import cpu, reference

if not importlib.util.find_spec("triton"):
    pytest.skip("needs Triton (the extra `gpu`)", allow_module_level=True)

HAS_GPU = torch.cuda.is_available()
DEVICE = "cuda" if HAS_GPU else "cpu"
with pytest.MonkeyPatch.context() as patch:
    if not HAS_GPU:
        patch.setenv("TRITON_INTERPRET", "1")
    from ephys_snn.spike_time.kernels import cuda

# NumPy, which interprets the kernels, warns of what they compute and then do not use.
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
needs_gpu = pytest.mark.skipif(not HAS_GPU, reason="needs a GPU that PyTorch can use")
EQUAL, DOUBLE = LIF(), LIF(tau_m=20.0, tau_s=10.0, threshold=0.7)
both = pytest.mark.parametrize("lif", [EQUAL, DOUBLE], ids=["tau_m=tau_s", "tau_m=2tau_s"])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
inf = torch.inf


@pytest.fixture(autouse=True)
def triton_everywhere(monkeypatch):
    """`first_spike_times` uses the Triton kernels on any device."""
    if not HAS_GPU:
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(autograd, "kernel_of", lambda device_type: cuda)


def layer(seed, n_trials=3, n_pre=20, n_post=5, mean=0.2, sd=0.6):
    """Random times, some silent, some simultaneous, one trial silent; weights of both signs."""
    rng = np.random.default_rng(seed)
    times = rng.uniform(0, 40, (n_trials, n_pre))
    times[:, : n_pre // 5] = times[:, :1]
    times[rng.random(times.shape) < 0.1] = inf
    times[-1] = inf
    weights = rng.normal(mean, sd, (n_pre, n_post))
    return torch.tensor(times), torch.tensor(weights)


def assert_as_the_reference(times, weights, lif, dtype=torch.float64, smallest_slope=0.05):
    """Times and gradients of the kernels equal those of the reference, computed in float64."""
    expected, residuals = dimensionless.forward(reference, times, weights, lif, smallest_slope)
    actual, kernel_residuals = dimensionless.forward(
        cuda, times.to(DEVICE, dtype), weights.to(DEVICE, dtype), lif, smallest_slope)
    assert kernel_residuals.kernel is cuda and actual.dtype == dtype
    single = dtype == torch.float32
    torch.testing.assert_close(
        actual.cpu().double(), expected, rtol=0, atol=2e-3 if single else 1e-9
    )
    grad = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    grad[torch.isinf(expected)] = torch.nan
    gradients = dimensionless.backward(kernel_residuals, grad.to(DEVICE, dtype))
    for gradient, wanted in zip(gradients, dimensionless.backward(residuals, grad), strict=True):
        scale = float(wanted.abs().max()) + 1e-12
        assert gradient.dtype == dtype
        torch.testing.assert_close(
            gradient.cpu().double(), wanted, rtol=0, atol=(3e-3 if single else 1e-9) * scale
        )
    return expected


@both
@dtypes
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_reference(lif, dtype, seed):
    spikes = assert_as_the_reference(*layer(seed), lif, dtype)
    assert 0.1 < torch.isfinite(spikes).double().mean() < 0.9


@both
def test_many_inputs_and_neurons(lif):
    """More than one block of neurons, and spikes in every group of inputs."""
    times, weights = layer(0, n_trials=2, n_pre=3 * cuda.INPUTS[torch.float64] + 1,
                           n_post=cuda.NEURONS + 3, mean=0.1)
    assert_as_the_reference(times, weights, lif, smallest_slope=0.4)


@both
def test_sums_in_slices_and_tiles(lif, monkeypatch):
    monkeypatch.setattr(cuda, "TILE", {torch.float64: 16})
    monkeypatch.setattr(cuda, "PROGRAMS", 40)
    monkeypatch.setattr(cuda, "TERMS", 1)
    assert cuda._slices(4, (2, 2))[1] == 4
    assert_as_the_reference(*layer(1, n_trials=4, n_pre=17, n_post=17), lif)


def test_slices_cover_a_sum_once():
    for n_terms in (1, 2, 31, 33, 80, 400, 8192, 60_000):
        for tiles in ((1, 1), (13, 7), (128, 7), (40, 40)):
            per_slice, n_slices = cuda._slices(n_terms, tiles)
            assert (n_slices - 1) * per_slice < n_terms <= n_slices * per_slice
            n_programs = n_slices * tiles[0] * tiles[1]
            assert n_slices == 1 or n_programs < 2 * cuda.PROGRAMS


@both
@dtypes
@pytest.mark.parametrize("n_before", [0, 17])
def test_crossing_between_two_inputs_is_seen(lif, dtype, n_before):
    """V is below threshold at all inputs and peaks above it between two, wherever they are."""
    weakest = lif.threshold / lif.response(np.linspace(0, 20, 20_001)).max()
    times = torch.cat([torch.zeros(n_before), torch.tensor([0.0, 5 * lif.tau_m, 150.0])])[None]
    weights = torch.zeros(n_before + 3, 2, dtype=torch.float64)
    weights[-3], weights[-2], weights[-1] = 1.01 * weakest, -1e3, 0.1
    weights[-3, 1] = 0.99 * weakest
    spikes = first_spike_times(times.to(DEVICE, dtype), weights.to(DEVICE, dtype), lif).cpu()
    expected = [volley_delay(1.01 * weakest, lif), inf]
    np.testing.assert_allclose(spikes[0], expected, rtol=1e-3 if dtype == torch.float32 else 1e-9)


@both
def test_inhibition_right_after_the_crossing_does_not_hide_it(lif):
    delay = float(volley_delay(20.0, lif))
    times = torch.tensor([[0.0, 0.5 * delay, delay + 1e-3, delay + 0.1, 30.0]]).double()
    weights = torch.tensor([20.0, 0, -1e4, -1e4, 1])[:, None].double()
    spike = first_spike_times(times.to(DEVICE), weights.to(DEVICE), lif).item()
    assert spike == pytest.approx(delay, rel=1e-9)


@both
@dtypes
@pytest.mark.parametrize("net_weight", [2.0, 3.0, 10.0, 1e4])
def test_simultaneous_inputs_act_as_one(lif, net_weight, dtype):
    times = torch.full((1, 20), 4.0, dtype=dtype, device=DEVICE)
    weights = torch.full((20, 2), net_weight / 20, dtype=dtype, device=DEVICE)
    expected = 4 + volley_delay(net_weight, lif)
    actual = first_spike_times(times, weights, lif).cpu()
    np.testing.assert_allclose(actual, np.full((1, 2), expected), rtol=2e-6)


@both
@dtypes
@pytest.mark.parametrize("span", [400.0, 1e5])
def test_long_trials_neither_overflow_nor_lose_digits(lif, dtype, span):
    times, weights = (x.to(DEVICE, dtype) for x in layer(5, n_pre=15, mean=0.5))
    late = times.clone()
    late[:, 8:] += span
    spikes, residuals = dimensionless.forward(cuda, late, weights, lif)
    alone = dimensionless.forward(cuda, times[:, :8], weights[:8], lif)[0]
    after = dimensionless.forward(cuda, late[:, 8:], weights[8:], lif)[0]
    assert spikes.dtype == dtype and torch.isfinite(alone).any() and torch.isinf(alone).any()
    # What is left of the early inputs, and the resolution of float32 at such times.
    tolerance = 1e-6 + 1000 * np.exp(-span / lif.tau_m) + 4 * torch.finfo(dtype).eps * span
    expected = torch.where(torch.isfinite(alone), alone, after)
    torch.testing.assert_close(spikes, expected, rtol=0, atol=tolerance)
    gradients = dimensionless.backward(residuals, torch.ones_like(spikes))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_input_gradients_of_a_spike_sum_to_one():
    times, weights = (x.to(DEVICE) for x in layer(4, n_post=1, mean=1.0))
    times.requires_grad_()
    spikes = first_spike_times(times, weights)
    torch.where(torch.isfinite(spikes), spikes, 0).sum().backward()
    sums = times.grad.sum(dim=1)[torch.isfinite(spikes[:, 0])]
    assert len(sums)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_what_is_not_wanted_is_not_computed():
    times, weights = (x.to(DEVICE) for x in layer(0, n_trials=1, n_pre=4, n_post=2))
    spikes, residuals = dimensionless.forward(cuda, times, weights, EQUAL)
    assert dimensionless.backward(residuals, torch.ones_like(spikes), want_times=False)[0] is None


def test_layout_in_memory_does_not_matter():
    times, weights = (x.to(DEVICE) for x in layer(2, n_trials=4, n_pre=9, n_post=3))
    grad = torch.rand(4, 3, dtype=torch.float64, device=DEVICE)

    def results(times, weights, grad):
        spikes, residuals = dimensionless.forward(cuda, times, weights, EQUAL)
        return spikes, *dimensionless.backward(residuals, grad)

    strided = [x.T.contiguous().T for x in (times, weights, grad)]
    for actual, expected in zip(results(*strided), results(times, weights, grad), strict=True):
        assert torch.equal(actual, expected)


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (2, 4, 0)])
def test_empty_dimensions(shape):
    n_trials, n_pre, n_post = shape
    times = torch.zeros(n_trials, n_pre, requires_grad=True, device=DEVICE)
    weights = torch.zeros(n_pre, n_post, requires_grad=True, device=DEVICE)
    spikes = first_spike_times(times, weights)
    assert spikes.shape == (n_trials, n_post) and torch.isinf(spikes).all()
    torch.where(torch.isinf(spikes), 0, spikes).sum().backward()
    assert times.grad.shape == times.shape and weights.grad.shape == weights.shape


@pytest.mark.slow
@pytest.mark.skipif(HAS_GPU, reason="on a GPU every other test compiles them")
@pytest.mark.parametrize("architecture", [80, 90])
def test_kernels_compile_for_a_gpu(architecture, monkeypatch):
    """No GPU is needed to compile for one, in a process without the interpreter."""
    monkeypatch.delenv("TRITON_INTERPRET")
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(architecture)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["compiled"] * 12


COMPILE = """
import itertools, sys
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from ephys_snn.spike_time.kernels import cuda

for dtype, equal in itertools.product((torch.float32, torch.float64), (True, False)):
    tile = cuda.TILE[dtype]
    for kernel, n_warps, sides in (
        (cuda._scan, 1, {"INPUTS": cuda.INPUTS[dtype], "NEURONS": cuda.NEURONS}),
        (cuda._pull_weights, 4, {"INPUTS": tile, "NEURONS": tile}),
        (cuda._pull_times, 4, {"TRIALS": tile, "INPUTS": tile}),
    ):
        constants = {"equal": equal, "single": dtype == torch.float32, **sides}
        names = kernel.arg_names
        types = {"order": "*i64", "n_events": "*i32"} | dict.fromkeys(
            ("n_trials", "n_pre", "n_post", "per_slice"), "i32") | dict.fromkeys(
            constants, "constexpr")
        array = "*fp32" if dtype == torch.float32 else "*fp64"
        source = ASTSource(
            kernel, {name: types.get(name, array) for name in names},
            constexprs={(k,): constants[name] for k, name in enumerate(names)
                        if name in constants})
        triton.compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32),
                       options={"num_warps": n_warps})
        print("compiled")
"""


# On a GPU ----------------------------------------------------------------------------------------


@needs_gpu
@both
def test_a_gpu_agrees_with_the_processor(lif, monkeypatch):
    monkeypatch.undo()
    times, weights = layer(6, n_trials=200, n_pre=784, n_post=400, mean=0.02, sd=0.1)
    times, weights = times.float(), weights.float()

    def results(device):
        arguments = [x.to(device).requires_grad_() for x in (times, weights)]
        spikes = first_spike_times(*arguments, lif)
        torch.where(torch.isfinite(spikes), spikes, 0).sum().backward()
        return spikes.detach().cpu(), *(x.grad.cpu() for x in arguments)

    first, again, expected = results("cuda"), results("cuda"), results("cpu")
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    assert (torch.isfinite(first[0]) == torch.isfinite(expected[0])).float().mean() > 0.999
    difference = (first[0] - expected[0])[torch.isfinite(first[0]) & torch.isfinite(expected[0])]
    assert difference.abs().median() < 1e-5 * lif.tau_m
    for actual, wanted in zip(first[1:], expected[1:], strict=True):
        assert (actual - wanted).norm() < 1e-2 * wanted.norm()


@needs_gpu
def test_thousands_of_trials_fit_in_memory():
    n_trials, n_pre, n_post = 8192, 784, 400
    torch.cuda.reset_peak_memory_stats()
    times = 20 * torch.rand(n_trials, n_pre, device=DEVICE)
    weights = (0.02 + 0.1 * torch.randn(n_pre, n_post, device=DEVICE)).requires_grad_()
    first_spike_times(times.requires_grad_(), weights).nan_to_num(posinf=0).sum().backward()
    # (trial, pre, post) numbers alone would take 10 GB.
    assert torch.cuda.max_memory_allocated() < 1e9


# Which kernel serves a device --------------------------------------------------------------------


def test_devices_have_their_kernels(monkeypatch):
    monkeypatch.undo()
    kernels = {device: autograd.kernel_of(device) for device in ("cpu", "cuda", "mps", "xpu")}
    assert kernels == {"cpu": cpu, "cuda": cuda, "mps": reference, "xpu": reference}


def test_a_gpu_without_triton_is_slow_and_says_so(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(autograd, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="Triton is not installed.*slow"):
        assert autograd.kernel_of.__wrapped__("cuda") is reference
