"""How does a spike time depend on weights and input times, exactly?

python examples/spike_time_gradients.py
"""

import torch

from ephys_snn.lif import LIF
from ephys_snn.spike_time import first_spike_times

inputs = torch.tensor([[1.0, 4.0, float("inf")]], requires_grad=True)  # (trial, pre) ms
weights = torch.tensor([[2.5, 0.5], [1.5, 0.5], [3.0, 9.0]], requires_grad=True)  # (pre, post)

spikes = first_spike_times(inputs, weights, LIF(tau_m=10, tau_s=10))  # (trial, post) ms
print(f"spike times: {spikes.tolist()} ms; inf = silent")
spikes[0, 0].backward()
print(f"ms per unit of weight: {weights.grad[:, 0].tolist()}")
print(f"ms per ms of input time: {inputs.grad[0].tolist()}, which sum to 1")
