"""Do the claims of Oberste-Frielinghaus et al. 2025 (arXiv 2508.12975) hold for a recording?

Verdicts are formulas on the tables of the pipelines, the same for a trained network and for its
untrained control. A verdict that cannot be computed is not one that holds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis import wilson_interval
from ephys_snn.recording import Recording

NULL_LEVEL = 0.01  # pathways must prefer their class at this level


class Verdict(NamedTuple):
    """Whether a claim holds, and the numbers that say so.

    Attributes
    ----------
    holds : bool or None
        None if it was not asked.
    value : str
        The numbers, in the order of the areas.
    """

    holds: bool | None
    value: str


class Accuracy(NamedTuple):
    """Fraction of trials decided for their own class, with its 95 % Wilson interval."""

    fraction: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.fraction:.1%} [{self.low:.1%}, {self.high:.1%}]"


def decision_accuracy(recording: Recording) -> Accuracy:
    """How often the first output spike is that of the shown class; no decision is wrong."""
    trials = recording.trials
    correct = int((trials.decision_label == trials.label).sum())
    fraction = correct / len(trials)
    return Accuracy(fraction, *wilson_interval(fraction, len(trials)))


def dale_violations(recording: Recording) -> int:
    """Synapses of hidden neurons whose sign is not that of their cell type."""
    violations = 0
    for (source, _), weights in recording.weights.items():
        cell_type = recording.units.cell_type[recording.units_in(source)]
        violations += int((weights[cell_type == "excitatory"] < 0).sum())
        violations += int((weights[cell_type == "inhibitory"] > 0).sum())
    return violations


def judge_learning(recording: Recording, control: Recording) -> Verdict:
    """Accuracy beyond the control's, intervals apart, without a violation of Dale's law."""
    accuracy, untrained = decision_accuracy(recording), decision_accuracy(control)
    violations = dale_violations(recording)
    return Verdict(accuracy.low > untrained.high and violations == 0,
                   f"{accuracy} correct, {violations} synapses against Dale's law")


def judge_synchronization(synchrony: pd.DataFrame) -> Verdict:
    """Packets first spread out, then re-converge.

    Holds if some hidden area's shortest half exceeds the input's, and the last one's is below both
    the input's and half of the largest.

    Parameters
    ----------
    synchrony : DataFrame
        ``synchrony.csv``.
    """
    width = _by_area(synchrony[synchrony["cell_type"] == "all"], "shortest_half_ms")
    hidden = width.filter(like="layer_")
    if "input" not in width or len(hidden) < 2:
        return Verdict(False, "not computable: packets in fewer than two hidden areas")
    spread = hidden.max() > width["input"]
    converged = hidden.iloc[-1] < min(width["input"], hidden.max() / 2)
    return Verdict(bool(spread and converged), f"shortest half {_course(width)} ms")


def judge_semantization(by_area: pd.DataFrame, depth: pd.DataFrame) -> Verdict:
    """Excitatory neurons become specific for a class with depth, inhibitory ones less so.

    Holds if the mean corrected information gain of excitatory units rises from the first to the
    last hidden area (bootstrap interval of the difference above 0) and exceeds the inhibitory one
    in every hidden area.

    Parameters
    ----------
    by_area : DataFrame
        ``information_gain_by_area.csv``.
    depth : DataFrame
        ``information_gain_depth.csv``.
    """
    column = "mean_corrected"
    excitatory = _by_area(by_area[by_area["cell_type"] == "excitatory"], column)
    inhibitory = _by_area(by_area[by_area["cell_type"] == "inhibitory"], column)
    trend = depth[depth["cell_type"] == "excitatory"] if len(depth) else depth
    if len(excitatory) < 2 or not len(trend) or not excitatory.index.equals(inhibitory.index):
        return Verdict(False, "not computable: too few active excitatory or inhibitory units")
    low, high = trend.iloc[0][["difference_low", "difference_high"]]
    return Verdict(bool(low > 0 and (excitatory > inhibitory).all()),
                   f"information gain, excitatory {_course(excitatory)} (difference "
                   f"[{low:.2f}, {high:.2f}]), inhibitory {_course(inhibitory)}")


def judge_pathways(by_area: pd.DataFrame) -> Verdict:
    """Class-specific pathways in the connectivity prefer their class, more so with depth.

    Holds if the preference of structural pathways rises from the first to the last hidden area
    and is more than with labels in another order (p < 0.01) in the upper half of the areas.

    Parameters
    ----------
    by_area : DataFrame
        ``pathways_by_area.csv``.
    """
    structural = by_area[by_area["kind"] == "structural"]
    preference = _by_area(structural, "preference")
    p_value = _by_area(structural, "p_value").reindex(preference.index)
    if len(preference) < 2:
        return Verdict(False, "not computable: no structural pathways in two areas")
    upper = p_value.iloc[len(p_value) // 2:]
    rises = preference.iloc[-1] > preference.iloc[0]
    return Verdict(bool(rises and (upper < NULL_LEVEL).all()),
                   f"preference {_course(preference)} (p ≤ {upper.max():.2g} in the upper half)")


def _by_area(table: pd.DataFrame, column: str) -> pd.Series:
    """A column by area, without the areas in which it could not be computed."""
    return table.set_index("area")[column].dropna()


def _course(values: pd.Series) -> str:
    return " → ".join(f"{value:.2f}" if abs(value) >= 0.1 or not np.isfinite(value)
                      else f"{value:.3f}" for value in values)
