"""Does training make the difference? The claims' numbers of a network against its untrained twin.

Differences have 95 % intervals over trials (accuracy, widths), units (gain; Welch) or classes
(preference, paired). They are those of one network and its twin; what the kind does, networks of
several seeds say (`ephys_snn.report.study`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis import difference_interval, mean_interval, wilson_interval
from ephys_snn.recording import Recording
from ephys_snn.study.claims import (
    Judgement,
    Verdict,
    dale_violations,
    margin_draws,
    structural_preference,
)

# What units are compared by, and its column of information_gain.csv.
UNIT_COLUMNS = {
    "information_gain": "information_gain_corrected",
    "relative_information_gain": "relative_information_gain",
    "uncertainty_coefficient": "uncertainty_coefficient",
}


class Difference(NamedTuple):
    """A number of a trained network minus that of its untrained twin, with its 95 % interval.

    Attributes
    ----------
    name : str
    value, low, high : float
        nan where it cannot be computed.
    """

    name: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.name} not computable"
        return f"{self.name} {self.value:+.2f} [{self.low:.2f}, {self.high:.2f}]"


class Accuracy(NamedTuple):
    """Fraction of trials decided for their own class, with its 95 % Wilson interval."""

    fraction: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.fraction:.1%} [{self.low:.1%}, {self.high:.1%}]"


def decision_accuracy(recording: Recording) -> Accuracy:
    """How often the first output spike is that of the shown class; no decision is wrong."""
    fraction = float(_is_correct(recording).mean())
    return Accuracy(fraction, *wilson_interval(fraction, len(recording.trials)))


def _is_correct(recording: Recording) -> np.ndarray:
    return recording.trials.decision_label == recording.trials.label


def judge_learning(recording: Recording, twin: Recording) -> Verdict:
    """Accuracy beyond the twin's at the same stimuli, and no violation of Dale's law.

    The interval is over the stimuli, which both were shown in one order.
    """
    violations = dale_violations(recording)
    has_law = bool({"excitatory", "inhibitory"} & set(recording.units.cell_type.tolist()))
    if not np.array_equal(recording.trials.label, twin.trials.label):
        return Verdict(Judgement.NOT_COMPUTABLE, "the twin was shown other stimuli")
    better = _is_correct(recording).astype(float) - _is_correct(twin)
    low, high = mean_interval(better)
    lawful = Judgement.FAILS if violations or not has_law else Judgement.HOLDS
    law = f"{violations} synapses against Dale's law" if has_law else \
        "neurons are neither excitatory nor inhibitory"
    return Verdict(Judgement.of_all(Judgement.of(low, high), lawful),
                   f"{decision_accuracy(recording)} correct, at {better.mean():.1%} [{low:.1%}, "
                   f"{high:.1%}] of the stimuli more than untrained; {law}")


def twin_differences(trained: Mapping[str, pd.DataFrame], untrained: Mapping[str, pd.DataFrame]
                     ) -> list[Difference]:
    """What training adds to the numbers of the claims 2 to 4.

    Parameters
    ----------
    trained, untrained : dict of str to DataFrame
        The tables of the pipelines by their names.
    """
    return [_width_margin(trained["synchrony"], untrained["synchrony"]),
            *(_excitatory_units(trained["information_gain"], untrained["information_gain"], measure)
              for measure in UNIT_COLUMNS),
            _preference(trained["pathways"], untrained["pathways"])]


def judge_differences(differences: list[Difference]) -> Verdict:
    """Whether nothing but training makes the claims hold: each number exceeds the twin's."""
    judgement = Judgement.of_all(*(Judgement.of(each.low, each.high) for each in differences))
    return Verdict(judgement, "trained minus untrained: " + "; ".join(map(str, differences)))


def _width_margin(trained: pd.DataFrame, untrained: pd.DataFrame) -> Difference:
    name = "margin of the widths (ms)"
    drawn = margin_draws(trained), margin_draws(untrained, seed=1)
    if drawn[0] is None or drawn[1] is None:
        return Difference(name, np.nan, np.nan, np.nan)
    difference = drawn[0] - drawn[1]
    return Difference(name, difference.mean(), *np.quantile(difference, [0.025, 0.975]))


def _excitatory_units(trained: pd.DataFrame, untrained: pd.DataFrame, measure: str) -> Difference:
    """Of the last hidden area."""
    hidden = trained["area"][trained["area"].str.startswith("layer_")]
    area = hidden.iloc[-1] if len(hidden) else ""
    values, others = (units.loc[(units["area"] == area) & (units["cell_type"] == "excitatory"),
                                UNIT_COLUMNS[measure]].dropna().to_numpy()
                      for units in (trained, untrained))
    name = f"{measure.replace('_', ' ')} in {area or 'no layer'}"
    if not len(values) or not len(others):
        return Difference(name, np.nan, np.nan, np.nan)
    return Difference(name, values.mean() - others.mean(), *difference_interval(values, others))


def _preference(trained: pd.DataFrame, untrained: pd.DataFrame) -> Difference:
    """Of the last area in which both have pathways, by class."""
    preference, other = structural_preference(trained), structural_preference(untrained)
    common = [area for area in preference if area in other]
    if not common:
        return Difference("preference", np.nan, np.nan, np.nan)
    change = (preference[common[-1]] - other[common[-1]]).dropna().to_numpy()
    return Difference(f"preference in {common[-1]}", change.mean(), *mean_interval(change))
