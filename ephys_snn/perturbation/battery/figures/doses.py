"""Decisions over the dose of a perturbation, of one layer at a time or of all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis import figure_style, new_figure
from ephys_snn.perturbation.battery.figures.drawing import (
    REFERENCE_COLOR,
    chance_handles,
    curve_handles,
    draw_chance,
    draw_curve,
    finish,
    sample,
)
from ephys_snn.perturbation.battery.kinds import WITHOUT_DOSE
from ephys_snn.perturbation.battery.rows import intact_accuracy, ordered_areas
from ephys_snn.perturbation.battery.trials import NONE, UNTRAINED

AXES = {"jitter": "jitter, SD", "delay": "delay", "stretch": "stretch of the packet",
        "drop": "spikes deleted", "silence": "units silenced", "drive": "driven at"}
WEIGHTS = {"fraction of weight": "noise of each weight", "bits": "weights of N bits"}
UNITS = {"packet widths": "packet widths", "ms": "ms", "factor": "factor; 1 leaves it",
         "probability": "probability", "fraction of units": "fraction of units",
         "fraction of weight": "SD, as a fraction of it", "bits": "N"}
MARKERS = {"all": "o", "excitatory": "^", "inhibitory": "v"}
MOST_TICKS = 7


def plot_doses(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
               classes: Sequence[str], question: str) -> Figure:
    """A column per operation, accuracy above and the time of the decision below."""
    is_curve = ~rows["operation"].isin(WITHOUT_DOSE)
    columns = [*rows[is_curve].groupby(["operation", "dose_unit"], sort=False)]
    others = rows[~is_curve]
    colors = area_colors(ordered_areas(areas, rows))
    widths = [3.0] * len(columns) + ([0.9 + 0.7 * others["operation"].nunique()]
                                     if len(others) else [])
    with figure_style():
        figure = new_figure(max(7.0, 0.8 + sum(widths)), 6.2)
        panels = figure.subplots(2, len(widths), squeeze=False, sharey="row", width_ratios=widths)
        for pair, (_, of_column) in zip(panels.T, columns, strict=False):
            _plot_column(pair, of_column, colors)
        if len(others):
            _plot_without_dose(panels[:, -1], others, colors)
        for axes in panels[0]:
            draw_chance(axes, len(classes))
        panels[0, 0].set_ylabel("accuracy")
        panels[1, 0].set_ylabel("change of decision time (ms)")
        _draw_intact(panels, rows)
        finish(figure, question, _explanation(rows, others), _handles(rows, colors, len(classes)))
    return figure


def area_colors(areas: Sequence[str]) -> dict[str, tuple]:
    """Dark for the first layer to bright for the last; black for all at once."""
    layers = [area for area in areas if area != "all"]
    ramp = mpl.colormaps["viridis"](np.linspace(0.0, 0.88, max(len(layers), 1)))
    colors = dict(zip(layers, map(tuple, ramp), strict=False))
    return {area: colors.get(area, (0.13, 0.13, 0.13, 1.0)) for area in areas}


def _plot_column(pair: np.ndarray, rows: pd.DataFrame, colors: dict[str, tuple]) -> None:
    operation, unit = rows.iloc[0][["operation", "dose_unit"]]
    if unit == "factor":  # at 1, nothing happens
        rows = pd.concat([rows, rows.assign(dose=1.0, accuracy=intact_accuracy(rows),
                                            decision_change_ms=0.0)])
    doses = np.unique(rows["dose"])
    for axes, measure in zip(pair, ("accuracy", "decision_change_ms"), strict=True):
        for control in (UNTRAINED, NONE):
            for area in colors:
                for cell_type, of_type in rows[rows["area"] == area].groupby("cell_type"):
                    draw_curve(axes, of_type, "dose", measure, colors[area], control,
                               MARKERS[cell_type])
        if doses[0] > 0 and doses[-1] / doses[0] >= 10:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        if len(doses) <= MOST_TICKS:
            axes.set_xticks(doses, [f"{dose:g}" for dose in doses])
        if unit == "factor":
            axes.axvline(1, color=REFERENCE_COLOR, linewidth=0.8, zorder=0)
    name = WEIGHTS.get(unit, operation) if operation == "weights" else AXES.get(operation,
                                                                                operation)
    pair[0].set_title(name)
    pair[1].set_xlabel(f"{name} ({UNITS.get(unit, unit)})")


def _plot_without_dose(pair: np.ndarray, rows: pd.DataFrame, colors: dict[str, tuple]) -> None:
    """A mark per layer of what has no dose."""
    names = list(dict.fromkeys(rows["operation"]))
    shifts = dict(zip(colors, np.linspace(-0.3, 0.3, len(colors)) if len(colors) > 1 else [0.0],
                      strict=True))
    for axes, measure in zip(pair, ("accuracy", "decision_change_ms"), strict=True):
        for (operation, area, cell_type, control), these in rows.groupby(
                ["operation", "area", "cell_type", "control"], sort=False):
            x = names.index(operation) + shifts[area]
            means = these.groupby("network")[measure].mean()
            face = colors[area] if control == NONE else "white"
            if control in (NONE, UNTRAINED):
                axes.plot(np.full(len(means), x), means, MARKERS[cell_type], markersize=4.5,
                          color=colors[area], markerfacecolor=face, alpha=0.9)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
    pair[0].set_title("no dose")


def _draw_intact(panels: np.ndarray, rows: pd.DataFrame) -> None:
    accuracy = intact_accuracy(rows).groupby(rows["control"]).mean()
    for axes in panels[0]:
        for control, style in ((NONE, "-"), (UNTRAINED, "--")):
            if control in accuracy:
                axes.axhline(accuracy[control], color=REFERENCE_COLOR, linestyle=style,
                             linewidth=0.8, zorder=0)
        axes.set_ylim(-0.03, 1.03)
    for axes in panels[1]:
        axes.axhline(0, color=REFERENCE_COLOR, linewidth=0.8, zorder=0)


def _explanation(rows: pd.DataFrame, others: pd.DataFrame) -> str:
    said = ["Grey lines: without the perturbation. Decision time: of trials that are decided with "
            "and without."]
    if (rows["dose_unit"] == "packet widths").any():
        said.append("A packet width is the median shortest half of the layer's own spikes before "
                    "the decision.")
    if (others["control"] == UNTRAINED).any():
        said.append("Open marks: untrained twin.")
    names = set(others["operation"])
    said += [text for name, text in (
        ("synchronize", "Synchronize: all spikes of the packet at its median."),
        ("shuffle", "Shuffle: its units exchange their spike times."),
        ("cut", "Cut: the synapses onto the layer are gone.")) if name in names]
    return " ".join([*said, sample(rows)])


def _handles(rows: pd.DataFrame, colors: dict[str, tuple], n_classes: int) -> list:
    handles = [Line2D([], [], color=color, marker="o", markersize=3.5, linewidth=1.4,
                      label="all layers at once" if area == "all" else area)
               for area, color in colors.items()]
    types = [name for name in dict.fromkeys(rows["cell_type"]) if name != "all"]
    handles += [Line2D([], [], color="#555555", linestyle="none", marker=MARKERS[name],
                       markersize=4, label=f"{name} units") for name in types]
    return [*handles, *curve_handles(rows), *chance_handles(n_classes)]
