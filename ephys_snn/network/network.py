r"""Feedforward networks of first-spike neurons under Dale's law.

Layer l turns the spike times t^{l-1} of the layer below into the first-spike times
t^l = first_spike_times(t^{l-1}, W^l). The first output neuron to spike decides for its class.

Initial weights are chosen by what a synchronous volley of all presynaptic neurons would do. Its
net weight w onto a neuron makes that neuron spike after the delay −τ W₀(−θ/w) (`lif.volley_delay`),
so a volley travels at the same pace through layers of any width if w is the same in all of them.
The net weight is the difference of excitation E and inhibition ρE, each weight drawn from an
exponential distribution of mean E/N_exc or −ρE/N_inh. Hence

.. math::

    E = w / (1 - \rho), \qquad
    \sigma^2 = E^2 \left( 1/N_{exc} + \rho^2/N_{inh} \right),

σ being the standard deviation of the net weight between the neurons of a layer. If all neurons were
alike (σ = 0) they would spike at once whatever the stimulus; the balance ρ is therefore chosen such
that σ = s·w for a given spread s, in layers of any width. Inputs have no cell type; their weights
are normal with mean w/N and standard deviation `INPUT_SPREAD`·θ/√N.

In such a network what tells stimuli apart fades by the factor s from layer to layer, and a spread
of 1 would silence neurons and make gradients chaotic (see `propagation`). Networks deeper than
`SHALLOW` hidden layers therefore begin sparse: each neuron hears K excitatory and K inhibitory
partners, whose weights are r·w and (1 − r)·w times numbers that are uniformly distributed on the
simplex (they add up to 1), so that every neuron has the net weight w. Their squares add up to
2 / (K + 1) on average, and differences between neurons pass undiminished if

.. math:: \left( r^2 + (r - 1)^2 \right) \frac{2}{K + 1} = 1, \qquad r = (1 + \sqrt K) / 2 .
"""

import hashlib
import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write, seal, verify
from ephys_snn.lif import LIF
from ephys_snn.network import dale
from ephys_snn.spike_time import SMALLEST_SLOPE, censor, first_spike_times

FORMAT = "ephys_snn.network"
FORMAT_VERSION = 1
INPUT_SPREAD = 2.8
SHALLOW = 4
PARTNERS = 4


@dataclass(frozen=True)
class Initialization:
    """How initial weights are drawn.

    Parameters
    ----------
    net_weight : float
        Summed weight of all synapses of a neuron, in units of the threshold; a synchronous volley
        needs more than e to make the neuron spike.
    spread : float
        Standard deviation of the net weight between the neurons of a layer, relative to its mean.
    partners : int or None
        Number of excitatory, and of inhibitory, partners of each neuron of a network that begins
        sparse; None for one that begins with all connections.
    spiking_inputs : float or None
        How many inputs spike in a typical trial; None if all do.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    net_weight: float = 10.0
    spread: float = 0.5
    partners: int | None = None
    spiking_inputs: float | None = None

    def __post_init__(self):
        if not math.e < self.net_weight < math.inf:
            raise InputError(
                "the initial net weight must exceed e = 2.72 thresholds, or nothing spikes; "
                f"got {self.net_weight:g}"
            )
        if not 0 < self.spread < math.inf:
            raise InputError(f"the initial spread must be above 0; got {self.spread:g}")
        if self.partners is not None and self.partners < 1:
            raise InputError(f"a neuron needs at least 1 partner; got {self.partners}")

    @classmethod
    def for_depth(cls, n_hidden: int, **arguments) -> "Initialization":
        """What suits a network of so many hidden layers: sparse if it is deep."""
        return cls(**{"partners": PARTNERS if n_hidden > SHALLOW else None, **arguments})

    def balance(self, n_excitatory: int, n_inhibitory: int) -> float:
        """Inhibition ρ relative to excitation that gives the spread; 0 where none is needed.

        Parameters
        ----------
        n_excitatory, n_inhibitory : int
            Numbers of presynaptic neurons.

        Returns
        -------
        float
            At least 0 and below 1: the smaller root of 1/N_exc + ρ²/N_inh = s² (1 − ρ)².
        """
        wanted = self.spread**2
        constant = wanted - 1 / n_excitatory
        if n_inhibitory == 0 or constant <= 0:
            return 0.0
        square = wanted - 1 / n_inhibitory
        # The form of the root that holds for square = 0 too.
        return constant / (wanted + math.sqrt(wanted**2 - square * constant))


@dataclass
class Network:
    """A feedforward network: weights, neuron parameters, cell types and how it came about.

    Parameters
    ----------
    weights : list of torch.Tensor, each of shape (pre, post)
        One per hidden layer, then the output layer's.
    lif : LIF
        Parameters of all neurons.
    cell_types : list of numpy.ndarray of str
        'excitatory' or 'inhibitory' for the neurons of each hidden layer, excitatory ones first.
    metadata : dict
        Plain values (numbers, strings, lists, dicts): data, encoding, classes, seed, history, ...
    """

    weights: list[torch.Tensor]
    lif: LIF
    cell_types: list[np.ndarray]
    metadata: dict = field(default_factory=dict)

    @classmethod
    def draw(
        cls,
        layer_sizes: list[int],
        lif: LIF = LIF(),
        excitatory: float = 0.75,
        seed: int = 0,
        initialization: Initialization = Initialization(),
    ) -> "Network":
        """Draw an untrained network.

        Parameters
        ----------
        layer_sizes : list of int
            Numbers of inputs, of neurons of each hidden layer, and of outputs.
        lif : LIF
            Parameters of all neurons.
        excitatory : float
            Fraction of excitatory neurons in every hidden layer, above 0 and at most 1.
        seed : int
            The same seed gives the same weights.
        initialization : Initialization
            How weights are drawn.

        Raises
        ------
        InputError
            If a layer is empty or the fraction is out of range.
        """
        layer_sizes = [int(size) for size in layer_sizes]
        if len(layer_sizes) < 2 or min(layer_sizes) < 1:
            raise InputError(
                "`layer_sizes` must be the numbers of inputs, of each hidden layer and of outputs, "
                f"each at least 1; got {layer_sizes}"
            )
        generator = np.random.default_rng(seed)
        types = [dale.cell_types(size, excitatory) for size in layer_sizes[1:-1]]
        weights = [
            _draw_weights(pre, post, presynaptic, lif.threshold, initialization, generator)
            for pre, post, presynaptic in zip(layer_sizes, layer_sizes[1:], [None, *types],
                                              strict=False)
        ]
        network = cls(weights, lif, types)
        network.metadata = {
            "seed": int(seed),
            "excitatory_fraction": float(excitatory),
            "initialization": asdict(initialization),
            "untrained_sha256": network.sha256(),
        }
        return network

    @property
    def layer_sizes(self) -> list[int]:
        """Numbers of inputs, of neurons of each hidden layer, and of outputs."""
        return [len(self.weights[0]), *(weights.shape[1] for weights in self.weights)]

    @property
    def areas(self) -> list[str]:
        """Names of the inputs and of every layer."""
        return ["input", *(f"layer_{depth}" for depth in range(1, len(self.weights))), "output"]

    @property
    def signs(self) -> list[torch.Tensor | None]:
        """Sign of the presynaptic neurons of each weight matrix (pre, 1); None for the inputs."""
        return [None, *(dale.signs(types) for types in self.cell_types)]

    def __call__(
        self,
        input_times,
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
            neurons. In the type of the weights.
        """
        times = torch.as_tensor(input_times).to(self.weights[0])
        if times.ndim != 2 or times.shape[1] != self.layer_sizes[0]:
            raise InputError(
                f"`input_times` must have the shape (trial, {self.layer_sizes[0]}); "
                f"got {tuple(times.shape)}"
            )
        if t_stop is not None:
            times = censor(times, t_stop)
        layers = []
        for weights in self.weights:
            times = first_spike_times(times, weights, self.lif, smallest_slope, t_stop)
            layers.append(times)
        return layers

    @staticmethod
    def decision(output_times) -> torch.Tensor:
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

    def sha256(self) -> str:
        """Hash of all weights, in the order of the layers."""
        digest = hashlib.sha256()
        for weights in self.weights:
            digest.update(np.ascontiguousarray(weights.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()

    def untrained(self) -> "Network":
        """The network before training, redrawn from its seed.

        Raises
        ------
        InputError
            If the seed is unknown, or redrawing gives other weights than those stored by hash.
        """
        try:
            known = self.metadata
            network = Network.draw(
                self.layer_sizes, self.lif, known["excitatory_fraction"], known["seed"],
                Initialization(**known["initialization"]),
            )
            stored = known["untrained_sha256"]
        except (KeyError, TypeError) as error:
            raise InputError(
                "the untrained network cannot be redrawn: the model does not say how its weights "
                f"were initialized ({error})"
            ) from error
        if network.sha256() != stored:
            raise InputError(
                "the untrained network cannot be redrawn: seed "
                f"{known['seed']} gives other weights here than when the model was trained "
                f"(with {known.get('versions', 'unknown versions')}); use these versions"
            )
        network.metadata = {**self.metadata, "history": [], "trained": False}
        return network

    def save(self, path: str | Path) -> None:
        """Write the network to a file, which is whole or what it was before.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        save_dictionary(path, self.to_dictionary())

    def to_dictionary(self) -> dict:
        """All that a file of the network holds."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "lif": asdict(self.lif),
            "cell_types": [types.tolist() for types in self.cell_types],
            "weights": [weights.detach().cpu() for weights in self.weights],
            "weights_sha256": self.sha256(),
            # Through JSON, so that a value which no other program could read fails here.
            "metadata": json.loads(json.dumps(self.metadata)),
        }

    @classmethod
    def load(cls, path: str | Path) -> "Network":
        """Read a network from a file that `save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it is not such a network.
        """
        content = load_dictionary(path, FORMAT, "a network")
        if content.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"{path} has version {content.get('format_version')} of the format of networks, "
                f"and this program reads version {FORMAT_VERSION}; install the version of "
                "ephys_snn that wrote it"
            )
        try:
            network = cls(
                weights=list(content["weights"]),
                lif=LIF(**content["lif"]),
                cell_types=[np.array(types) for types in content["cell_types"]],
                metadata=content["metadata"],
            )
            sizes = [len(types) for types in network.cell_types]
            pre_sizes = [len(weights) for weights in network.weights[1:]]
            if not network.weights or network.layer_sizes[1:-1] != sizes or pre_sizes != sizes:
                raise ValueError("the layers' sizes do not match")
            # Files of earlier versions of the project have no hash.
            if content.get("weights_sha256", network.sha256()) != network.sha256():
                raise ValueError("its weights are not those that were saved (another SHA-256)")
            if not all(torch.isfinite(weights).all() for weights in network.weights):
                raise ValueError("some weights are nan or infinite")
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"{path} is damaged: {error}") from error
        return network


def save_dictionary(path: str | Path, content: dict) -> None:
    """Write a dictionary for `load_dictionary` to a file, which is whole or what it was before.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    # Through memory, because PyTorch does not say that a disk is full when it writes itself.
    packed = io.BytesIO()
    torch.save(content, packed)
    with atomic_write(path) as temporary:
        temporary.write_bytes(packed.getbuffer())
        seal(temporary)


def load_dictionary(path: str | Path, kind: str, description: str) -> dict:
    """Read a dictionary that says of itself, under 'format', what it is.

    Parameters
    ----------
    path : str or Path
        File written by `torch.save`; no code in it is run.
    kind : str
        What 'format' must say.
    description : str
        The same in words, for the error.

    Raises
    ------
    InputError
        If there is no such file, or it is of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}; give {description} that ephys_snn.train wrote")
    verify(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage can make the unpickler stumble anywhere
        raise InputError(
            f"{path} is not {description} that ephys_snn.train wrote, or it is damaged"
        ) from error
    if not isinstance(content, dict) or content.get("format") != kind:
        raise InputError(f"{path} is not {description} that ephys_snn.train wrote")
    return content


def _draw_weights(
    pre: int,
    post: int,
    presynaptic: np.ndarray | None,
    threshold: float,
    initialization: Initialization,
    generator: np.random.Generator,
) -> torch.Tensor:
    """Initial weights (pre, post) of a layer whose inputs have the cell types `presynaptic`."""
    net = initialization.net_weight * threshold
    if presynaptic is None:
        n_spiking = initialization.spiking_inputs or pre
        spread = INPUT_SPREAD * threshold / math.sqrt(n_spiking)
        return torch.from_numpy(generator.normal(net / n_spiking, spread, (pre, post))).float()
    n_excitatory = int((presynaptic == dale.EXCITATORY).sum())
    if initialization.partners is not None:
        weights = _draw_sparse(n_excitatory, pre, post, initialization.partners, generator)
        return torch.from_numpy(net * weights).float()
    n_inhibitory = pre - n_excitatory
    balance = initialization.balance(n_excitatory, n_inhibitory)
    excitation = net / (1 - balance)
    scale = np.full((pre, 1), excitation / n_excitatory)
    scale[n_excitatory:] = -balance * excitation / max(n_inhibitory, 1)
    return torch.from_numpy(generator.standard_exponential((pre, post)) * scale).float()


def _draw_sparse(
    n_excitatory: int, pre: int, post: int, partners: int, generator: np.random.Generator
) -> np.ndarray:
    """Weights (pre, post) from partners alone, which add up to 1 for every neuron."""
    has_inhibition = pre > n_excitatory
    ratio = (1 + math.sqrt(partners)) / 2 if has_inhibition else 1.0
    weights = np.zeros((pre, post))
    kinds = [(0, n_excitatory, ratio), (n_excitatory, pre, 1 - ratio)]
    for first, stop, total in kinds[:1 + has_inhibition]:
        n_chosen = min(partners, stop - first)
        order = generator.random((post, stop - first)).argsort(axis=1)[:, :n_chosen]
        share = generator.dirichlet(np.ones(n_chosen), post)
        weights[first + order, np.arange(post)[:, None]] = total * share
    return weights
