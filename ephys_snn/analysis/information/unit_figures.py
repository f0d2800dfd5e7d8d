"""Every unit of every area: its gain beside what its activity allows, and what it is active for."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from ephys_snn.analysis.entropy import largest_information_gain
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.style import NULL_COLOR, cell_type_color, figure_style, new_figure
from ephys_snn.recording import Recording

MAX_COLUMNS = 5
MAX_CLASS_TICKS = 12


def plot_bound(recording: Recording, information: UnitInformation, title: str) -> Figure:
    """Plug-in information gain against the fraction of active trials, a panel per area.

    Parameters
    ----------
    title : str
        Which recording, and which response window.
    """
    areas = _used_areas(recording, information)
    with figure_style():
        figure, panels = _panel_per_area(areas, (2.2, 0.6), (2.6, 1.1), sharex=True, sharey=True)
        for axes, area in zip(panels.flat, areas, strict=False):
            _plot_units(axes, recording, information, area)
        lowest = np.nan_to_num(information.units["information_gain"].min())
        panels[0, 0].set(xlim=(-0.02, 1.02), ylim=(min(lowest, 0) - 0.03, 1.04))
        for axes in panels[-1]:
            axes.set_xlabel("fraction of trials active")
        for axes in panels[:, 0]:
            axes.set_ylabel("information gain of a unit (plug-in)")
        _title(figure, title, "relative information gain of a unit: how far up it lies from chance "
               "(0) to the most that its activity allows (1)")
        figure.legend(handles=_legend(recording, areas), loc="outside lower center", ncols=3)
    return figure


def _used_areas(recording: Recording, information: UnitInformation) -> list[str]:
    return [area for area in recording.areas
            if information.used[recording.units_in(area)].any()]


def _panel_per_area(areas: list[str], width: tuple[float, float], height: tuple[float, float],
                    **shared: bool) -> tuple[Figure, np.ndarray]:
    """A figure and its panels; width and height, inches, are those of a panel and of the rest."""
    n_columns = min(len(areas), MAX_COLUMNS) or 1
    n_rows = -(-len(areas) // n_columns) or 1
    figure = new_figure(max(6.0, width[0] * n_columns + width[1]), height[0] * n_rows + height[1])
    panels = figure.subplots(n_rows, n_columns, squeeze=False, **shared)
    for axes in panels.flat[len(areas):]:
        axes.set_axis_off()
    if not areas:
        panels[0, 0].text(0.5, 0.5, "no unit is active in enough trials", ha="center")
    return figure, panels


def _title(figure: Figure, *lines: str) -> None:
    figure.suptitle("\n".join(fill(line, int(13 * figure.get_figwidth())) for line in lines),
                    x=0.01, ha="left")


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


def plot_activity_by_class(recording: Recording, information: UnitInformation, title: str
                           ) -> Figure:
    """Heat maps, one per area: the activity of every unit by class, sorted by preferred class.

    Units are sorted by one random half of the trials and shown with the other, so that the
    diagonal is theirs and not the sorting's.
    """
    areas = _used_areas(recording, information)
    with figure_style():
        figure, panels = _panel_per_area(areas, (2.15, 1.0), (3.9, 0.8))
        for axes, area in zip(panels.flat, areas, strict=False):
            image = _plot_heat_map(axes, recording, information, area)
        if areas:
            bar = figure.colorbar(image, ax=panels, shrink=0.6, aspect=30, pad=0.02)
            bar.set_label("fraction of the trials of a class in which the unit is active")
        _title(figure, title, "units sorted by the class they prefer in one half of the trials, "
               "shown with the other half")
        types = _known_types(recording, areas)
        if types:
            figure.legend(handles=[Patch(color=cell_type_color(t), label=t) for t in types],
                          loc="outside lower center", ncols=len(types))
    return figure


def _known_types(recording: Recording, areas: list[str]) -> list[str]:
    return list(dict.fromkeys(t for area in areas for t in recording.cell_types_in(area)
                              if t != "all"))


def _plot_heat_map(axes: Axes, recording: Recording, information: UnitInformation, area: str
                   ) -> AxesImage:
    members = recording.units_in(area)
    used = members[information.used[members]]
    order = used[_sort_units(recording.units.cell_type[used], information.activity[0, used])]
    image = axes.imshow(information.activity[1, order], aspect="auto", vmin=0, vmax=1,
                        cmap="magma_r", interpolation="nearest")
    n_classes = len(information.classes)
    for row, unit in enumerate(order):
        cell_type = recording.units.cell_type[unit]
        if cell_type:
            axes.add_patch(Rectangle((-0.5 - 0.055 * n_classes, row - 0.5), 0.04 * n_classes, 1,
                                     color=cell_type_color(cell_type), linewidth=0,
                                     clip_on=False))
    shown = np.arange(0, n_classes, -(-n_classes // MAX_CLASS_TICKS))
    names = [information.classes[i] for i in shown]
    tall = max(map(len, names)) * len(names) > 22
    axes.set_xticks(shown, names, rotation=90 if tall else 0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{area}\n", pad=2)
    axes.annotate(f"{len(used)} of {len(members)} units", (0, 1), xytext=(0, 3),
                  xycoords="axes fraction", textcoords="offset points", fontsize=7.5)
    axes.set_xlabel("class")
    return image


def _sort_units(cell_type: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """Order of units: by cell type, then preferred class, then (unit, class) activity for it."""
    activity = np.where(np.isnan(activity), -1, activity)
    kinds = {kind: rank for rank, kind in enumerate(dict.fromkeys(sorted(
        cell_type, key=lambda kind: (kind != "excitatory", kind == "", kind))))}
    return np.lexsort((-activity.max(axis=1, initial=-1), activity.argmax(axis=1),
                       [kinds[kind] for kind in cell_type]))
