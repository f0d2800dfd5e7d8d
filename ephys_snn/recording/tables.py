"""Tables beside a recording: a row per unit, or a row per trial, in a CSV file.

What an experimenter knows of units and trials often stands in a spreadsheet. A column becomes an
annotation, so that the options that name annotations find it. Every row must belong to a unit or
a trial and every one of them must have a row: a table that does not fit is refused, since one
row too few shifts all that follow.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ephys_snn.errors import InputError, listed
from ephys_snn.formats import Epoch, SpikeTrain, format_label, text

UNIT_KEYS = ("index", "unit_id", "name")  # what tells units apart; the first that is a column
ONSET, DURATION, LABEL = "onset", "duration", "label"  # ms, ms
SECONDS = "_s"  # ending of a column of times in seconds
SAME_ONSET = 1.0  # ms; tables are often rounded
MISSING = ("", "nan", "NaN")


def read_table(path: Path, option: str) -> pd.DataFrame:
    """Read a table of columns separated by commas, semicolons or tabs; times in ms.

    `option` is what names the file, for messages.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            header = file.readline().rstrip("\r\n")
        separator = max(",;\t", key=header.count)
        names = [name.strip().strip('"') for name in header.split(separator)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice or "" in names:
            raise InputError(f"{option} {path}: " + (
                f"two columns are called '{twice[0]}'" if twice and twice[0] else
                "a column has no name") + "; every column needs a name of its own in the first row")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, sep=separator, encoding="utf-8-sig", skipinitialspace=True,
                                index_col=False, keep_default_na=False, na_values=list(MISSING))
    except OSError as error:
        raise InputError(f"{option}: cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.ParserWarning,
            pd.errors.EmptyDataError) as error:
        raise InputError(f"{option} {path} is no table of rows of equal length under a row of "
                         f"column names ({error})") from error
    table.columns = [str(name).strip() for name in table.columns]
    for name in (ONSET, DURATION):
        table = _in_ms(table, name, f"{option} {path}")
    return table


def describe_units(trains: Sequence[SpikeTrain], table: pd.DataFrame, path: Path
                   ) -> tuple[SpikeTrain, ...]:
    """Trains with the columns of a units table as annotations; empty cells say nothing.

    A row belongs to the unit with its `index` in the file (from 0), `unit_id` or `name`,
    whichever of these columns comes first in this list. The other two replace what the file has.
    """
    where = f"--units-table {path}"
    key = next((key for key in UNIT_KEYS if key in table), None)
    if key is None:
        raise InputError(f"{where}: needs a column index, unit_id or name to tell the units; it "
                         f"has {', '.join(map(str, table.columns))}")
    both = key == "unit_id" and "area" in table and all("area" in t.annotations for t in trains)
    identities = [_identity(key, index, train) for index, train in enumerate(trains)]
    rows = [format_label(value) for value in _values(table[key])]
    if both and len(set(identities)) < len(identities):  # unique within an area only
        identities = [f"{train.annotations['area']} {identity}" for train, identity in
                      zip(trains, identities, strict=True)]
        rows = [f"{area} {row}" for area, row in zip(_values(table["area"]), rows, strict=True)]
    _refuse_twice(identities, f"{where}: the {key} {{}} is that of {{}} units of the recording; "
                              "tell them apart by a column index (from 0) or name")
    _refuse_twice(rows, f"{where}: {{1}} rows have the {key} {{0}}; a unit has one row")
    unknown = [row for row in rows if row not in set(identities)]
    if unknown:
        raise InputError(f"{where}: no unit of the recording has the {key} {_some(unknown)}; they "
                         f"are {_some(identities)}")
    lacking = [identity for identity in identities if identity not in set(rows)]
    if lacking:
        raise InputError(f"{where}: has {len(rows)} rows for {len(identities)} units; there is "
                         f"none with the {key} {_some(lacking)}")
    position = {row: number for number, row in enumerate(rows)}
    columns = {str(name): _values(table[name]) for name in table.columns if name != key}
    return tuple(_annotate(train, {name: values[position[identity]]
                                   for name, values in columns.items()})
                 for train, identity in zip(trains, identities, strict=True))


def epoch_of_table(table: pd.DataFrame, duration: float | None, path: Path) -> Epoch:
    """Trials as the rows of a table say, `duration` (ms) long if the table has no durations."""
    where = f"--trials-table {path}"
    if DURATION not in table and duration is None:
        raise InputError(f"{where}: has no column duration (ms); add one or say with --window "
                         "START STOP how long trials last")
    onset = _times(table, ONSET, where)
    durations = _times(table, DURATION, where) if DURATION in table \
        else np.full(len(table), duration)
    return _with_columns(Epoch(name=path.name, times=onset, durations=durations,
                               labels=np.full(len(table), "")), table)


def describe_epoch(epoch: Epoch, table: pd.DataFrame, path: Path) -> Epoch:
    """Trials with the columns of a trials table as array annotations and, if it has, labels.

    Rows are in the order of the onsets, or give that of their trial in a column `onset`.
    """
    where = f"--trials-table {path}"
    if len(table) != len(epoch):
        raise InputError(f"{where}: has {len(table)} rows, and there are {len(epoch)} trials in "
                         f"'{epoch.name}'; it needs a row for each")
    order = np.argsort(epoch.times, kind="stable")
    if ONSET in table:
        onset = np.sort(_times(table, ONSET, where))
        table = table.sort_values(ONSET, kind="stable")
        off = np.abs(onset - epoch.times[order])
        if (off > SAME_ONSET).any():
            row = int(np.argmax(off > SAME_ONSET))
            raise InputError(
                f"{where}: no trial begins at the onset {onset[row]:g} ms (trial {row} of "
                f"'{epoch.name}' begins at {epoch.times[order][row]:g} ms); onsets are in ms on "
                f"the recording's clock, or in seconds in a column {ONSET}{SECONDS}")
    return _with_columns(epoch, table.iloc[np.argsort(order)])  # back to the order of the file


def _with_columns(epoch: Epoch, table: pd.DataFrame) -> Epoch:
    columns = {str(name): _array(table[name]) for name in table.columns
               if name not in (ONSET, DURATION)}
    label = LABEL if LABEL in columns else next(iter(columns)) if len(columns) == 1 else None
    labels = epoch.labels if label is None else \
        text([format_label(value) for value in _values(table[label])])
    return replace(epoch, labels=labels, annotations={**epoch.annotations, **columns})


def _in_ms(table: pd.DataFrame, name: str, where: str) -> pd.DataFrame:
    """The table with its column of seconds, if it has one, as a column of ms."""
    if name + SECONDS not in table:
        return table
    if name in table:
        raise InputError(f"{where}: has both {name} (ms) and {name}{SECONDS} (s); keep one")
    seconds = _times(table, name + SECONDS, where)
    return table.drop(columns=name + SECONDS).assign(**{name: 1000 * seconds})


def _times(table: pd.DataFrame, name: str, where: str) -> np.ndarray:
    column = table[name]
    if not pd.api.types.is_numeric_dtype(column) or not np.isfinite(column).all():
        raise InputError(f"{where}: the column {name} must hold a number in every row")
    return column.to_numpy(dtype=np.float64)


def _identity(key: str, index: int, train: SpikeTrain) -> str:
    value = {"index": index, "name": train.name,
             "unit_id": train.annotations.get("unit_id", index)}[key]
    return format_label(value)


def _annotate(train: SpikeTrain, values: dict[str, Any]) -> SpikeTrain:
    said = {key: value for key, value in values.items() if value is not None and key != "index"}
    name = format_label(said.pop("name", train.name))
    return replace(train, name=name, annotations={**train.annotations, **said})


def _values(column: pd.Series) -> list[Any]:
    """A column as plain Python values, None where it is empty."""
    return [None if pd.isna(value) else value for value in column.astype(object).tolist()]


def _array(column: pd.Series) -> np.ndarray:
    """A column as an array that NIX can hold: numbers, or text that is '' where it is empty."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    return text([format_label(value) for value in _values(column)])


def _refuse_twice(names: Sequence[str], message: str) -> None:
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise InputError(message.format(name, count))


def _some(names: Sequence[str]) -> str:
    return listed([f"'{name}'" for name in names], most=5)
