"""Opening and writing a recording of many units, against NixIO in the same run, in CPU time.

python benchmarks/reading.py [--units 2400] [--trials 1000] [--rate 1.0]
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import neo
import numpy as np
import quantities as pq

from ephys_snn.recording import Recording, Trials, Units, fixed_windows


def make_recording(n_units: int, n_trials: int, spikes_per_trial: float) -> Recording:
    """Independent spikes, uniform in 90 ms trials every 100 ms."""
    rng = np.random.default_rng(0)
    onset = 100.0 * np.arange(n_trials)
    spikes = []
    for _ in range(n_units):
        count = rng.poisson(spikes_per_trial, n_trials)
        spikes.append(np.repeat(onset, count) + rng.uniform(0, 90, count.sum()))
    area = np.array([f"area_{unit * 6 // n_units}" for unit in range(n_units)])
    units = Units(np.arange(n_units), np.array([f"u{unit}" for unit in range(n_units)]), area,
                  np.full(n_units, "excitatory"))
    trials = Trials(onset, np.full(n_trials, 90.0), rng.integers(10, size=n_trials).astype(str),
                    np.full(n_trials, np.nan), np.full(n_trials, ""))
    return Recording.from_spike_trains(spikes, units, trials, t_stop=100.0 * n_trials)


def write_with_nixio(path: Path, recording: Recording) -> None:
    """The same recording through Neo's own objects, a Group per area."""
    block, segment = neo.Block(), neo.Segment()
    groups = {area: neo.Group(name=area) for area in recording.areas}
    for unit in range(len(recording.units)):
        train = neo.SpikeTrain(
            recording.spikes_of(unit), units="ms", t_stop=recording.t_stop,
            name=str(recording.units.name[unit]), area=str(recording.units.area[unit]),
            cell_type=str(recording.units.cell_type[unit]), unit_id=unit)
        segment.spiketrains.append(train)
        groups[train.annotations["area"]].add(train)
    segment.epochs.append(neo.Epoch(
        recording.trials.onset * pq.ms, recording.trials.duration * pq.ms,
        labels=recording.trials.label, name="trials"))
    block.segments.append(segment)
    block.groups.extend(groups.values())
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block)


def read_with_nixio(path: Path) -> None:
    """All trains through NixIO."""
    with neo.io.NixIO(str(path), "ro") as file:
        file.read_block()


def seconds(action: Callable[[], object]) -> float:
    """CPU time of one call in one thread, which other jobs on the machine do not lengthen."""
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=2400)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1.0, help="spikes per trial and unit")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    recording = make_recording(args.units, args.trials, args.rate)
    windows = fixed_windows(recording.trials, 5.0, 60.0)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours.nix"), Path(folder, "theirs.nix")
        os.environ["EPHYS_SNN_CACHE"] = "off"
        write = seconds(lambda: recording.write(ours)), \
            seconds(lambda: write_with_nixio(theirs, recording))
        read = seconds(lambda: Recording.read(ours)), seconds(lambda: read_with_nixio(ours))
        os.environ["EPHYS_SNN_CACHE"] = folder
        opened = Recording.read(ours)
        again = seconds(lambda: Recording.read(ours)), read[1]
        arrays = seconds(lambda: opened.responses(windows))
        print(f"{args.units} units x {args.trials} trials, {len(recording.spike_times):,} spikes, "
              f"{ours.stat().st_size / 1e6:.0f} MB (NixIO {theirs.stat().st_size / 1e6:.0f} MB)")
    print(f"{'':24}{'ephys_snn':>12}{'NixIO':>12}{'ratio':>8}")
    rows = {"write": write, "read": read, "read again, from cache": again}
    for name, (mine, other) in rows.items():
        print(f"{name:24}{mine:>10.2f} s{other:>10.2f} s{other / mine:>8.1f}")
    print(f"{'latencies and counts':24}{arrays:>10.2f} s")


if __name__ == "__main__":
    main()
