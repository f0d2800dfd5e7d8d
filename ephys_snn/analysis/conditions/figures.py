"""What conditions change: every measure by area and cell type, and the decisions by class."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis.conditions.comparison import Comparison
from ephys_snn.analysis.conditions.decisions import MEASURES as DECISION_MEASURES
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.style import (
    CONTROL_COLOR,
    NULL_COLOR,
    cell_type_color,
    figure_style,
    new_figure,
)

PANELS = {  # measure: title, unit
    "active_fraction": ("Active units", "fraction"),
    "rate_hz": ("Rate", "spikes/s"),
    "latency_ms": ("Latency", "ms"),
    "shortest_half_ms": ("Width at equal size", "ms"),
    "information_gain": ("Information gain", ""),
    "relative_information_gain": ("Relative gain", ""),
    "decoding": ("Decoders within", "accuracy"),
    "decoding_from_control": ("Decoders of control", "accuracy"),
}
DECISION_PANELS = {"accuracy": "right decisions", "undecided": "trials without decision",
                   "decision_ms": "decision time (ms)"}
MOST_CONDITIONS = 5  # that a figure shows beside each other
ALONE_COLUMNS = 4  # of panels, where there is one condition
LEGEND_COLUMNS = 6
DODGE = 0.18  # between the cell types of an area, of the distance between areas
CONDITION_COLOR = "#D55E00"


def plot_conditions(comparison: Comparison, areas: tuple[str, ...], title: str) -> Figure:
    """The change of every measure against zero, a column of panels per condition.

    Parameters
    ----------
    comparison : Comparison
    areas : tuple of str
        In their order.
    title : str
    """
    others = comparison.conditions.others[:MOST_CONDITIONS]
    alone = len(others) == 1
    shape = (-(-len(PANELS) // ALONE_COLUMNS), ALONE_COLUMNS) if alone else \
        (len(PANELS), len(others))
    with figure_style():
        figure = new_figure(max(7.0, 2.9 * shape[1]), 1.0 + (1.9 if alone else 1.3) * shape[0])
        axes = figure.subplots(*shape, sharex=True, sharey=False if alone else "row", squeeze=False)
        table = comparison.table
        for column, other in enumerate(others):
            of_other = table[table["condition"] == other]
            for number, measure in enumerate(PANELS):
                axis = axes.flat[number] if alone else axes[number, column]
                name, unit = PANELS[measure]
                _draw_changes(axis, of_other[of_other["measure"] == measure], areas)
                if alone:
                    axis.set(title=name, ylabel=f"change ({unit})" if unit else "change")
                elif not column:
                    axis.set_ylabel(f"{name}\n({unit})" if unit else name, fontsize=7.5)
            if not alone:
                axes[0, column].set_title(_short(other))
        _finish(figure, axes, comparison, others, title, _cell_type_handles(table))
    return figure


def _draw_changes(axis: Axes, rows: pd.DataFrame, areas: tuple[str, ...]) -> None:
    """One measure of one condition; rows are those of areas and cell types."""
    axis.axhline(0, color=CONTROL_COLOR, linewidth=0.8)
    for area, of_area in rows.groupby("area"):
        of_area = of_area[of_area["change"].notna()]
        if of_area.empty:
            axis.text(areas.index(area), 0.05, "n/a", transform=axis.get_xaxis_transform(),
                      ha="center", color=NULL_COLOR)
        for place, row in enumerate(of_area.itertuples()):
            x = areas.index(area) + DODGE * (place - (len(of_area) - 1) / 2)
            color = cell_type_color(row.cell_type)
            if np.isfinite(row.low):
                axis.plot([x, x], [row.low, row.high], color=color, linewidth=1.2)
            axis.plot(x, row.change, "o", color=color, markersize=4.5,
                      markerfacecolor=color if row.q_value < SIGNIFICANT_Q else "white")
    axis.set_xticks(range(len(areas)), [area or "(none)" for area in areas], rotation=40,
                    ha="right", rotation_mode="anchor")
    axis.set_xlim(-0.6, len(areas) - 0.4)


def plot_decisions(comparison: Comparison, title: str) -> Figure:
    """Accuracy, undecided trials and decision times by class, in each condition and the control."""
    others, table = comparison.conditions.others[:MOST_CONDITIONS], comparison.decisions
    classes = list(dict.fromkeys(table["class"]))
    with figure_style():
        figure = new_figure(max(6.0, (1.2 + 0.22 * len(classes)) * len(others)), 6.2)
        axes = figure.subplots(len(DECISION_MEASURES), len(others), sharex=True, sharey="row",
                               squeeze=False)
        for column, other in enumerate(others):
            of_other = table[table["condition"] == other]
            for axis, measure in zip(axes[:, column], DECISION_MEASURES, strict=True):
                _draw_decisions(axis, of_other[of_other["measure"] == measure], classes)
                if not column:
                    axis.set_ylabel(DECISION_PANELS[measure])
            axes[0, column].set_title(_short(other))
            axes[-1, column].set_xlabel("class")
        handles = [Line2D([], [], color=color, marker=marker, linestyle="", label=label)
                   for color, marker, label in (
                       (CONTROL_COLOR, "_", comparison.conditions.control),
                       (CONDITION_COLOR, "o", "condition"))]
        _finish(figure, axes, comparison, others, title, handles)
    return figure


def _draw_decisions(axis: Axes, rows: pd.DataFrame, classes: list[str]) -> None:
    for row in rows[rows["change"].notna()].itertuples():
        x = classes.index(row[rows.columns.get_loc("class") + 1])
        interval = row.control_value + np.array([row.low, row.high])
        axis.plot([x, x], interval if row.measure == "decision_ms" else interval.clip(0, 1),
                  color=CONDITION_COLOR, linewidth=1.0)
        axis.plot(x, row.control_value, "_", color=CONTROL_COLOR, markersize=9, markeredgewidth=2)
        axis.plot(x, row.value, "o", color=CONDITION_COLOR, markersize=4.5,
                  markerfacecolor=CONDITION_COLOR if row.q_value < SIGNIFICANT_Q else "white")
    axis.set_xticks(range(len(classes)), classes, rotation=40 if max(map(len, classes)) > 3 else 0)
    axis.set_xlim(-0.6, len(classes) - 0.4)


def _finish(figure: Figure, axes: np.ndarray, comparison: Comparison, others: tuple[str, ...],
            title: str, handles: list[Line2D]) -> None:
    """Title, legend, and how many conditions are not shown."""
    more = len(comparison.conditions.others) - len(others)
    against = f"{_short(others[0])} against " if len(others) == 1 else "against "
    figure.suptitle(f"{title}\n{against}{comparison.conditions.control}"
                    + (f"; {more} more conditions in the table" if more else ""), fontsize=9.5)
    handles = [*handles, *(
        Line2D([], [], color=CONTROL_COLOR, marker="o", linestyle="", label=label,
               markerfacecolor=color) for label, color in (
                   (f"q < {SIGNIFICANT_Q:g}", CONTROL_COLOR), ("no change found", "white")))]
    figure.legend(handles=handles, loc="outside lower center",
                  ncols=min(len(handles), LEGEND_COLUMNS))


def _cell_type_handles(table: pd.DataFrame) -> list[Line2D]:
    return [Line2D([], [], color=cell_type_color(cell_type), marker="o", label=cell_type)
            for cell_type in dict.fromkeys(table["cell_type"])]


def _short(name: str) -> str:
    """The words of a condition in two lines at most."""
    return "\n".join(wrap(name, 26, max_lines=2, placeholder=" …"))
