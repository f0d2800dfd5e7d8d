"""What the figures of the battery share: curves over networks, chance, titles and explanations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ephys_snn.analysis import MIN_SAMPLE, mean_interval
from ephys_snn.perturbation.battery.trials import NONE, UNTRAINED

PANELS_ACROSS = 8
STYLES = {NONE: "-", UNTRAINED: (0, (3, 1.5))}  # of the trained network and its twin
REFERENCE_COLOR = "#999999"
UNTRAINED_HANDLE = Line2D([], [], color="black", linestyle=STYLES[UNTRAINED], linewidth=1.2,
                          label="untrained twin")


def draw_curve(axes: Axes, rows: pd.DataFrame, x: str, y: str, color, control: str,
               marker: str = "o") -> None:
    """Mean over draws and networks, with what stands behind it.

    Of one network, the draws as dots; of several, each as a thin line, or their 95 % interval where
    there are enough.
    """
    points = rows.loc[rows["control"] == control, ["network", x, y]].dropna()
    if points.empty:
        return
    of_network = points.groupby(["network", x])[y].mean().unstack("network")
    doses, style = of_network.index.to_numpy(float), STYLES[control]
    if of_network.shape[1] >= MIN_SAMPLE:
        band = np.array([mean_interval(values[~np.isnan(values)])
                         for values in of_network.to_numpy()])
        axes.fill_between(doses, *band.T, color=color, alpha=0.18, linewidth=0)
    elif of_network.shape[1] > 1:
        axes.plot(doses, of_network.to_numpy(), color=color, linewidth=0.5, alpha=0.6,
                  linestyle=style)
    elif control == NONE and len(points) > len(doses):
        axes.plot(points[x], points[y], "o", color=color, markersize=2.2, alpha=0.35,
                  markeredgewidth=0)
    axes.plot(doses, of_network.mean(axis=1), color=color, linestyle=style, linewidth=1.4,
              marker=marker, markersize=3.5 if control == NONE else 0)


def curve_handles(rows: pd.DataFrame) -> list:
    """What `draw_curve` draws, for the legend."""
    n_networks, handles = rows["network"].nunique(), []
    if (rows["control"] == UNTRAINED).any():
        handles.append(UNTRAINED_HANDLE)
    if n_networks >= MIN_SAMPLE:
        handles.append(Patch(color="#555555", alpha=0.18, label="95 % interval over networks"))
    elif n_networks > 1:
        handles.append(Line2D([], [], color="#555555", linewidth=0.5, label="a network"))
    elif rows.loc[rows["control"] == NONE, "replicate"].max() > 0:
        handles.append(Line2D([], [], color="#555555", linestyle="none", marker="o",
                              markersize=2.5, alpha=0.6, label="a random draw"))
    return handles


def panels_of_areas(panels: np.ndarray, areas: Sequence[str], label: str
                    ) -> Iterator[tuple[str, Axes]]:
    """Areas and their panels (block, column) of a measure, all on one scale, the rest empty."""
    for index, axes in enumerate(panels.ravel()):
        if index >= len(areas):
            axes.set_axis_off()
            continue
        if index:
            axes.sharey(panels[0, 0])
        yield areas[index], axes
        axes.tick_params(labelleft=index % panels.shape[1] == 0)
    for axes in panels[:, 0]:
        axes.set_ylabel(label)


def draw_chance(axes: Axes, n_classes: int) -> None:
    """The accuracy of guessing."""
    if n_classes > 1:
        axes.axhline(1 / n_classes, color=REFERENCE_COLOR, linestyle=":", linewidth=1, zorder=0)


def chance_handles(n_classes: int) -> list[Line2D]:
    """What `draw_chance` draws, for the legend."""
    return [Line2D([], [], color=REFERENCE_COLOR, linestyle=":", linewidth=1,
                   label=f"guessing among {n_classes} classes")] if n_classes > 1 else []


def sample(rows: pd.DataFrame) -> str:
    """On how much a figure stands, in words."""
    n_networks = rows["network"].nunique()
    networks = f"{n_networks} networks" if n_networks > 1 else f"network {rows['network'].iloc[0]}"
    return f"{rows['n_trials'].max():,} trials, {networks}."


def finish(figure: Figure, question: str, explanation: str, handles: Sequence) -> None:
    """The question above a figure; below it what is to be known, and the legend."""
    width = figure.get_figwidth()
    figure.suptitle(fill(question, int(9.5 * width)), x=0.01, ha="left", weight="bold",
                    fontsize=11)
    figure.legend(handles=list(handles), loc="outside lower left", fontsize=7.5,
                  ncols=max(1, min(len(handles), int(width / 1.9))), alignment="left",
                  title=fill(explanation, int(18.5 * width)), title_fontsize=7.5)


def numbers(values: pd.Series) -> str:
    """The smallest and the largest of whole numbers, in words."""
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def shorten_middle(name: str, most: int) -> str:
    """A name without its middle, for names often differ at their ends.

    >>> shorten_middle("orientation_90_left", 9)
    'orie…left'
    """
    half = (most - 1) / 2
    return name if len(name) <= most else f"{name[:int(half + 0.5)]}…{name[-int(half):]}"
