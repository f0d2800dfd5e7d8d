"""How do I bring a recording that stands in a text file?

The gdf format has two columns: the id of a unit or of an event, and its time. Riehle et al. 1997
(doi:10.1126/science.278.5345.1950) marked the preparatory signal of a trial with the expected delay
N by the code 11N and the response signal by the code 12:

python examples/convert_gdf.py winny131_23.gdf winny.nix --units 2,3 --area M1 \\
    --start 111=delay1,112=delay2,113=delay3,114=delay4 --stop 12
"""

import argparse
from pathlib import Path

import numpy as np

from ephys_snn.cli import Parser, command
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, Trials, Units
from ephys_snn.recording.trial_choice import pair_events


def read_gdf(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Ids (row,) and times (row,) of a gdf file."""
    try:
        rows = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no text file of two columns of numbers ({error})") from error
    if rows.shape[1] != 2:
        raise InputError(f"{path} must have two columns, id and time; it has {rows.shape[1]}")
    return rows[:, 0].astype(int), rows[:, 1]


def find_trials(ids: np.ndarray, times: np.ndarray, labels: dict[int, str], stop: int) -> Trials:
    """Trials from every start code to the first stop code before the next one."""
    starts = np.flatnonzero(np.isin(ids, list(labels)))
    starts = starts[np.argsort(times[starts], kind="stable")]
    stops = np.sort(times[ids == stop])
    first, last = pair_events(times[starts], stops)
    if not len(first):
        raise InputError(f"no start code is followed by the stop code {stop}; found "
                         f"{len(starts)} starts and {len(stops)} stops")
    if len(first) < len(starts):
        print(f"{len(starts) - len(first)} of {len(starts)} starts have no stop before the next "
              "start and are left out")
    onset = times[starts[first]]
    label = np.array([labels[code] for code in ids[starts[first]]])
    silent = np.full(len(onset), "")
    return Trials(onset, stops[last] - onset, label, np.full(len(onset), np.nan), silent)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(description=__doc__.split("\n")[0])
    options.add_argument("gdf", type=Path)
    options.add_argument("out", type=Path, metavar="OUT.nix")
    options.add_argument("--units", required=True, help="ids of the units: 2,3")
    options.add_argument("--area", required=True, help="the area that they are in")
    options.add_argument("--start", required=True, help="start codes and labels: 111=go,112=nogo")
    options.add_argument("--stop", required=True, type=int, help="stop code")
    options.add_argument("--ms", type=float, default=1.0, help="ms per unit of time (default: 1)")
    return options


@command
def main(arguments: list[str] | None = None) -> None:
    """Convert a gdf file as the command line says."""
    args = parser().parse_args(arguments)
    ids, times = read_gdf(args.gdf)
    try:
        unit_ids = np.array([int(unit) for unit in args.units.split(",")])
        labels = {int(code): label for code, _, label in
                  (pair.partition("=") for pair in args.start.split(","))}
    except ValueError as error:
        raise InputError("--units must be like 2,3 and --start like 111=go,112=nogo; got "
                         f"{args.units} and {args.start}") from error
    times = times * args.ms
    n_units = len(unit_ids)
    units = Units(unit_ids, np.array([f"u{unit}" for unit in unit_ids]),
                  np.full(n_units, args.area), np.full(n_units, ""))
    recording = Recording.from_spike_trains(
        [times[ids == unit] for unit in unit_ids], units,
        find_trials(ids, times, labels, args.stop), t_stop=float(times.max()), resolution=args.ms)
    recording.write(args.out)
    print(f"wrote {args.out}: {n_units} units, {len(recording.trials)} trials")


if __name__ == "__main__":
    raise SystemExit(main())
