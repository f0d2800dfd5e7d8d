"""Many recordings: a report on each, and one table across them.

The steps of the workflow ``pipelines/Snakefile``, which knows what is done already and where to
run the rest. A recording that cannot be analysed has its reason in the table and does not stop
the others.
"""

from __future__ import annotations

import fnmatch
import glob
import json
import shlex
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from ephys_snn.analysis.results import results_folder
from ephys_snn.cli import Parser, command
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.report.page import parser as report_parser
from ephys_snn.report.page import write_report

KEYS = ("recordings", "out", "options", "each", "processes", "memory_mb", "minutes")
SUFFIXES = (".nix", ".nwb")  # of the recordings in a folder
STATUS = "status.json"
# What the table says of an area and cell type: its column, and the table and column it is from.
SYNCHRONY = {column: column for column in (
    "n_units", "n_trials", "active_fraction", "latency_ms", "sd_ms", "shortest_half_ms",
    "shuffled_shortest_half_ratio", "shuffled_shortest_half_q_value")}
INFORMATION = {"n_units_used": "information_gain_n_units", "mean": "information_gain",
               "mean_corrected": "information_gain_corrected",
               "fraction_significant": "information_gain_fraction_significant"}
PATHWAYS = {"preference": "pathway_preference", "q_value": "pathway_q_value"}
SEPARABILITY = {"accuracy": "accuracy", "chance": "chance", "q_value": "q_value"}
KEY = ["area", "cell_type"]


@dataclass(frozen=True)
class Study:
    """What the config file asks for.

    Attributes
    ----------
    recordings : dict of str to Path
        By their names in the table: file stems, or whole file names where stems are not unique.
    options : dict of str to list of str
        The command line of the report on each.
    out : Path
        Folder of all results.
    """

    recordings: Mapping[str, Path]
    options: Mapping[str, list[str]]
    out: Path

    @property
    def table(self) -> Path:
        """The table across recordings."""
        return self.out / "study.csv"


def read_study(config: Mapping[str, Any]) -> Study:
    """Find the recordings that a config names, and the options of each.

    Parameters
    ----------
    config : dict
        `recordings` (a folder, a pattern or a list of them), `out` (a folder), `options` (of all
        reports, as on a command line), `each` (pattern of file names to options for these alone).

    Raises
    ------
    InputError
        If the config has other keys, names no recording or options that do not exist.
    """
    unknown = sorted(set(config) - set(KEYS))
    if unknown:
        raise InputError(f"the config has {', '.join(unknown)}; it may have {', '.join(KEYS)}")
    recordings = _name(_find(config.get("recordings", [])))
    common, each = str(config.get("options") or ""), dict(config.get("each") or {})
    for pattern in each:
        if not any(fnmatch.fnmatch(path.name, pattern) for path in recordings.values()):
            raise InputError(f"each: no recording is called {pattern}; there are "
                             f"{', '.join(path.name for path in recordings.values())}")
    options = {}
    for name, path in recordings.items():
        own = [text for pattern, text in each.items() if fnmatch.fnmatch(path.name, pattern)]
        options[name] = [word for text in [common, *own] for word in shlex.split(str(text))]
        report_parser().parse_args([str(path), *options[name]])
    return Study(recordings, options, Path(config.get("out", "results/study")))


def _find(patterns: str | Sequence[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        folder = Path(pattern)
        paths = [path for path in folder.iterdir() if path.suffix in SUFFIXES] \
            if folder.is_dir() else [Path(name) for name in glob.glob(pattern, recursive=True)]
        paths = [path for path in paths if path.is_file() and not path.name.startswith(".")]
        if not paths:
            raise InputError(f"recordings: there are none in {pattern}")
        found.update(dict.fromkeys(sorted(paths)))
    if not found:
        raise InputError("recordings: name a folder, a pattern such as data/*.nix, or a list")
    return list(found)


def _name(paths: Sequence[Path]) -> dict[str, Path]:
    for naming in ("stem", "name"):
        names = [getattr(path, naming) for path in paths]
        if len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    twice = sorted({name for name in names if names.count(name) > 1})
    raise InputError(f"recordings: several files are called {', '.join(twice)}; rename them, "
                     "since each has a folder of its name")


def analyse(path: Path, folder: Path, options: Sequence[str] = ()) -> str:
    """Write the report on a recording, and beside it what became of it.

    Returns
    -------
    str
        Why the recording could not be analysed, or ''.
    """
    results_folder(folder)
    failed: dict[str, str] = {}
    try:
        args = report_parser().parse_args([str(path), *options, "--out", str(folder), "--quiet"])
        _, sections, _ = write_report(args)
        failed = {section.name: section.error for section in sections if section.error}
        error = ""
    except InputError as problem:
        error = str(problem)
    except Exception as problem:  # one recording must not stop the others
        traceback.print_exc()
        error = f"{type(problem).__name__}: {problem}"
    status = {"recording": str(path), "options": list(options), "error": error, "failed": failed}
    with atomic_write(folder / STATUS) as temporary:
        temporary.write_text(json.dumps(status, indent=2) + "\n", encoding="utf-8")
    return error


def collect(folders: Iterable[Path]) -> pd.DataFrame:
    """The main measures of many recordings, a row per recording, area and cell type.

    Parameters
    ----------
    folders : iterable of Path
        What `analyse` wrote; their names are those of the recordings.

    Returns
    -------
    DataFrame
        A recording that could not be analysed has one row with the reason in `note`.
    """
    tables = [_rows_of(Path(folder)) for folder in folders]
    columns = list(dict.fromkeys(column for table in tables for column in table))
    rows = [row for table in tables for row in table.to_dict("records")]
    order = [column for column in columns if column != "note"] + ["note"]
    return pd.DataFrame(rows, columns=order)


def broken(table: pd.DataFrame) -> dict[str, str]:
    """The recordings of a table that could not be analysed, and why."""
    rows = table[table["area"].isna()]
    return dict(zip(rows["recording"], rows["note"], strict=True))


def summarize(table: pd.DataFrame) -> str:
    """How many recordings there are, and which are broken, a line each."""
    reasons = broken(table)
    total = table["recording"].nunique()
    lines = [f"{total - len(reasons)} of {total} recordings analysed"]
    return "\n".join([*lines, *(f"broken: {name}: {why}" for name, why in reasons.items())])


def _rows_of(folder: Path) -> pd.DataFrame:
    status = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    failed = "; ".join(f"{name}: {why}" for name, why in status["failed"].items())
    parts = [] if status["error"] else [
        part for name, part in _parts(folder).items() if name not in status["failed"]]
    if not parts:
        return pd.DataFrame([{"recording": folder.name, "area": None, "cell_type": None,
                              "note": status["error"] or failed}])
    rows = reduce(lambda left, right: left.merge(right, on=KEY, how="outer", sort=False), parts)
    notes = rows[[column for column in rows if column.startswith("note")]]
    order = {area: rank for rank, area in enumerate(dict.fromkeys(parts[0]["area"]))}
    rows = rows.drop(columns=notes.columns).assign(
        note=[_join([*line, failed]) for line in notes.itertuples(index=False)])
    rows.insert(0, "recording", folder.name)
    return rows.sort_values("area", key=lambda area: area.map(order), kind="stable")


def _join(notes: Iterable[Any]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if isinstance(note, str) and note))


def _parts(folder: Path) -> dict[str, pd.DataFrame]:
    """By pipeline, its measures with a row per area and cell type."""
    parts = {}
    for name, read in {"synchrony": _synchrony, "information_gain": _information,
                       "pathways": _pathways, "separability": _separability}.items():
        if (folder / f"{name}.json").exists():
            parts[name] = read(folder)
    return parts


def _synchrony(folder: Path) -> pd.DataFrame:
    return _columns(pd.read_csv(folder / "synchrony.csv"), SYNCHRONY, "note_synchrony")


def _information(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "information_gain_by_area.csv")
    return _columns(table, INFORMATION, "note_information")


def _columns(table: pd.DataFrame, names: Mapping[str, str], note: str) -> pd.DataFrame:
    return table[[*KEY, *names, "note"]].rename(columns={**names, "note": note})


def _pathways(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "pathways_by_area.csv")
    return _wide(table, "kind", PATHWAYS, KEY, "note_pathways")


def _separability(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "separability.csv").assign(cell_type="all")
    return _wide(table, "code", {key: f"decoding_{value}" for key, value in SEPARABILITY.items()},
                 KEY, "note_separability")


def _wide(table: pd.DataFrame, by: str, names: Mapping[str, str], key: list[str], note: str
          ) -> pd.DataFrame:
    """A row per area and cell type; columns are named after the values of `by`."""
    parts = []
    for value, rows in table.groupby(by, sort=False):
        renamed = {**{column: f"{value}_{name}" for column, name in names.items()},
                   "note": f"{note}_{value}"}
        parts.append(rows[[*key, *names, "note"]].rename(columns=renamed))
    return reduce(lambda left, right: left.merge(right, on=key, how="outer", sort=False), parts)


def parser() -> Parser:
    """The options of the command line."""
    options = Parser(prog="python -m ephys_snn.report.study", description=(
        "One step of a study; pipelines/Snakefile runs them."))
    steps = options.add_subparsers(dest="step", required=True)
    one = steps.add_parser("report", help="the report on one recording")
    one.add_argument("recording", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("options", nargs="...", help="of the report")
    table = steps.add_parser("collect", help="the table across recordings")
    table.add_argument("table", type=Path)
    table.add_argument("folders", type=Path, nargs="+")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step."""
    args = parser().parse_args(arguments)
    if args.step == "report":
        error = analyse(args.recording, args.folder, args.options)
        print(f"broken: {args.recording}: {error}" if error else f"analysed {args.recording}")
        return
    with atomic_write(args.table) as temporary:
        collect(args.folders).to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    raise SystemExit(main())
