"""Figure of patterns: where the most significant ones occur."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ephys_snn.analysis.style import class_colors, figure_style, new_figure
from ephys_snn.analysis.synchrony.patterns.analysis import AreaPatterns, PatternSettings
from ephys_snn.analysis.synchrony.patterns.mining import Pattern
from ephys_snn.recording import Recording, short_labels, unit_labels

MAX_SHOWN = 4
TITLE_WIDTH = 48  # characters of a panel's title
SPIKE_COLOR = "0.75"


def plot_patterns(recording: Recording, found: list[AreaPatterns], table: pd.DataFrame,
                  settings: PatternSettings, name: str) -> Figure:
    """Occurrences of the most significant patterns of each area, a row per occurrence.

    Parameters
    ----------
    recording : Recording
    found : list of AreaPatterns
    table : DataFrame
        ``patterns.csv``, with a significant row.
    settings : PatternSettings
    name : str
        Of the recording.
    """
    names = unit_labels(recording.units)
    shown = [(each, index) for index in range(MAX_SHOWN) for each in found
             if index < (table["significant"] & (table["area"] == each.area)).sum()][:MAX_SHOWN]
    with figure_style():
        figure = new_figure(max(8.0, 4.2 * len(shown) + 0.8), 4.4)
        figure.suptitle(f"{name}: patterns that recur more often than in surrogates, in bins of "
                        f"{settings.bin_width:g} ms\n(a row per occurrence; grey: other spikes of "
                        "the mined units in that trial)", fontsize=10.5)
        for letter, axes, (each, index) in zip(
                "abcd", figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=False):
            pattern = each.patterns[index]
            _draw_occurrences(axes, each, pattern, short_labels(names[each.unit].tolist()))
            lags = "+".join(f"{lag * settings.bin_width:g}" for lag in pattern.lag)
            axes.set_title(fill(f"{letter}  {each.area}: lags {lags} ms, {len(pattern.start)} "
                                f"times, p = {each.p_value[index]:.2g}", TITLE_WIDTH))
    return figure


def _draw_occurrences(axes: Axes, found: AreaPatterns, pattern: Pattern, names: list[str]
                      ) -> None:
    """Spikes of the trials in which a pattern occurs, those of the pattern in colour."""
    responses = found.responses
    binned, slot, width = responses.observed(), responses.slot_bins, responses.bin_width
    trial, first = np.divmod(pattern.start, slot)
    begin = responses.start[trial]
    for row, at in enumerate(trial):
        place = np.flatnonzero(binned[:, at * slot:(at + 1) * slot].any(axis=0))
        axes.plot(begin[row] + width * (place + 0.5), np.full(len(place), row), ls="none",
                  marker="|", ms=4, color=SPIKE_COLOR, zorder=1)
    colors = class_colors(len(pattern.unit))
    beside = np.linspace(0.25, -0.25, len(pattern.unit))  # else simultaneous spikes hide each other
    spikes = []
    for lag, color, offset in zip(pattern.lag, colors, beside, strict=True):
        spikes += axes.plot(begin + width * (first + lag + 0.5), np.arange(len(trial)) + offset,
                            ls="none", marker="o", ms=3.5, color=color, zorder=2)
    axes.set(xlabel="time after onset (ms)", ylabel="occurrence",
             ylim=(-0.7, 1.3 * len(trial)))  # room for the legend
    axes.legend(spikes, [names[unit] for unit in pattern.unit], title="unit",
                ncols=1 + len(pattern.unit) // 6, loc="upper right")
