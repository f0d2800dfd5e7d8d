"""Trials, their classes and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ephys_snn.formats import sort_labels, take_entries


@dataclass(frozen=True)
class Trials:
    """What happened when, one entry per trial in the order of their onsets.

    Attributes
    ----------
    onset, duration : (trial,) float, ms
    label : (trial,) str
        The class of the trial.
    decision_time : (trial,) float, ms
        On the recording's clock; nan where the trial has no decision.
    decision_label : (trial,) str
        The class decided for; '' where the trial has no decision.
    annotations : dict of (trial,) arrays
        What else the file says of each trial.
    """

    onset: np.ndarray
    duration: np.ndarray
    label: np.ndarray
    decision_time: np.ndarray
    decision_label: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.onset)

    def __getitem__(self, index) -> Trials:
        return take_entries(self, index)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes present, numbers in numeric order, other labels in alphabetic order."""
        return sort_labels(self.label)

    @property
    def has_decisions(self) -> bool:
        """Whether any trial has a decision."""
        return bool(np.isfinite(self.decision_time).any())
