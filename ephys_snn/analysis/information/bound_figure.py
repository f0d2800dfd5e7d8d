"""Information gain of every unit between chance and the most that its activity allows."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis.information.entropy import largest_information_gain
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.style import NULL_COLOR, cell_type_color, figure_style, new_figure
from ephys_snn.recording import Recording

MAX_COLUMNS = 5


def plot_bound(recording: Recording, information: UnitInformation, title: str) -> Figure:
    """Plug-in information gain against the fraction of active trials, a panel per area.

    Parameters
    ----------
    title : str
        Which recording, and which response window.
    """
    areas = [area for area in recording.areas
             if information.used[recording.units_in(area)].any()]
    n_columns = min(len(areas), MAX_COLUMNS) or 1
    n_rows = -(-len(areas) // n_columns) or 1
    width = max(6.0, 2.2 * n_columns + 0.6)
    with figure_style():
        figure = new_figure(width, 2.6 * n_rows + 1.1)
        panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
        for axes, area in zip(panels.flat, areas, strict=False):
            _plot_units(axes, recording, information, area)
        for axes in panels.flat[len(areas):]:
            axes.set_axis_off()
        if not areas:
            panels[0, 0].text(0.5, 0.5, "no unit is active in enough trials", ha="center")
        lowest = np.nan_to_num(information.units["information_gain"].min())
        panels[0, 0].set(xlim=(-0.02, 1.02), ylim=(min(lowest, 0) - 0.03, 1.04))
        for axes in panels[-1]:
            axes.set_xlabel("fraction of trials active")
        for axes in panels[:, 0]:
            axes.set_ylabel("information gain of a unit (plug-in)")
        lines = (title, "relative information gain of a unit: how far up it lies from chance (0) "
                 "to the most that its activity allows (1)")
        figure.suptitle("\n".join(fill(line, int(13 * width)) for line in lines),
                        x=0.01, ha="left")
        figure.legend(handles=_legend(recording, areas), loc="outside lower center", ncols=3)
    return figure


def _plot_units(axes: Axes, recording: Recording, information: UnitInformation, area: str) -> None:
    n_active = np.arange(1, information.n_trials + 1)
    axes.plot(n_active / information.n_trials,
              largest_information_gain(n_active, information.class_counts), color="black",
              linewidth=1.1, zorder=3)
    used = information.units[information.used].sort_values("n_active")
    axes.plot(used["active_fraction"], used["information_gain_chance"], color="black",
              linewidth=1.0, linestyle=(0, (2, 1.2)), zorder=3)
    axes.axhline(0, color=NULL_COLOR, linewidth=0.6, zorder=0)
    units = information.units.iloc[recording.units_in(area)]
    for cell_type, of_type in units[units["information_gain"].notna()].groupby("cell_type"):
        axes.plot(of_type["active_fraction"], of_type["information_gain"], "o", markersize=2.8,
                  markeredgewidth=0, alpha=0.6, color=cell_type_color(cell_type or "all"))
    axes.set_title(area)


def _legend(recording: Recording, areas: list[str]) -> list[Line2D]:
    types = dict.fromkeys(cell_type for area in areas
                          for cell_type in recording.units.cell_type[recording.units_in(area)])
    return [Line2D([], [], color="black", linewidth=1.1,
                   label="the most that units as active can have"),
            Line2D([], [], color="black", linewidth=1.0, linestyle=(0, (2, 1.2)),
                   label="chance: mean over permuted labels"),
            *(Line2D([], [], marker="o", linestyle="none", markersize=4, markeredgewidth=0,
                     color=cell_type_color(each or "all"), label=each or "units")
              for each in types)]
