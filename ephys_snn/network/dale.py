"""Dale's law: all synapses that a neuron makes are excitatory, or all are inhibitory.

A network keeps the law by projection: after every optimizer step each weight of the wrong sign is
set to the nearest weight allowed, which is 0. With s_i = +1 for an excitatory and −1 for an
inhibitory presynaptic neuron i,

    w_ij  ←  s_i max(s_i w_ij, 0).
"""

import numpy as np
import torch

from ephys_snn.errors import InputError

EXCITATORY = "excitatory"
INHIBITORY = "inhibitory"
UNKNOWN = ""  # the type of neurons that need not keep the law


def cell_types(n_neurons: int, excitatory: float) -> np.ndarray:
    """Cell types (n_neurons,) of a layer, 'excitatory' ones first, then 'inhibitory' ones.

    The fraction of excitatory neurons, in (0, 1] or an `InputError`, is rounded to whole neurons
    but never to none: inhibition alone would silence the layers above.
    """
    if not 0 < excitatory <= 1:
        raise InputError(
            "the excitatory fraction must lie above 0 and be at most 1 "
            f"(0.75 makes three of four neurons excitatory); got {excitatory:g}"
        )
    n_excitatory = max(round(n_neurons * excitatory), 1)
    return np.where(np.arange(n_neurons) < n_excitatory, EXCITATORY, INHIBITORY)


def signs(types: np.ndarray) -> torch.Tensor:
    """Signs (pre, 1) of the synapses of neurons of the types (pre,), +1 excitatory, −1 inhibitory.

    They broadcast over weights (pre, post). Other types are an `InputError`.
    """
    types = np.asarray(types)
    unknown = set(types.tolist()) - {EXCITATORY, INHIBITORY}
    if unknown:
        raise InputError(
            f"cell types must be '{EXCITATORY}' or '{INHIBITORY}'; got {min(unknown)!r}"
        )
    return torch.from_numpy(np.where(types == EXCITATORY, 1.0, -1.0))[:, None].float()


def types_of(sign: torch.Tensor) -> np.ndarray:
    """Cell types (pre,) from the signs (pre, 1) that `signs` gave them."""
    return np.where(sign[:, 0].cpu().numpy() > 0, EXCITATORY, INHIBITORY)


def project_(weights: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    """Set the weights (pre, post) of the wrong sign to 0, in place, and return them.

    The `sign` (pre, 1) of each presynaptic neuron is +1 or −1.
    """
    with torch.no_grad():
        return weights.mul_(sign).clamp_(min=0).mul_(sign)


def obeys(weights: torch.Tensor, sign: torch.Tensor) -> bool:
    """Whether no weight of shape (pre, post) has the wrong sign."""
    return bool((weights * sign >= 0).all())
