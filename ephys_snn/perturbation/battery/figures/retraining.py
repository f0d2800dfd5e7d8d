"""Silencing at once beside silencing after which the network has learned again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis import figure_style, new_figure
from ephys_snn.perturbation.battery.figures.drawing import (
    REFERENCE_COLOR,
    chance_handles,
    finish,
    sample,
    shorten_middle,
)
from ephys_snn.perturbation.battery.retraining import RETRAINED, RETRAINED_INTACT
from ephys_snn.perturbation.battery.rows import intact_accuracy
from ephys_snn.perturbation.battery.trials import NONE

COLORS = {NONE: "#BB5566", RETRAINED: "#004488"}
LABELS = {NONE: "silenced at once", RETRAINED: "after learning again"}


def plot_retraining(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                    classes: Sequence[str], question: str) -> Figure:
    """Accuracy by perturbation: at once, and after learning again."""
    tried = rows[rows["control"].isin(COLORS) & rows["accuracy"].notna()]
    names = list(dict.fromkeys(tried["perturbation"]))
    with figure_style():
        figure = new_figure(8.5, 1.9 + 0.32 * len(names))
        axes = figure.subplots()
        for y, name in enumerate(names):
            _plot_perturbation(axes, y, tried[tried["perturbation"] == name])
        handles = [Line2D([], [], color=color, marker="o", linestyle="none", label=LABELS[control])
                   for control, color in COLORS.items()]
        intact = {"intact": (intact_accuracy(tried).mean(), "-"),
                  "intact, after learning as long":
                  (rows.loc[rows["control"] == RETRAINED_INTACT, "accuracy"].mean(), "--")}
        for label, (accuracy, style) in intact.items():
            if pd.notna(accuracy):
                line = axes.axvline(accuracy, color=REFERENCE_COLOR, linestyle=style,
                                    linewidth=1, zorder=0)
                line.set_label(label)
                handles.append(line)
        if len(classes) > 1:
            axes.axvline(1 / len(classes), color=REFERENCE_COLOR, linestyle=":", linewidth=1,
                         zorder=0)
        axes.set_yticks(range(len(names)), [shorten_middle(name, 48) for name in names])
        axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(-0.02, 1.02), xlabel="accuracy")
        finish(figure, question, _explanation(rows), [*handles, *chance_handles(len(classes))])
    return figure


def _plot_perturbation(axes: Axes, y: float, rows: pd.DataFrame) -> None:
    """Every network and draw as a small dot, their means as large ones with an arrow between."""
    means = rows.groupby("control")["accuracy"].mean()
    if len(means) == len(COLORS):
        axes.annotate("", (means[RETRAINED], y), (means[NONE], y), zorder=2,
                      arrowprops={"arrowstyle": "->", "color": "0.5", "shrinkA": 4, "shrinkB": 4})
    for control, of_control in rows.groupby("control"):
        if len(of_control) > 1:
            axes.plot(of_control["accuracy"], [y] * len(of_control), "o", markersize=2.5,
                      alpha=0.5, color=COLORS[control], markeredgewidth=0)
        axes.plot(means[control], y, "o", markersize=6, color=COLORS[control], zorder=3)


def _explanation(rows: pd.DataFrame) -> str:
    return ("Silenced units send no spikes, at once and for good: while the network learns again, "
            "they stay silent. What it cannot do at once, it may learn to do without them. Small "
            f"dots: single networks and draws. {sample(rows)}")
