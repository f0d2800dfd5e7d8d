"""Separability in words: what was found, what limits it, what the figure shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ephys_snn.analysis.separability.design import CODES, LEVEL, SeparabilitySettings
from ephys_snn.analysis.separability.separability import Separability
from ephys_snn.analysis.words import trials_left_out
from ephys_snn.recording import ResponseWindows

CAPTIONS = {
    "separability": "How often the class of a trial is decoded right from each area, when it first "
                    "can be, and how far apart the classes are; grey: permuted labels.",
}


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """Where the class can be decoded, where best and where first."""
    table = tables["separability"]
    rows = table[table["accuracy"].notna()]
    if rows.empty:
        return "The class could not be decoded from any area."
    best = rows.loc[rows["accuracy"].idxmax()]
    significant = rows.groupby("area")["q_value"].min() < LEVEL
    return (f"The class can be decoded in {int(significant.sum())} of {len(significant)} areas, "
            f"best from {best['area']} ({best['accuracy']:.0%} right from {CODES[best['code']]}, "
            f"{best['chance']:.0%} by chance){_earliest(tables['separability_onset'])}.")


def _earliest(latencies: pd.DataFrame) -> str:
    """From which area the class can be decoded first, and when."""
    known = latencies[latencies["onset_ms"].notna()]
    if known.empty:
        return ""
    first = known.loc[known["onset_ms"].idxmin()]
    return f", earliest from {first['area']}, {first['onset_ms']:.3g} ms after the onset"


def summarise(result: Separability) -> list[str]:
    """What was found, in plain sentences; what belongs to one is indented below it."""
    table = result.table[result.table["accuracy"].notna()]
    if table.empty:
        return ["The class could be decoded from no area; the notes say why."]
    return [*_accuracy(result, table), *_distances(table[table["code"] == "active"]),
            _latencies(result.latencies)]


def _accuracy(result: Separability, table: pd.DataFrame) -> list[str]:
    sentences = [
        f"How well the class of a trial ({len(result.classes)} classes, {result.n_trials} trials, "
        f"{result.n_folds}-fold cross-validation) can be told, as balanced accuracy; guessing "
        f"gives {1 / len(result.classes):.0%}, * marks q < {LEVEL:g} against permuted labels:"]
    for code, meaning in CODES.items():
        rows = table[table["code"] == code]
        sentences.append(f"  from {meaning}: " + ", ".join(
            f"{row.area} {row.accuracy:.1%}{'*' if row.q_value < LEVEL else ''}"
            for row in rows.itertuples()) + ".")
    return sentences


def _distances(active: pd.DataFrame) -> list[str]:
    return ["Patterns of active units differ between trials of different classes this many times "
            "as much as between trials of one class: " + ", ".join(
                f"{row.area} {row.distance_ratio:.2f}"
                f"{'*' if row.distance_q_value < LEVEL else ''}"
                for row in active.itertuples()) + "."] if len(active) else []


def _latencies(latencies: pd.DataFrame) -> str:
    known = latencies[latencies["onset_ms"].notna()]
    code = CODES[latencies["code"].iloc[0]]
    if known.empty:
        return (f"As the window grows, {code} exceed chance in no area (p < {LEVEL:g} over all "
                "areas and times, at two successive ends of the window).")
    return (f"From {code}, the class is first told better than by chance (p < {LEVEL:g} over all "
            "areas and times) when the window, growing in steps of "
            f"{latencies['step_ms'].iloc[0]:.2g} ms, reaches (ms after onset, 95 % interval): "
            + ", ".join(f"{row.area} {row.onset_ms:.3g} [{row.onset_low_ms:.3g}, "
                        f"{row.onset_high_ms:.3g}]".replace("nan", "–")
                        for row in known.itertuples()) + ".")


def limits(result: Separability, settings: SeparabilitySettings, windows: ResponseWindows
           ) -> list[str]:
    """What limits it, and what could not be computed and why."""
    return [*result.notes, *trials_left_out(windows),
            *_numbers_of_units(result.table, settings.match_units), *_durations(result),
            *_notes(result.table)]


def _numbers_of_units(table: pd.DataFrame, match_units: int | None) -> list[str]:
    sizes = table[table["accuracy"].notna()].groupby("area")["n_units_used"].max()
    if match_units is None and sizes.nunique() > 1:
        return [f"areas have {sizes.min()} to {sizes.max()} units: more units tell more, so their "
                "accuracies are not comparable; --match-units decodes from the same number in "
                "every area"]
    if match_units is not None and len(sizes):
        return [f"accuracies and distances are means over random draws of {sizes.max()} units per "
                "area (--match-units)"]
    return []


def _durations(result: Separability) -> list[str]:
    return ["the durations of the response windows alone tell the class with "
            f"{result.duration_accuracy:.0%} balanced accuracy (p = {result.duration_p:.2g}): a "
            "part of what areas tell may be how long the window lasted; --window START STOP makes "
            "windows equally long"
            ] if np.isfinite(result.duration_p) and result.duration_p < LEVEL else []


def _notes(table: pd.DataFrame) -> list[str]:
    """What the table notes, with the codes where it is not all."""
    reasons = {}
    for row in table[table["note"] != ""].itertuples():
        reasons.setdefault((row.area, row.note), []).append(row.code)
    said = []
    for (area, note), codes in reasons.items():
        which = "" if len(codes) == len(CODES) else f" ({', '.join(codes)})"
        said.append(f"{area}{which}: {note}")
    return said
