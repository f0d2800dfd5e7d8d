"""Change of accuracy under any perturbations, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis import figure_style, mean_interval, new_figure
from ephys_snn.perturbation.battery.figures.drawing import (
    REFERENCE_COLOR,
    finish,
    sample,
    shorten_middle,
)
from ephys_snn.perturbation.battery.trials import NONE, RANDOM, UNTRAINED

MOST = 30  # perturbations that are drawn
LONGEST_WORDS = 48
COLORS = {NONE: "#882255", UNTRAINED: "white", RANDOM: "#888888"}
LABELS = {NONE: "the perturbation", UNTRAINED: "untrained twin",
          RANDOM: "the same of a matched set of units"}


def plot_changes(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                 classes: Sequence[str], question: str) -> Figure:
    """Change of accuracy with its interval; of many perturbations, the largest changes."""
    tried = rows[rows["control"].isin(COLORS) & rows["change"].notna()]
    sizes = tried[tried["control"] == NONE].groupby("perturbation", sort=False)["change"].mean()
    largest = sizes.abs().nlargest(MOST).index
    names = [name for name in dict.fromkeys(tried["perturbation"])
             if name in largest or len(sizes) <= MOST]
    with figure_style():
        figure = new_figure(9.0, 1.9 + 0.26 * len(names))
        axes = figure.subplots()
        axes.axvline(0, color=REFERENCE_COLOR, linewidth=0.8, zorder=0)
        for y, name in enumerate(names):
            of_one = tried[tried["perturbation"] == name]
            for place, control in enumerate(COLORS):
                _plot_control(axes, y + 0.22 * (place - 1), of_one[of_one["control"] == control],
                              control)
        axes.set_yticks(range(len(names)), [shorten_middle(name, LONGEST_WORDS)
                                            for name in names], fontsize=7.5)
        axes.set(ylim=(max(len(names), 1) - 0.5, -0.5), xlabel="change of accuracy")
        finish(figure, question, _explanation(rows, len(sizes)), _handles(tried))
    return figure


def _plot_control(axes: Axes, y: float, rows: pd.DataFrame, control: str) -> None:
    """Of one network its draws with intervals over trials, of several their mean with theirs."""
    means = rows.groupby("network")["change"].mean()
    if means.empty:
        return
    style = {"color": "#888888" if control == RANDOM else COLORS[NONE],
             "markerfacecolor": COLORS[control]}
    if len(means) == 1 and control == NONE:
        places = y + 0.1 * (np.arange(len(rows)) - (len(rows) - 1) / 2)
        axes.hlines(places, rows["low"], rows["high"], color=COLORS[NONE], linewidth=1)
        axes.plot(rows["change"], places, "o", markersize=4, **style)
        return
    dots = rows["change"] if len(means) == 1 else means
    axes.plot(dots, np.full(len(dots), y), "o", markersize=3, alpha=0.7, **style)
    if len(means) > 1:
        axes.hlines(y, *mean_interval(means.to_numpy()), color=style["color"], linewidth=1.2)
        axes.plot(means.mean(), y, "|", markersize=9, markeredgewidth=1.8, color=style["color"])


def _explanation(rows: pd.DataFrame, n_perturbations: int) -> str:
    several = rows["network"].nunique() > 1
    said = ["Dots: networks; bars: their mean; lines: its 95 % interval over networks, where there "
            "are five." if several else "Lines: 95 % interval over the trials of this network; a "
            "dot per random draw."]
    if n_perturbations > MOST:
        said.append(f"The {MOST} largest changes of {n_perturbations}; all are in the table.")
    return " ".join([*said, sample(rows)])


def _handles(rows: pd.DataFrame) -> list:
    return [Line2D([], [], color=COLORS[NONE] if control == UNTRAINED else color, marker="o",
                   markersize=4, markerfacecolor=color, linestyle="none", label=LABELS[control])
            for control, color in COLORS.items() if (rows["control"] == control).any()]
