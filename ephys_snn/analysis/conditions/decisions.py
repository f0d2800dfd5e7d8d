"""The change of decisions: how many are right, of all and by class, how many trials have none,
and when they come."""

from __future__ import annotations

import numpy as np

from ephys_snn.analysis.conditions.changes import Change, mean_changes, no_change
from ephys_snn.analysis.conditions.contrast import Contrast
from ephys_snn.recording import Trials

MEASURES = ("accuracy", "undecided", "decision_ms")
ALL = "all"  # classes


def decision_changes(trials: Trials, contrast: Contrast, n_permutations: int,
                     rng: np.random.Generator) -> list[tuple[str, str, Change]]:
    """(class, measure, change) of all classes together and of each class.

    Parameters
    ----------
    trials : Trials
        All of the recording.
    contrast : Contrast
        Of trials with and without a decision; one without is not right.
    """
    if not trials.has_decisions:
        return [(ALL, measure, no_change("not computable: the recording has no decisions"))
                for measure in MEASURES]
    decided = np.isfinite(trials.decision_time)
    right = decided & (trials.decision_label == trials.label)
    shares = np.stack([right, ~decided], axis=1).astype(float)
    time = (trials.decision_time - trials.onset)[:, None]
    rows = []
    for code, name in ((-1, ALL), *enumerate(trials.classes)):
        part = contrast if code < 0 else contrast.part(contrast.code == code)
        if not len(part.trial):
            found = [no_change("not computable: no trials of both conditions to compare")] * 3
        else:
            found = [*mean_changes(shares[part.trial], part, n_permutations, rng,
                                   proportions=True),
                     *mean_changes(time[part.trial], part, n_permutations, rng,
                                   "no decisions in trials of both conditions to compare")]
        rows += [(name, measure, change) for measure, change in zip(MEASURES, found, strict=True)]
    return rows
