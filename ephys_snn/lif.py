r"""Leaky integrate-and-fire neurons with exponential synaptic currents.

.. math::

    \tau_m \dot V = -V + I, \qquad \tau_s \dot I = -I, \qquad I \leftarrow I + w
    \ \text{at an input}

The neuron rests at 0 and spikes when V first reaches the threshold θ. An input of weight w at time
0 moves the membrane by w·k(t), t ≥ 0, with

.. math::

    k(t) = \frac{t}{\tau}\,e^{-t/\tau} \quad (\tau_m = \tau_s = \tau), \qquad
    k(t) = e^{-t/\tau_m} - e^{-t/\tau_s} \quad (\tau_m = 2\,\tau_s),

with I and V in the unit of the threshold. At these two ratios of the time constants the time of the
threshold crossing has a closed form; no other is accepted.

References
----------
Göltz et al., Fast and energy-efficient neuromorphic deep learning with first-spike times,
Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import lambertw

from ephys_snn.errors import InputError


@dataclass(frozen=True)
class LIF:
    """Parameters of a leaky integrate-and-fire neuron.

    Parameters
    ----------
    tau_m, tau_s : float
        Membrane and synaptic time constant in ms; `tau_m` is `tau_s` or twice `tau_s`.
    threshold : float
        Distance θ from rest to threshold, in the unit of the weights.

    Raises
    ------
    InputError
        If a parameter is not positive and finite, or the ratio of the time constants is not 1 or 2.
    """

    tau_m: float = 10.0
    tau_s: float = 10.0
    threshold: float = 1.0

    def __post_init__(self):
        for name in ("tau_m", "tau_s", "threshold"):
            value = getattr(self, name)
            if not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
                raise InputError(f"`{name}` must be a positive number; got {value!r}.")
            object.__setattr__(self, name, float(value))
        if not any(math.isclose(self.tau_m, ratio * self.tau_s) for ratio in (1, 2)):
            raise InputError(
                "`tau_m` must be `tau_s` or twice `tau_s`, where spike times have a closed form; "
                f"got tau_m = {self.tau_m:g} ms and tau_s = {self.tau_s:g} ms."
            )

    @property
    def equal_time_constants(self) -> bool:
        """Whether tau_m = tau_s; otherwise tau_m = 2 tau_s."""
        return math.isclose(self.tau_m, self.tau_s)

    def response(self, t):
        """Membrane response k(t) to an input of weight 1 at time 0.

        Parameters
        ----------
        t : array_like
            Time since the input in ms, of any shape; ``inf`` gives 0.

        Returns
        -------
        numpy.ndarray
            k(t) in the unit of the threshold, in the shape of `t`; 0 for t < 0.
        """
        s = np.maximum(np.asarray(t, float), 0) / self.tau_m
        decay = np.exp(-s)
        if not self.equal_time_constants:
            return decay - decay**2
        return np.where(np.isinf(s), 0, s) * decay

    def response_slope(self, t):
        """Slope dk/dt of the membrane response in 1/ms; 0 for t < 0, as it rises at t = 0.

        `t` and the shape of what is returned are those of `response`.
        """
        since = np.asarray(t, float)
        s = np.maximum(since, 0) / self.tau_m
        decay = np.exp(-s)
        slope = (1 - np.where(np.isinf(s), 0, s)) * decay if self.equal_time_constants \
            else 2 * decay**2 - decay
        return np.where(since >= 0, slope, 0) / self.tau_m


def membrane(t, input_times, weights, lif: LIF = LIF()):
    """Membrane potential without a threshold, by summing the responses to all inputs.

    Parameters
    ----------
    t : array_like, shape (time,)
        Times in ms.
    input_times : array_like, shape (pre,)
        Input spike times in ms; ``inf`` for silent inputs.
    weights : array_like, shape (pre, post)
        Synaptic weights.
    lif : LIF
        Neuron parameters.

    Returns
    -------
    numpy.ndarray, shape (time, post)
        V(t) in the unit of the threshold.
    """
    input_times = np.asarray(input_times, float)
    spiking = np.isfinite(input_times)
    since_input = np.asarray(t, float)[:, None] - input_times[spiking]
    return lif.response(since_input) @ np.asarray(weights, float)[spiking]


def volley_delay(net_weight, lif: LIF = LIF()):
    """Time from a synchronous volley to the spike of a neuron at rest.

    Parameters
    ----------
    net_weight : array_like
        Sum of the weights of the volley's synapses onto the neuron, of any shape.
    lif : LIF
        Neuron parameters.

    Returns
    -------
    numpy.ndarray
        Delay in ms, in the shape of `net_weight`; ``inf`` where the volley fails to reach
        threshold, which takes a net weight of e·θ for equal time constants and of 4·θ for
        tau_m = 2 tau_s.
    """
    excess = np.asarray(net_weight, float) / lif.threshold
    weakest = math.e if lif.equal_time_constants else 4.0
    reaches = excess >= weakest
    excess = np.where(reaches, excess, weakest)
    if lif.equal_time_constants:
        delay = -lambertw(-1 / excess).real
    else:
        delay = -np.log((1 + np.sqrt(1 - 4 / excess)) / 2)
    return np.where(reaches, lif.tau_m * delay, np.inf)
