r"""Initial weights, chosen by what a synchronous volley of all presynaptic neurons would do.

Its net weight w onto a neuron makes that neuron spike after the delay −τ W₀(−θ/w)
(`lif.volley_delay`), so a volley travels at the same pace through layers of any width if w is the
same in all of them. The net weight is the difference of excitation E and inhibition ρE, each weight
drawn from an exponential distribution of mean E/N_exc or −ρE/N_inh. Hence

.. math::

    E = w / (1 - \rho), \qquad
    \sigma^2 = E^2 \left( 1/N_{exc} + \rho^2/N_{inh} \right),

σ being the standard deviation of the net weight between the neurons of a layer. If all neurons were
alike (σ = 0) they would spike at once whatever the stimulus; the balance ρ is therefore chosen such
that σ = ς·w for a given coefficient of variation ς, in layers of any width. Inputs have no cell
type; their weights are normal with mean w/N and standard deviation `INPUT_SD`·θ/√N.

In such a network differences between stimuli fade by the factor ς from layer to layer, and ς = 1
would silence neurons and make gradients chaotic (see `propagation`). Networks deeper than `SHALLOW`
hidden layers therefore begin sparse: each neuron has synapses from K excitatory and K inhibitory
neurons, whose weights are r·w and (1 − r)·w times numbers that are uniformly distributed on the
simplex (they add up to 1), so that every neuron has the net weight w. Their squares add up to
2 / (K + 1) on average, and differences between neurons pass undiminished if

.. math:: \left( r^2 + (r - 1)^2 \right) \frac{2}{K + 1} = 1, \qquad r = (1 + \sqrt K) / 2 .
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ephys_snn.errors import InputError
from ephys_snn.network import dale

INPUT_SD = 2.8
SHALLOW = 4
IN_DEGREE = 4


@dataclass(frozen=True)
class Initialization:
    """How initial weights are drawn.

    Parameters
    ----------
    net_weight : float
        Summed weight of all synapses of a neuron, in units of the threshold; a synchronous volley
        needs more than e to make the neuron spike.
    net_weight_cv : float
        Coefficient of variation ς of the net weight between the neurons of a layer: its standard
        deviation relative to its mean.
    in_degree : int or None
        From how many excitatory, and from how many inhibitory, neurons each neuron of a network
        that begins sparse has synapses; None for one that begins with all connections.
    spiking_inputs : float or None
        How many inputs spike in a typical trial; None if all do.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    net_weight: float = 10.0
    net_weight_cv: float = 0.5
    in_degree: int | None = None
    spiking_inputs: float | None = None

    def __post_init__(self):
        if not math.e < self.net_weight < math.inf:
            raise InputError(
                "the initial net weight must exceed e = 2.72 thresholds, or nothing spikes; "
                f"got {self.net_weight:g}"
            )
        if not 0 < self.net_weight_cv < math.inf:
            raise InputError("the coefficient of variation of the initial net weights must be "
                             f"above 0; got {self.net_weight_cv:g}")
        if self.in_degree is not None and self.in_degree < 1:
            raise InputError(f"the in-degree must be at least 1; got {self.in_degree}")

    @classmethod
    def for_depth(cls, n_hidden: int, **arguments) -> "Initialization":
        """What suits a network of so many hidden layers: sparse if it is deep."""
        return cls(**{"in_degree": IN_DEGREE if n_hidden > SHALLOW else None, **arguments})

    def balance(self, n_excitatory: int, n_inhibitory: int) -> float:
        """Inhibition ρ relative to excitation that gives ς, for numbers of presynaptic neurons.

        At least 0, where none is needed, and below 1: the smaller root of
        1/N_exc + ρ²/N_inh = ς² (1 − ρ)².
        """
        wanted = self.net_weight_cv**2
        constant = wanted - 1 / n_excitatory
        if n_inhibitory == 0 or constant <= 0:
            return 0.0
        square = wanted - 1 / n_inhibitory
        # The form of the root that holds for square = 0 too.
        return constant / (wanted + math.sqrt(wanted**2 - square * constant))


def draw_weights(
    n_pre: int,
    n_post: int,
    presynaptic_types: np.ndarray | None,
    threshold: float,
    initialization: Initialization,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Initial weights (pre, post) of a layer, in float32 and the unit of the `threshold`.

    Of the presynaptic types (pre,) excitatory ones come first; inputs have none.
    """
    net_weight = initialization.net_weight * threshold
    if presynaptic_types is None:
        n_spiking = initialization.spiking_inputs or n_pre
        sd = INPUT_SD * threshold / math.sqrt(n_spiking)
        return torch.from_numpy(rng.normal(net_weight / n_spiking, sd, (n_pre, n_post))).float()
    n_excitatory = int((presynaptic_types == dale.EXCITATORY).sum())
    if initialization.in_degree is not None:
        weights = _draw_sparse(n_excitatory, n_pre, n_post, initialization.in_degree, rng)
        return torch.from_numpy(net_weight * weights).float()
    n_inhibitory = n_pre - n_excitatory
    balance = initialization.balance(n_excitatory, n_inhibitory)
    excitation = net_weight / (1 - balance)
    scale = np.full((n_pre, 1), excitation / n_excitatory)
    scale[n_excitatory:] = -balance * excitation / max(n_inhibitory, 1)
    return torch.from_numpy(rng.standard_exponential((n_pre, n_post)) * scale).float()


def _draw_sparse(
    n_excitatory: int, n_pre: int, n_post: int, in_degree: int, rng: np.random.Generator
) -> np.ndarray:
    """Weights (pre, post) from few neurons of either type, which add up to 1 for every neuron."""
    has_inhibition = n_pre > n_excitatory
    ratio = (1 + math.sqrt(in_degree)) / 2 if has_inhibition else 1.0
    weights = np.zeros((n_pre, n_post))
    kinds = [(0, n_excitatory, ratio), (n_excitatory, n_pre, 1 - ratio)]
    for first, stop, total in kinds[:1 + has_inhibition]:
        n_chosen = min(in_degree, stop - first)
        order = rng.random((n_post, stop - first)).argsort(axis=1)[:, :n_chosen]
        fraction = rng.dirichlet(np.ones(n_chosen), n_post)
        weights[first + order, np.arange(n_post)[:, None]] = total * fraction
    return weights
