"""How do I get at latencies, spike trains and weights of a recording?

python examples/analyse_a_recording.py [RECORDING.nix]
"""

import sys
from pathlib import Path

import numpy as np
from elephant.statistics import mean_firing_rate

from ephys_snn.cli import command
from ephys_snn.recording import Recording, choose_windows

SAMPLE = Path(__file__).resolve().parent.parent / "recordings" / "sample_digits.nix"


@command
def main(path: str | Path = SAMPLE) -> None:
    """Describe every area, and the weights between areas."""
    recording = Recording.read(path)
    windows = choose_windows(recording)  # until the decision, else the whole trial
    responses = recording.responses(windows)
    print(f"{windows.description}:")
    for area in recording.areas:
        units = recording.units_in(area)
        latency = responses.latency[:, units]  # (trial, unit) ms, inf where silent
        active = np.isfinite(latency)
        rates = [mean_firing_rate(train).rescale("Hz") for train in recording.spike_trains(units)]
        when = f", median latency {np.median(latency[active]):.2f} ms" if active.any() else ""
        print(f"{area}: {len(units)} units at {np.mean(rates):.1f} Hz, active in "
              f"{active.mean():.0%} of the responses{when}")
    for (source, target), weights in recording.weights.items():
        print(f"{source} -> {target}: {weights.shape} synapses, "
              f"{np.mean(weights > 0):.0%} excitatory")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
