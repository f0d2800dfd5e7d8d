"""Trials, their classes and decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ephys_snn.formats import labels_of, sort_labels, take_entries

STIMULUS = "stimulus"  # annotation that names the stimulus, unless another is chosen
PERTURBATION = "perturbation"  # annotation that names what was done in a trial
CONTROL = "control"  # its value where nothing was


class Repeats(NamedTuple):
    """Which trials repeat each other, as far as the recording says.

    Attributes
    ----------
    value : (trial,) str
        Trials of equal value repeat each other.
    of : {'stimulus', 'class'}
        What they have in common. Of trials of one class, whose stimuli may differ, a test among
        them says what goes beyond the class average; of trials of one stimulus, what goes beyond
        locking to the stimulus.
    """

    value: np.ndarray
    of: str


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
    stimulus_key : str
        The annotation that names the stimulus, where there is one.
    """

    onset: np.ndarray
    duration: np.ndarray
    label: np.ndarray
    decision_time: np.ndarray
    decision_label: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)
    stimulus_key: str = STIMULUS

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

    def values_of(self, key: str) -> np.ndarray:
        """(trial,) str, an annotation in words: '' where a trial has none."""
        return labels_of(self.annotations[key])

    @property
    def repeats(self) -> Repeats:
        """Trials of one stimulus and class, where most stimuli are shown again; else of one class.

        Most: more than half of the trials are of a stimulus that at least two of them show.
        """
        if self.stimulus_key in self.annotations and len(self):
            of_class = [f"{label} {shown}" for label, shown in
                        zip(self.label, self.values_of(self.stimulus_key), strict=True)]
            count = Counter(of_class)
            if sum(n for n in count.values() if n > 1) > len(self) / 2:
                return Repeats(np.array(of_class), "stimulus")
        return Repeats(self.label, "class")
