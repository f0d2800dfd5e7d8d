"""Changes between conditions in words: what was found, what limits it, what the figures show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ephys_snn.analysis.conditions.comparison import Comparison
from ephys_snn.analysis.conditions.decisions import ALL
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.analysis.words import areas_in_no_order, trials_left_out
from ephys_snn.errors import listed
from ephys_snn.recording import Recording, ResponseWindows, label_order

MEASURES = {  # in words, and their units
    "active_fraction": ("fraction of active units", ""),
    "rate_hz": ("rate", " spikes/s"),
    "active_units": ("number of active units", ""),
    "latency_ms": ("latency", " ms"),
    "shortest_half_ms": ("width of packets of equal size", " ms"),
    "information_gain": ("information gain", ""),
    "relative_information_gain": ("relative information gain", ""),
    "decoding": ("accuracy of decoders trained in the same condition", ""),
    "decoding_from_control": ("accuracy of decoders trained in the control", ""),
    "accuracy": ("share of right decisions", ""),
    "undecided": ("share of trials without a decision", ""),
    "decision_ms": ("decision time", " ms"),
}
CAPTIONS = {
    "conditions": "Change of every measure from the control to each condition, by area and cell "
                  "type, with its 95 % interval: filled where trials of the same kind that change "
                  "conditions at random seldom show as much (q < 0.05).",
    "conditions_decisions": "Decisions in each condition, with the 95 % interval of the change, "
                            "and in the control, by the class of the trial: filled where they "
                            "differ (q < 0.05).",
}
NAMED_CONDITIONS = 4  # in the answer
FEW_LEFT = 0.9  # of the trials of a condition; fewer compared are said


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """What changes most, and where, in each condition."""
    table, decisions = tables["conditions"], tables["conditions_decisions"]
    table = table[table["cell_type"] == "all"]
    decisions = decisions[decisions["class"] == ALL]
    if table["p_value"].isna().all() and decisions["p_value"].isna().all():
        return "No change between conditions could be computed."
    others = list(dict.fromkeys(table["condition"]))
    said = [f"{other}: {_most(table[table['condition'] == other], 'area')}"
            f"{_decided(decisions[decisions['condition'] == other])}" for other in others]
    more = f" ({len(others) - NAMED_CONDITIONS} more conditions in the table)" \
        if len(others) > NAMED_CONDITIONS else ""
    return f"Against {table['control'].iloc[0]}, {'; '.join(said[:NAMED_CONDITIONS])}{more}."


def _most(rows: pd.DataFrame, place: str) -> str:
    """The change that is largest beside its interval, and in how many rows there is none."""
    tested = rows[rows["p_value"].notna()]
    changed = tested[tested["q_value"] < SIGNIFICANT_Q]
    if changed.empty:
        return f"no change was found in any of {len(tested)} comparisons" if len(tested) else \
            "nothing could be compared"
    row = changed.loc[_clarity(changed).idxmax()]
    places = tested[tested["measure"] == row["measure"]]
    n_changed = int((places["q_value"] < SIGNIFICANT_Q).sum())
    return (f"the clearest change is that of the {MEASURES[row['measure']][0]} in {row[place]}, "
            f"{_from_to(row)}, which changes in {n_changed} of {len(places)} areas")


def _clarity(rows: pd.DataFrame) -> pd.Series:
    """Size of changes in units of their intervals; where there is none, as small as can be."""
    width = (rows["high"] - rows["low"]).replace(0, np.nan)
    return (rows["change"].abs() / width).fillna(0)


def _from_to(row: pd.Series) -> str:
    return f"from {row['control_value']:.3g} to {row['value']:.3g}{MEASURES[row['measure']][1]}"


def _decided(rows: pd.DataFrame) -> str:
    changed = rows[rows["q_value"] < SIGNIFICANT_Q]
    return "".join(f", the {MEASURES[row['measure']][0]} goes {_from_to(row)}"
                   for _, row in changed.iterrows())


def summarise(comparison: Comparison) -> list[str]:
    """What was found, in words: a line per condition, and one below per measure that changes."""
    said = []
    for other, contrast in comparison.contrasts.items():
        n, m = contrast.counts.sum(axis=1)
        how = "paired by stimulus" if contrast.paired else \
            "among neighbouring trials of a stimulus" if contrast.of == "stimulus" else \
            "among neighbouring trials of a class, whose stimuli may differ"
        said.append(f"{other} ({n} trials) against {comparison.conditions.control} ({m}), {how}:")
        unchanged = []
        for table, place in ((comparison.table, "area"), (comparison.decisions, "class")):
            rows = table[(table["condition"] == other) & table["p_value"].notna()]
            if "cell_type" in rows:
                rows = rows[rows["cell_type"] == "all"]
            # As many active units as active fraction: one test, said once.
            for measure, of_measure in rows[rows["measure"] != "active_units"].groupby(
                    "measure", sort=False):
                if (of_measure["q_value"] < SIGNIFICANT_Q).any():
                    said.append(f"  {MEASURES[measure][0]}: {_changes(of_measure, place)}")
                else:
                    unchanged.append(MEASURES[measure][0])
        if unchanged:
            said.append(f"  no change found anywhere: {', '.join(unchanged)}")
    return said


def _changes(rows: pd.DataFrame, place: str) -> str:
    """Where a measure changes, by how much, and where no change was found."""
    changed = rows["q_value"] < SIGNIFICANT_Q
    parts = [f"{row[place]} {_from_to(row)} (by {row['change']:.3g}, 95 % interval "
             f"{row['low']:.3g} to {row['high']:.3g}, q = {row['q_value']:.2g})"
             for _, row in rows[changed].iterrows()]
    if not changed.all():
        parts.append(f"no change found in {listed(rows.loc[~changed, place].tolist())}")
    return "; ".join(parts)


# --- what limits it ------------------------------------------------------------------------------


def limits(recording: Recording, windows: ResponseWindows, comparison: Comparison,
           relabelling: Relabelling) -> list[str]:
    """What limits the results, and what could not be computed."""
    said = trials_left_out(windows)
    said += _selection(windows, comparison) + _order(windows, comparison)
    said += _windows_differ(windows, comparison.decisions) + _notes(comparison.table)
    said += areas_in_no_order(recording)
    if relabelling.shift:
        said.append("conditions change places among trials that are compared with each other, so "
                    "--shift-labels changes nothing here (--block-trials shortens neighbourhoods)")
    if relabelling.block_trials > 1 and any(of.paired for of in comparison.contrasts.values()):
        said.append("conditions that are paired by stimulus are compared all along the session, so "
                    "--block-trials changes nothing there")
    return said


def _selection(windows: ResponseWindows, comparison: Comparison) -> list[str]:
    """Trials that cannot be compared, by condition."""
    key, control, others, value = comparison.conditions
    said, nowhere = [], int((value == "").sum())
    if nowhere:
        said.append(f"{nowhere} of {len(value)} trials have no '{key}' and are left out")
    share = {each: np.mean(~windows.used[value == each]) for each in (control, *others)}
    unlike = [f"{share[each]:.0%} of {each}" for each in share
              if abs(share[each] - share[control]) > 0.01]
    if unlike:
        said.append(f"trials without a response window ({windows.description}) are not compared: "
                    f"{', '.join(unlike)}, {share[control]:.0%} of {control}; those left are a "
                    "selection")
    for other, contrast in comparison.contrasts.items():
        for each, compared in zip((other, control), contrast.counts.sum(axis=1), strict=True):
            there = int((windows.used & (value == each)).sum())
            if compared < FEW_LEFT * there:
                kind = "the same stimulus" if contrast.paired else "the same class near them"
                said.append(f"{there - compared} of {there} trials of {each} have no trial of "
                            f"{control if each == other else other} of {kind} to be compared with")
    return said


def _order(windows: ResponseWindows, comparison: Comparison) -> list[str]:
    """A warning where conditions did not come in random order."""
    value = comparison.conditions.value[windows.used & (comparison.conditions.value != "")]
    return [f"{trouble}; slow drift can look like an effect of the condition, which no exchange "
            "parts from it where conditions came in runs (--block-trials N compares trials that "
            "are nearer to each other)"
            for trouble in label_order(value, "conditions", "conditions")]


def _windows_differ(windows: ResponseWindows, decisions: pd.DataFrame) -> list[str]:
    """A warning where windows end with decisions that come at different times."""
    rows = decisions[(decisions["class"] == ALL) & (decisions["measure"] == "decision_ms")
                     & (decisions["q_value"] < SIGNIFICANT_Q)]
    if not windows.until_decision or rows.empty:
        return []
    return ["windows end at the decision, which comes at another time in "
            f"{listed(rows['condition'].tolist())}: what units do more or less may be what they "
            "have more or less time for; --window START STOP makes windows equally long"]


def _notes(table: pd.DataFrame) -> list[str]:
    """Which rows lack something, and why."""
    said = []
    for note, rows in table[table["note"] != ""].groupby("note", sort=False):
        who = [row.area if row.cell_type == "all" else f"{row.area} {row.cell_type}"
               for row in rows.itertuples()]
        which = list(dict.fromkeys(rows["measure"]))
        what = "" if len(which) == table["measure"].nunique() else f" ({', '.join(which)})"
        said.append(f"{listed(list(dict.fromkeys(who)))}{what}: {note}")
    return said
