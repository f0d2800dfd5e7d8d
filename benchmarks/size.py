"""Time and memory of reading, writing and every pipeline, from a tenth to the whole size.

python benchmarks/size.py [--units 2400] [--trials 10000] [--only read,synchrony]

Every step runs in a process of its own, on recordings of the full number of units with a tenth,
half and all of the trials, and of the full number of trials with a tenth and half of the units.
The exponent is that of the cost against the number of spikes: 1 is linear. User time tells more
than wall time on a machine that others use too.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LIMITS = {"write": 15.0, "read": 5.0}  # s; pipelines 60 s
PIPELINES = ("synchrony", "information_gain", "pathways", "separability")
CHECKOUT = Path(__file__).resolve().parent.parent
STEP = """
import sys, time
from ephys_snn.recording import Recording
start = time.process_time(), time.perf_counter()
Recording.read(sys.argv[1])
print(time.perf_counter() - start[1])
"""


def measure(command: list[str]) -> tuple[float, float, float, int]:
    """Wall time (s), user and system time (s), peak memory (GB) and status of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        print(error.decode()[-500:], file=sys.stderr)
    unit = 1 if sys.platform == "darwin" else 1024
    return (time.perf_counter() - start, usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * unit / 1e9, status)


def command_of(step: str, path: Path, folder: Path, units: int, trials: int) -> list[str]:
    """The command line of one step."""
    if step == "write":
        return [sys.executable, __file__, "--make", str(path), "--units", str(units),
                "--trials", str(trials)]
    if step == "read":
        return [sys.executable, "-c", STEP, str(path)]
    return [sys.executable, str(CHECKOUT / "pipelines" / f"{step}.py"), str(path), "--quiet",
            "--window", "0", "60", "--out", str(folder / "results")]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=2400)
    parser.add_argument("--trials", type=int, default=10000)
    parser.add_argument("--only", help="steps, separated by commas (default: all)")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        from reading import make_recording

        from ephys_snn.nix import write_nix

        recording = make_recording(args.units, args.trials, 1.04)
        start = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
        write_nix(args.make, recording)
        print(f"writing alone {time.perf_counter() - start[1]:.1f} s", file=sys.stderr)
        return
    steps = args.only.split(",") if args.only else ["read", *PIPELINES]
    print(f"{'step':18}{'units':>7}{'trials':>8}{'wall s':>9}{'CPU s':>9}{'peak GB':>9}"
          f"{'of limit':>10}")
    cost: dict[tuple[str, str], list[tuple[int, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for axis, share in (("trials", 0.1), ("trials", 0.5), ("units", 0.1), ("units", 0.5),
                            ("both", 1.0)):
            units = round(args.units * (share if axis == "units" else 1))
            trials = round(args.trials * (share if axis == "trials" else 1))
            path = Path(folder) / f"{units}x{trials}.nix"
            for step in ["write", *steps]:
                wall, cpu, memory, status = measure(
                    command_of(step, path, Path(folder), units, trials))
                limit = LIMITS.get(step, 60.0)
                print(f"{step:18}{units:7}{trials:8}{wall:9.1f}{cpu:9.1f}{memory:9.2f}"
                      f"{wall / limit:10.2f}{' FAILED' if status else ''}", flush=True)
                for key in ("trials", "units") if axis == "both" else (axis,):
                    cost.setdefault((step, key), []).append((units * trials, cpu))
            path.unlink(missing_ok=True)
    for (step, axis), points in cost.items():
        size, seconds = np.log(np.array(points)).T
        print(f"{step:18} CPU time ~ {axis} ^ {np.polyfit(size, seconds, 1)[0]:.2f}")


if __name__ == "__main__":
    main()
