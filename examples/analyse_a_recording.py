"""How do I get at latencies, spike trains and weights of a recording?

python examples/analyse_a_recording.py [RECORDING.nix]
"""

import sys
from pathlib import Path

import numpy as np
from elephant.statistics import mean_firing_rate

from ephys_snn.recording import Recording, fixed_windows

SAMPLE = Path(__file__).resolve().parent.parent / "recordings" / "sample_digits.nix"
recording = Recording.read(sys.argv[1] if len(sys.argv) > 1 else SAMPLE)

responses = recording.responses(fixed_windows(recording.trials, 0, 20))  # ms after the onset
for area in recording.areas:
    units = recording.units_in(area)
    latency = responses.latency[:, units]  # (trial, unit) ms, inf where silent
    rates = [mean_firing_rate(train).rescale("Hz") for train in recording.spike_trains(units)]
    print(f"{area}: {len(units)} units at {np.mean(rates):.1f} Hz, active in "
          f"{np.isfinite(latency).mean():.0%} of the trials, median latency "
          f"{np.median(latency[np.isfinite(latency)]):.2f} ms")
for (source, target), weights in recording.weights.items():
    print(f"{source} -> {target}: {weights.shape} synapses, {np.mean(weights > 0):.0%} excitatory")
