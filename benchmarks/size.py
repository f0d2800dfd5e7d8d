"""Time and memory of reading, writing and every pipeline, from a tenth to the whole size.

python benchmarks/size.py [--units 2400] [--trials 10000] [--only read,synchrony] [--out size.csv]
python benchmarks/size.py --plot [--out size.csv]

Every step runs in a process of its own, on recordings of the full number of units with a tenth,
three tenths and all of the trials, and of the full number of trials with a tenth and three tenths
of the units. The exponent is that of the cost against the number of trials or units: 1 is linear.
User time tells more than wall time on a machine that others use too. The table goes into a CSV,
line by line, and the curves beside it into a PNG.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

PIPELINES = ("synchrony", "information_gain", "pathways", "separability")
STEPS = ("write", "read", "read_again", *PIPELINES)
LIMITS = {"write": 15.0, "read": 5.0, "read_again": 5.0, **dict.fromkeys(PIPELINES, 60.0)}  # s
SHARES = ((1, 1), (1, 0.1), (0.1, 1), (1, 0.3), (0.3, 1))  # of the units, of the trials
SPIKES_PER_TRIAL = 1.04  # 25 million spikes in all
COLUMNS = ("step", "units", "trials", "spikes_million", "wall_s", "user_s", "system_s", "peak_gb",
           "limit_s", "failed")
HERE = Path(__file__).resolve().parent
READ = "import sys; from ephys_snn.recording import Recording; Recording.read(sys.argv[1])"
WRITE = """
import sys
from ephys_snn.recording import Recording
import neo, nixio
Recording.read(sys.argv[1]).write(sys.argv[2])
"""


def measure(command: list[str], cache: Path | None) -> dict[str, float]:
    """Time (s), peak memory (GB) and fate of a command and its children."""
    start = time.perf_counter()
    environment = {**os.environ, "EPHYS_SNN_CACHE": str(cache or "off")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        print(error.decode()[-500:], file=sys.stderr)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"wall_s": time.perf_counter() - start, "user_s": usage.ru_utime,
            "system_s": usage.ru_stime, "peak_gb": usage.ru_maxrss * unit / 1e9,
            "failed": int(bool(status))}


def command_of(step: str, path: Path, folder: Path) -> list[str]:
    """The command line of one step on a recording."""
    if step == "write":  # with reading what is then written, from the cache
        return [sys.executable, "-c", WRITE, str(path), str(folder / "written.nix")]
    if step in ("read", "read_again"):
        return [sys.executable, "-c", READ, str(path)]
    return [sys.executable, str(HERE.parent / "pipelines" / f"{step}.py"), str(path), "--quiet",
            "--window", "0", "60", "--out", str(folder / "results")]


def make(path: Path, units: int, trials: int) -> None:
    """Write a recording of independent spikes, in a process of its own."""
    code = ("import sys; from reading import make_recording;"
            "make_recording(*map(int, sys.argv[2:4]), float(sys.argv[4])).write(sys.argv[1])")
    subprocess.run([sys.executable, "-c", code, str(path), str(units), str(trials),
                    str(SPIKES_PER_TRIAL)], cwd=HERE, check=True)


def run(units: int, trials: int, steps: list[str], out: Path) -> None:
    """Measure the steps on one recording and add them to the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, cache = folder / "recording.nix", folder / "cache"
        make(path, units, trials)
        measure(command_of("read", path, folder), cache)  # fills the cache
        for step in steps:
            cost = measure(command_of(step, path, folder), None if step == "read" else cache)
            row = {"step": step, "units": units, "trials": trials,
                   "spikes_million": units * trials * SPIKES_PER_TRIAL / 1e6,
                   "limit_s": LIMITS[step], **cost}
            with open(out, "a", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerow(
                    {key: f"{value:.3g}" if isinstance(value, float) else value
                     for key, value in row.items()})
            print("  ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{value}"
                            for key, value in row.items()), flush=True)


def exponent(table: pd.DataFrame, axis: str) -> float:
    """Power with which the user time of a step grows along one axis."""
    other = "trials" if axis == "units" else "units"
    along = table[table[other] == table[other].max()]
    return np.polyfit(np.log(along[axis]), np.log(along["user_s"]), 1)[0]


def plot(out: Path) -> None:
    """Curves of user time and peak memory beside their limits, from the table."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    table = pd.read_csv(out)
    figure = Figure(figsize=(10, 7), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row", sharex="col")
    for column, axis in enumerate(("trials", "units")):
        other = "units" if axis == "trials" else "trials"
        for step in STEPS:
            rows = table[(table["step"] == step) & (table[other] == table[other].max())]
            rows = rows.sort_values(axis)
            if rows.empty:
                continue
            name = step.replace("_", " ")
            grows = f" (~ {axis}^{exponent(rows, axis):.2f})" if len(rows) > 1 else ""
            panels[0, column].plot(rows[axis], rows["user_s"], "o-", label=name + grows)
            panels[1, column].plot(rows[axis], rows["peak_gb"], "o-", label=name)
        largest = table[axis].max()
        guide = np.array([largest / 10, largest])
        panels[0, column].plot(guide, guide / largest * 60, "k:", label="linear up to 60 s")
        panels[1, column].axhline(2, color="k", linestyle=":", label="limit")
        panels[0, column].set(xscale="log", yscale="log", ylabel="CPU time, user (s)",
                              title=f"{table[other].max():,} {other}")
        panels[1, column].set(xlabel=axis, ylabel="peak memory (GB)", ylim=(0, 2.2))
        panels[1, column].xaxis.set_minor_formatter(NullFormatter())
        panels[0, column].legend(fontsize=7, loc="lower right", framealpha=0.5)
    panels[1, 0].legend(fontsize=7)
    figure.savefig(out.with_suffix(".png"), dpi=110)


def main() -> None:
    """Measure, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=2400)
    parser.add_argument("--trials", type=int, default=10000)
    parser.add_argument("--only", help="steps, separated by commas (default: all)")
    parser.add_argument("--out", type=Path, default=HERE / "size.csv")
    parser.add_argument("--plot", action="store_true", help="only draw the table")
    args = parser.parse_args()
    if not args.plot:
        args.out.write_text(",".join(COLUMNS) + "\n")
        for units_share, trials_share in SHARES:
            run(round(args.units * units_share), round(args.trials * trials_share),
                args.only.split(",") if args.only else list(STEPS), args.out)
    plot(args.out)


if __name__ == "__main__":
    main()
