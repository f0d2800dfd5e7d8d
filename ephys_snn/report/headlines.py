"""What the pipelines found and could not ask, in plain sentences, before any table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ephys_snn.analysis.separability.separability import CODES
from ephys_snn.recording import Recording, ResponseWindows

LEVEL = 0.05  # of q-values
MADE_OF = {"structural": "the pathways in the weights",
           "functional": "the pathways in the activity"}


def write_headlines(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> list[str]:
    """One sentence per question, from the pipelines' tables.

    Parameters
    ----------
    tables : dict of str to DataFrame
        ``synchrony``, ``information_gain``, ``information_gain_by_area``, ``pathways_by_area`` and
        ``separability``; what is missing is left out.
    areas_ordered : bool
        Whether the order of the areas has a meaning.
    """
    sentences = []
    if "synchrony" in tables:
        sentences.append(_synchrony(tables["synchrony"], areas_ordered))
    if "information_gain" in tables:
        sentences.append(_information(tables["information_gain"],
                                      tables["information_gain_by_area"]))
    if "pathways_by_area" in tables:
        sentences.append(_pathways(tables["pathways_by_area"], areas_ordered))
    if "separability" in tables:
        sentences.append(_separability(tables["separability"]))
    return sentences


def write_unasked(recording: Recording, windows: ResponseWindows) -> str:
    """What this recording cannot answer, in one sentence; '' where it answers everything."""
    reasons = []
    deciding = recording.output_units(windows)
    silent = [area for area in recording.areas if deciding[recording.units_in(area)].all()]
    if silent:
        reasons.append(f"what {' and '.join(silent)} does, whose first spike is the decision that "
                       "ends the response window")
    if len(recording.trials.classes) < 2:
        reasons.append("anything about classes, because all trials have the same one")
    if not recording.weights:
        reasons.append("which pathways the connections make, because the file holds no weights")
    if not {"excitatory", "inhibitory"} & set(recording.units.cell_type):
        reasons.append("how excitatory and inhibitory units differ, because cell types are not "
                       "known")
    if len(recording.areas) < 2:
        reasons.append("what changes from area to area, because there is one")
    elif not recording.areas_ordered:
        reasons.append("what grows with depth, because nobody stated the order of the areas")
    return f"Could not be asked: {'; '.join(reasons)}." if reasons else ""


def _synchrony(table: pd.DataFrame, areas_ordered: bool) -> str:
    rows = table[(table["cell_type"] == "all") & table["shortest_half_ms"].notna()]
    if rows.empty:
        return "No area has enough active units at once to form a pulse packet."
    width = rows.set_index("area")["shortest_half_ms"]
    narrower = int((rows["shuffled_shortest_half_q_value"] < LEVEL).sum())
    control = (f"tighter than the stimulus alone makes it (responses shuffled across trials of a "
               f"class) in {narrower} of {len(rows)} areas")
    if not areas_ordered or len(width) < 2:
        widths = ", ".join(f"{value:.3g} ms in {area}" for area, value in width.items())
        return f"Half of the active units of an area fire within {widths}: {control}."
    widest, last = width.idxmax(), width.index[-1]
    course = [f"{width.iloc[0]:.3g} ms in {width.index[0]}"]
    if widest not in (width.index[0], last):
        course.append(f"up to {width[widest]:.3g} ms in {widest}")
    course.append(f"{width[last]:.3g} ms in {last}")
    return f"Half of the active units of an area fire within {', '.join(course)}: {control}."


def _information(units: pd.DataFrame, by_area: pd.DataFrame) -> str:
    tested = units["q_value"].notna()
    if not tested.any():
        return "No unit is active often enough to say what it tells about the class."
    telling = int((units["q_value"] < LEVEL).sum())
    counting = int((units["spike_count_q_value"] < LEVEL).sum())
    sentence = (f"Of {int(tested.sum())} units that are active often enough, {telling} tell the "
                f"class by being active and {counting} by how often they spike")
    mean = by_area.set_index(["cell_type", "area"])["mean_corrected"].dropna()
    if "excitatory" in mean and "inhibitory" in mean:
        excitatory, inhibitory = mean["excitatory"], mean["inhibitory"]
        sentence += (f"; information gain beyond chance (1: active for one class only) is "
                     f"{excitatory.iloc[0]:.2f} for excitatory units in {excitatory.index[0]} and "
                     f"{excitatory.iloc[-1]:.2f} in {excitatory.index[-1]}, for inhibitory units "
                     f"{inhibitory.iloc[0]:.2f} and {inhibitory.iloc[-1]:.2f}")
    return sentence + "."


def _pathways(by_area: pd.DataFrame, areas_ordered: bool) -> str:
    sentences = []
    for kind, rows in by_area[by_area["preference"].notna()].groupby("kind", sort=False):
        significant = int((rows["q_value"] < LEVEL).sum())
        values = [f"{row.preference:.2f} in {row.area}" for row in rows.itertuples()]
        shown = [values[0], values[-1]] if areas_ordered and len(values) > 1 else values[:4]
        scale = "" if sentences else " (0: not at all, 1: active for it alone)"
        sentences.append(f"{MADE_OF[kind]} prefer their own class by {', '.join(shown)}{scale}, "
                         f"more than random sets of units in {significant} of {len(rows)} areas")
    text = "; ".join(sentences) or "no area has a pathway that could be evaluated"
    return text[0].upper() + text[1:] + "."


def _separability(table: pd.DataFrame) -> str:
    rows = table[table["accuracy"].notna()]
    if rows.empty:
        return "The class could not be decoded from any area."
    best = rows.loc[rows["accuracy"].idxmax()]
    significant = rows.groupby("area")["q_value"].min() < LEVEL
    return (f"The class can be decoded in {int(significant.sum())} of {len(significant)} areas, "
            f"best from {best['area']} ({best['accuracy']:.0%} right from {CODES[best['code']]}, "
            f"{best['chance']:.0%} by chance).")
