"""A layer of neurons of which each spikes at most once, as a module of PyTorch."""

import numpy as np
import torch

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF
from ephys_snn.network import dale
from ephys_snn.network.initial_weights import Initialization, draw_weights
from ephys_snn.spike_time import SMALLEST_SLOPE, first_spike_times


class FirstSpikeLayer(torch.nn.Module):
    """A layer of first-spike neurons: spike times in, spike times out.

    Parameters
    ----------
    weight : torch.Tensor, shape (pre, post)
        Synaptic weights, in float32 or float64.
    lif : LIF
        Parameters of the neurons.
    presynaptic_types : array of str, shape (pre,), optional
        'excitatory' or 'inhibitory', for Dale's law; none for inputs, and '' for neurons, that may
        do both.

    Attributes
    ----------
    weight : torch.nn.Parameter, shape (pre, post)
    sign : torch.Tensor, shape (pre, 1), or None
        A buffer: +1 for excitatory presynaptic neurons, −1 for inhibitory ones.

    Raises
    ------
    InputError
        If there are not as many types as presynaptic neurons.

    Examples
    --------
    >>> network = torch.nn.Sequential(FirstSpikeLayer.draw(784, 100), FirstSpikeLayer.draw(100, 10))
    >>> network(torch.rand(5, 784)).shape
    torch.Size([5, 10])
    """

    def __init__(self, weight: torch.Tensor, lif: LIF = LIF(),
                 presynaptic_types: np.ndarray | None = None):
        super().__init__()
        self.lif = lif
        self.weight = torch.nn.Parameter(weight)
        sign = None
        if presynaptic_types is not None:
            if len(presynaptic_types) != len(weight):
                raise InputError(
                    f"`presynaptic_types` must name the type of each of the {len(weight)} "
                    f"presynaptic neurons; got {len(presynaptic_types)}")
            if not (presynaptic_types == dale.UNKNOWN).all():
                sign = dale.signs(presynaptic_types).to(self.weight)
        self.register_buffer("sign", sign)

    @classmethod
    def draw(
        cls,
        n_pre: int,
        n_post: int,
        lif: LIF = LIF(),
        presynaptic_types: np.ndarray | None = None,
        initialization: Initialization = Initialization(),
        rng: int | np.random.Generator = 0,
    ) -> "FirstSpikeLayer":
        """A layer with initial weights; for the parameters see there and `Initialization`.

        `rng` is a seed or a generator.
        """
        weight = draw_weights(n_pre, n_post, presynaptic_types, lif.threshold, initialization,
                              np.random.default_rng(rng))
        return cls(weight, lif, presynaptic_types)

    @property
    def presynaptic_types(self) -> np.ndarray | None:
        """'excitatory' or 'inhibitory' for each presynaptic neuron (pre,); None without the law."""
        return None if self.sign is None else dale.types_of(self.sign)

    def forward(self, times: torch.Tensor, t_stop: torch.Tensor | None = None,
                smallest_slope: float = SMALLEST_SLOPE) -> torch.Tensor:
        """First-spike times (trial, post) in ms; the arguments are those of `first_spike_times`."""
        return first_spike_times(times, self.weight, self.lif, smallest_slope, t_stop)

    def apply_dale_(self) -> "FirstSpikeLayer":
        """Set the weights of the wrong sign to 0, in place, as after a step of an optimizer."""
        if self.sign is not None:
            dale.project_(self.weight, self.sign)
        return self

    def extra_repr(self) -> str:
        """What `print` says of the layer."""
        n_pre, n_post = self.weight.shape
        kinds = "" if self.sign is None else f", {int((self.sign > 0).sum())} of them excitatory"
        return f"{n_pre} presynaptic neurons{kinds}, {n_post} neurons, {self.lif}"
