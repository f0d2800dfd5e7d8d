r"""When the membrane crosses threshold, and how steeply, from its causal sums.

After its last input before the spike the membrane follows from A and B alone (see
`ephys_snn.spike_time.kernels.scan`), times in τ_m and weights in θ, so that V(T) = 1 can be solved:

- τ_m = τ_s: V = (t A - B) e^{-t} peaks at 1 + B/A, with V_peak = A e^{-1 - B/A}, and crosses
  threshold a time h before the peak, h + ln(1 - h) = -ln V_peak, or h = 1 + W₀(-1 / (e V_peak))
  with the principal branch of the Lambert W function; V̇(T) = A e^{-T} - 1.
- τ_m = 2 τ_s: V = A u - B u² with u = e^{-t} is 1 first at the larger root u, which is
  e^T = 2 B / (A + √(A² - 4 B)); V̇(T) = B e^{-2T} - 1.

Göltz et al., Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from ephys_snn.spike_time.kernels.execution import kernel

SERIES = (
    0.9999999743, -0.333330259, 0.1527164698, -0.07915001143, 0.04256695851, -0.0213802551,
    0.008625190296, -0.002296974924, 0.0002879395979,
)
"""Chebyshev approximation of h / p in powers of p = √(2 (1 - 1 / V_peak)), accurate to 3e-8."""


@kernel
def solve_equal(a, b, times, slopes):
    """Spike times, inf where silent, and V̇ there, for τ_m = τ_s.

    `times` holds the time of a trial's last input, or -1 for neurons that crossed threshold before.
    The others cross after it if their peak is yet to come, and high enough.
    """
    zero, one = a.dtype.type(0), a.dtype.type(1)
    for o in range(a.size):
        last = times[o]
        safe = a[o] if a[o] > 0 else one
        peak = one + b[o] / safe
        inverse = exp(peak) / safe
        spikes = (a[o] > 0) & (peak > last) & ((last < 0) | (inverse <= one))
        time = peak - crossing_before_peak(inverse if inverse < one else one)
        slope = a[o] * exp(-time if spikes else zero) - one
        times[o] = time if spikes else np.inf
        slopes[o] = slope if spikes else zero


@kernel
def solve_double(a, b, times, slopes):
    """As `solve_equal` for τ_m = 2 τ_s; `times` holds the exponential of the last input's time."""
    zero, one = a.dtype.type(0), a.dtype.type(1)
    two, four = a.dtype.type(2), a.dtype.type(4)
    for o in range(a.size):
        last = times[o]
        safe = b[o] if b[o] > 0 else one
        square = a[o] * a[o] - four * safe
        rises = (two * b[o] > a[o] * last) & (square >= 0)
        spikes = (a[o] > 0) & (b[o] > 0) & ((last < 0) | rises)
        root = np.sqrt(square if square > 0 else zero)
        time = np.log(two * safe / (a[o] + root)) if spikes else np.inf
        decay = exp(-time if spikes else zero)
        times[o] = time
        slopes[o] = b[o] * decay * decay - one if spikes else zero


def exp(x):
    """e^x, in float32 by a polynomial that compilers turn into vector instructions."""
    raise NotImplementedError("compiled only")


@overload(exp)
def _exp_of_dtype(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def exp(x):
        x = x if x > np.float32(-87) else np.float32(-87)
        x = x if x < np.float32(88) else np.float32(88)
        n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
        r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1 / 5040)
        for coefficient in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
            p = p * r + np.float32(coefficient)
        return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)

    return exp


def crossing_before_peak(inverse):
    """Time h from the crossing to the peak, h + ln(1 - h) = ln(inverse), inverse = 1 / V_peak.

    h is analytic in p = √(2 (1 - inverse)) on all of [0, √2], and so close to a polynomial.
    """
    raise NotImplementedError("compiled only")


@overload(crossing_before_peak)
def _crossing_before_peak_of_dtype(inverse):
    if inverse == types.float32:

        def crossing(inverse):
            p = np.sqrt(np.float32(2) * (np.float32(1) - inverse))
            h = np.float32(SERIES[-1])
            for coefficient in SERIES[-2::-1]:
                h = h * p + np.float32(coefficient)
            return h * p
    else:

        def crossing(inverse):
            p = np.sqrt(2 * (1 - inverse))
            y = SERIES[-1]
            for coefficient in SERIES[-2::-1]:
                y = y * p + coefficient
            # Two steps of Halley's method for y = 1 - h; y e^-y = inverse / e, so y > inverse / e.
            y = max(1 - y * p, inverse / math.e)
            for _ in range(2):
                h = 1 - y
                if h <= 0 or inverse <= 0:
                    break
                newton = y * (h + math.log(y / inverse)) / h
                y -= newton / (1 + newton / (2 * y * h))
            return 1 - y

    return crossing
