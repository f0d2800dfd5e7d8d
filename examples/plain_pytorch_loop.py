"""How do I train a network with a loop of my own, as any module of PyTorch?

python examples/plain_pytorch_loop.py
"""

import torch

from ephys_snn.network import Network
from ephys_snn.stimuli import load_stimuli
from ephys_snn.training import first_spike_loss

stimuli = load_stimuli("digits")  # 8 x 8 pixels, the darker the earlier
times, labels = (torch.as_tensor(part) for part in stimuli.part("train"))
network = Network.draw([stimuli.n_inputs, 100, len(stimuli.classes)])
optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
for epoch in range(15):
    for chosen in torch.randperm(len(times), generator=torch.manual_seed(epoch)).split(30):
        output_times = network(times[chosen])[-1]  # (trial, class) ms
        loss = first_spike_loss(output_times, labels[chosen], network.lif.tau_s).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        network.apply_dale_()

times, labels = (torch.as_tensor(part) for part in stimuli.part("test"))
with torch.no_grad():
    decided = network.decision(network(times)[-1])
print(f"test accuracy {(decided == labels).double().mean():.3f}")
