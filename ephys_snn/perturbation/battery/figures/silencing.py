"""How much of an area can be silenced: decisions, and packets and information after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ephys_snn.analysis import cell_type_color, figure_style, new_figure
from ephys_snn.perturbation.battery.figures.drawing import (
    PANELS_ACROSS,
    chance_handles,
    curve_handles,
    draw_chance,
    draw_curve,
    finish,
    panels_of_areas,
    sample,
)
from ephys_snn.perturbation.battery.rows import intact_accuracy, last_area, ordered_areas
from ephys_snn.perturbation.battery.trials import NONE, UNTRAINED


class Measure(NamedTuple):
    """A row of panels.

    Attributes
    ----------
    column : str
    label : str
    rows : DataFrame
        With this column, and `intact`, the same without the perturbation.
    """

    column: str
    label: str
    rows: pd.DataFrame


def plot_silencing(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                   classes: Sequence[str], question: str) -> Figure:
    """A column per area and a row per measure, over the fraction that is silenced."""
    shown, measured = ordered_areas(areas, rows), last_area(rows, tables, areas)
    measures = [
        Measure("accuracy", "accuracy", rows.assign(intact=intact_accuracy(rows))),
        Measure("decision_change_ms", "change of decision\ntime (ms)", rows.assign(intact=0.0)),
        *(Measure(column, f"{label}\nin {measured['measured_area'].iloc[0]}{unit}",
                  measured.assign(intact=measured[f"control_{column}"]))
          for column, label, unit in (("shortest_half_equal_ms", "packet width", " (ms)"),
                                      ("information_gain", "information gain", ""))
          if measured[column].notna().any())]
    across = min(len(shown), PANELS_ACROSS)
    n_blocks = -(-len(shown) // across)
    with figure_style():
        figure = new_figure(max(7.0, 1.2 + (2.4 if across <= 4 else 1.7) * across),
                            1.4 + 1.5 * len(measures) * n_blocks)
        panels = figure.subplots(len(measures) * n_blocks, across, squeeze=False, sharex=True)
        blocks = panels.reshape(n_blocks, len(measures), across).swapaxes(0, 1)
        for measure, of_measure in zip(measures, blocks, strict=True):
            for area, axes in panels_of_areas(of_measure, shown, measure.label):
                _plot_panel(axes, measure, area, len(classes))
        for area, first, last in zip(shown, blocks[0].ravel(), blocks[-1].ravel(), strict=False):
            first.set_title(area)
            last.set_xlabel("fraction silenced")
            last.tick_params(labelbottom=True)
        finish(figure, question, _explanation(rows, measured), _handles(rows, len(classes)))
    return figure


def _plot_panel(axes: Axes, measure: Measure, area: str, n_classes: int) -> None:
    of_area = measure.rows[measure.rows["area"] == area]
    for control in (UNTRAINED, NONE):
        for cell_type, of_type in of_area.groupby("cell_type", sort=False):
            intact = of_type.assign(dose=0.0, **{measure.column: of_type["intact"]})
            intact = intact.drop_duplicates(["network", "control"])
            draw_curve(axes, pd.concat([intact, of_type]), "dose", measure.column,
                       cell_type_color(cell_type), control)
    if measure.column == "accuracy":
        draw_chance(axes, n_classes)
    axes.set_xlim(-0.04, 1.04)


def _explanation(rows: pd.DataFrame, measured: pd.DataFrame) -> str:
    said = ["Columns: the layer whose units were silenced (they send no spikes); at 0 the intact "
            "network. Decision time: of trials decided with and "
            "without."]
    if len(measured):
        area, cell_type = measured.iloc[0][["measured_area", "measured_type"]]
        units = f"its {cell_type} units" if cell_type != "all" else "its units"
        said.append(f"Packet width and information gain about the class: of the spikes of {units} "
                    f"before the decision, in the column of {area} of units that are left.")
    return " ".join([*said, sample(rows)])


def _handles(rows: pd.DataFrame, n_classes: int) -> list:
    return [*(Line2D([], [], color=cell_type_color(name), marker="o", markersize=3.5,
                     linewidth=1.4, label=f"silenced: {'any' if name == 'all' else name} units")
              for name in rows["cell_type"].unique()),
            *curve_handles(rows), *chance_handles(n_classes)]
