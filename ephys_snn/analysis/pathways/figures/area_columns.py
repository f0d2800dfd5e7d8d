"""The pathways themselves: areas as columns, members by class, the strongest links."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from textwrap import fill, shorten
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from ephys_snn.analysis.pathways.members import AreaPathways, Pathways
from ephys_snn.analysis.pathways.pathways import PathwayResult
from ephys_snn.analysis.style import class_colors, figure_style, new_figure
from ephys_snn.recording import Recording

NO_CLASS = "#DDDDDD"
ACTIVITY_COLORS = "Greys"
STRIP, CLASS_STRIP = 0.11, 0.05  # widths, of the distance between areas
LEFT = -(CLASS_STRIP + 2 * STRIP) / 2  # edge of an area's column
REST = 0.12  # height of all units that are in no pathway, of the column's
TALLEST = 0.06  # height of a unit where there are few
SHOWN_SINGLY = 40  # units of an area; in larger areas those of no pathway are one block
LINKS_DRAWN = 12  # per pair of areas
NAMES_SHOWN = 20
LOWEST_NAMED = 0.02  # height of a stack of members that has room for its name
KIND_TITLES = {"structural": "Structural pathways: strong effects through the weights",
               "functional": "Functional pathways: more active for a class than for the others"}


class Column(NamedTuple):
    """Where the units of an area are drawn.

    Attributes
    ----------
    area : AreaPathways
    order : (shown,) int
        Candidates of the area that are drawn one by one, from top to bottom.
    home : (shown,) int
        The class that each of them is drawn with; -1 for none.
    top : (shown,) float
        Of each of them; the column reaches from 1 down to 0.
    height : float
        Of all of them.
    """

    area: AreaPathways
    order: np.ndarray
    home: np.ndarray
    top: np.ndarray
    height: float

    def middle(self, unit: int) -> float:
        """Height of the middle of a unit of the recording."""
        at = np.flatnonzero(self.area.units[self.order] == unit)[0]
        return self.top[at] - self.height / 2


def highlighted_class(pathways: Pathways, asked: str | None) -> int:
    """The class to show in full: the one asked for, else the first with members in most areas."""
    if asked in pathways.classes:
        return pathways.classes.index(asked)
    reached = np.sum([area.member.any(axis=1) for area in pathways.areas], axis=0)
    return int(reached.argmax())


def plot_pathways(recording: Recording, result: PathwayResult, window: str, activity: str,
                  highlight: str | None = None) -> Figure:
    """Areas as columns, members by class, and one class with its activity and strongest links.

    Parameters
    ----------
    recording : Recording
    result : PathwayResult
    window : str
        The response window in words.
    activity : {'active', 'count'}
        What the shades show.
    highlight : str, optional
        The class to show in full.
    """
    widest = max(len(shown_areas(pathways)) + (len(pathways.output) > 0)
                 for pathways in result.kinds)
    with figure_style():
        figure = new_figure(min(3.0 + 1.45 * max(widest, 3), 24), 0.6 + 4.6 * len(result.kinds))
        rows = figure.subplots(len(result.kinds), 1, squeeze=False)[:, 0]
        for axes, pathways in zip(rows, result.kinds, strict=True):
            _plot_kind(figure, axes, recording, result, pathways, activity,
                       highlighted_class(pathways, highlight))
        figure.suptitle(f"Class-specific pathways in {result.n_trials} trials; response window: "
                        f"{window}", x=0.01, ha="left")
    return figure


def shown_areas(pathways: Pathways) -> list[AreaPathways]:
    """The areas whose units may be members."""
    return [area for area in pathways.areas
            if area.member.any() or not np.isnan(area.effect).all()
            and not all(note and not note.startswith("no members") for note in area.notes)]


def _plot_kind(figure: Figure, axes: Axes, recording: Recording, result: PathwayResult,
               pathways: Pathways, activity: str, highlight: int) -> None:
    colors = class_colors(len(pathways.classes))
    columns = [arrange(area, highlight) for area in shown_areas(pathways)]
    shown = [column.area.own[highlight, column.order] for column in columns]
    largest = 1.0 if activity == "active" else np.concatenate([[1.0], *shown]).max()
    shade = ScalarMappable(Normalize(0, largest), ACTIVITY_COLORS)
    label = pathways.classes[highlight]
    for x, column in enumerate(columns):
        _draw_column(axes, x, column, highlight, colors, shade)
        _name_classes(axes, x, column, pathways.classes)
    names = [_column_name(column, highlight) for column in columns]
    if len(pathways.output):
        names.append(str(recording.units.area[pathways.output[0]]))
        _draw_output(axes, len(columns), pathways, highlight, colors)
    n_links = _draw_links(axes, recording, result.links, pathways, columns, highlight,
                          colors[highlight])
    axes.set(xlim=(-0.5, max(len(names) - 0.5, 0.5)), ylim=(-0.06, 1.01), yticks=[])
    explanation = fill(_explanation(pathways, label, n_links), int(14 * figure.get_figwidth()) - 30)
    axes.set_title(KIND_TITLES[pathways.kind], y=1.0, pad=8 + 10 * (explanation.count("\n") + 1))
    axes.text(0, 1.01, explanation, transform=axes.transAxes, va="bottom", fontsize=7.5,
              color="0.25")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel(f"area, and how many of its units are members for class {shorten(label, 30)}")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    _draw_legend(axes, pathways.classes, colors, highlight)
    if columns:
        bar = figure.colorbar(shade, ax=axes, pad=0.01, fraction=0.02, aspect=30)
        bar.set_label("fraction of trials with a spike" if activity == "active"
                      else "mean spikes per trial")
    else:
        axes.text(0.5, 0.5, "nothing to show: see the notes", transform=axes.transAxes,
                  ha="center", color="0.4")


def _explanation(pathways: Pathways, label: str, n_links: int) -> str:
    what = "synapses between members" if pathways.kind == "structural" \
        else "correlated pairs of members"
    return (f"Shades: activity in trials of class {shorten(label, 30)} (left strip) and in all "
            "other trials (right strip). Framed: the members for this class. Lines: the strongest "
            f"{what}, {n_links} drawn.")


def arrange(area: AreaPathways, highlight: int) -> Column:
    """Stack the members of one class, then the others by the class that they matter most to."""
    n_units = len(area.units)
    effect = np.where(area.member, area.effect, -np.inf)
    is_member = area.member.any(axis=0)
    order = np.arange(n_units) if n_units <= SHOWN_SINGLY else np.flatnonzero(is_member)
    home = np.where(area.member[highlight], highlight,
                    np.where(is_member, effect.argmax(axis=0), -1))[order]
    last = np.where(home < 0, len(effect), home)
    by_class = np.lexsort((-effect[home, order], last, home != highlight))
    n = len(order)
    height = min((1 - REST * (n < n_units)) / max(n, 1), TALLEST)
    return Column(area, order[by_class], home[by_class], 1 - np.arange(n) * height, height)


def _draw_column(axes: Axes, x: float, column: Column, highlight: int, colors: list,
                 shade: ScalarMappable) -> None:
    """Class of each unit, its activity for the highlighted class, and for the others."""
    area, left = column.area, x + LEFT
    bottom = column.top - column.height
    faces = [colors[c] if c >= 0 else NO_CLASS for c in column.home]
    _draw_boxes(axes, left, bottom, CLASS_STRIP, column.height, faces)
    rest = np.setdiff1d(np.arange(len(area.units)), column.order)
    block = REST - 0.02
    for strip, values in enumerate((area.own[highlight], area.other[highlight])):
        start = left + CLASS_STRIP + strip * STRIP
        _draw_boxes(axes, start, bottom, STRIP, column.height, shade.to_rgba(values[column.order]))
        if len(rest):
            _draw_boxes(axes, start, [0.0], STRIP, block, shade.to_rgba([values[rest].mean()]))
    if len(rest):
        _draw_boxes(axes, left, [0.0], CLASS_STRIP, block, [NO_CLASS])
        _draw_frame(axes, left, 0, block, "0.6", 0.5)
        axes.text(x, -0.015, f"{len(rest)} others, mean", ha="center", va="top", fontsize=6.5,
                  color="0.35")
    if len(column.order):
        _draw_frame(axes, left, bottom[-1], 1 - bottom[-1], "0.6", 0.5)
    n_members = area.member[highlight].sum()
    if n_members:
        lowest = bottom[n_members - 1]
        _draw_frame(axes, left, lowest, 1 - lowest, colors[highlight], 1.6)


def _name_classes(axes: Axes, x: float, column: Column, classes: tuple[str, ...]) -> None:
    """Write beside every stack of members which class they are drawn with, colour or not."""
    borders = np.flatnonzero(np.diff(column.home, prepend=-2, append=-2))
    for first, stop in itertools.pairwise(borders):
        top = column.top[first]
        low = column.top[stop - 1] - column.height
        if column.home[first] >= 0 and top - low > LOWEST_NAMED:
            axes.text(x + LEFT - 0.015, (top + low) / 2,
                      shorten(classes[column.home[first]], 8, placeholder="…"), fontsize=6,
                      ha="right", va="center", color="0.35")


def _draw_frame(axes: Axes, left: float, bottom: float, height: float, color, width: float
                ) -> None:
    axes.add_patch(Rectangle((left, bottom), -2 * LEFT, height, fill=False, edgecolor=color,
                             linewidth=width, zorder=3))


def _draw_boxes(axes: Axes, left: float, bottom: Iterable[float], width: float, height: float,
                faces) -> None:
    boxes = [Rectangle((left, y), width, height) for y in bottom]
    axes.add_collection(PatchCollection(boxes, facecolor=faces, edgecolor="none", zorder=2))


def _draw_output(axes: Axes, x: float, pathways: Pathways, highlight: int, colors: list) -> None:
    n = len(pathways.classes)
    for c, label in enumerate(pathways.classes):
        axes.add_patch(Rectangle((x + LEFT, 1 - (c + 1) / n), -2 * LEFT, 0.9 / n,
                                 facecolor=colors[c], alpha=1.0 if c == highlight else 0.3,
                                 zorder=2))
        if n <= NAMES_SHOWN:
            axes.text(x, 1 - (c + 0.55) / n, shorten(label, 12, placeholder="…"), ha="center",
                      va="center", fontsize=7.5, zorder=3,
                      color="black" if c == highlight else "0.3",
                      weight="bold" if c == highlight else "normal")


def _draw_links(axes: Axes, recording: Recording, links: pd.DataFrame, pathways: Pathways,
                columns: list[Column], highlight: int, color) -> int:
    """Draw the strongest links of one class; how many there are."""
    mine = links[(links["kind"] == pathways.kind)
                 & (links["class"] == pathways.classes[highlight])]
    places = {column.area.area: (x, column) for x, column in enumerate(columns)}
    drawn = 0
    for _, rows in mine.groupby(["source_area", "target_area"], sort=False):
        rows = rows.nlargest(LINKS_DRAWN, "strength")
        for row, strength in zip(rows.itertuples(), rows["strength"] / rows["strength"].max(),
                                 strict=True):
            x0, source = places[row.source_area]
            start = source.middle(_unit(recording, row.source_area, row.source_unit_id))
            if row.target_area in places:
                x1, target = places[row.target_area]
                end = target.middle(_unit(recording, row.target_area, row.target_unit_id))
            else:
                x1, end = len(columns), 1 - (highlight + 0.55) / len(pathways.classes)
            left, right = x0 - LEFT, x1 + LEFT
            bend, sag = (right - left) / 3, 0.1 * (abs(x1 - x0) - 1)  # below areas in between
            curve = Path([(left, start), (left + bend, start - sag), (right - bend, end - sag),
                          (right, end)],
                         [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
            axes.add_patch(PathPatch(curve, fill=False, edgecolor=color, alpha=0.75, zorder=1,
                                     linewidth=0.3 + 1.7 * strength))
            drawn += 1
    return drawn


def _unit(recording: Recording, area: str, unit_id) -> int:
    units = recording.units_in(area)
    return units[recording.units.unit_id[units] == unit_id][0]


def _column_name(column: Column, highlight: int) -> str:
    area = column.area
    kind = "" if area.cell_type == "all" else f"{area.cell_type[:3]}. "
    return (f"{shorten(area.area, 18, placeholder='…')}\n{area.member[highlight].sum()} of "
            f"{len(area.units)} {kind}units")


def _draw_legend(axes: Axes, classes: tuple[str, ...], colors: list, highlight: int) -> None:
    shown = list(range(min(len(classes), NAMES_SHOWN)))
    handles = [Rectangle((0, 0), 1, 1, facecolor=colors[c]) for c in shown]
    labels = [shorten(classes[c], 22, placeholder="…") for c in shown]
    if len(classes) > NAMES_SHOWN:
        handles.append(Rectangle((0, 0), 1, 1, facecolor="none"))
        labels.append(f"and {len(classes) - NAMES_SHOWN} more")
    handles.append(Rectangle((0, 0), 1, 1, facecolor=NO_CLASS))
    labels.append("no class")
    legend = axes.legend(handles, labels, title="member\nfor class", loc="center right",
                         bbox_to_anchor=(-0.005, 0.5), handlelength=1, handleheight=1,
                         labelspacing=0.25)
    if highlight < len(shown):
        legend.get_texts()[highlight].set_weight("bold")
