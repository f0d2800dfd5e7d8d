"""The file of a network: a dictionary of tensors and plain values, packed by PyTorch and sealed.

    format, format_version   what the file is
    lif                      parameters of the neurons
    cell_types               of each hidden layer, a list of 'excitatory' and 'inhibitory'
    weights                  a tensor (pre, post) for each layer
    weights_sha256           hash of all of them
    metadata                 the `ModelCard`
    run                      in checkpoints only: the state of an unfinished training

Version 1 had other names for some values; they are translated when it is read.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write, seal, verify
from ephys_snn.lif import LIF
from ephys_snn.network.model_card import ModelCard

FORMAT = "ephys_snn.network"
FORMAT_VERSION = 2
# What version 1 called values of a card's `initialization` and of `run`.
_NAMES_OF_VERSION_1 = {"spread": "net_weight_cv", "partners": "in_degree", "tally": "counts",
                       "ends": "last_t_stop"}


class ModelContent(NamedTuple):
    """What the file of a network holds."""

    weights: Sequence[torch.Tensor]  # each (pre, post)
    lif: LIF
    cell_types: Sequence[np.ndarray]  # of each hidden layer, (neuron,) str
    card: ModelCard
    run: dict | None = None  # state of an unfinished training, in tensors and plain values


def weights_sha256(weights: Sequence[torch.Tensor]) -> str:
    """Hash of weights, in the order of the layers."""
    digest = hashlib.sha256()
    for matrix in weights:
        digest.update(np.ascontiguousarray(matrix.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def save_model(path: str | Path, content: ModelContent) -> None:
    """Write a network to a file, which is whole or what it was before.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    values = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "lif": asdict(content.lif),
        "cell_types": [types.tolist() for types in content.cell_types],
        "weights": [weights.detach().cpu() for weights in content.weights],
        "weights_sha256": weights_sha256(content.weights),
        "metadata": content.card.to_dictionary(),
    }
    if content.run is not None:
        values["run"] = content.run
    # Through memory, because PyTorch does not say that a disk is full when it writes itself.
    packed = io.BytesIO()
    torch.save(values, packed)
    with atomic_write(path) as temporary:
        temporary.write_bytes(packed.getbuffer())
        seal(temporary)


def load_model(path: str | Path, description: str = "a network") -> ModelContent:
    """Read what `save_model` wrote; no code in the file is run.

    Parameters
    ----------
    path : str or Path
        The file.
    description : str
        What it should be, for the error.

    Raises
    ------
    InputError
        If there is no such file, or it is no such file.
    """
    values = _read(Path(path), description)
    version = values.get("format_version")
    if version not in range(1, FORMAT_VERSION + 1):
        raise InputError(
            f"{path} has version {version} of the format of networks, and this program reads "
            f"version {FORMAT_VERSION} and earlier; install the version of ephys_snn that wrote it"
        )
    try:
        if version == 1:
            _translate(values)
        content = ModelContent(
            weights=list(values["weights"]),
            lif=LIF(**values["lif"]),
            cell_types=[np.array(types) for types in values["cell_types"]],
            card=ModelCard.from_dictionary(values["metadata"]),
            run=values.get("run"),
        )
        # Files of earlier versions of the project have no hash.
        sha256 = weights_sha256(content.weights)
        if values.get("weights_sha256", sha256) != sha256:
            raise ValueError("its weights are not those that were saved (another SHA-256)")
        if not all(weights.ndim == 2 and weights.is_floating_point()
                   and torch.isfinite(weights).all() for weights in content.weights):
            raise ValueError("some weights are nan, infinite or no matrix of numbers")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    return content


def _read(path: Path, description: str) -> dict:
    """The dictionary in a file that says of itself that it is a network."""
    if not path.is_file():
        raise InputError(f"no such file: {path}; give {description} that ephys_snn.train wrote")
    verify(path)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage can make the unpickler stumble anywhere
        raise InputError(
            f"{path} is not {description} that ephys_snn.train wrote, or it is damaged"
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(f"{path} is not {description} that ephys_snn.train wrote")
    return values


def _translate(values: dict) -> None:
    """Give the values of a file of version 1 their present names, in place."""
    for holder, name in ((values["metadata"], "initialization"), (values, "run")):
        if name in holder:
            holder[name] = {_NAMES_OF_VERSION_1.get(key, key): value
                            for key, value in holder[name].items()}
