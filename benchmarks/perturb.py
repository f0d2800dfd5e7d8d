"""The default battery of virtual experiments: time and memory against 5 minutes and 1.5 GB.

    python benchmarks/perturb.py [--data IDX_DIRECTORY] [--trials 1000]

CPU time is also given as a ratio to that of plain forward passes of as many trials as the battery
tries, every area computed anew. The network is the shipped one, with its untrained twin.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from ephys_snn.network import Network
from ephys_snn.perturbation import control_responses
from ephys_snn.training import load_own_stimuli

SECONDS, GIGABYTES = 300.0, 1.5
MODEL = Path(__file__).resolve().parents[1] / "examples" / "models" / "mnist_dale_4x400.pt"


def forward_seconds(n_trials: int, data: str | None) -> float:
    """CPU seconds of a forward pass, the mean of those of the trained network and its twin."""
    torch.set_num_threads(1)
    trained = Network.load(MODEL)
    times = load_own_stimuli(trained, data).part("test")[0][:n_trials]
    seconds = 0.0
    for network in (trained, trained.untrained()):
        control_responses(network, times[:10])  # compiles
        start = time.process_time()
        control_responses(network, times)
        seconds += time.process_time() - start
    return seconds / 2


def main() -> None:
    """Print time and peak memory as fractions of their limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--trials", type=int, default=1000)
    args = parser.parse_args()
    options = ["--trials", str(args.trials), *(["--data", args.data] if args.data else [])]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "ephys_snn.perturb", str(MODEL), "--out",
                                    folder, "--quiet", *options], stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            sys.exit("python -m ephys_snn.perturb failed")
        controls = pd.read_csv(Path(folder) / "perturbations.csv")["control"]
    n_passes = int((controls != "wrong_class").sum())  # those rows are of others' passes
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    plain = n_passes * forward_seconds(args.trials, args.data)
    print(f"{n_passes} perturbations and controls of {args.trials} trials\n"
          f"  wall    {wall:7.1f} s    {wall / SECONDS:.2f} of the limit\n"
          f"  CPU     {cpu:7.1f} s    {cpu / (2 * SECONDS):.2f} of two cores over the limit, "
          f"{cpu / plain:.2f} of plain forward passes\n"
          f"  memory  {peak:7.2f} GB   {peak / GIGABYTES:.2f} of the limit")


if __name__ == "__main__":
    main()
