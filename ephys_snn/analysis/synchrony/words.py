"""Pulse packets in words: what was found, what limits it, what the figures show."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ephys_snn.analysis.depth_trend import ONE_RECORDING
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.words import areas_in_no_order, trials_left_out
from ephys_snn.recording import Recording, ResponseWindows

CAPTIONS = {
    "synchrony": "Spikes of example trials (a); width and size of every area's packet of first "
                 "spikes against two controls: latencies shuffled across the trials of a stimulus "
                 "(of a class, where the recording does not say which stimuli repeat), and spikes "
                 "dithered in time (b); both together, from area to area, the width of equally "
                 "many units (c).",
    "synchrony_elephant": "Elephant's measures of the same responses, against responses shuffled "
                          "across the trials of a stimulus or class.",
    "unitary_events": "Windows of the trial with more coincidences of these units than their rates "
                      "predict.",
    "patterns": "Occurrences of the patterns of spikes that recur most often beyond surrogates, "
                "each in its trial.",
}
# Trials that exchange responses, by what they have in common.
NEIGHBOURS = {"stimulus": "neighbouring trials of a stimulus",
              "class": "neighbouring trials of a class, whose stimuli may differ"}
# What packets are narrower than, likewise.
SHUFFLED = {
    of: f"{beyond} (latencies shuffled across {NEIGHBOURS[of]})" for of, beyond in (
        ("stimulus", "locking to the stimulus alone makes them"),
        ("class", "the class average predicts"))}


def findings(tables: Mapping[str, pd.DataFrame], areas_ordered: bool) -> str:
    """How wide the packets are, and where they are narrower than shuffled trials make them."""
    table = tables["synchrony"]
    rows = table[(table["cell_type"] == "all") & table["shortest_half_equal_ms"].notna()]
    if rows.empty:
        return "No area has enough active units at once to form a pulse packet."
    width = rows.set_index("area")["shortest_half_equal_ms"]
    narrower = int((rows["shuffled_shortest_half_q_value"] < SIGNIFICANT_Q).sum())
    control = (f"packets are narrower than {SHUFFLED[rows['shuffled_within'].iloc[0]]} in "
               f"{narrower} of {len(rows)} areas")
    half = f"Half of {rows['n_equal_spikes'].iloc[0]:.0f} active units of an area fire within"
    if not areas_ordered or len(width) < 2:
        widths = ", ".join(f"{value:.3g} ms in {area}" for area, value in width.items())
        return f"{half} {widths}; {control}."
    widest, last = width.idxmax(), width.index[-1]
    course = [f"{width.iloc[0]:.3g} ms in {width.index[0]}"]
    if widest not in (width.index[0], last):
        course.append(f"up to {width[widest]:.3g} ms in {widest}")
    course.append(f"{width[last]:.3g} ms in {last}")
    return f"{half} {', '.join(course)}; {control}."


def summarise(recording: Recording, windows: ResponseWindows, table: pd.DataFrame) -> list[str]:
    """What was found, in words."""
    rows = table[table["cell_type"] == "all"].set_index("area")
    rows = rows.loc[[area for area in recording.areas if rows.loc[area, "n_trials"] > 0]]
    if not len(rows):
        return ["No packet width in any area: none has enough active units in any of "
                f"{windows.used.sum()} trials ({windows.description})."]
    found = _widths(rows[rows["shortest_half_equal_ms"].notna()], recording)
    tested = rows[rows["shuffled_shortest_half_q_value"].notna()]
    if len(tested):
        found.append(_compare(
            tested, "shuffled", f"Narrower than {SHUFFLED[rows['shuffled_within'].iloc[0]]}"))
    if rows["dithered_shortest_half_q_value"].notna().any():
        found.append(_compare(rows, "dithered", _dithered(rows["dither_ms"].max(), windows)))
    return found


def _widths(rows: pd.DataFrame, recording: Recording) -> list[str]:
    """How wide the packets of the areas are at equal numbers of units."""
    if not len(rows):
        return []
    width, few, many = (rows["shortest_half_equal_ms"], rows["n_equal_trials"].min(),
                        rows["n_equal_trials"].max())
    said = (f"shortest half of {rows['n_equal_spikes'].iloc[0]:.0f} active units, drawn at random "
            "so that areas compare, mean over "
            + (f"{many:.0f} trials" if few == many else f"{few:.0f} to {many:.0f} trials"))
    if recording.areas_ordered and len(rows) > 1:
        return [f"The packet {_course(width, recording.resolution)}: {said}.",
                f"  {ONE_RECORDING}"]
    return [f"Packet width: {', '.join(_widths_of_areas(width, recording.resolution))}; {said}."]


def _dithered(dither: float, windows: ResponseWindows) -> str:
    """What packets are narrower than that pass the dithered null."""
    longest = windows.durations[windows.used].max()
    where = (" anywhere in its window" if dither >= longest else
             f" by up to ±{_ms(dither)}, within its window" +
             (f" of at most {_ms(longest)}" if 2 * dither >= longest else ""))
    return (f"Narrower than with every spike moved at random{where} (locking to the stimulus is "
            "enough for that)")


def _course(width: pd.Series, resolution: float | None) -> str:
    """How the width goes from the first area to the last, in words."""
    widths = _widths_of_areas(width, resolution)
    first, last, widest = widths[0], widths[-1], widths[int(width.argmax())]
    if widest == first:
        return f"narrows from {first} to {last}"
    if widest == last:
        return f"spreads from {first} to {last}"
    return f"first spreads from {first} to {widest}, then tightens to {last}"


def _widths_of_areas(width: pd.Series, resolution: float | None) -> list[str]:
    return [f"{_resolved(value, resolution)} ({area})" for area, value in width.items()]


def _compare(rows: pd.DataFrame, null: str, claim: str) -> str:
    """Which areas pass a null, with effect sizes."""
    def named(these: pd.DataFrame) -> str:
        return ", ".join(f"{area} ({row[f'{null}_shortest_half_ratio']:.2f} times the null's "
                         f"width, q = {row[f'{null}_shortest_half_q_value']:.3g})"
                         for area, row in these.iterrows())

    passed = rows[f"{null}_shortest_half_q_value"] < SIGNIFICANT_Q
    tested = rows[f"{null}_shortest_half_q_value"].notna()
    parts = [f"{claim}: {named(rows[passed]) or 'no area'}"]
    if (tested & ~passed).any() and passed.any():
        parts.append(f"not: {named(rows[tested & ~passed])}")
    return "; ".join(parts) + "."


def limits(recording: Recording, windows: ResponseWindows, tables: list[pd.DataFrame],
           shift_labels: bool) -> list[str]:
    """What limits the results."""
    said = trials_left_out(windows)
    who = {}  # whom each note concerns, in the order of the tables
    for table in tables:
        for row in table.assign(cell_type=table.get("cell_type", "all")).itertuples():
            of_area = who.setdefault(row.note, {})
            if row.cell_type == "all":
                of_area[row.area] = row.area
            elif row.area not in of_area:  # else the area's own row has said it
                of_area[row.area, row.cell_type] = f"{row.area} {row.cell_type}"
    said += [f"{', '.join(names.values())}: {note}" for note, names in who.items() if note]
    if recording.resolution is not None:
        said.append(f"synchrony finer than {recording.resolution:.4g} ms, the recording's time "
                    "resolution, is an artefact and not tested")
    said += areas_in_no_order(recording)
    if shift_labels:
        said.append("synchrony moves no labels, so --shift-labels changes nothing here; its nulls "
                    "exchange responses among neighbouring trials (--block-trials)")
    return said


def _resolved(value: float, resolution: float | None) -> str:
    """A width in words, as far as the recording resolves it."""
    if resolution is not None and value < resolution * (1 - 1e-6):
        return f"less than the resolution of {_ms(resolution)}"
    return _ms(value)


def _ms(value: float) -> str:
    digits = ".2g" if value < 0.01 else ".2f" if value < 10 else ".0f"
    return f"{value:{digits}} ms"
