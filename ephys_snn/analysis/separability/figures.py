"""How well the class is decodable from each area, from when on, and how far classes are apart;
which classes are taken for which; whether decoders of one time decode at another."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from ephys_snn.analysis.decoding import CODES
from ephys_snn.analysis.separability.design import LEVEL
from ephys_snn.analysis.separability.separability import Separability
from ephys_snn.analysis.separability.words import accuracies
from ephys_snn.analysis.style import NULL_COLOR, figure_style, new_figure

CODE_COLORS = {"active": "#222222", "latency": "#E69F00", "count": "#CC79A7"}
CODE_MARKERS = {"active": "o", "latency": "s", "count": "^"}
DODGE = 0.2  # between the codes of one area, of the distance between areas
MATCHED_COLOR = "#0072B2"
MOST_NAMES = 20  # classes that are named beside a matrix
MOST_COLUMNS = 4  # matrices in a row
BAND = {"color": NULL_COLOR, "alpha": 0.35, "linewidth": 0}


def plot_separability(result: Separability, areas_ordered: bool, title: str) -> Figure:
    """Accuracy by area and code, accuracy over time, and distances, side by side.

    Parameters
    ----------
    result : Separability
    areas_ordered : bool
        Whether colours may show depth.
    title : str
        Which recording, and which response window.
    """
    areas = list(dict.fromkeys(result.table["area"]))
    wide = max(3.4, 0.55 * len(areas) + 1.2)
    with figure_style():
        figure = new_figure(2 * wide + 4.4, 4.3)
        grid = figure.add_gridspec(1, 3, width_ratios=[wide, 4.4, wide])
        _plot_accuracy(figure.add_subplot(grid[0]), result, areas)
        over_time = grid[1].subgridspec(2, 1, height_ratios=[0.16 * len(areas) + 0.15, 3.2])
        top = figure.add_subplot(over_time[0])
        _plot_latencies(top, result, areas, areas_ordered)
        _plot_over_time(figure.add_subplot(over_time[1], sharex=top), result, areas,
                        areas_ordered)
        _plot_distances(figure.add_subplot(grid[2]), result, areas)
        figure.suptitle(title, x=0.01, ha="left")
        figure.legend(handles=_legend(result), loc="outside lower center", ncols=4)
    return figure


def area_colors(areas: list[str], areas_ordered: bool) -> dict[str, tuple]:
    """A colour per area: from light to dark with depth where areas have an order."""
    if areas_ordered:
        values = mpl.colormaps["viridis_r"](np.linspace(0.15, 1, len(areas)))
    else:
        values = mpl.colormaps["tab20" if len(areas) > 10 else "tab10"](np.arange(len(areas)) % 20)
    return dict(zip(areas, map(tuple, values), strict=True))


def _plot_accuracy(axes: Axes, result: Separability, areas: list[str]) -> None:
    _mark_areas(axes, result, areas)
    for x, area in enumerate(areas):
        rows = result.table[result.table["area"] == area]
        if rows["chance"].notna().any():
            axes.fill_between([x - 0.4, x + 0.4], 0, rows["chance_95"].max(), **BAND)
    axes.axhline(1 / len(result.classes), color=NULL_COLOR, linewidth=0.8)
    for code, x, rows in _by_code(result.table, areas):
        spread = np.abs(rows[["accuracy_low", "accuracy_high"]].to_numpy().T
                        - rows["accuracy"].to_numpy())
        axes.errorbar(x, rows["accuracy"], spread, fmt="none", color=CODE_COLORS[code],
                      linewidth=1)
        _plot_points(axes, x, rows["accuracy"], rows["q_value"] < LEVEL, code)
    matched = accuracies(result.between_areas)
    axes.plot([areas.index(area) + 2 * DODGE for area in matched.index], matched, "D",
              color=MATCHED_COLOR, markersize=4)
    axes.set(ylabel=f"balanced accuracy ({result.n_folds}-fold cross-validation)",
             ylim=(0, 1.03), title=f"Can the class be decoded? ({len(result.classes)} classes)")
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _plot_latencies(axes: Axes, result: Separability, areas: list[str], areas_ordered: bool
                    ) -> None:
    """A line per area: its decoding latency, with its interval."""
    colors = area_colors(areas, areas_ordered)
    last = result.over_time["end_ms"].max()
    for y, row in enumerate(result.latencies.itertuples()):
        if np.isfinite(row.latency_ms):
            bounded = np.isfinite(row.latency_high_ms)
            axes.plot([row.latency_low_ms, row.latency_high_ms if bounded else last], [y, y],
                      color=colors[row.area], linewidth=2, solid_capstyle="butt")
            if not bounded:
                axes.plot(last, y, ">", color=colors[row.area], markersize=5)
            axes.plot(row.latency_ms, y, "o", color=colors[row.area], markersize=4)
        else:
            reason = "not computable" if row.note.startswith("not computable") else "never"
            axes.text(last, y, reason, color="#666666", fontsize=7, va="center", ha="right")
    axes.set(yticks=range(len(areas)), ylim=(len(areas) - 0.4, -0.6),
             title="From when on is the class decodable?")
    axes.set_yticklabels(areas, fontsize=7)
    axes.tick_params(labelbottom=False, length=0)
    axes.spines["bottom"].set_visible(False)


def _plot_over_time(axes: Axes, result: Separability, areas: list[str], areas_ordered: bool
                    ) -> None:
    colors = area_colors(areas, areas_ordered)
    for area, rows in result.over_time.groupby("area", sort=False):
        axes.plot(rows["end_ms"], rows["accuracy"], color=colors[area], linewidth=1.4,
                  marker=".", markersize=4)
        axes.fill_between(rows["end_ms"], rows["accuracy_low"], rows["accuracy_high"],
                          color=colors[area], alpha=0.12, linewidth=0)
    axes.axhspan(0, result.threshold, **BAND)
    code = result.latencies["code"].iloc[0]
    axes.text(0.99, 0.015, "chance in any area at any time",
              transform=axes.transAxes, fontsize=7, color="#444444", ha="right")
    axes.set(xlabel="end of the response window (ms after onset)",
             ylabel=f"balanced accuracy\nfrom {CODES[code]}", ylim=(0, 1.03))
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _plot_distances(axes: Axes, result: Separability, areas: list[str]) -> None:
    _mark_areas(axes, result, areas)
    axes.axhline(1, color=NULL_COLOR, linewidth=0.8)
    for code, x, rows in _by_code(result.table, areas):
        ratio = rows["distance_ratio"].replace(np.inf, np.nan)
        _plot_points(axes, x, ratio, rows["distance_q_value"] < LEVEL, code)
    low, high = axes.get_ylim()
    high = max(high, 1.2)
    axes.set(ylim=(min(low, 1 - 0.1 * (high - 1)), high),
             ylabel="distance between / within classes", title="How far apart are the classes?")
    axes.text(0.01, 0.995, "no separation", transform=axes.get_yaxis_transform(), fontsize=7,
              color="#444444", va="top")


def plot_confusion(result: Separability, title: str) -> Figure:
    """What the trials of each class are decoded as: a matrix per area.

    Parameters
    ----------
    result, title
        As in `plot_separability`.
    """
    classes = list(result.classes)
    matrices = {area: rows.pivot(index="class", columns="decoded_class", values="fraction")
                .loc[classes, classes].to_numpy()
                for area, rows in result.confusion.groupby("area", sort=False)}
    with figure_style():
        figure, panels = _matrix_panels(list(matrices), title)
        for axes, matrix in zip(panels, matrices.values(), strict=True):
            image = axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1)
            named = range(len(classes)) if len(classes) <= MOST_NAMES else []
            names = [classes[place] for place in named]
            turned = 90 if max(map(len, names), default=0) > 2 else 0
            axes.set_xticks(named, names, fontsize=7, rotation=turned)
            axes.set_yticks(named, names, fontsize=7)
            axes.set(xlabel="decoded class")
        panels[0].set(ylabel="class of the trial")
        _matrix_bar(figure, image, panels, "share of the trials of a class")
    return figure


def plot_cross_temporal(result: Separability, title: str) -> Figure:
    """Accuracy of decoders trained in one bin and tested in another: a matrix per area.

    Parameters
    ----------
    result, title
        As in `plot_separability`; with `cross_temporal`.
    """
    table = result.cross_temporal[result.cross_temporal["accuracy"].notna()]
    starts = np.unique(table["train_start_ms"])
    edges = np.append(starts, table["train_stop_ms"].max())
    chance = 1 / len(result.classes)
    norm = CenteredNorm(chance, np.abs(table["accuracy"] - chance).max() or chance)
    areas = list(dict.fromkeys(table["area"]))
    with figure_style():
        figure, panels = _matrix_panels(areas, title)
        for axes, area in zip(panels, areas, strict=True):
            rows = table[table["area"] == area]
            accuracy, p_value = (rows.pivot(index="train_start_ms", columns="test_start_ms",
                                            values=column).to_numpy()
                                 for column in ("accuracy", "p_value_corrected"))
            image = axes.pcolormesh(edges, edges, accuracy, cmap="RdBu_r", norm=norm)
            train, test = np.nonzero(p_value < LEVEL)
            middle = (edges[:-1] + edges[1:]) / 2
            axes.plot(middle[test], middle[train], "o", color="#222222", markersize=3, mec="white",
                      mew=0.4)
            axes.axline((edges[0], edges[0]), slope=1, color=NULL_COLOR, linewidth=0.6)
            axes.set(xlabel="tested at (ms after onset)", aspect="equal")
        panels[0].set(ylabel="trained at (ms after onset)")
        _matrix_bar(figure, image, panels, f"balanced accuracy; white: guessing; dot: p < {LEVEL:g}"
                    "\nover all bins and areas")
    return figure


def _matrix_panels(areas: list[str], title: str) -> tuple[Figure, list[Axes]]:
    """A panel per area."""
    n_columns = min(len(areas), MOST_COLUMNS)
    n_rows = -(-len(areas) // n_columns)
    figure = new_figure(max(2.4 * n_columns + 1.4, 5.2), 2.7 * n_rows + 0.6)
    panels = [figure.add_subplot(n_rows, n_columns, place + 1) for place in range(len(areas))]
    for axes, area in zip(panels, areas, strict=True):
        axes.set_title(area)
        axes.spines[["top", "right"]].set_visible(True)
    figure.suptitle(title, x=0.01, ha="left")
    return figure, panels


def _matrix_bar(figure: Figure, image: ScalarMappable, panels: list[Axes], label: str) -> None:
    bar = figure.colorbar(image, ax=panels, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label(label)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    bar.ax.set_ylim(max(0, image.norm.vmin), min(1, image.norm.vmax))


def _legend(result: Separability) -> list[Artist]:
    """Handles for what the panels share."""
    pairs = result.between_areas[result.between_areas["difference"].notna()]
    matched = [Line2D([], [], color=MATCHED_COLOR, marker="D", linestyle="", markersize=4,
                      label=f"from {CODES[row.code]} of {row.n_units} units of every area")
               for row in pairs.head(1).itertuples()]
    hollow = {"marker": "o", "linestyle": "", "mfc": "white", "mec": "#222222"}
    return [
        *(Line2D([], [], color=CODE_COLORS[code], marker=CODE_MARKERS[code], linestyle="",
                 label=f"from {CODES[code]}") for code in CODES),
        *matched,
        Line2D([], [], **hollow, label=f"not above chance (q ≥ {LEVEL:g})"),
        Line2D([], [], color="#222222", linewidth=1, label="95 % interval"),
        Patch(**BAND, label="chance (95 % of permuted labels)")]


def _by_code(table: pd.DataFrame, areas: list[str]):
    """(code, x, rows) of the rows that have statistics."""
    for shift, code in zip((-DODGE, 0, DODGE), CODES, strict=True):
        rows = table[(table["code"] == code) & table["accuracy"].notna()]
        yield code, np.array([areas.index(area) for area in rows["area"]]) + shift, rows


def _plot_points(axes: Axes, x: np.ndarray, y: pd.Series, significant: pd.Series, code: str
                 ) -> None:
    """Points of one code, hollow where they are not above chance."""
    color, marker = CODE_COLORS[code], CODE_MARKERS[code]
    axes.plot(x, y, marker, color=color, markersize=5)
    axes.plot(x[~significant], y[~significant], marker, markersize=5, mfc="white", mec=color)


def _mark_areas(axes: Axes, result: Separability, areas: list[str]) -> None:
    """Name the areas and how many units each is judged by; say where nothing was computable."""
    names = []
    for x, area in enumerate(areas):
        rows = result.table[result.table["area"] == area]
        used = rows["n_units_used"].max()
        names.append(f"{area}\n{used or rows['n_units'].iloc[0]} units")
        if rows["accuracy"].isna().all():
            axes.text(x, 0.03, "not computable", rotation=90, fontsize=7, color="#666666",
                      ha="center", va="bottom", transform=axes.get_xaxis_transform())
    axes.set_xticks(range(len(areas)), names, rotation=30 if len(areas) > 3 else 0,
                    ha="right" if len(areas) > 3 else "center")
    axes.set_xlim(-0.6, len(areas) - 0.4)
