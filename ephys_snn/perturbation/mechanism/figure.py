"""The figure of the mechanism: averages, widths and jitter by layer, trained and untrained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ephys_snn.analysis import cell_type_color, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTHS = {  # measure: label, colour, marker
    "sd_in": ("the volley that arrives", "#777777", "v"),
    "sd_means": ("its weighted means of input times", "#D55E00", "s"),
    "sd_delays": ("its delays", "#009E73", "^"),
    "sd_out": ("the volley that leaves", "#222222", "o"),
}


def mechanism_figure(table: pd.DataFrame, jitter: pd.DataFrame, title: str) -> Figure:
    """Averaging gain, negative mass, where widths come from, jitter measured over predicted.

    Parameters
    ----------
    table, jitter : DataFrame
        ``mechanism.csv`` and ``mechanism_jitter.csv``.
    title : str
        The network.
    """
    with figure_style():
        figure = new_figure(10.5, 6.6)
        axes = figure.subplots(2, 2)
        figure.suptitle(f"Why volleys narrow: spike times as weighted means of input times, "
                        f"{title}", fontsize=11)
        _by_cell_type(axes[0, 0], table, "averaging_gain", "averaging gain √ΣJ²",
                      "How much of the inputs' jitter arrives?")
        axes[0, 0].axhline(1, color="#AAAAAA", lw=0.8)
        _by_cell_type(axes[0, 1], table, "negative_mass", "negative mass Σ max(−J, 0)",
                      "How far is it from a plain mean?")
        _widths(axes[1, 0], table)
        _jitter(axes[1, 1], jitter)
    return figure


def _by_cell_type(axes: Axes, table: pd.DataFrame, measure: str, label: str, title: str) -> None:
    areas = list(table["area"].unique())
    for cell_type, rows in table[table["measure"] == measure].groupby("cell_type", sort=False):
        rows = rows.set_index("area").reindex(areas)
        color = cell_type_color(cell_type)
        for column, prefix, style in (("value", "", "-"), ("untrained", "untrained_", "--")):
            if rows[column].isna().all():
                continue
            error = np.abs(rows[[f"{prefix}low", f"{prefix}high"]].to_numpy().T
                           - rows[column].to_numpy())
            axes.errorbar(range(len(areas)), rows[column], error, color=color, ls=style, marker="o",
                          ms=3.5, lw=1.2, capsize=2, mfc=color if style == "-" else "white",
                          label=cell_type if style == "-" else None)
    if table["untrained"].notna().any():
        axes.plot([], [], color="#777777", ls="--", label="untrained")
    axes.set(title=title, ylabel=label)
    axes.set_ylim(bottom=0)
    axes.legend()
    _name_areas(axes, areas)


def _widths(axes: Axes, table: pd.DataFrame) -> None:
    areas = list(table["area"].unique())
    rows = table[table["cell_type"] == "all"]
    for measure, (label, color, marker) in WIDTHS.items():
        values = rows[rows["measure"] == measure].set_index("area").reindex(areas)
        axes.plot(range(len(areas)), values["value"], color=color, marker=marker, ms=4, label=label)
        axes.plot(range(len(areas)), values["untrained"], color=color, marker=marker, ms=4, ls="--",
                  mfc="white", lw=0.9)
    if table["untrained"].notna().any():
        axes.plot([], [], color="#777777", ls="--", label="untrained")
    axes.set(title="Where does the width of a volley come from?", yscale="log",
             ylabel="SD between units of a trial (ms)")
    _plain_numbers(axes.yaxis)
    axes.legend(fontsize=7)
    _name_areas(axes, areas)


def _jitter(axes: Axes, jitter: pd.DataFrame) -> None:
    import matplotlib as mpl

    areas = list(jitter["area"].unique())
    colors = mpl.colormaps["viridis"](np.linspace(0.05, 0.85, max(len(areas), 1)))
    for area, color in zip(areas, colors, strict=True):
        rows = jitter[jitter["area"] == area]
        axes.plot(rows["sd_ms"], rows["ratio"], color=color, marker="o", ms=3.5,
                  label=f"{rows['jittered_area'].iloc[0]} to {area}")
        axes.fill_between(rows["sd_ms"], rows["ratio_q25"], rows["ratio_q75"], color=color,
                          alpha=0.15, lw=0)
    axes.axhline(1, color="#AAAAAA", lw=0.8, zorder=0)
    axes.set(title="Does jitter travel as averaging predicts?", xscale="log", yscale="log",
             xlabel="SD of the jitter put into a layer (ms)",
             ylabel="shift of spikes in the next layer,\nmeasured over predicted")
    _plain_numbers(axes.xaxis)
    _plain_numbers(axes.yaxis)
    axes.legend(fontsize=7, title="median, quartiles", title_fontsize=7)


def _plain_numbers(axis: Axis) -> None:
    """0.5, 1, 2 on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _name_areas(axes: Axes, areas: list[str]) -> None:
    axes.set_xticks(range(len(areas)), [area.replace("_", " ") for area in areas])
    if len(areas) > 6:
        axes.tick_params(axis="x", rotation=90)
