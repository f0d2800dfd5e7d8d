"""Whether units that say more about the class matter more: damage by groups of like selectivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis import cell_type_color, figure_style, new_figure
from ephys_snn.perturbation.battery.figures.drawing import (
    PANELS_ACROSS,
    finish,
    numbers,
    panels_of_areas,
    sample,
)
from ephys_snn.perturbation.battery.rows import ordered_areas
from ephys_snn.perturbation.battery.trials import NONE, RANDOM

KEY = ["network", "experiment", "perturbation", "control", "replicate"]
MARKERS = {NONE: "o", RANDOM: "x"}


def plot_selectivity(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                     classes: Sequence[str], question: str) -> Figure:
    """Loss of accuracy over selectivity in every area, and the rank correlations by area."""
    shown = ordered_areas(areas, rows)
    rows = rows.merge(worst_class(tables["perturbations_by_class"]), on=KEY, how="left")
    rows = rows.assign(loss=-rows["change"])
    across = min(len(shown), PANELS_ACROSS)
    n_blocks = -(-len(shown) // across)
    ranks = _correlations(tables, rows)
    with figure_style():
        figure = new_figure(max(7.5, 1.2 + (2.4 if across <= 4 else 1.8) * across),
                            1.5 + 3.8 * n_blocks + 2.2 * bool(len(ranks)))
        above, below = figure.add_gridspec(2, 1, height_ratios=[3.8 * n_blocks,
                                                                2.2 if len(ranks) else 0.01])
        panels = above.subgridspec(2 * n_blocks, across).subplots(sharex=True, squeeze=False)
        blocks = panels.reshape(n_blocks, 2, across).swapaxes(0, 1)
        for of_measure, measure, label in zip(
                blocks, ("loss", "worst_class"),
                ("loss of accuracy", "largest loss of\nany class"), strict=True):
            for area, axes in panels_of_areas(of_measure, shown, label):
                _plot_panel(axes, rows[rows["area"] == area], measure)
        for area, first, last in zip(shown, blocks[0].ravel(), blocks[1].ravel(), strict=False):
            first.set_title(area)
            last.set_xlabel("selectivity")
            last.tick_params(labelbottom=True)
        if len(ranks):
            _plot_correlations(figure.add_subplot(below), ranks, shown)
        finish(figure, question, _explanation(rows), _handles(rows, ranks))
    return figure


def worst_class(by_class: pd.DataFrame) -> pd.DataFrame:
    """The largest loss of accuracy of any class (`worst_class`) under each perturbation."""
    largest = (-by_class["change"]).groupby([by_class[name] for name in KEY], sort=False).max()
    return largest.rename("worst_class").reset_index()


def _correlations(tables: Mapping[str, pd.DataFrame], rows: pd.DataFrame) -> pd.DataFrame:
    table = tables.get("perturbations_selectivity")
    if table is None:
        return pd.DataFrame(columns=["area", "cell_type", "trained", "rho", "rho_matched"])
    return table[table["experiment"].isin(rows["experiment"])]


def _plot_panel(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    axes.axhline(0, color="#AAAAAA", linewidth=0.8, zorder=0)
    groups = rows[rows["control"] == NONE]
    selectivity = groups.set_index(["network", "perturbation"])["selectivity"]
    for (cell_type, control), these in rows[rows["control"].isin(MARKERS)].groupby(
            ["cell_type", "control"], sort=False):
        of_group = these.groupby(["network", "perturbation"])[measure].mean()
        x = selectivity.reindex(of_group.index)
        color = cell_type_color(cell_type)
        axes.plot(x, of_group, MARKERS[control], color=color, markersize=4, alpha=0.85,
                  markeredgewidth=1 if control == RANDOM else 0)
        if measure == "loss" and control == NONE:
            axes.vlines(these["selectivity"], -these["high"], -these["low"], color=color,
                        linewidth=0.6, alpha=0.5)


def _plot_correlations(axes: Axes, ranks: pd.DataFrame, areas: Sequence[str]) -> None:
    """Rank correlations by area: a dot per network, with matched sets and the twin beside it."""
    axes.axhline(0, color="#AAAAAA", linewidth=0.8, zorder=0)
    types = list(dict.fromkeys(ranks["cell_type"]))
    for row in ranks.itertuples():
        if row.area not in areas:
            continue
        middle = areas.index(row.area) + 0.36 * (types.index(row.cell_type)
                                                 - (len(types) - 1) / 2)
        color = cell_type_color(row.cell_type)
        shift = 0.0 if row.trained else 0.2
        axes.plot(middle + shift, row.rho, "o", color=color, markersize=5,
                  markerfacecolor=color if row.trained else "white")
        if row.trained:
            axes.plot(middle + 0.1, row.rho_matched, MARKERS[RANDOM], color=color, markersize=5)
    axes.set_xticks(range(len(areas)), areas)
    axes.set(xlim=(-0.5, len(areas) - 0.4), ylim=(-1.05, 1.05),
             ylabel="rank correlation of\nselectivity and loss",
             title="1: the most selective units matter most; 0: selectivity says nothing")


def _explanation(rows: pd.DataFrame) -> str:
    n_units = numbers(rows.loc[rows["control"] == NONE, "n_units"])
    return (f"Each dot: {n_units} units of like selectivity (information gain about the class, "
            "corrected) silenced together; lines: 95 % interval over trials. Groups of one network "
            f"are no sample of networks, so there is no p. {sample(rows)}")


def _handles(rows: pd.DataFrame, ranks: pd.DataFrame) -> list:
    dot = {"color": "#555555", "linestyle": "none", "markersize": 5}
    handles = [Line2D([], [], color=cell_type_color(name), marker="o", linestyle="none",
                      markersize=5, label="units" if name == "all" else f"{name} units")
               for name in dict.fromkeys(rows["cell_type"])]
    if (rows["control"] == RANDOM).any():
        handles.append(Line2D([], [], marker=MARKERS[RANDOM], **dot,
                              label="matched sets of like activity, weight"))
    if (~ranks["trained"].astype(bool)).any():
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", **dot,
                              label="untrained twin"))
    return handles
