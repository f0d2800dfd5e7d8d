"""The report of a recording: time against the limit of two minutes on two cores.

    python -m ephys_snn.train --data mnist --epochs 1 --out mnist.pt
    python -m ephys_snn.record mnist.pt mnist.nix
    python benchmarks/report.py mnist.nix

CPU time is that of both processes together; on two idle cores the wall time is about half of it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

SECONDS = 120.0


def main() -> None:
    """Print wall and CPU time as fractions of the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-m", "ephys_snn", "report", args.recording, "--out",
                        folder, "--quiet"], check=True, stderr=subprocess.DEVNULL)
        wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system \
        - before.children_user - before.children_system
    print(f"{args.recording}\n"
          f"  wall {wall:7.1f} s    {wall / SECONDS:.2f} of the limit\n"
          f"  CPU  {cpu:7.1f} s    {cpu / (2 * SECONDS):.2f} of two cores over the limit")


if __name__ == "__main__":
    main()
