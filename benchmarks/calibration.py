"""What the pipelines' p-values and sentences do on recordings whose truth is known.

    python benchmarks/calibration.py                                     all, about 30 minutes
    python benchmarks/calibration.py --recordings 10 --only gain,drift   some of it

Every pipeline runs through its own command on recordings without an effect and with a planted one
(`calibration_scenarios.py`), and its tables are read. Every column that ends in ``p_value`` or
``q_value`` is found by its name; statements without a p and intervals are named with the scenarios.
An option that a command does not know is reported, and the run left out.

The level of a p-value is the share of values <= .05 where nothing is to be found; that of a q-value
the share of false ones among all that it finds, mean over recordings; that of a p corrected for a
family the share of recordings with any; that of an interval the share without the truth. Values of
one recording depend on each other, so errors are those of the means of recordings.
"""

import argparse
import contextlib
import io
import itertools
import os
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from calibration_scenarios import (
    NULL,
    OPEN,
    PIPELINES,
    PLANTED,
    SCENARIOS,
    STATEMENTS,
    Scenario,
)
from matplotlib.figure import Figure

from ephys_snn.analysis import Pipeline, pipelines, run
from ephys_snn.cli import names, number, progress_bar
from ephys_snn.errors import InputError

ALPHA = 0.05
GOAL_LEVEL, GOAL_POWER = 0.07, 0.8
TESTED = re.compile(r"(^|_)[pq]_value(_corrected)?$")
# Rows of this table are there because of these values, so that their share says nothing.
SELECTED_BY = {("pathway_links", "p_value"), ("pathway_links", "q_value")}
KINDS = ("kind", "code", "measure", "condition")  # columns that tell apart rows of one table
QUICK = {
    "synchrony": "--surrogates 99 --elephant-shuffles 1 --elephant-units 4 --elephant-trials 20",
    "information_gain": "--permutations 199",
    "pathways": "--permutations 199",
    "separability": "--permutations 99 --steps 3",
    "conditions": "--permutations 199",
}
PLACE = ["scenario", "pipeline", "options", "table", "column", "rows"]
COLUMNS = [*PLACE, "recording", "row", "truth", "value", "hit", "low", "high"]


# --- running -------------------------------------------------------------------------------------


def measure(scenarios: Sequence[str], n_recordings: int, chosen: Sequence[str] = PIPELINES,
            seed: int = 0, processes: int = 1) -> tuple[pd.DataFrame, Counter]:
    """All values of many recordings, and the runs that failed, as `measure_recording`."""
    tasks = list(itertools.product(scenarios, range(n_recordings)))
    # Every recording is read a few times and never again.
    with mock.patch.dict(os.environ, EPHYS_SNN_CACHE="off"), \
            ProcessPoolExecutor(processes) as pool:
        measured = list(progress_bar()(
            pool.map(partial(measure_recording, seed=seed, chosen=chosen), tasks),
            "recordings", len(tasks)))
    return (pd.concat([values for values, _ in measured], ignore_index=True),
            Counter(failure for _, failures in measured for failure in failures))


def measure_recording(task: tuple[str, int], seed: int, chosen: Sequence[str]
                      ) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """All runs of one recording of a scenario.

    Returns
    -------
    values : DataFrame
        A row per value that claims something, `COLUMNS`.
    failures : list of (run, scenario, reason)
    """
    name, index = task
    scenario = SCENARIOS[name]
    known = {pipeline.name: pipeline for pipeline in pipelines()}
    found, failures = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.nix"
        try:
            scenario.make(np.random.default_rng([seed, zlib.crc32(name.encode()), index])
                          ).write(path)
        except InputError as error:  # a recording that is not at hand
            return pd.DataFrame(columns=COLUMNS), [("all", name, str(error))]
        for place, (pipeline, options) in enumerate(scenario.runs):
            if pipeline not in chosen:
                continue
            out = Path(folder) / str(place)
            try:
                _run(known[pipeline], [str(path), "--out", str(out), "--seed", str(index),
                                       *options.split(), *QUICK[pipeline].split()])
                found.append(_read_tables(out, scenario, options).assign(
                    scenario=name, pipeline=pipeline, options=options, recording=index))
            except Exception as error:  # one command's traceback should not end the others
                failures.append((f"{pipeline} {options}".strip(), name,
                                 f"{type(error).__name__}: {error}"))
    return pd.concat([pd.DataFrame(columns=COLUMNS), *found])[COLUMNS], failures


def _run(pipeline: Pipeline, arguments: list[str]) -> None:
    """Run a command; an `InputError` with what it said if it failed."""
    said = io.StringIO()
    # Figures take half of the time and claim nothing that is not in a table.
    with mock.patch.object(Figure, "savefig", lambda self, path, **_: Path(path).touch()), \
            contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = run(pipeline, [*arguments, "--quiet"])
    if status:
        raise InputError(said.getvalue().strip().splitlines()[-1])


def _read_tables(folder: Path, scenario: Scenario, options: str) -> pd.DataFrame:
    """Every claim in the tables of one run."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        table = pd.read_csv(path)
        rows = table.to_dict("records")
        # Where classes stand below all of them together, they are families of their own.
        by_class = table["class"].ne("all") & table["class"].eq("all").any() \
            if "class" in table else pd.Series(False, table.index)
        for claims in _claims(path.stem, table, scenario):
            claims = claims[claims["value"].notna()]
            column = claims["column"].iloc[0] if len(claims) else ""
            found.append(claims.assign(
                table=path.stem, row=claims.index,
                rows=[" ".join([*(str(rows[i][key]) for key in KINDS if key in table),
                                *["by class"] * int(by_class[i])]) for i in claims.index],
                truth=[NULL if "low" in claims else
                       scenario.claim(path.stem, column, options, rows[i])
                       for i in claims.index]))
    return pd.concat(found) if found else pd.DataFrame()


def _claims(name: str, table: pd.DataFrame, scenario: Scenario) -> Iterator[pd.DataFrame]:
    """What each column, statement and interval says, a row per row of the table."""
    for column in table:
        if TESTED.search(column) and (name, column) not in SELECTED_BY:
            yield pd.DataFrame({"column": column, "value": table[column],
                                "hit": (table[column] <= ALPHA).astype(float)})
    for statement in (*STATEMENTS, *scenario.statements):
        if statement.table == name:
            said = statement.said(table).astype(float)
            yield pd.DataFrame({"column": statement.name, "value": said, "hit": said})
    for each in scenario.intervals:
        if each.table == name and {each.low, each.high, each.estimate} <= set(table):
            low, high = table[each.low], table[each.high]
            missed = np.nan if each.truth is None else (low > each.truth) | (high < each.truth)
            yield pd.DataFrame({
                "column": f"{each.low} to {each.high}", "low": low, "high": high, "hit": missed,
                "value": table[each.estimate].where(low.notna() & high.notna())}
            ).astype({"hit": float})


# --- counting ------------------------------------------------------------------------------------


def summarise(values: pd.DataFrame) -> pd.DataFrame:
    """A row per scenario, run, column and truth: its level or power.

    Returns
    -------
    DataFrame
        ``PLACE``, `truth`, `n_values`, `n_recordings`; `share` of the values that claim something,
        `first` that of the first in every recording, `any` share of recordings with any; `level`,
        what is to be at most .05 where nothing is to be found, and its `error`, of recordings.
    """
    values = _judge_by_mean(values)
    rows = []
    for place, group in values.groupby(PLACE, sort=False):
        discoveries = group[group["truth"] != OPEN].groupby("recording")["hit"].sum()
        for truth, part in group.groupby("truth"):
            rows.append(dict(zip(PLACE, place, strict=True)) | {"truth": truth}
                        | _count(part, discoveries, place[PLACE.index("column")]))
    return pd.DataFrame(rows)


def _judge_by_mean(values: pd.DataFrame) -> pd.DataFrame:
    """Judge intervals without a known truth by the mean of the estimates over recordings."""
    mean = values.groupby([*PLACE, "row"], sort=False)["value"].transform("mean")
    missed = ((values["low"] > mean) | (values["high"] < mean)).astype(float)
    return values.assign(hit=values["hit"].fillna(missed))


def _count(part: pd.DataFrame, discoveries: pd.Series, column: str) -> dict:
    by_recording = part.groupby("recording")["hit"]
    n_hits, n = by_recording.sum(), by_recording.size()
    share, any_ = n_hits.sum() / n.sum(), (n_hits > 0).mean()
    level, scatter, n_independent = share, (n_hits - share * n) / n.mean(), n.sum()
    if column.endswith(("q_value", "corrected")) and part["truth"].iloc[0] == NULL:
        false = (n_hits > 0).astype(float) if column.endswith("corrected") else \
            n_hits / discoveries[n_hits.index].clip(lower=1)
        level, scatter, n_independent = false.mean(), false - false.mean(), len(n)
    # No scatter in a few recordings is no proof: no less than independent values at .05 have.
    error = max(np.sqrt((scatter ** 2).sum()) / len(n),
                np.sqrt(ALPHA * (1 - ALPHA) / n_independent))
    return {"n_values": n.sum(), "n_recordings": len(n), "share": share,
            "first": by_recording.first().mean(), "any": any_, "level": level, "error": error}


def judge(row: pd.Series, errors: float = 2.0) -> str:
    """Whether a row of the summary holds, in a word, beyond so many standard errors."""
    if row["truth"] == OPEN:
        return ""
    if row["truth"] == PLANTED:
        return "found" if row["share"] >= GOAL_POWER else "power"
    if row["level"] > GOAL_LEVEL:
        return "FAILS" if row["level"] - errors * row["error"] > ALPHA else "unsure"
    return "conservative" if row["level"] + errors * row["error"] < ALPHA / 2 else "holds"


def by_column(summary: pd.DataFrame) -> pd.DataFrame:
    """A row per column: its levels in all scenarios where nothing is to be found, its powers."""
    rows = []
    for place, group in summary.groupby(["table", "column", "rows"], sort=False):
        null, planted = (group[group["truth"] == truth] for truth in (NULL, PLANTED))
        row = dict(zip(("table", "column", "rows"), place, strict=True))
        if len(null):
            worst = null.loc[null["level"].idxmax()]
            row |= {"scenarios": len(null), "values": null["n_values"].sum(),
                    "level": np.average(null["level"], weights=null["n_recordings"]),
                    "worst": worst["level"], "error": worst["error"],
                    "in": f"{worst['scenario']} {worst['options']}".strip(),
                    "fails": (null.apply(judge, axis=1) == "FAILS").sum()}
        if len(planted):
            row |= {"power": planted["share"].min(),
                    "power in": planted.loc[planted["share"].idxmin(), "scenario"]}
        if len(null) or len(planted):
            rows.append(row)
    return pd.DataFrame(rows).convert_dtypes(infer_objects=False, convert_string=False,
                                             convert_boolean=False, convert_floating=False)


# --- printing ------------------------------------------------------------------------------------


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; shares with three digits."""
    def show(value) -> str:
        if pd.isna(value):
            return ""
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [list(table), ["---"] * len(table.columns),
             *([show(value) for value in row] for row in table.itertuples(index=False))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(values: pd.DataFrame, failures: Counter) -> str:
    """All that was counted: by column, what fails, and scenario by scenario."""
    if values.empty:
        return "nothing was measured"
    summary = summarise(values)
    summary["verdict"] = summary.apply(judge, axis=1)
    parts = ["## By column", markdown(by_column(summary))]
    missed = summary[summary["verdict"].isin(["FAILS", "power"])]
    parts += ["## What is above .07 where nothing is to be found, or below .8 where something is",
              markdown(missed.drop(columns=["n_values", "any"]))]
    parts += ["## Not run", *(f"- {run}: {reason} ({n} recordings of {scenario})"
                              for (run, scenario, reason), n in failures.items())]
    for name, rows in summary.groupby("scenario", sort=False):
        parts += [f"## {name}: {SCENARIOS[name].truth}",
                  markdown(rows.drop(columns=["scenario", "pipeline"]))]
    return "\n\n".join(parts)


def main() -> None:
    """Run what is asked for and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=number(int, least=1), default=40, metavar="N",
                        help="of every scenario (default: %(default)s)")
    parser.add_argument("--only", type=names, metavar="SCENARIO,...", default=list(SCENARIOS),
                        help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--pipelines", type=names, metavar="A,B", default=list(PIPELINES),
                        help=f"of {', '.join(PIPELINES)} (default: all)")
    parser.add_argument("--processes", type=number(int, least=1), default=2, metavar="N",
                        help="at the same time (default: %(default)s)")
    parser.add_argument("--seed", type=number(int, least=0), default=0, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FILE.csv",
                        help="every value, for other questions")
    args = parser.parse_args()
    for option, asked, known in (("--only", args.only, SCENARIOS),
                                 ("--pipelines", args.pipelines, PIPELINES)):
        if unknown := set(asked) - set(known):
            parser.error(f"{option}: there is no {', '.join(unknown)}; "
                         f"choose from {', '.join(known)}")
    values, failures = measure(args.only, args.recordings, args.pipelines, args.seed,
                               args.processes)
    if args.out is not None:
        values.to_csv(args.out, index=False, float_format="%.6g")
    print(report(values, failures))


if __name__ == "__main__":
    main()
