"""Pathways: speed and memory against their limits, where nothing is planted and where much is.

    python benchmarks/pathways.py                              2,400 units x 10,000 trials
    python benchmarks/pathways.py --units 300 --trials 1000    smaller

The limits: 60 s and 2 GB on two cores, the recording's own arrays included. The units are in six
areas, of which every two neighbours have weights, as a network's; the labels are of ten classes.
"""

import argparse
import itertools
import resource
import sys
import time

import numpy as np

from ephys_snn.analysis.pathways.pathways import measure_pathways
from ephys_snn.recording import Recording, Trials, Units, epoch_windows

SECONDS, GIGABYTES = 60.0, 2.0
N_CLASSES, N_AREAS = 10, 6


def planted_recording(n_units: int, n_trials: int, rng: np.random.Generator) -> Recording:
    """Six areas and an output, a fifth of the units more active for one class each."""
    per_area = n_units // N_AREAS
    onset = 100.0 * np.arange(n_trials)
    label = rng.integers(N_CLASSES, size=n_trials)
    areas = [*(f"layer_{depth}" for depth in range(1, N_AREAS + 1)), "output"]
    area = np.repeat(areas, [per_area] * N_AREAS + [N_CLASSES])
    prefers = rng.integers(5 * N_CLASSES, size=len(area))
    spikes = [(onset + 80.0 * rng.random(n_trials))[
        rng.random(n_trials) < 0.2 + 0.5 * (label == prefers[unit])] for unit in range(len(area))]
    cell_type = np.where(area == "output", "output", "excitatory")
    units = Units(np.arange(len(area)), area, area, cell_type)
    trials = Trials(onset, np.full(n_trials, 90.0), label.astype(str), np.full(n_trials, np.nan),
                    np.full(n_trials, ""))
    weights = {(source, target): rng.random(((area == source).sum(), (area == target).sum()))
               for source, target in itertools.pairwise(areas)}
    return Recording.from_spike_trains(spikes, units, trials, areas=tuple(areas),
                                       areas_ordered=True, weights=weights)


def main() -> None:
    """Print time and peak memory as fractions of their limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=2400)
    parser.add_argument("--trials", type=int, default=10_000)
    args = parser.parse_args()
    recording = planted_recording(args.units, args.trials, np.random.default_rng(0))
    start = time.perf_counter()
    result = measure_pathways(recording, epoch_windows(recording.trials))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024) / 1e9
    print(f"{args.units} units x {args.trials} trials, {len(result.members)} members, "
          f"{len(result.links)} links")
    print(f"  time    {seconds:7.1f} s    {seconds / SECONDS:.2f} of the limit")
    print(f"  memory  {peak:7.2f} GB   {peak / GIGABYTES:.2f} of the limit")


if __name__ == "__main__":
    main()
