"""Exact first spike times of a layer of neurons, and their gradients.

`first_spike_times` is what others use; beneath it lie simultaneous inputs, which count as one, and
a kernel per kind of device.
"""

from ephys_snn.spike_time.autograd import first_spike_times
from ephys_snn.spike_time.dimensionless import SMALLEST_SLOPE, censor

__all__ = ["SMALLEST_SLOPE", "censor", "first_spike_times"]
