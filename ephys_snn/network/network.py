"""Feedforward networks of first-spike neurons under Dale's law.

Layer l turns the spike times t^{l-1} of the layer below into the first-spike times
t^l = first_spike_times(t^{l-1}, W^l). The first output neuron to spike decides for its class.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ephys_snn.errors import InputError
from ephys_snn.lif import LIF
from ephys_snn.network import dale
from ephys_snn.network.first_spike_layer import FirstSpikeLayer
from ephys_snn.network.initial_weights import Initialization
from ephys_snn.network.model_card import ModelCard
from ephys_snn.network.model_file import ModelContent, load_model, save_model, weights_sha256
from ephys_snn.spike_time import SMALLEST_SLOPE, censor


class Network(torch.nn.Module):
    """A feedforward network, as a module of PyTorch.

    Parameters
    ----------
    weights : sequence of torch.Tensor, each of shape (pre, post)
        One per hidden layer, then the output layer's.
    lif : LIF
        Parameters of all neurons.
    cell_types : sequence of array of str
        'excitatory' or 'inhibitory' for the neurons of each hidden layer, excitatory ones first;
        '' for those that need not obey Dale's law.
    card : ModelCard
        How the network came about.

    Attributes
    ----------
    layers : torch.nn.ModuleList of FirstSpikeLayer
        Hidden layers and, last, the output layer.

    Raises
    ------
    InputError
        If the layers do not fit each other or the cell types.
    """

    def __init__(
        self,
        weights: Sequence[torch.Tensor],
        lif: LIF = LIF(),
        cell_types: Sequence[np.ndarray] = (),
        card: ModelCard = ModelCard(),
    ):
        super().__init__()
        sizes = [len(matrix) for matrix in weights[1:]]
        if not weights or [matrix.shape[1] for matrix in weights[:-1]] != sizes:
            raise InputError("`weights` must have a row for each neuron of the layer before; got "
                             f"shapes {[tuple(matrix.shape) for matrix in weights]}")
        if [len(types) for types in cell_types] != sizes:
            raise InputError(f"`cell_types` must name the types of {sizes} neurons of the hidden "
                             f"layers; got {[len(types) for types in cell_types]}")
        self.lif = lif
        self.card = card
        self.layers = torch.nn.ModuleList(
            FirstSpikeLayer(matrix, lif, types)
            for matrix, types in zip(weights, [None, *cell_types], strict=True))

    @classmethod
    def draw(
        cls,
        layer_sizes: Sequence[int],
        lif: LIF = LIF(),
        excitatory: float = 0.75,
        seed: int = 0,
        initialization: Initialization = Initialization(),
        dale_law: bool = True,
    ) -> "Network":
        """Draw an untrained network.

        Parameters
        ----------
        layer_sizes : sequence of int
            Numbers of inputs, of neurons of each hidden layer, and of outputs.
        lif : LIF
            Parameters of all neurons.
        excitatory : float
            Fraction of excitatory neurons in every hidden layer, above 0 and at most 1.
        seed : int
            The same seed gives the same weights.
        initialization : Initialization
            How weights are drawn.
        dale_law : bool
            Whether neurons keep the type of their initial weights. Without the law the weights are
            the same, but free to change their signs, and nothing is excitatory or inhibitory.

        Raises
        ------
        InputError
            If a layer is empty or the fraction is out of range.
        """
        sizes = [int(size) for size in layer_sizes]
        if len(sizes) < 2 or min(sizes) < 1:
            raise InputError("`layer_sizes` must be the numbers of inputs, of each hidden layer "
                             f"and of outputs, each at least 1; got {sizes}")
        rng = np.random.default_rng(seed)
        types = [None, *(dale.cell_types(size, excitatory) for size in sizes[1:-1])]
        layers = [FirstSpikeLayer.draw(pre, post, lif, presynaptic, initialization, rng)
                  for pre, post, presynaptic in zip(sizes, sizes[1:], types, strict=False)]
        kept = [each if dale_law else np.full(len(each), dale.UNKNOWN) for each in types[1:]]
        network = cls([layer.weight for layer in layers], lif, kept)
        network.card = ModelCard(int(seed), float(excitatory), initialization, network.sha256(),
                                 dale_law=dale_law)
        return network

    @property
    def weights(self) -> list[torch.nn.Parameter]:
        """Weights (pre, post) of each hidden layer and of the output layer."""
        return [layer.weight for layer in self.layers]

    @property
    def signs(self) -> list[torch.Tensor | None]:
        """Sign of the presynaptic neurons of each layer's weights (pre, 1); None for the inputs."""
        return [layer.sign for layer in self.layers]

    @property
    def cell_types(self) -> list[np.ndarray]:
        """'excitatory' or 'inhibitory' for the neurons of each hidden layer; '' without the law."""
        return [np.full(len(layer.weight), dale.UNKNOWN) if layer.presynaptic_types is None
                else layer.presynaptic_types for layer in self.layers[1:]]

    @property
    def layer_sizes(self) -> list[int]:
        """Numbers of inputs, of neurons of each hidden layer, and of outputs."""
        return [len(self.weights[0]), *(weights.shape[1] for weights in self.weights)]

    @property
    def areas(self) -> list[str]:
        """Names of the inputs and of every layer."""
        return ["input", *(f"layer_{depth}" for depth in range(1, len(self.layers))), "output"]

    def forward(
        self,
        input_times: torch.Tensor | np.ndarray,
        t_stop: torch.Tensor | None = None,
        smallest_slope: float = SMALLEST_SLOPE,
    ) -> list[torch.Tensor]:
        """First-spike times of every layer.

        Parameters
        ----------
        input_times : torch.Tensor or numpy.ndarray, shape (trial, input)
            Input spike times in ms; inf for silent inputs.
        t_stop : torch.Tensor, shape (trial,), optional
            Time in ms from which on nothing is computed: later spikes are inf.
        smallest_slope : float
            See `first_spike_times`.

        Returns
        -------
        list of torch.Tensor, each of shape (trial, neuron)
            Spike times in ms of the hidden layers and, last, the output layer; inf for silent
            neurons. In the type and on the device of the weights.
        """
        times = torch.as_tensor(input_times).to(self.layers[0].weight)
        if times.ndim != 2 or times.shape[1] != self.layer_sizes[0]:
            raise InputError(
                f"`input_times` must have the shape (trial, {self.layer_sizes[0]}); "
                f"got {tuple(times.shape)}"
            )
        if t_stop is not None:
            times = censor(times, t_stop)
        spike_times = []
        for layer in self.layers:
            times = layer(times, t_stop, smallest_slope)
            spike_times.append(times)
        return spike_times

    @staticmethod
    def decision(output_times: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Class decided for in each trial: that of the first output neuron to spike.

        Parameters
        ----------
        output_times : torch.Tensor or numpy.ndarray, shape (trial, class)
            Spike times of the output layer; inf for silent neurons.

        Returns
        -------
        torch.Tensor of int64, shape (trial,)
            Index of the class, the lowest where several spike at once; −1 where none spikes.
        """
        output_times = torch.as_tensor(output_times)
        first = output_times.argmin(dim=1)
        return torch.where(torch.isfinite(output_times).any(dim=1), first, -1)

    def apply_dale_(self) -> "Network":
        """Set the weights of the wrong sign to 0, in place, as after a step of an optimizer."""
        for layer in self.layers:
            layer.apply_dale_()
        return self

    def sha256(self) -> str:
        """Hash of all weights, in the order of the layers."""
        return weights_sha256(self.weights)

    def untrained(self) -> "Network":
        """The network before training, redrawn from its seed.

        Raises
        ------
        InputError
            If the seed is unknown, or redrawing gives other weights than those stored by hash.
        """
        card = self.card
        drawn_by = (card.excitatory_fraction, card.seed, card.initialization)
        if None in (*drawn_by, card.untrained_sha256):
            raise InputError("the untrained network cannot be redrawn: the model does not say how "
                             "its weights were initialized")
        network = Network.draw(self.layer_sizes, self.lif, *drawn_by, dale_law=card.dale_law)
        if network.sha256() != card.untrained_sha256:
            raise InputError(
                f"the untrained network cannot be redrawn: seed {card.seed} gives other weights "
                "here than when the model was trained (with "
                f"{card.versions or 'unknown versions'}); use these versions"
            )
        network.card = replace(card, history=(), trained=False, test_accuracy=None,
                               test_accuracy_by_class=None)
        return network

    def save(self, path: str | Path) -> None:
        """Write the network to a file, which is whole or what it was before.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        save_model(path, ModelContent(self.weights, self.lif, self.cell_types, self.card))

    @classmethod
    def load(cls, path: str | Path) -> "Network":
        """Read a network from a file that `save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it is not such a network.
        """
        content = load_model(path)
        try:
            return cls(content.weights, content.lif, content.cell_types, content.card)
        except InputError as error:
            raise InputError(f"{path} is damaged: {error}") from error
