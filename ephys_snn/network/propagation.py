r"""How differences between neurons and between stimuli travel through layers of first spikes.

A layer receives a volley: presynaptic neuron i spikes at m + s_i, with s_i small against the delay
d of the response. Neuron j has the net weight W_j = Σ_i w_ij, with mean W and standard deviation
ς·W between the neurons (`Initialization.net_weight_cv`). To first order it spikes at

.. math::

    T_j = m + d(W_j) + \sum_i \frac{w_{ij}}{W_j}\, s_i, \qquad W_j\, k(d) = \theta,

since ∂T_j/∂t_i = w_ij k'(d) / Σ_i w_ij k'(d). From W k(d) = θ a neuron with a net weight larger by
the factor 1 + ε spikes earlier by ε D, where

.. math::

    D = k(d) / k'(d), \qquad \text{for } \tau_m = \tau_s:\; D = d / (1 - d/\tau).

The weights are independent, so Σ_i Var(w_ij) = ς² W², and three quantities follow.

*Width*, the standard deviation σ between the neurons of a layer in one trial:

.. math:: \sigma_{l+1}^2 = \varsigma^2 (D^2 + \sigma_l^2), \qquad
          \sigma_\infty = \varsigma D / \sqrt{1 - \varsigma^2} .

It forgets the width of the input; without differences between neurons (ς → 0) all of them spike at
once, layers above cannot tell one from another, and a network that is deep enough cannot learn.

*Differences between stimuli*: deviations of each neuron's time from its mean over the stimuli,
beyond the deviation common to the layer, have a standard deviation ν with

.. math:: \nu_{l+1} = \varsigma\, \nu_l,

while a shift common to all neurons passes undiminished (a time shift of the input shifts the
output). So without training differences between stimuli fade as ς^depth but for when the volley
comes, and ς ≈ 0.1, which independent weights around a positive mean give a layer of 400, erases
them in two or three layers. Volleys as wide as the delay, where inhibition late in the volley no
longer counts, fade more slowly than this.

*Two numbers in one.* Both rows above have the same ς only because all weights are independent. What
widens the layer is the variation of the net weights W_j; what carries differences is the gain
g² = Σ_i w_ij² / W², the inhomogeneity of the weights onto one neuron:

.. math:: \sigma_{l+1}^2 = \varsigma^2 D^2 + g^2 \sigma_l^2, \qquad \nu_{l+1} = g\, \nu_l .

A dense layer cannot have g = 1 without ς = 1, where a fifth of the neurons falls silent, many
others only graze threshold, and gradients become chaotic. A sparse one can: a small in-degree and
weights scaled to the same net weight for every neuron give ς = 0 and any g. Deep networks begin so
(`initial_weights`). In training g falls, unless excitation is held back (`training.homeostasis`).

*The common mode of the gradient*: ∂T_j/∂w_ij = −k(T_j − t_i)/V'(T_j) is nearly the same for all i,
−D/W; the part by which it differs between presynaptic neurons is smaller by the factor σ/D. Of its
mean square the fraction

.. math:: \left(1 + \sigma^2 / D^2\right)^{-1}

says nothing but "earlier" or "later", to all synapses of a neuron alike. An optimizer that sizes
its steps by this mean square (Adam) moves the net weight of N synapses by N steps in one, and the
layer as a whole runs away before any weight has learned; hence the centralization in `training`
and ς = 0.5 at the start in `initial_weights`.

The theory is linear: it holds where volleys are narrow and no neuron is near failing to spike.
"""

import numpy as np

from ephys_snn.lif import LIF, volley_delay


def sensitivity(net_weight, lif: LIF = LIF()):
    """Advance D in ms of the spike per relative increase of the net weight.

    The arguments are those of `volley_delay`; ``inf`` where the volley just reaches threshold or
    fails to.
    """
    delay = volley_delay(net_weight, lif) / lif.tau_m
    with np.errstate(divide="ignore", invalid="ignore"):
        if lif.equal_time_constants:
            advance = delay / (1 - delay)
        else:
            advance = (1 - np.exp(-delay)) / (2 * np.exp(-delay) - 1)
    return np.where(np.isfinite(delay), lif.tau_m * advance, np.inf)


def next_width(width, net_weight_cv: float, advance: float):
    """Width σ in ms of the next layer, from that of a layer, ς and D in ms."""
    return net_weight_cv * np.hypot(advance, width)


def final_width(net_weight_cv: float, advance: float) -> float:
    """Width in ms that volleys approach with depth; ``inf`` for a ς of 1 or more."""
    if net_weight_cv >= 1:
        return np.inf
    return net_weight_cv * advance / np.sqrt(1 - net_weight_cv**2)


def next_pattern(pattern, net_weight_cv: float):
    """Standard deviation ν in ms of the differences between stimuli in the next layer."""
    return net_weight_cv * np.asarray(pattern)


def common_fraction(width, advance: float):
    """Fraction of the mean square of a neuron's weight gradient that all its synapses share."""
    return 1 / (1 + (np.asarray(width) / advance) ** 2)
