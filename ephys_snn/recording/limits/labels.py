"""What the order of the labels cannot tell: classes that came in runs, or at different times.

A permutation of the labels is a fair null if any order of them was as likely as the one that was
run. Where classes came in runs, or one of them early and another late, whatever drifts along the
recording (arousal, an electrode) differs between the classes, too.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from ephys_snn.errors import listed
from ephys_snn.formats import counted
from ephys_snn.recording.recording import Recording
from ephys_snn.recording.response_windows import ResponseWindows
from ephys_snn.recording.trials import CONTROL, PERTURBATION, Trials

LEVEL = 0.01  # so few recordings whose labels are in random order are said not to be
WAY_OUT = ("slow drift can look like an effect of the class; move whole blocks of neighbouring "
           "trials (--block-trials N) or shift the labels along the session (--shift-labels)")


def describe_order(windows: ResponseWindows, recording: Recording) -> list[str]:
    """Whether the classes came in runs or at different times of the recording, in words."""
    return [f"{trouble}; {WAY_OUT}" for trouble in
            label_order(recording.trials.label[windows.used], "labels", "classes")]


def label_order(label: np.ndarray, labels: str, groups: str) -> list[str]:
    """Whether labels came in runs or at different times, in words.

    Parameters
    ----------
    label : (trial,) str
        In the order of the trials.
    labels, groups : str
        What they, and trials of one label, are called.
    """
    repeats, expected, p_value = label_repeats(label)
    if p_value < LEVEL:
        return [f"{labels} are not in random order: {repeats:.0%} of the trials repeat that of "
                f"the one before, where {expected:.0%} would by chance"]
    place = [np.flatnonzero(label == each) for each in np.unique(label)]
    if len(place) > 1 and stats.kruskal(*place).pvalue < LEVEL:
        return [f"some {groups} came earlier in the recording than others"]
    return []


def describe_perturbations(trials: Trials) -> list[str]:
    """That trials of several conditions are analysed together, in words."""
    if PERTURBATION not in trials.annotations:
        return []
    values = trials.values_of(PERTURBATION)
    conditions = counted(values)
    one = CONTROL if CONTROL in values else values[0]
    return [f"the trials are of {len(conditions)} conditions, {listed(conditions)}, which every "
            "analysis but their comparison (conditions) takes together; "
            f"--trials-where '{PERTURBATION}={one}' takes one"] if len(conditions) > 1 else []


def label_repeats(label: np.ndarray) -> tuple[float, float, float]:
    """Fraction of trials that repeat the label before, expected fraction, one-sided p.

    The p-value is that of a normal approximation with the binomial variance.

    Parameters
    ----------
    label : (trial,) str
        In the order of the trials.
    """
    counts = np.unique(label, return_counts=True)[1]
    n_pairs = len(label) - 1
    if n_pairs < 1:
        return 0.0, 0.0, 1.0
    repeats = float(np.mean(label[1:] == label[:-1]))
    expected = float((counts * (counts - 1)).sum() / (len(label) * n_pairs))
    sd = np.sqrt(expected * (1 - expected) / n_pairs)
    return repeats, expected, float(stats.norm.sf((repeats - expected) / sd)) if sd else 1.0
