"""Figure of the responsiveness test, and of response latencies by area."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.style import NULL_COLOR, figure_style, new_figure

KINDS = {"more": "#D55E00", "less": "#0072B2", "neither": NULL_COLOR}
AREAS_NAMED = 30


def plot_responsiveness(table: pd.DataFrame, areas: Sequence[str], title: str) -> Figure:
    """Rates before and after the onset, a point per unit, and latencies, a row per area.

    Parameters
    ----------
    table : DataFrame
        From `ephys_snn.analysis.single_units.responsiveness.analyse_responsiveness`.
    areas : sequence of str
    title : str
    """
    with figure_style():
        figure = new_figure(9.5, max(4.2, 1.6 + 0.26 * min(len(areas), AREAS_NAMED)))
        rates, latencies = figure.subplots(1, 2)
        _draw_rates(rates, table)
        _draw_latencies(latencies, table, areas)
        figure.suptitle(title, fontsize=10)
    return figure


def _draw_rates(axes: Axes, table: pd.DataFrame) -> None:
    significant = table["q_value"] < SIGNIFICANT_Q
    kind = np.where(~significant, "neither", np.where(table["effect_size"] > 0, "more", "less"))
    highest = max(1.0, table[["baseline_rate_hz", "response_rate_hz"]].max().max())
    for name in ("neither", "less", "more"):
        rows = table[kind == name]
        word = f"{name} than before" if name != "neither" else "no significant difference"
        axes.plot(rows["baseline_rate_hz"], rows["response_rate_hz"], "o", markersize=3.5,
                  color=KINDS[name], alpha=0.7, label=f"{word} ({len(rows)})")
    axes.plot([0, 2 * highest], [0, 2 * highest], color="#222222", linewidth=0.8, zorder=0)
    for scale, limit in ((axes.set_xscale, axes.set_xlim), (axes.set_yscale, axes.set_ylim)):
        scale("symlog", linthresh=1.0, linscale=0.5)
        limit(-0.05, 1.5 * highest)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("baseline (spikes/s; linear below 1)")
    axes.set_ylabel("response (spikes/s; linear below 1)")
    axes.set_title(f"a  Rates of units (q < {SIGNIFICANT_Q:g} is significant)")
    axes.legend(loc="upper left")


def _draw_latencies(axes: Axes, table: pd.DataFrame, areas: Sequence[str]) -> None:
    axes.set_title("b  Latency of spikes beyond the baseline")
    known = table[table["latency_ms"].notna()]
    shown = [area for area in areas if (known["area"] == area).any()][:AREAS_NAMED]
    if not shown:
        axes.text(0.5, 0.5, "no unit that spikes more\nhas a latency", ha="center",
                  transform=axes.transAxes, color="#666666")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    for row, area in enumerate(shown):
        latency = np.sort(known.loc[known["area"] == area, "latency_ms"])
        jitter = 0.28 * np.sin(2.4 * np.arange(len(latency)))  # apart, and the same every time
        axes.plot(latency, row + jitter, "o", markersize=3, color="#0072B2", alpha=0.6)
        if len(latency) > 1:
            axes.plot([np.median(latency)] * 2, [row - 0.38, row + 0.38], color="#222222",
                      linewidth=2)
    names = [f"{area} ({int((known['area'] == area).sum())} of "
             f"{int((table['area'] == area).sum())} units)" for area in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel("time after onset (ms); bar: median")
