"""Information gain by area and cell type: distributions over units, and means beyond chance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.style import (
    CONTROL_COLOR,
    NULL_COLOR,
    cell_type_color,
    figure_style,
    new_figure,
)
from ephys_snn.recording import Recording

FEW_UNITS = 25  # so many are drawn as points, more as a histogram
BIN_WIDTH = 0.05


class Control(NamedTuple):
    """A control that is drawn over a recording.

    Attributes
    ----------
    recording : Recording
    information : UnitInformation
    by_area : DataFrame
        Of `ephys_snn.analysis.information.areas.information_by_area`.
    name : str
    """

    recording: Recording
    information: UnitInformation
    by_area: pd.DataFrame
    name: str


def plot_information_gain(recording: Recording, information: UnitInformation,
                          by_area: pd.DataFrame, title: str, control: Control | None = None
                          ) -> Figure:
    """Distributions of plug-in information gain, and its corrected mean, by area and cell type.

    Parameters
    ----------
    by_area : DataFrame
        Of `ephys_snn.analysis.information.areas.information_by_area`.
    title : str
        Which recording, and which response window.
    control : Control, optional
        Drawn over it.
    """
    areas = [area for area in recording.areas
             if (by_area.loc[by_area["area"] == area, "n_units_used"] > 0).any()]
    n_groups = sum(len(drawn_types(by_area, area)) for area in areas)
    wide, narrow = max(4.4, 0.62 * n_groups + 1.4), max(3.4, 0.6 * len(areas) + 1.2)
    with figure_style():
        figure = new_figure(wide + narrow, 4.6)
        distributions, means = figure.subplots(1, 2, width_ratios=[wide, narrow])
        _plot_distributions(distributions, recording, information, by_area, areas, control)
        _plot_means(means, by_area, areas, recording.areas_ordered, control)
        figure.suptitle(title, x=0.01, ha="left")
        figure.legend(handles=_legend(by_area, areas, control), loc="outside lower center",
                      ncols=4)
    return figure


def drawn_types(by_area: pd.DataFrame, area: str) -> list[str]:
    """The cell types drawn apart in an area: those that are known, else all units together."""
    rows = by_area[by_area["area"] == area]
    known = [row.cell_type for row in rows.itertuples() if row.cell_type != "all"]
    together = rows.loc[rows["cell_type"] == "all", "n_units"].iloc[0]
    apart = rows.loc[rows["cell_type"] != "all", "n_units"].sum()
    return known if apart == together else [*known, "all"]


def _all_types(by_area: pd.DataFrame, areas: list[str]) -> list[str]:
    return list(dict.fromkeys(t for area in areas for t in drawn_types(by_area, area)))


def _plot_distributions(axes: Axes, recording: Recording, information: UnitInformation,
                        by_area: pd.DataFrame, areas: list[str], control: Control | None) -> None:
    rng = np.random.default_rng(0)  # for the jitter of points alone
    for x, area, cell_type, row, width in _places(by_area, areas):
        members = recording.units_in(area, cell_type)
        gain = information.units["information_gain"].to_numpy()[members]
        _plot_distribution(axes, x, gain[~np.isnan(gain)], width, cell_type_color(cell_type), rng)
        if control is not None:
            members = control.recording.units_in(area, cell_type)
            others = control.information.units["information_gain"].to_numpy()[members]
            _outline_distribution(axes, x, others[~np.isnan(others)], width)
        if row.n_units_used:
            axes.plot([x - 0.42 * width, x + 0.42 * width], [row.mean_chance] * 2,
                      color="black", linewidth=1.2, linestyle=(0, (2, 1.2)), zorder=4)
            axes.plot(x, row.mean, "D", markersize=4.5, color="white",
                      markeredgecolor="black", zorder=5)
        axes.annotate(f"{row.n_units_used}", (x, 1.045), ha="center", va="bottom",
                      fontsize=6.5, color=cell_type_color(cell_type), annotation_clip=False)
    axes.annotate("units", (-0.005, 1.045), xycoords=("axes fraction", "data"), ha="right",
                  va="bottom", fontsize=6.5, annotation_clip=False)
    axes.axhline(0, color=NULL_COLOR, linewidth=0.6, zorder=0)
    lowest = np.nan_to_num(information.units["information_gain"].min())
    axes.set(ylim=(BIN_WIDTH * np.floor(min(lowest, -1e-9) / BIN_WIDTH), 1.04),
             ylabel="information gain of a unit (plug-in)\n0 nothing, 1 active for one class only")
    axes.set_title("Information of a unit's activity about the class", pad=16)
    _name_areas(axes, areas)


def _places(by_area: pd.DataFrame, areas: list[str]) -> Iterator[tuple]:
    """Where each cell type of each area is drawn: (x, area, cell type, row, width)."""
    for position, area in enumerate(areas):
        types = drawn_types(by_area, area)
        width = 0.84 / len(types)
        for i, cell_type in enumerate(types):
            rows = by_area[(by_area["area"] == area) & (by_area["cell_type"] == cell_type)]
            yield (position + (i - (len(types) - 1) / 2) * width, area, cell_type,
                   next(rows.itertuples(index=False, name="Row")), width)


def _plot_distribution(axes: Axes, x: float, gain: np.ndarray, width: float, color: str,
                       rng: np.random.Generator) -> None:
    if len(gain) <= FEW_UNITS:
        axes.plot(x + width * rng.uniform(-0.2, 0.2, len(gain)), gain, "o", markersize=3.5,
                  color=color, alpha=0.7, markeredgewidth=0)
        return
    low, half = _histogram(gain, width)
    axes.barh(low, 2 * half, height=BIN_WIDTH, left=x - half, align="edge", color=color,
              alpha=0.75, linewidth=0)


def _outline_distribution(axes: Axes, x: float, gain: np.ndarray, width: float) -> None:
    if not len(gain):
        return
    low, half = _histogram(gain, width)
    some = half > 0
    axes.barh(low[some], 2 * half[some], height=BIN_WIDTH, left=x - half[some], align="edge",
              facecolor="none", edgecolor=CONTROL_COLOR, linewidth=0.8, zorder=3)
    axes.plot(x, gain.mean(), "s", markersize=4, color=CONTROL_COLOR, markeredgecolor="white",
              markeredgewidth=0.6, zorder=5)


def _histogram(gain: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower edges of bins, of which the last contains 1, and half the lengths of their bars."""
    lowest = np.floor(min(gain.min(), 0) / BIN_WIDTH) * BIN_WIDTH
    edges = np.arange(round((1 - lowest) / BIN_WIDTH) + 1) * BIN_WIDTH + lowest
    counts, _ = np.histogram(np.minimum(gain, 1), edges)
    return edges[:-1], 0.46 * width * counts / counts.max()


def _plot_means(axes: Axes, by_area: pd.DataFrame, areas: list[str], areas_ordered: bool,
                control: Control | None) -> None:
    types = _all_types(by_area, areas)
    tables = [by_area] if control is None else [control.by_area, by_area]
    axes.axhline(0, color=NULL_COLOR, linewidth=0.8, zorder=0)
    for table in tables:
        is_control = table is not by_area
        for i, cell_type in enumerate(types):
            rows = table[(table["cell_type"] == cell_type) & (table["n_units_used"] > 0)
                         & table["area"].isin(areas)]
            rows = rows[[cell_type in drawn_types(table, area) for area in rows["area"]]]
            if rows.empty:
                continue
            x = np.array([areas.index(area) for area in rows["area"]]) + 0.09 * (
                i - (len(types) - 1) / 2)
            mean = rows["mean_corrected"].to_numpy()
            spread = np.abs(rows[["mean_corrected_low", "mean_corrected_high"]].to_numpy().T
                            - mean)
            color = cell_type_color(cell_type)
            line = ("--" if is_control else "-") if areas_ordered else "none"
            axes.errorbar(x, mean, np.nan_to_num(spread), color=color, linestyle=line,
                          marker="s" if is_control else "o", markersize=4.5, linewidth=1.3,
                          markerfacecolor="white" if is_control else color, capsize=2)
    low, high = axes.get_ylim()
    axes.set(ylim=(min(low, -0.02), max(high, 0.2)),
             ylabel="corrected information gain, mean over units\n"
                    "0 chance, 1 active for one class only")
    axes.set_title("Beyond chance, by area", pad=16)
    _name_areas(axes, areas)


def _name_areas(axes: Axes, areas: list[str]) -> None:
    long = len(areas) > 4 and max(map(len, areas), default=0) > 7
    axes.set_xticks(range(len(areas)), areas, rotation=35 if long else 0,
                    ha="right" if long else "center", rotation_mode="anchor")
    axes.set_xlim(-0.6, max(len(areas), 1) - 0.4)
    if not areas:
        axes.text(0.5, 0.5, "no unit is active in enough trials", ha="center", va="center",
                  transform=axes.transAxes)


def _legend(by_area: pd.DataFrame, areas: list[str], control: Control | None) -> list:
    types = _all_types(by_area, areas)
    handles = [Patch(color=cell_type_color(t), alpha=0.75,
                     label="all units" if t == "all" else t) for t in types]
    handles += [
        Line2D([], [], marker="D", linestyle="none", color="white", markeredgecolor="black",
               markersize=4.5, label="mean (left)"),
        Line2D([], [], color="black", linewidth=1.2, linestyle=(0, (2, 1.2)),
               label="chance: mean over permuted labels"),
        Line2D([], [], marker="o", color="#555555", markersize=4.5, linewidth=1.3,
               label="mean and its 95 % interval (right)"),
    ]
    if control is not None:
        handles.append(Line2D([], [], marker="s", color=CONTROL_COLOR, markersize=4.5,
                              linestyle="--", markerfacecolor="white", linewidth=1.3,
                              label=f"control: {control.name} (outlines, dashed)"))
    return handles
