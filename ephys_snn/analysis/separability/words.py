"""Separability in words: what was found, what limits it, what the figures show."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ephys_snn.analysis.decoding import CODES
from ephys_snn.analysis.separability.design import LEVEL, SeparabilitySettings
from ephys_snn.analysis.separability.separability import Separability
from ephys_snn.analysis.words import trials_left_out
from ephys_snn.recording import ResponseWindows

MOST_PAIRS = 3  # of areas that a sentence names
CAPTIONS = {
    "separability": "How often the class of a trial is decoded right from each area, when it first "
                    "can be, and how far apart the classes are; grey: permuted labels.",
    "separability_confusion": "Which classes are taken for which: each row shows what the trials "
                              "of one class are decoded as, from each area.",
    "separability_cross_temporal": "Whether the code for the class stays the same over time: "
                                   "decoders trained in one time bin (down) and tested in another "
                                   "(across), in each area; dots: above chance over all bins and "
                                   "areas.",
}


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """Where the class can be decoded, where best and where first."""
    table = tables["separability"]
    rows = table[table["accuracy"].notna()]
    if rows.empty:
        return "The class could not be decoded from any area."
    significant = rows.groupby("area")["q_value"].min() < LEVEL
    clauses = [f"The class is decodable from {int(significant.sum())} of {len(significant)} areas",
               *_durations(table), *_best(rows, tables["separability_between_areas"]),
               *_earliest(tables["separability_latency"])]
    return "; ".join(clauses) + "."


def _durations(table: pd.DataFrame) -> list[str]:
    """How well the class is decodable from how long the windows last, where it is."""
    control = table.iloc[0]
    return [f"the durations of the response windows alone give {control['duration_accuracy']:.0%} "
            f"(p = {control['duration_p_value']:.2g})"
            ] if control["duration_p_value"] < LEVEL else []


def accuracies(between: pd.DataFrame) -> pd.Series:
    """(area,) float, the accuracy of every area that is compared with others, the best first."""
    pairs = between[between["difference"].notna()]
    known = dict(zip(pairs["area"], pairs["accuracy"], strict=True)) | dict(
        zip(pairs["other_area"], pairs["other_accuracy"], strict=True))
    return pd.Series(known, dtype=float).sort_values(ascending=False, kind="stable")


def _best(rows: pd.DataFrame, between: pd.DataFrame) -> list[str]:
    """From which area the class is decoded best, at equal numbers of units."""
    if rows["area"].nunique() == 1:
        only = rows.loc[rows["accuracy"].idxmax()]
        return [f"{only['accuracy']:.0%} of the trials are decoded right from "
                f"{CODES[only['code']]}, {only['chance']:.0%} by chance"]
    accuracy = accuracies(between)
    if accuracy.empty:
        return []
    pairs = between[between["difference"].notna()]
    best, first = accuracy.index[0], pairs.iloc[0]
    of_best = pairs[(pairs["area"] == best) | (pairs["other_area"] == best)]
    better = int((of_best["q_value"] < LEVEL).sum())
    return [f"at equal numbers of units ({first['n_units']}), the largest accuracy is that of "
            f"{best}, {accuracy.iloc[0]:.0%} from {CODES[first['code']]}, significantly above "
            f"{better} of {len(of_best)} other areas"]


def _earliest(latencies: pd.DataFrame) -> list[str]:
    """From which area the class is decodable first, and when."""
    known = latencies[latencies["latency_ms"].notna()]
    if known.empty:
        return []
    first = known.loc[known["latency_ms"].idxmin()]
    return [f"it is first decodable from {first['area']}, {first['latency_ms']:.3g} ms after the "
            "onset"]


def summarise(result: Separability) -> list[str]:
    """What was found, in plain sentences; what belongs to one is indented below it."""
    table = result.table[result.table["accuracy"].notna()]
    if table.empty:
        return ["The class could be decoded from no area; the notes say why."]
    return [*_accuracy(result, table), *_compared(result.between_areas),
            *_distances(table[table["code"] == "active"]), _latencies(result.latencies),
            *_across_time(result.cross_temporal)]


def _accuracy(result: Separability, table: pd.DataFrame) -> list[str]:
    sentences = [
        f"How often the class of a trial ({len(result.classes)} classes, {result.n_trials} trials, "
        f"{result.n_folds}-fold cross-validation) is decoded right, as balanced accuracy; guessing "
        f"gives {1 / len(result.classes):.0%}, * marks q < {LEVEL:g} against permuted labels:"]
    for code, meaning in CODES.items():
        rows = table[table["code"] == code]
        sentences.append(f"  from {meaning}: " + ", ".join(
            f"{row.area} {row.accuracy:.1%}{'*' if row.q_value < LEVEL else ''}"
            for row in rows.itertuples()) + ".")
    return sentences + [f"  {clause}." for clause in _durations(table)]


def _compared(between: pd.DataFrame) -> list[str]:
    pairs = between[between["difference"].notna()]
    if pairs.empty:
        return []
    first = pairs.iloc[0]
    differ = pairs[pairs["q_value"] < LEVEL]
    apart = "; ".join(
        f"{row.area} {100 * row.difference:+.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}] "
        f"points to {row.other_area}" for row in differ.head(MOST_PAIRS).itertuples())
    more = f"; and {len(differ) - MOST_PAIRS} more" if len(differ) > MOST_PAIRS else ""
    return [f"At equal numbers of units ({first['n_units']}), from {CODES[first['code']]}: "
            + ", ".join(f"{area} {value:.1%}"
                        for area, value in accuracies(between).items()) + ".",
            f"  {len(differ)} of {len(pairs)} pairs of areas differ (q < {LEVEL:g}, for other "
            "trials of these units)" + (f": {apart}{more}." if len(differ) else ".")]


def _distances(active: pd.DataFrame) -> list[str]:
    return ["Patterns of active units differ between trials of different classes this many times "
            "as much as between trials of one class: " + ", ".join(
                f"{row.area} {row.distance_ratio:.2f}"
                f"{'*' if row.distance_q_value < LEVEL else ''}"
                for row in active.itertuples()) + "."] if len(active) else []


def _latencies(latencies: pd.DataFrame) -> str:
    known = latencies[latencies["latency_ms"].notna()]
    code = CODES[latencies["code"].iloc[0]]
    if known.empty:
        return (f"As the window grows, the class is decodable from {code} in no area (p < "
                f"{LEVEL:g} over all areas and times, at two successive ends of the window).")
    return (f"From {code}, the class is first decoded better than by chance (p < {LEVEL:g} over "
            "all areas and times) when the window, growing in steps of "
            f"{latencies['step_ms'].iloc[0]:.3g} ms, reaches (ms after onset, 95 % interval): "
            + ", ".join(f"{row.area} {row.latency_ms:.3g} [{row.latency_low_ms:.3g}, "
                        f"{row.latency_high_ms:.3g}]".replace("nan", "–")
                        for row in known.itertuples()) + ".")


def _across_time(table: pd.DataFrame | None) -> list[str]:
    """In how many bins the class is decodable, and in how many others by the same decoders."""
    if table is None or table["accuracy"].isna().all():
        return []
    rows = table[table["accuracy"].notna()]
    same = rows["train_start_ms"] == rows["test_start_ms"]
    found = rows["p_value_corrected"] < LEVEL
    counted = []
    for area, of_area in rows.groupby("area", sort=False):
        own, other = found[of_area.index][same], found[of_area.index][~same]
        counted.append(f"{area} {own.sum()} of {len(own)} and {other.sum()} of {len(other)}")
    return [f"Across time, the class is decodable (p < {LEVEL:g} over all bins and areas) in the "
            "bin that the decoders were trained in, and in another: " + ", ".join(counted) + "."]


def limits(result: Separability, settings: SeparabilitySettings, windows: ResponseWindows
           ) -> list[str]:
    """What limits it, and what could not be computed and why."""
    return [*result.notes, *trials_left_out(windows),
            *_numbers_of_units(result.table, settings.match_units),
            *_how_long_windows_last(result.table), *_notes(result.table)]


def _numbers_of_units(table: pd.DataFrame, match_units: int | None) -> list[str]:
    sizes = table[table["accuracy"].notna()].groupby("area")["n_units_used"].max()
    if match_units is None and sizes.nunique() > 1:
        return [f"areas have {sizes.min()} to {sizes.max()} units, and more units carry more "
                "information: accuracies from all units are not comparable between areas, those "
                "at equal numbers of units are"]
    if match_units is not None and len(sizes):
        return [f"accuracies and distances are means over random draws of {sizes.max()} units per "
                "area (--match-units)"]
    return []


def _how_long_windows_last(table: pd.DataFrame) -> list[str]:
    return [f"{clause}: a part of what is decoded from areas may be how long the window lasted; "
            "--window START STOP makes windows equally long" for clause in _durations(table)]


def _notes(table: pd.DataFrame) -> list[str]:
    """What the table notes, with the areas, and the codes where it is not all."""
    reasons: dict[tuple, list] = {}
    for (area, note), rows in table[table["note"] != ""].groupby(["area", "note"], sort=False):
        reasons.setdefault((note, tuple(rows["code"])), []).append(area)
    return [", ".join(areas) + ("" if len(codes) == len(CODES) else f" ({', '.join(codes)})")
            + f": {note}" for (note, codes), areas in reasons.items()]
