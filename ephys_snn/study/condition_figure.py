"""``networks.png``: a panel per claim, a dot per network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ephys_snn.analysis import cell_type_color, class_colors, figure_style, new_figure
from ephys_snn.study.network_config import BASE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The measures that stand for the claims, in words.
CLAIMS = {
    "accuracy": "accuracy",
    "spreading_ratio": "spreading (widest layer / input)",
    "convergence_ratio": "convergence (last layer / widest)",
    "information_gain_contrast_last": "gain E − I (last layer)",
    "relative_information_gain_contrast_last": "relative gain E − I (last layer)",
    "uncertainty_coefficient_contrast_last": "uncertainty coefficient E − I (last layer)",
    "information_gain_excitatory_rise": "gain of E (last − first layer)",
    "preference_beyond_permuted_last": "pathways' preference (last layer)",
    "lesion_excess_loss_last": "loss by lesion beyond matched",
    "inhibition_loss_mean": "loss without inhibition (mean of layers)",
    "averaging_gain_last": "averaging gain (last layer)",
    "negative_mass_last": "negative mass (last layer)",
}
RATIOS = ("spreading_ratio", "convergence_ratio")  # on a logarithmic axis
N_COLUMNS = 3
SIGNIFICANT_Q = 0.05


def plot_networks(networks: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    """Every network of every condition, seeds joined, beside its untrained twin.

    Parameters
    ----------
    networks, effects : DataFrame
        ``networks.csv`` and ``networks_effects.csv``.
    """
    conditions = list(dict.fromkeys([BASE, *networks["condition"]]))
    panels = [claim for claim in CLAIMS if claim in networks]
    n_rows = -(-len(panels) // N_COLUMNS)
    with figure_style():
        figure = new_figure(N_COLUMNS * max(3.7, 1.2 + 0.25 * len(conditions)), 2.3 * n_rows + 1.2)
        axes = figure.subplots(n_rows, N_COLUMNS, squeeze=False, sharex=True).ravel()
        for ax, claim in zip(axes, panels, strict=False):
            _plot_claim(ax, networks, claim, conditions)
            _mark(ax, effects[effects["measure"] == claim], conditions)
        for ax in axes[len(panels):]:
            ax.set_axis_off()
        for ax in axes[max(0, len(panels) - N_COLUMNS):len(panels)]:
            ax.tick_params(axis="x", labelbottom=True)
        _legend(figure, sorted(networks["seed"].unique()))
    return figure


def _plot_claim(ax: Axes, networks: pd.DataFrame, claim: str, conditions: list[str]) -> None:
    """The networks of each seed as a line over the conditions, and what twins have."""
    from matplotlib.ticker import LogLocator, NullFormatter

    seeds = sorted(networks["seed"].unique())
    for seed, color in zip(seeds, class_colors(len(seeds)), strict=True):
        rows = networks[networks["seed"] == seed].set_index("condition")
        ax.plot(rows[claim].reindex(conditions).to_numpy(), "o-", color=color, ms=4, lw=0.6)
        if f"untrained_{claim}" in rows:
            ax.plot(rows[f"untrained_{claim}"].reindex(conditions).to_numpy(), "o", color=color,
                    ms=3, mfc="white", mew=0.7, zorder=1)
    ax.axvspan(-0.5, 0.5, color="#EEEEEE", zorder=0, lw=0)
    base = networks.loc[networks["condition"] == BASE, claim].mean()
    if np.isfinite(base):
        ax.axhline(base, color="#777777", ls="--", lw=0.8, zorder=0)
    known = networks.groupby("condition")[claim].count()
    for x, name in enumerate(conditions):
        if not known.get(name, 0):
            ax.text(x, 0.5, "not computable", transform=ax.get_xaxis_transform(), ha="center",
                    va="center", rotation=90, fontsize=6, color="#777777")
    if claim in RATIOS:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(title=CLAIMS[claim], xlim=(-0.5, len(conditions) - 0.5))
    ax.set_xticks(range(len(conditions)), conditions, rotation=90, fontsize=7)


def _mark(ax: Axes, effects: pd.DataFrame, conditions: list[str]) -> None:
    """A star over the conditions that differ from the base."""
    for condition in effects.loc[effects["q_value"] < SIGNIFICANT_Q, "condition"]:
        ax.annotate("*", (conditions.index(condition), 1.0), ha="center", va="top", fontsize=12,
                    xycoords=ax.get_xaxis_transform())


def _legend(figure: Figure, seeds: list[int]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=color, marker="o", ms=4, lw=0.6, label=f"seed {seed}")
               for seed, color in zip(seeds, class_colors(len(seeds)), strict=True)]
    handles.append(Line2D([], [], color=cell_type_color("input"), marker="o", ms=3, lw=0,
                          mfc="white", label="untrained twins"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8))
    figure.suptitle("A dot per network; networks of one seed are joined. Shaded and dashed: the "
                    f"base and its mean. * q < {SIGNIFICANT_Q} over pairs of networks", fontsize=9)
