"""The neuron: its equations against a numerical integration, its parameters' checks."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF, membrane, volley_delay

NEURONS = [LIF(), LIF(tau_m=8.0, tau_s=4.0, threshold=0.7)]


def integrate(t, input_times, weights, lif):
    """V(t) of one neuron by integrating its two equations from input to input."""
    state, present, voltages = np.zeros(2), 0.0, np.zeros(len(t))
    borders = [*sorted(zip(input_times, weights, strict=True)), (t[-1] + 1, 0.0)]
    for border, weight in borders:
        within = (t >= present) & (t < border)
        solution = solve_ivp(
            lambda _, s: [(s[1] - s[0]) / lif.tau_m, -s[1] / lif.tau_s],
            (present, border),
            state,
            rtol=1e-10,
            atol=1e-12,
            dense_output=True,
        )
        if within.any():
            voltages[within] = solution.sol(t[within])[0]
        state, present = solution.y[:, -1] + [0, weight], border
    return voltages


@pytest.mark.parametrize("lif", NEURONS)
def test_membrane_solves_the_differential_equations(lif):
    t = np.linspace(0, 80, 200)
    input_times, weights = [3.0, 5.5, 5.5, 30.0], [2.0, -1.5, 0.7, 4.0]
    expected = integrate(t, input_times, weights, lif)
    # The synapse with tau_m = 2 tau_s responds with w (exp(-t/tau_m) - exp(-t/tau_s)), which is the
    # solution for the current's jump w; with equal constants w (t/tau) exp(-t/tau) is.
    actual = membrane(t, [*input_times, np.inf], np.array([*weights, 9.0])[:, None], lif)
    np.testing.assert_allclose(actual[:, 0], expected, atol=1e-8)


@pytest.mark.parametrize(("lif", "peak"), [(LIF(), np.exp(-1)), (LIF(20.0, 10.0), 0.25)])
def test_response_peaks_at_the_inverse_of_the_weakest_effective_volley(lif, peak):
    t = np.linspace(-20, 200, 100_001)
    response = lif.response(t)
    assert response.max() == pytest.approx(peak, rel=1e-6)
    assert not response[t <= 0].any()
    assert lif.response(np.inf) == 0
    assert volley_delay(1.0001 / peak * lif.threshold, lif) < np.inf
    assert volley_delay(0.9999 / peak * lif.threshold, lif) == np.inf


@pytest.mark.parametrize("lif", NEURONS)
@pytest.mark.parametrize("excess", [1.01, 2.0, 50.0])
def test_volley_delay_is_the_first_crossing(lif, excess):
    net_weight = excess * lif.threshold / lif.response(np.linspace(0, 50, 50_001)).max()
    to_peak = lif.tau_m if lif.equal_time_constants else lif.tau_m * np.log(2)
    expected = brentq(lambda t: net_weight * lif.response(t) - lif.threshold, 0, to_peak)
    assert volley_delay(net_weight, lif) == pytest.approx(expected, rel=1e-9)


def test_volley_delay_keeps_the_shape():
    assert volley_delay([[1.0, 5.0, 9.0]]).shape == (1, 3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tau_m": 0.0}, "`tau_m` must be a positive number; got 0.0"),
        ({"tau_s": -1.0}, "`tau_s` must be a positive number; got -1.0"),
        ({"threshold": float("nan")}, "`threshold` must be a positive number; got nan"),
        ({"threshold": float("inf")}, "`threshold` must be a positive number; got inf"),
        ({"tau_m": "10"}, "`tau_m` must be a positive number; got '10'"),
        ({"tau_m": 15.0}, "`tau_m` must be `tau_s` or twice `tau_s`.*15 ms and tau_s = 10 ms"),
        ({"tau_m": 5.0}, "`tau_m` must be `tau_s` or twice `tau_s`"),
    ],
)
def test_impossible_parameters_are_refused(parameters, message):
    with pytest.raises(InputError, match=message):
        LIF(**parameters)


@pytest.mark.parametrize("lif", [LIF(), LIF(tau_m=20.0, tau_s=10.0)])
def test_the_slope_is_the_derivative_of_the_response(lif):
    t = np.linspace(0.01, 60, 200)
    measured = (lif.response(t + 1e-6) - lif.response(t - 1e-6)) / 2e-6
    np.testing.assert_allclose(lif.response_slope(t), measured, atol=1e-8)
    assert lif.response_slope(0.0) > 0 and lif.response_slope(-1e-9) == 0
    assert lif.response_slope(np.inf) == 0
