"""Figure of single units: their spikes in every trial, by class, above their PSTHs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ephys_snn.analysis.single_units.psth import Psth
from ephys_snn.analysis.style import class_colors, figure_style, new_figure

COLUMNS = 4  # of units
MAX_CLASSES_DRAWN = 10
MAX_TRIALS_DRAWN = 40  # of a class


def plot_psths(psths: Sequence[Psth], response: tuple[float, float],
               baseline: tuple[float, float] | None, title: str) -> Figure:
    """Rasters and PSTHs, a column per unit, at most `COLUMNS` of them.

    Parameters
    ----------
    psths : sequence of Psth
        With the same classes and bins.
    response, baseline : (start, stop) float, ms
        After the onset; shaded.
    title : str
    """
    with figure_style():
        figure = new_figure(2.2 + 3.1 * len(psths), 5.2)
        grid = figure.subplots(2, len(psths), sharex=True, squeeze=False, height_ratios=(1.3, 1))
        classes = psths[0].classes[:MAX_CLASSES_DRAWN]
        colors = class_colors(len(classes))
        for column, psth in enumerate(psths):
            raster, rates = grid[:, column]
            for axes in (raster, rates):
                axes.axvspan(*response, color="#F0E442", alpha=0.18, linewidth=0)
                if baseline is not None:
                    axes.axvspan(*baseline, color="#AAAAAA", alpha=0.18, linewidth=0)
                axes.axvline(0.0, color="#222222", linewidth=0.8)
            _draw_raster(raster, psth, colors, named=column == 0)
            _draw_rates(rates, psth, colors)
            raster.set_title(psth.unit)
            rates.set_xlabel("time after onset (ms)")
        grid[1, 0].set_ylabel("spikes/s (mean ± SEM)")
        handles, labels = grid[1, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", title=_legend_title(psths[0]))
        shaded = "response window (the longest) yellow"
        shaded += "" if baseline is None else ", baseline grey"
        figure.suptitle(f"{title}\n{shaded}", fontsize=10)
    return figure


def _legend_title(psth: Psth) -> str:
    n_classes = len(psth.classes)
    return "class" if n_classes <= MAX_CLASSES_DRAWN else \
        f"{MAX_CLASSES_DRAWN} of\n{n_classes} classes"


def _draw_raster(axes: Axes, psth: Psth, colors: list, named: bool) -> None:
    row, middles = 0, []
    for color, trials in zip(colors, psth.spikes, strict=False):
        shown = trials[:MAX_TRIALS_DRAWN]
        axes.eventplot(shown, lineoffsets=np.arange(row, row + len(shown)), linelengths=0.9,
                       linewidths=0.7, colors=[color] * len(shown))
        middles.append(row + (len(shown) - 1) / 2)
        row += len(shown)
        axes.axhline(row - 0.5, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.set_ylim(row - 0.5, -0.5)
    axes.set_xlim(psth.edges[0], psth.edges[-1])
    names = [f"{name or 'no label'}" for name in psth.classes[:len(middles)]]
    axes.set_yticks(middles, names if named else [""] * len(names))
    axes.tick_params(axis="y", length=0)
    if named:
        most = max(map(len, psth.spikes))
        axes.set_ylabel("trials" + (f" (at most {MAX_TRIALS_DRAWN} of a class)"
                                    if most > MAX_TRIALS_DRAWN else ""))


def _draw_rates(axes: Axes, psth: Psth, colors: list) -> None:
    middle = (psth.edges[1:] + psth.edges[:-1]) / 2
    for color, name, rate, sem in zip(colors, psth.classes, psth.rate, psth.sem, strict=False):
        axes.plot(middle, rate, color=color, linewidth=1.2, label=name or "no label")
        axes.fill_between(middle, rate - sem, rate + sem, color=color, alpha=0.2, linewidth=0)
    axes.set_ylim(bottom=0.0)
