"""Train deep spiking networks, record them as if they were brains, analyse both alike."""

__version__ = "0.1.0"
