"""What lesions of a class's pathway do to every class, beside matched sets and wrong classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D

from ephys_snn.analysis import figure_style, new_figure
from ephys_snn.perturbation.battery.figures.drawing import (
    finish,
    numbers,
    sample,
    shorten_middle,
)
from ephys_snn.perturbation.battery.rows import ordered_areas
from ephys_snn.perturbation.battery.trials import (
    NONE,
    RANDOM,
    UNTRAINED,
    UNTRAINED_RANDOM,
    WRONG_CLASS,
)
from ephys_snn.perturbation.reference import class_word

ACROSS = 6
NAMES_SHOWN = 20
LONGEST_NAME = 14
# What is drawn beside each other: label, column, control of the trained network and of its twin.
COMPARED = (
    ("the class whose pathway is silenced", "change_own_class", NONE, UNTRAINED, "#882255"),
    ("the other classes, mean", "change_other_classes", NONE, UNTRAINED, "#44AA99"),
    ("a class, pathway of another class silenced", "change_own_class", WRONG_CLASS, None,
     "#DDAA33"),
    ("the class, matched set of units silenced", "change_own_class", RANDOM, UNTRAINED_RANDOM,
     "#888888"),
)


def plot_pathways(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                  classes: Sequence[str], question: str) -> Figure:
    """Lesioned against tested class in every area; below, every lesion beside its controls."""
    shown = ordered_areas(areas, rows)
    across, is_twin = min(len(shown), ACROSS), bool((rows["control"] == UNTRAINED).any())
    n_rows = -(-len(shown) // across)
    width = max(8.0, 1.6 + 2.3 * across)
    with figure_style():
        figure = new_figure(width, 1.3 + 2.35 * n_rows + 2.9 * (1 + is_twin))
        above, below = figure.add_gridspec(2, 1, height_ratios=[2.35 * n_rows,
                                                                2.9 * (1 + is_twin)])
        _plot_matrices(figure, above.subgridspec(n_rows, across), rows, tables, shown,
                       [class_word(name) for name in classes])
        panels = below.subgridspec(1 + is_twin, 1).subplots(sharey=True, squeeze=False)[:, 0]
        for axes, twin in zip(panels, (False, True), strict=False):
            _plot_controls(axes, rows, tables, shown, twin)
        finish(figure, question, _explanation(rows), _handles(rows))
    return figure


def lesion_matrix(rows: pd.DataFrame, by_class: pd.DataFrame, classes: Sequence[str]
                  ) -> pd.DataFrame:
    """(lesioned class, tested class) change of accuracy in an area, mean over networks.

    Parameters
    ----------
    rows : DataFrame
        Of ``perturbations.csv``, of an area.
    by_class : DataFrame
        ``perturbations_by_class.csv``.
    classes : sequence of str
        Their words, in their order.
    """
    key = ["network", "experiment", "perturbation"]
    lesions = rows.loc[rows["control"] == NONE, [*key, "target_class"]]
    tested = by_class[by_class["control"] == NONE].merge(lesions, on=key)
    tested = tested.assign(tested=[class_word(str(name)) for name in tested["class"]])
    return tested.pivot_table(index="target_class", columns="tested", values="change"
                              ).reindex(index=classes, columns=classes)


def _plot_matrices(figure: Figure, grid: SubplotSpec, rows: pd.DataFrame,
                   tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                   classes: Sequence[str]) -> None:
    panels = grid.subplots(squeeze=False)
    names = [shorten_middle(name, LONGEST_NAME) for name in classes]
    places = np.arange(0, len(classes), -(-len(classes) // NAMES_SHOWN))
    names, across = [names[place] for place in places], panels.shape[1]
    for index, axes in enumerate(panels.ravel()):
        if index >= len(areas):
            axes.set_axis_off()
            continue
        matrix = lesion_matrix(rows[rows["area"] == areas[index]],
                               tables["perturbations_by_class"], classes)
        image = axes.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
        axes.set_facecolor("0.9")
        axes.set_xticks(places, names, fontsize=6.5,
                        rotation=90 if max(map(len, names)) > 1 else 0)
        axes.set_yticks(places, names, fontsize=6.5)
        axes.tick_params(length=0, labelleft=index % across == 0,
                         labelbottom=index + across >= len(areas))
        axes.set_title(areas[index])
        if index + across >= len(areas):
            axes.set_xlabel("class tested")
        if index % across == 0:
            axes.set_ylabel("class whose pathway\nis silenced")
    figure.colorbar(image, ax=panels, pad=0.01, fraction=0.025, aspect=22,
                    label="change of the\nclass's accuracy")


def _plot_controls(axes: Axes, rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame],
                   areas: Sequence[str], is_twin: bool) -> None:
    rng = np.random.default_rng(0)  # for the scatter of dots alone
    axes.axhline(0, color="#AAAAAA", linewidth=0.8, zorder=0)
    step = 0.84 / len(COMPARED)
    for place, (_, column, trained, twin, color) in enumerate(COMPARED):
        for x, area in enumerate(areas):
            of_area = rows[(rows["area"] == area) & (rows["control"] == (twin if is_twin
                                                                         else trained))]
            changes = of_area[column].dropna().to_numpy()
            if not len(changes):
                continue
            middle = x + (place - (len(COMPARED) - 1) / 2) * step
            many = len(changes) > 150
            axes.plot(middle + step * rng.uniform(-0.3, 0.3, len(changes)), changes, "o",
                      color=color, markersize=2 if many else 3.5, alpha=0.4 if many else 0.8,
                      markeredgewidth=0)
            axes.plot([middle - 0.4 * step, middle + 0.4 * step], [changes.mean()] * 2,
                      color="black", linewidth=1.6, zorder=4)
    axes.set_xticks(range(len(areas)), [_name(area, tables, is_twin, rows) for area in areas])
    axes.set(xlim=(-0.55, len(areas) - 0.45), ylabel="change of accuracy",
             title="Untrained twin" if is_twin else "Trained")


def _name(area: str, tables: Mapping[str, pd.DataFrame], is_twin: bool, rows: pd.DataFrame
          ) -> str:
    """An area, and how its lesions compare with matched sets, where it is of one network."""
    table = tables.get("perturbations_pathways")
    if table is None:
        return area
    mine = table[(table["area"] == area) & (table["trained"] != is_twin)
                 & (table["experiment"] == rows["experiment"].iloc[0])]
    if len(mine) != 1 or np.isnan(mine["p_value"].iloc[0]):
        return area
    return f"{area}\np = {mine['p_value'].iloc[0]:.2g}"


def _explanation(rows: pd.DataFrame) -> str:
    n_units = numbers(rows.loc[rows["control"] == NONE, "n_units"])
    said = [f"Silenced are the members of a class's pathway in one layer ({n_units} units), which "
            "send no spikes. Below: a dot per class and network, or per class and matched set; "
            "bars are means."]
    if rows["control"].isin([RANDOM, UNTRAINED_RANDOM]).any():
        said.append("Matched sets are as many units of the layer, of like activity and outgoing "
                    "weight" + ("." if rows["network"].nunique() > 1 else "; p: how often the "
                                "mean of the classes would be as low beside them if pathways and "
                                "sets changed places class by class."))
    return " ".join([*said, sample(rows)])


def _handles(rows: pd.DataFrame) -> list:
    present = set(rows["control"])
    handles = [Line2D([], [], color=color, marker="o", linestyle="none", markersize=4, label=label)
               for label, _, trained, twin, color in COMPARED if {trained, twin} & present]
    return [*handles, Line2D([], [], color="black", linewidth=1.6, label="mean")]
