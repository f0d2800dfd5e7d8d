"""Feedforward networks of first-spike neurons under Dale's law: layers, initial weights, files."""

from ephys_snn.network.network import (
    FORMAT,
    PARTNERS,
    SHALLOW,
    Initialization,
    Network,
    load_dictionary,
    save_dictionary,
)

__all__ = ["FORMAT", "PARTNERS", "SHALLOW", "Initialization", "Network", "load_dictionary",
           "save_dictionary"]
