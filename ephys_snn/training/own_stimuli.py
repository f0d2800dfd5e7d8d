"""The stimuli that a network was trained on, found again by what its model file says."""

from __future__ import annotations

from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.stimuli import NAMED, LatencyCode, Stimuli, choose_classes, encode, load_data


def load_own_stimuli(network: Network, data: str | None = None,
                     model: str | Path = "the network") -> Stimuli:
    """The data that a network was trained on, encoded as in training.

    Parameters
    ----------
    network : Network
    data : str, optional
        Where they are, if not where they were in training.
    model : str or Path
        What messages call the network: its file.

    Raises
    ------
    InputError
        If they are not to be found, or do not fit the network.
    """
    card = network.card
    source = data or (card.data and (card.data.path or card.data.source))
    if card.encoding is None:
        raise InputError(f"{model} does not say how its data were encoded; "
                         "train it with python -m ephys_snn.train")
    if source is None:
        raise InputError(f"{model} was trained on arrays that no file is known to hold; "
                         "name a file that holds them with --data")
    if not data and source not in NAMED and not Path(source).exists():
        raise InputError(f"the data that {model} was trained on are no longer at {source}; "
                         "say with --data where they are")
    data_set = load_data(source)
    classes = card.classes or data_set.classes
    if set(classes) <= set(data_set.classes):  # else the check says what does not fit
        data_set = choose_classes(data_set, classes)
    stimuli = encode(data_set, LatencyCode(**card.encoding), str(source))
    _check_fit(network, stimuli)
    return stimuli


def _check_fit(network: Network, stimuli: Stimuli) -> None:
    n_inputs, n_classes = network.layer_sizes[0], network.layer_sizes[-1]
    if (n_inputs, n_classes) != (stimuli.n_inputs, len(stimuli.classes)):
        raise InputError(
            f"the data set {stimuli.name} has {stimuli.n_inputs} inputs and "
            f"{len(stimuli.classes)} classes, but the network has {n_inputs} inputs and "
            f"{n_classes} outputs; name the network's own data with --data")
