"""Every recording of a study as a dot, by measure, area and group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ephys_snn.analysis import class_colors, figure_style, mean_interval, new_figure
from ephys_snn.report.study.comparison import subject_means
from ephys_snn.report.study.table import ALL_TYPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_COLUMNS = 3
TREND_AXIS = "trend with depth (Spearman)"


def plot_comparison(values: pd.DataFrame, table: pd.DataFrame, groups: Sequence[str]) -> Figure:
    """A panel per measure, of all units of an area, and one of the trends with depth.

    Parameters
    ----------
    values : DataFrame
        Of `ephys_snn.report.study.study_values`.
    table : DataFrame
        ``study_comparison.csv``.
    groups : sequence of str
        In the order of their colours.
    """
    panels = _panels(values)
    different = table[(table["q_value"] < 0.05) & (table["other"] != "")]
    n_rows = max(1, -(-len(panels) // N_COLUMNS))
    with figure_style():
        figure = new_figure(4 * N_COLUMNS, 3 * n_rows)
        axes = figure.subplots(n_rows, N_COLUMNS, squeeze=False).ravel()
        for ax, (title, rows) in zip(axes, panels, strict=False):
            _plot_panel(ax, rows, groups)
            _mark(ax, rows, different)
            ax.set_title(title.removesuffix("_ms").replace("_", " ")
                         + (" (ms)" if title.endswith("_ms") else ""))
        for ax in axes[len(panels):]:
            ax.set_axis_off()
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(groups))
        figure.suptitle("A dot per subject (mean of its recordings, of their units), with mean and "
                        "95 % interval over subjects; * q < 0.05 between two groups", fontsize=9)
    return figure


def _panels(values: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and values of every panel, with the `place` of each value on the abscissa."""
    measured = values[~values["is_trend"]]
    cell_type = measured.groupby(["measure", "area"])["cell_type"].transform(
        lambda each: ALL_TYPES if (each == ALL_TYPES).any() else each.iloc[0])
    order = {area: rank for rank, area in enumerate(measured["area"].unique())}
    shown = measured[measured["cell_type"] == cell_type].sort_values(
        "area", key=lambda area: area.map(order), kind="stable")
    panels = [(measure, shown[shown["measure"] == measure].assign(place=shown["area"]))
              for measure in measured["measure"].unique()]
    trends = values[values["is_trend"]]
    if len(trends):
        place = trends["measure"].str.removesuffix("_trend") + "_" + trends["cell_type"]
        panels.append((TREND_AXIS, trends.assign(place=place.str.replace("_", "\n"))))
    return panels


def _plot_panel(ax: Axes, rows: pd.DataFrame, groups: Sequence[str]) -> None:
    """Dots and means of every place, groups beside each other."""
    places = rows["place"].unique()
    colors = class_colors(len(groups))
    for index, group in enumerate(groups):
        shift = (index - (len(groups) - 1) / 2) * 0.6 / len(groups)
        for x, place in enumerate(places):
            means = subject_means(rows[rows["place"] == place]).get(group)
            if means is None:
                continue
            spread = np.linspace(-0.08, 0.08, len(means)) if len(means) > 1 else np.zeros(1)
            ax.plot(x + shift + spread, means, "o", ms=3, alpha=0.6, mew=0, color=colors[index])
            mean, (low, high) = means.mean(), mean_interval(means.to_numpy())
            # The mean of equal values may differ from them in the last bit.
            ax.errorbar(x + shift, mean, np.maximum(0, [[mean - low], [high - mean]]),
                        fmt="_", ms=12, color=colors[index], capsize=2,
                        label=group if x == 0 else None)
    ax.set_xticks(range(len(places)), places, fontsize=7)
    if rows["is_trend"].all():
        ax.axhline(0, color="#AAAAAA", lw=0.8, zorder=0)


def _mark(ax: Axes, rows: pd.DataFrame, different: pd.DataFrame) -> None:
    """A star over the places where groups differ."""
    key = ["measure", "area", "cell_type"]
    for x, place in enumerate(rows["place"].unique()):
        if len(rows[rows["place"] == place].merge(different, on=key)):
            ax.annotate("*", (x, 1.0), ha="center", va="top", fontsize=12,
                        xycoords=ax.get_xaxis_transform())
