"""How much pathways prefer their class, area by area, and how well activity finds the wiring."""

from __future__ import annotations

from textwrap import fill, shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ephys_snn.analysis.pathways.figures.area_columns import shown_areas
from ephys_snn.analysis.pathways.members import Pathways
from ephys_snn.analysis.pathways.pathways import PathwayResult
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.style import NULL_COLOR, class_colors, figure_style, new_figure
from ephys_snn.recording import Recording

KIND_COLORS = {"structural": "#882255", "functional": "#117733"}


def plot_preference(recording: Recording, result: PathwayResult, window: str) -> Figure:
    """Preference by area and class beside random sets, and how well activity finds the wiring.

    Parameters
    ----------
    recording : Recording
    result : PathwayResult
    window : str
        The response window in words.
    """
    has_auc = result.table["auc"].notna().any()
    n_panels = len(result.kinds) + has_auc
    areas = {pathways.kind: [area.area for area in shown_areas(pathways)]
             for pathways in result.kinds}
    wide = max(3.6, 0.55 * max(map(len, areas.values())) + 1.6)
    with figure_style():
        figure = new_figure(max(wide * n_panels, 7), 4.4)
        panels = figure.subplots(1, n_panels, squeeze=False)[0]
        for axes, pathways in zip(panels, result.kinds, strict=False):
            _plot_preference(axes, recording, result, pathways, areas[pathways.kind])
        if has_auc:
            _plot_auc(panels[-1], recording, result, areas["functional"])
        _explain(figure, panels[0])
        figure.suptitle(f"Preference of pathways for their class, {result.n_trials} trials; "
                        f"response window: {window}", x=0.01, ha="left")
    return figure


def _plot_preference(axes: Axes, recording: Recording, result: PathwayResult, pathways: Pathways,
                     areas: list[str]) -> None:
    table = result.table[result.table["kind"] == pathways.kind]
    by_area = result.by_area[result.by_area["kind"] == pathways.kind].set_index("area")
    color, line = KIND_COLORS[pathways.kind], "-" if recording.areas_ordered else "none"
    colors = class_colors(len(pathways.classes))
    dodge = np.linspace(-0.22, 0.22, len(pathways.classes)) if len(pathways.classes) > 1 else [0.0]
    for x, area in enumerate(areas):
        rows = table[table["area"] == area].set_index("class")
        mean, sd = rows["random_sets_mean"].mean(), rows["random_sets_sd"].mean()
        axes.fill_between([x - 0.4, x + 0.4], mean - sd, mean + sd, color=NULL_COLOR, alpha=0.4,
                          linewidth=0)
        axes.plot([x - 0.4, x + 0.4], [mean, mean], color="0.45", linewidth=0.8)
        for c, label in enumerate(pathways.classes):
            axes.plot(x + dodge[c], rows.loc[label, "preference"], "o", color=colors[c],
                      markersize=3.5, alpha=0.8)
    means = by_area.reindex(areas)
    axes.plot(range(len(areas)), means["preference"], linestyle=line, color=color, linewidth=1.6)
    significant = means["q_value"] < SIGNIFICANT_Q
    for filled in (True, False):
        chosen = np.flatnonzero(significant == filled)
        axes.plot(chosen, means["preference"].iloc[chosen], "D", markersize=7, mec=color,
                  mew=1.5, mfc=color if filled else "white", zorder=3)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_ylim(-1.05, 1.05)
    axes.set(title=f"{pathways.kind.capitalize()}", xlim=(-0.6, max(len(areas), 1) - 0.4),
             ylabel="preference: activity for the own class against others\n"
                    "(own − other) / (own + other)")
    _name_areas(axes, recording, areas)
    if table["preference"].isna().all():
        axes.text(0.5, 0.5, fill("no pathway has a preference: "
                                 + (table["note"].iloc[0] or "see the notes"), 34),
                  transform=axes.transAxes, ha="center", va="center", color="0.3")


def _explain(figure: Figure, axes: Axes) -> None:
    """The legend that all panels share."""
    handles = [axes.plot([], [], "o", color="0.5", markersize=3.5)[0],
               axes.plot([], [], "D", color="0.2", markersize=6)[0],
               axes.plot([], [], "D", mfc="white", mec="0.2", markersize=6)[0],
               axes.fill_between([], [], color=NULL_COLOR, alpha=0.4)]
    figure.legend(handles, [
        "one class, in its colour of the pathways' figure",
        f"mean over classes, more than with labels in another order (q < {SIGNIFICANT_Q:g})",
        "mean over classes, not more",
        "for comparison, random sets of as many units as one class has: mean ± SD"],
        loc="outside lower center", ncols=4 if figure.get_figwidth() > 13 else 2)


def _plot_auc(axes: Axes, recording: Recording, result: PathwayResult, areas: list[str]) -> None:
    rows = result.table[result.table["auc"].notna()]
    areas = [area for area in areas if area in set(rows["area"])]
    rng = np.random.default_rng(0)  # of the jitter that keeps points apart
    for x, area in enumerate(areas):
        values = rows.loc[rows["area"] == area, "auc"]
        axes.plot(x + rng.uniform(-0.15, 0.15, len(values)), values, "o", color="0.5",
                  markersize=3.5, alpha=0.7)
    means = rows.groupby("area")["auc"].mean().reindex(areas)
    axes.plot(range(len(areas)), means, "D-" if recording.areas_ordered else "D", color="#222222",
              markersize=7)
    axes.axhline(0.5, color=NULL_COLOR)
    axes.text(len(areas) - 0.45, 0.51, "chance", ha="right", color="0.45")
    axes.set(ylim=(0, 1.03), ylabel="area under the ROC curve",
             title="Structural members found by activity", xlim=(-0.6, len(areas) - 0.4))
    _name_areas(axes, recording, areas)


def _name_areas(axes: Axes, recording: Recording, areas: list[str]) -> None:
    names = [shorten(area, 18, placeholder="…") for area in areas]
    axes.set_xticks(range(len(areas)), names, rotation=90 if len(areas) > 5 else 0)
    axes.set_xlabel("area, in the order of processing" if recording.areas_ordered else "area")
