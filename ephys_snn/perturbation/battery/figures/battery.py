"""All figures of a battery: for each experiment what its rows can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ephys_snn.perturbation.battery.figures.changes import plot_changes
from ephys_snn.perturbation.battery.figures.doses import plot_doses
from ephys_snn.perturbation.battery.figures.pathways import plot_pathways
from ephys_snn.perturbation.battery.figures.retraining import plot_retraining
from ephys_snn.perturbation.battery.figures.selectivity import plot_selectivity
from ephys_snn.perturbation.battery.figures.silencing import plot_silencing
from ephys_snn.perturbation.battery.kinds import (
    DOSES,
    OTHER,
    PATHWAYS,
    RETRAINING,
    SELECTIVITY,
    SILENCING,
    kinds,
)
from ephys_snn.perturbation.battery.trials import NONE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS = {SILENCING: plot_silencing, PATHWAYS: plot_pathways, SELECTIVITY: plot_selectivity,
         DOSES: plot_doses, RETRAINING: plot_retraining, OTHER: plot_changes}


def battery_figures(tables: Mapping[str, pd.DataFrame], areas: Sequence[str],
                    classes: Sequence[str], questions: Mapping[str, str]) -> dict[str, Figure]:
    """Figures of every experiment that has results.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By `ephys_snn.perturbation.battery.battery_tables`.
    areas : sequence of str
        In their order.
    classes : sequence of str
        In the order of the output units.
    questions : dict of str to str
        What each experiment asks, by its name.

    Returns
    -------
    dict of str to Figure
        By file stem, ``perturb_EXPERIMENT``, and of an experiment of several kinds of
        perturbations ``perturb_EXPERIMENT_KIND``.
    """
    rows = tables["perturbations"]
    kind, figures = kinds(rows), {}
    known = rows["accuracy"].notna()
    for experiment, of_experiment in rows[known].groupby("experiment", sort=False):
        shown = [(name, these) for name, these in of_experiment.groupby(kind, sort=False)
                 if (these["control"] == NONE).any()]
        for name, these in shown:
            stem = f"perturb_{experiment}" + (f"_{name}" if len(shown) > 1 else "")
            figures[stem] = PLOTS[name](these, tables, areas, classes,
                                        questions.get(experiment, experiment))
    return figures
