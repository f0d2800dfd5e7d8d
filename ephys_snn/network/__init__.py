"""Feedforward networks of first-spike neurons under Dale's law.

`Network` and its `FirstSpikeLayer` are modules of PyTorch; `Initialization` says how their weights
are drawn, `ModelCard` how a network came about. Model files hold all of it. Beneath: Dale's law,
and the theory of how volleys travel through layers (`propagation`).
"""

from ephys_snn.network.dale import EXCITATORY, INHIBITORY, UNKNOWN, obeys, project_
from ephys_snn.network.first_spike_layer import FirstSpikeLayer
from ephys_snn.network.initial_weights import IN_DEGREE, SHALLOW, Initialization
from ephys_snn.network.model_card import ModelCard, TrainingData
from ephys_snn.network.model_file import ModelContent, load_model, save_model
from ephys_snn.network.network import Network

__all__ = ["EXCITATORY", "INHIBITORY", "IN_DEGREE", "SHALLOW", "UNKNOWN", "FirstSpikeLayer",
           "Initialization", "ModelCard", "ModelContent", "Network", "TrainingData",
           "load_model", "obeys", "project_", "save_model"]
