"""What differs between conditions of trials: laser on and off, attended or not, perturbed or not.

Each condition is compared with the control, area by area and cell type by cell type, in what is
a mean over trials (`responses`), in what units say about the class (`information`), in what can be
decoded (`decoding`) and in the decisions (`decisions`). Only like is compared with like
(`contrast`), and only the conditions change places under the null.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.conditions.contrast import (
    Conditions,
    Contrast,
    choose_conditions,
    contrast_of,
)
from ephys_snn.analysis.conditions.decisions import ALL, decision_changes
from ephys_snn.analysis.conditions.measures import (
    ConditionSettings,
    Everything,
    Measured,
    measure,
)
from ephys_snn.analysis.conditions.responses import Group
from ephys_snn.analysis.statistics import area_tests, false_discovery_q
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import Recording, ResponseWindows

CHANGE_COLUMNS = ("value", "control_value", "change", "low", "high", "p_value", "q_value",
                  "n_trials", "n_trials_control", "paired", "note")
COLUMNS = ("condition", "control", "area", "cell_type", "measure", "n_units", "n_units_used",
           *CHANGE_COLUMNS)
DECISION_COLUMNS = ("condition", "control", "class", "measure", *CHANGE_COLUMNS)


class Comparison(NamedTuple):
    """Conditions of a recording against its control.

    Attributes
    ----------
    table : DataFrame
        A row per condition, area, cell type and measure: ``conditions.csv``.
    decisions : DataFrame
        A row per condition, class and measure: ``conditions_decisions.csv``.
    conditions : Conditions
    contrasts : dict of str to Contrast
        The trials that are compared, by condition.
    code : str
        What is decoded.
    """

    table: pd.DataFrame
    decisions: pd.DataFrame
    conditions: Conditions
    contrasts: dict[str, Contrast]
    code: str


def compare_conditions(recording: Recording, windows: ResponseWindows,
                       settings: ConditionSettings, progress: Progress = no_progress
                       ) -> Comparison:
    """Compare every condition with the control.

    Raises
    ------
    InputError
        If there are fewer than two conditions, or a choice is missing.
    """
    trials = recording.trials
    conditions = choose_conditions(trials, settings.condition, settings.control)
    everything = Everything.observe(recording, windows)
    rows, decisions, contrasts = [], [], {}
    for index, other in enumerate(conditions.others):
        who = {"condition": other, "control": conditions.control}
        contrasts[other], of_all = (contrast_of(
            trials, conditions, other, usable, settings.block_trials)
            for usable in (windows.used, np.full(len(trials), True)))
        rng = np.random.default_rng([settings.seed, index])
        rows += [who | _row(*measured) for measured in
                 measure(everything, contrasts[other], settings, rng, progress)]
        decisions += [who | {"class": name, "measure": measured} | change._asdict() for
                      name, measured, change in decision_changes(
                          trials, of_all, settings.n_permutations, rng)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    same = table["condition"] + "/" + area_tests(table, "n_units")
    decided = pd.DataFrame(decisions, columns=list(DECISION_COLUMNS))
    table["q_value"] = _q_values(table, [table["measure"]], same)
    # All classes together are one question, each of them another.
    decided["q_value"] = _q_values(decided, [decided["measure"], decided["class"] == ALL],
                                   decided.index.to_series())
    return Comparison(table, decided, conditions, contrasts, everything.code)


def _q_values(table: pd.DataFrame, families: list[pd.Series], same: pd.Series) -> pd.Series:
    """(row,) float, Benjamini-Hochberg over the rows of a family; `same` as `area_tests`."""
    q_value = pd.Series(np.nan, table.index)
    for rows in table.groupby(families).groups.values():
        q_value[rows] = false_discovery_q(table.loc[rows, "p_value"], same[rows])
    return q_value


def _row(group: Group, measure: str, measured: Measured) -> dict:
    return {"area": group.area, "cell_type": group.cell_type, "measure": measure,
            "n_units": group.n_units, "n_units_used": measured.n_units,
            **measured.change._asdict()}
