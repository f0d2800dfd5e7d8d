"""Figures of the synchrony pipeline: pulse packets, and Elephant's own measures."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.style import NULL_COLOR, cell_type_color, figure_style, new_figure
from ephys_snn.analysis.synchrony.elephant_measures import MAX_PAIRS, Curves
from ephys_snn.pulse_packets import MIN_ACTIVE
from ephys_snn.recording import Recording, ResponseWindows

MAX_RASTER_UNITS = 100  # of one area, drawn evenly among its units
MAX_RASTER_ROWS = 120  # where few units are shown over many trials
FEW_UNITS = 20  # in all areas; so many are shown over many trials rather than in one


def plot_synchrony(recording: Recording, windows: ResponseWindows, table: pd.DataFrame,
                   title: str) -> Figure:
    """Example rasters, packets by area, and trajectories in the plane of size and width.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    table : DataFrame
        ``synchrony.csv``.
    title : str
    """
    with figure_style():
        figure = new_figure(15, 7.2)
        figure.suptitle(title, fontsize=10.5)
        grid = figure.add_gridspec(3, 3, width_ratios=(1.15, 1.15, 1.0))
        _draw_rasters(figure.add_subplot(grid[:, 0]), recording, windows)
        shown = _shown(table)
        areas = [area for area in recording.areas if area in set(shown["area"])]
        by_area = [figure.add_subplot(grid[row, 1]) for row in range(3)]
        _draw_by_area(by_area, shown, areas, recording.areas_ordered)
        _draw_plane(figure.add_subplot(grid[:, 2]), shown, areas, recording.areas_ordered)
    return figure


def plot_elephant(curves: dict[str, Curves], table: pd.DataFrame, title: str) -> Figure:
    """Population rate, spike-contrast, cross-correlogram and correlation of every area.

    Parameters
    ----------
    curves : dict of area to Curves
    table : DataFrame
        ``synchrony_elephant.csv``.
    title : str
    """
    with figure_style():
        figure = new_figure(13, 7)
        figure.suptitle(title, fontsize=10.5)
        rate, contrast, correlogram, bars = figure.subplots(2, 2).ravel()
        colors = dict(zip(curves, mpl.colormaps["viridis"](np.linspace(0, 0.9, len(curves))),
                          strict=True))
        rates = []
        for area, curve in curves.items():
            color = colors[area]
            rates += rate.plot(curve.time, curve.rate, color=color, drawstyle="steps-mid", lw=1)
            contrast.plot(curve.scale, curve.contrast, color=color, lw=1.5)
            correlogram.plot(curve.lag, curve.correlogram, color=color, lw=1.2)
            if len(curve.contrast_shuffled):
                contrast.plot(curve.scale, curve.contrast_shuffled, color=color, lw=1, ls=":")
                correlogram.plot(curve.lag, curve.correlogram_shuffled, color=color, lw=1, ls=":")
        rate.set(title="a  Population rate over the trial", xlabel="time after onset (ms)",
                 ylabel="rate (spikes/s per unit)")
        rate.set_ylim(0, rate.get_ylim()[1] * (1.4 if len(curves) > 4 else 1))  # the legend's
        contrast.set(title="b  Spike-contrast: at which time scale is the area synchronous?",
                     xlabel="bin width (ms)", ylabel="synchrony (0 to 1)", xscale="log")
        _plain_numbers(contrast.xaxis, wide=True)
        correlogram.set(title=f"c  Cross-correlogram, mean over at most {MAX_PAIRS} pairs of units",
                        xlabel="lag (ms)", ylabel="correlation coefficient")
        styles = [Line2D([], [], color="k", lw=1.5, label="recorded"),
                  Line2D([], [], color="k", lw=1, ls=":",
                         label=f"responses shuffled across trials of a {_within(table)}")]
        if curves:
            rate.legend(rates, list(curves), title="area", ncols=1 + len(curves) // 5)
        else:
            _say(rate, "no area can respond before\nits own decision")
        contrast.legend(handles=styles, loc="upper left")
        _draw_correlations(bars, table, colors)
        for axes, key in ((contrast, "contrast"), (correlogram, "correlogram")):
            if not any(len(getattr(curve, key)) for curve in curves.values()):
                _say(axes, "needs two units that spike")
    return figure


def _draw_correlations(axes: Axes, table: pd.DataFrame, colors: dict) -> None:
    measured = table[table["correlation"].notna()]
    place = np.arange(len(measured))
    axes.bar(place, measured["correlation"], color=[colors[area] for area in measured["area"]],
             width=0.5)
    axes.plot(place, measured["correlation_shuffled"].astype(float), ls="none", marker="_", ms=26,
              mew=2, color="k", label=f"responses shuffled across trials of a {_within(table)}")
    axes.set(title="d  Pairwise correlation of binned trains", ylabel="mean over pairs")
    if not len(measured):
        _say(axes, "needs two units that spike")
        return
    axes.axhline(0, color="k", lw=0.6)
    axes.set_xticks(place, [f"{row.area}\n{row.n_units_used:.0f} units"
                            for row in measured.itertuples()])
    axes.set(xlim=(-1, len(place)))
    axes.margins(y=0.2)
    axes.legend(loc="upper right")


def _within(table: pd.DataFrame) -> str:
    """What trials have in common that exchange responses: a stimulus or a class."""
    return str(table["shuffled_within"].iloc[0])


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the figure: 'all' beside excitatory and inhibitory, each area's others left out."""
    computed = table["active_units"].notna()
    return table[computed & table["cell_type"].isin(["all", "excitatory", "inhibitory"])]


def _draw_rasters(axes: Axes, recording: Recording, windows: ResponseWindows) -> None:
    """Spikes of one typical trial, or of many trials where there are few units."""
    used = np.flatnonzero(windows.used)
    end = (windows.stop - windows.onset)[used]
    typical = used[np.argmin(np.abs(end - np.median(end)))]
    few = len(recording.units) <= FEW_UNITS
    bands = _bands_of_units(recording, used) if few else _bands_of_areas(recording, typical)
    shown_end = end.max() if few else windows.stop[typical] - windows.onset[typical]
    start = min(0.0, (windows.start - windows.onset)[used].min())
    stop = shown_end * (1.3 if windows.until_decision else 1.0)
    n_rows = _draw_bands(axes, recording, windows, bands, start, stop)
    axes.set(ylim=(-0.5, n_rows - 0.5), xlim=(start, stop), xlabel="time after onset (ms)")
    if few:
        axes.set_title("a  Spikes of example trials (rows), by unit")
        return
    label = recording.trials.label[typical]
    axes.set_title(f"a  Spikes of one trial (no. {typical}" + (f", class {label})" if label
                                                              else ")"))
    if windows.until_decision:
        axes.axvline(shown_end, color="k", lw=1, ls="--")
        axes.axvspan(shown_end, stop, color="0.5", alpha=0.15, lw=0)
        axes.text(shown_end, n_rows * 1.005, " decision", va="bottom", fontsize=8)


def _bands_of_areas(recording: Recording, trial: int) -> list[tuple[str, list]]:
    """Label and (unit, trial) rows of every area, the last area first."""
    bands = []
    for area in recording.areas[::-1]:
        units = recording.units_in(area)
        bands.append((f"{area}\n{len(units)} units",
                      [(unit, trial) for unit in _spread(units, MAX_RASTER_UNITS)[::-1]]))
    return bands


def _bands_of_units(recording: Recording, trials: np.ndarray) -> list[tuple[str, list]]:
    """Label and (unit, trial) rows of every unit, the last unit of the last area first."""
    units = np.concatenate([recording.units_in(area) for area in recording.areas])[::-1]
    shown = _spread(trials, max(1, MAX_RASTER_ROWS // len(units)))
    names = recording.units.name
    if len(set(names.tolist())) < len(names):
        names = recording.units.unit_id
    return [(f"{recording.units.area[unit]}: {names[unit]}",
             [(unit, trial) for trial in shown[::-1]]) for unit in units]


def _draw_bands(axes: Axes, recording: Recording, windows: ResponseWindows,
                bands: list[tuple[str, list]], start: float, stop: float) -> int:
    """Draw rows of spikes from the bottom up, in colours of the cell types; their number."""
    from viziphant.rasterplot import rasterplot  # takes seconds to import

    populations, colors, ticks, n_rows = [], [], [], 0
    for label, rows in bands:
        for cell_type in dict.fromkeys(recording.units.cell_type[unit] for unit, _ in rows):
            populations.append([_trial_train(recording, windows, unit, trial, start, stop)
                                for unit, trial in rows
                                if recording.units.cell_type[unit] == cell_type])
            colors.append(cell_type_color(cell_type or "all"))
        ticks.append((n_rows + (len(rows) - 1) / 2, label))
        n_rows += len(rows)
        axes.axhline(n_rows - 0.5, color="0.85", lw=0.7)
    rasterplot(populations, axes=axes, color=colors, marker="|", s=max(16, 1600 / n_rows),
               linewidths=1.0)
    axes.set_yticks(*zip(*ticks, strict=True))
    axes.tick_params(axis="y", length=0)
    if not any(len(train) for population in populations for train in population):
        axes.text(0.5, 0.5, "no spikes in the response windows", transform=axes.transAxes,
                  ha="center", color="0.35")
    return n_rows


def _draw_by_area(panels: list[Axes], table: pd.DataFrame, areas: list[str],
                  ordered: bool) -> None:
    """Shortest half, SD and size against the area."""
    place = {area: index for index, area in enumerate(areas)}
    kinds = [kind for kind in ("all", "excitatory", "inhibitory")
             if (table["cell_type"] == kind).any()]
    _draw_width(panels[0], table, "shortest_half_equal", "shortest_half", kinds, place, ordered)
    _draw_width(panels[1], table, "sd", "sd", kinds, place, ordered)
    for offset, kind in zip(_offsets(kinds), kinds, strict=True):
        rows = table[table["cell_type"] == kind]
        panels[2].plot([place[area] + offset for area in rows["area"]], rows["active_units"],
                       color=cell_type_color(kind), marker="o", ms=5, lw=1.3,
                       ls="-" if ordered else "none")
    panels[0].set(title=f"b  Shortest half of the packet{_equally_many(table)} (mean ± SEM)",
                  ylabel="shortest half (ms)")
    panels[1].set(title="    SD of first-spike times (mean ± SEM)", ylabel="SD (ms)")
    panels[2].set(title="    Size of the packet", ylabel="active units per trial")
    if not _scale(panels[2], "y", table["active_units"]):
        panels[2].set_ylim(0, max(1.0, 1.1 * table["active_units"].max()))
    if not ordered and len(areas) > 1:
        panels[2].set_xlabel("areas, in no stated order (--areas A,B,...)")
    for panel in panels:
        panel.set_xticks(range(len(areas)), areas if panel is panels[2] else [""] * len(areas))
        panel.set_xlim(-0.5, max(1, len(areas)) - 0.5)
    if len(areas) > 6:
        panels[2].tick_params(axis="x", rotation=35)
    handles = [Line2D([], [], color=cell_type_color(kind), marker="o", ms=5, label=kind)
               for kind in kinds]
    if table["shortest_half_ms"].notna().any():
        handles += _null_handles(table)
    panels[0].figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _equally_many(table: pd.DataFrame) -> str:
    n_spikes = table["n_equal_spikes"].dropna()
    return f", {n_spikes.iloc[0]:.0f} units drawn" if len(n_spikes) else ""


def _null_handles(table: pd.DataFrame) -> list[Line2D]:
    return [
        Line2D([], [], color="0.4", marker="o", mfc="w", ls="none", ms=5,
               label=f"open: not narrower than shuffled (q ≥ {SIGNIFICANT_Q})"),
        Line2D([], [], color=NULL_COLOR, marker="_", ms=11, mew=2.5, ls="none",
               label=f"latencies shuffled across trials of a {_within(table)}"),
        Line2D([], [], color=NULL_COLOR, marker="x", ms=6, mew=1.5, ls="none",
               label=f"spikes dithered by ±{table['dither_ms'].max():.3g} ms")]


def _draw_width(axes: Axes, table: pd.DataFrame, column: str, tested: str, kinds: list[str],
                place: dict[str, int], ordered: bool) -> None:
    """A width by area and type, beside the nulls of the width that is tested."""
    measured = table[table[f"{column}_ms"].notna()]
    if not len(measured):
        _say(axes, f"not computable: no trial has {MIN_ACTIVE} active units")
        return
    for offset, kind in zip(_offsets(kinds), kinds, strict=True):
        rows = measured[measured["cell_type"] == kind]
        x = np.array([place[area] for area in rows["area"]]) + offset
        color = cell_type_color(kind)
        width = rows[f"{column}_ms"].to_numpy(dtype=float)
        # Surrogate widths belong to the trials of the nulls, hence drawn by their ratio.
        for null, marker, size in (("shuffled", "_", 11), ("dithered", "x", 6)):
            ratio = rows[f"{null}_{tested}_ratio"].to_numpy(dtype=float)
            null_width = np.divide(width, ratio, out=np.full(len(x), np.nan), where=ratio > 0)
            axes.plot(x, null_width, marker=marker, ms=size, mew=2 if marker == "_" else 1.3,
                      ls="none", color=color, alpha=0.4)
        axes.errorbar(x, width, rows[f"{column}_sem_ms"].to_numpy(dtype=float), color=color,
                      lw=1.3, ls="-" if ordered else "none", zorder=3)
        significant = rows[f"shuffled_{tested}_q_value"].to_numpy(dtype=float) < SIGNIFICANT_Q
        axes.scatter(x, width, s=28, zorder=4, edgecolors=color,
                     facecolors=[color if each else "w" for each in significant])
    _scale(axes, "y", measured[f"{column}_ms"])


def _draw_plane(axes: Axes, table: pd.DataFrame, areas: list[str], ordered: bool) -> None:
    """Packets in the plane of size and width, joined from area to area where there is an order."""
    measured = table[(table["shortest_half_equal_ms"] > 0) & table["area"].isin(areas)]
    axes.set(title="c  Size against width (Diesmann et al. 1999)",
             xlabel=f"width: shortest half{_equally_many(table)} (ms)",
             ylabel="size: active units per trial")
    if not len(measured):
        _say(axes, f"not computable: no trial has {MIN_ACTIVE} active units")
        return
    _scale(axes, "x", measured["shortest_half_equal_ms"])
    _scale(axes, "y", measured["active_units"])
    for kind in ("all", "excitatory", "inhibitory"):
        rows = measured[measured["cell_type"] == kind]
        if kind != "all" and ordered:  # the input has no such types, but is where they start
            first = measured[(measured["area"] == areas[0]) & (measured["cell_type"] == "all")]
            rows = rows if (rows["area"] == areas[0]).any() else pd.concat([first, rows])
        x, y = (rows[key].to_numpy(dtype=float)
                for key in ("shortest_half_equal_ms", "active_units"))
        color = cell_type_color(kind)
        main = kind == "all"
        axes.scatter(x, y, s=45 if main else 22, color=color, zorder=4 if main else 3,
                     alpha=1.0 if main else 0.8)
        if ordered:
            for i in range(len(rows) - 1):
                axes.annotate("", (x[i + 1], y[i + 1]), (x[i], y[i]), zorder=3 if main else 2,
                              arrowprops={"arrowstyle": "-|>", "color": color, "shrinkA": 4,
                                          "shrinkB": 4, "lw": 1.8 if main else 1.0,
                                          "alpha": 1.0 if main else 0.6})
        if main or not (measured["cell_type"] == "all").any():
            for area, *point in zip(rows["area"], x, y, strict=True):
                axes.annotate(area, point, xytext=(7, 6), textcoords="offset points",
                              fontweight="bold", fontsize=8.5, zorder=5)
    axes.margins(0.15)
    axes.text(0.02, 0.02, "narrow: synchronous", transform=axes.transAxes, color="0.45")
    axes.text(0.98, 0.02, "wide: asynchronous", transform=axes.transAxes, color="0.45", ha="right")


def _scale(axes: Axes, direction: str, values: pd.Series) -> bool:
    """A logarithmic axis with plain numbers for values that span more than a factor of three."""
    logarithmic = values.min() > 0 and values.max() > 3 * values.min()
    if logarithmic:
        axes.set(**{f"{direction}scale": "log"})
        _plain_numbers(getattr(axes, f"{direction}axis"), wide=values.max() > 30 * values.min())
    return bool(logarithmic)


def _plain_numbers(axis: Axis, wide: bool) -> None:
    """Numbers as they are on a logarithmic axis, few of them where it spans much."""
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _spread(values: np.ndarray, number: int) -> np.ndarray:
    """At most so many of the values, evenly spread."""
    if len(values) <= number:
        return values
    return values[np.linspace(0, len(values) - 1, number).astype(int)]


def _offsets(kinds: list[str]) -> np.ndarray:
    return 0.12 * (np.arange(len(kinds)) - (len(kinds) - 1) / 2)


def _trial_train(recording: Recording, windows: ResponseWindows, unit: int, trial: int,
                 start: float, stop: float):
    """Spike train of one unit in one trial, relative to the onset."""
    import neo

    onset = windows.onset[[trial]]
    spikes = recording.window_spikes(onset + start, onset + stop, [unit]).time - onset
    # Neo refuses a spike that rounding puts a hair beyond the borders.
    return neo.SpikeTrain(np.clip(spikes, start, stop), units="ms", t_start=start, t_stop=stop)


def _say(axes: Axes, text: str) -> None:
    """An empty panel with the reason."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")
