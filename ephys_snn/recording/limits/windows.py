"""What response windows cannot tell: beyond the recorded time, into each other, unequally long."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ephys_snn.errors import InputError, listed
from ephys_snn.formats import sort_labels
from ephys_snn.recording.recording import Recording
from ephys_snn.recording.response_windows import ResponseWindows
from ephys_snn.recording.selection import keep_trials

DURATION_TOLERANCE = 0.02  # windows that differ by more are not comparable
SLACK = 1e-6  # ms; borders that were computed, not stored
CLASSES_NAMED = 6
DECISION_LEVEL = 0.05  # of a difference of the decision times between classes


def limits_of(windows: ResponseWindows, recording: Recording) -> list[str]:
    """What is to be known of response windows before anything is concluded, in words."""
    limits = []
    outside = int((windows.used & ~is_recorded(windows, recording)).sum())
    if outside:
        limits.append(f"{outside} response windows reach beyond the recorded time; what would "
                      "have come there is missing (--clean-trials leaves them out)")
    limits += _apart(windows, recording)
    start, stop = np.sort(windows.start[windows.used]), np.sort(windows.stop[windows.used])
    overlapping = int((stop[:-1] > start[1:]).sum())
    if overlapping:
        limits.append(f"{overlapping} response windows reach into the next one, so that spikes "
                      "count in two trials (--clean-trials leaves such trials out)")
    return limits + (decision_times if windows.until_decision else _unequal)(windows, recording)


def _apart(windows: ResponseWindows, recording: Recording) -> list[str]:
    """A warning where windows lie outside their own trials."""
    trials = recording.trials
    apart = windows.used & (trials.duration > 0) & (
        (windows.stop <= trials.onset) | (windows.start >= trials.onset + trials.duration))
    if not apart.any():
        return []
    return [f"{int(apart.sum())} response windows ({windows.description}) lie outside their own "
            f"trials, which last {np.median(trials.duration[apart]):g} ms: what units do there is "
            "no response to them, unless a baseline or a delay is what you ask about"]


def is_recorded(windows: ResponseWindows, recording: Recording) -> np.ndarray:
    """(trial,) bool, whether the window lies within the recorded time."""
    start, stop = recording.recorded_range()
    return (windows.start >= start - SLACK) & (windows.stop <= stop + SLACK)


def is_separate(windows: ResponseWindows) -> np.ndarray:
    """(trial,) bool, whether the window begins after those of all earlier separate trials ended."""
    separate, end = np.zeros(len(windows.start), dtype=bool), -np.inf
    for trial in np.argsort(windows.start, kind="stable"):
        if windows.used[trial] and windows.start[trial] >= end - SLACK:
            separate[trial], end = True, windows.stop[trial]
    return separate


def keep_clean(recording: Recording, windows: ResponseWindows) -> Recording:
    """The recording without trials whose windows are cut short or overlap, said in its notes."""
    recorded = is_recorded(windows, recording)
    inside = windows._replace(start=np.where(recorded, windows.start, np.nan))
    clean = recorded & is_separate(inside) | ~windows.used
    if not (clean & windows.used).any():
        raise InputError("--clean-trials leaves no trial: all response windows "
                         f"({windows.description}) reach beyond the recorded time; choose "
                         "another --window")
    return keep_trials(recording, clean, "--clean-trials")


def decision_times(windows: ResponseWindows, recording: Recording) -> list[str]:
    """A warning where windows end at the decision, and trials of some classes are decided later."""
    label, duration = recording.trials.label[windows.used], windows.durations[windows.used]
    groups = [duration[label == name] for name in np.unique(label)]
    if np.ptp(duration) < 1e-6 * duration.mean() or len(groups) < 2 \
            or stats.kruskal(*groups).pvalue >= DECISION_LEVEL:
        return []
    medians = [np.median(group) for group in groups]
    return [f"decisions come at different times in the classes (medians {min(medians):.3g} to "
            f"{max(medians):.3g} ms): a unit that merely fires late or all the time is active more "
            "often where they come late; --window START STOP makes windows equally long"]


def _unequal(windows: ResponseWindows, recording: Recording) -> list[str]:
    """A warning where windows differ in length, between classes or within them."""
    label, durations = recording.trials.label[windows.used], windows.durations[windows.used]
    by_class = {name: float(np.median(durations[label == name])) for name in sort_labels(label)}
    low, high = min(by_class.values()), max(by_class.values())
    shortest, longest = durations.min(), durations.max()
    first = (windows.start - windows.onset)[windows.used].min()
    way_out = (f"; give all trials one --window START STOP ({first:g} {first + shortest:g} fits "
               "the shortest)")
    if high > (1 + DURATION_TOLERANCE) * low:
        named = listed([f"{name} {value:.0f} ms" for name, value in by_class.items()],
                       CLASSES_NAMED)
        return [f"the response windows of the classes differ in length ({named}): what "
                f"seems information about the class may be information about the length{way_out}"]
    if longest > (1 + DURATION_TOLERANCE) * shortest:
        return [f"the response windows differ in length ({shortest:.4g} to {longest:.4g} ms): "
                f"longer ones have more spikes and later first spikes{way_out}"]
    return []
