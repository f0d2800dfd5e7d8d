"""Which trials and which units of a recording are analysed, and what is said of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ephys_snn.errors import InputError, listed
from ephys_snn.formats import counted, labels_of, sort_labels
from ephys_snn.recording.recording import Recording


def select(recording: Recording, *, trial_range: tuple[int, int] | None = None,
           correct_only: bool = False, classes: Sequence[str] | None = None,
           trials_where: Sequence[str] = (), units_where: Sequence[str] = (),
           min_rate: float | None = None) -> Recording:
    """The recording with the chosen trials and units only; every choice is said in its notes.

    Parameters
    ----------
    trial_range : (start, stop), optional
        Trials by their index in the order of onsets, half-open, counted before any other choice.
    correct_only : bool
        Only trials whose decision has the label of the trial.
    classes : sequence of str, optional
        Only trials with these labels.
    trials_where, units_where : sequence of 'KEY=VALUE' or 'KEY=VALUE,VALUE'
        Only trials, only units with one of these values; with several keys, those that fit all.
    min_rate : float, optional, spikes/s
        Only units that spike at least so often within the chosen trials; what happens between
        the trials does not count, since many files hold nothing there.
    """
    if trial_range is not None:
        recording = _in_range(recording, *trial_range)
    if correct_only:
        recording = _correct(recording)
    if classes is not None:
        recording = _of_classes(recording, classes)
    for condition in trials_where:
        recording = _trials_where(recording, condition)
    for condition in units_where:
        recording = _units_where(recording, condition)
    if min_rate is not None:
        recording = _at_least(recording, min_rate)
    return recording


def rates_in_trials(recording: Recording) -> np.ndarray:
    """(unit,) float, spikes/s: spikes within trials over the summed duration of the trials."""
    start = recording.trials.onset
    stop = start + recording.trials.duration
    total = recording.trials.duration.sum() / 1000
    counts = [recording.spike_ranges(unit, start, stop)[1].sum()
              for unit in range(len(recording.units))]
    return np.array(counts, dtype=float) / total if total > 0 else np.zeros(len(counts))


def keep_trials(recording: Recording, index: np.ndarray, option: str) -> Recording:
    """Some of the trials (indices or a mask), and a note of how many an option leaves."""
    chosen = recording.select_trials(index)
    return chosen.noted(f"{option} leaves {len(chosen.trials)} of {len(recording.trials)} trials")


def keep_units(recording: Recording, index: np.ndarray, option: str) -> Recording:
    """Some of the units (indices or a mask), and a note of how many an option leaves."""
    chosen = recording.select_units(index)
    return chosen.noted(f"{option} leaves {len(chosen.units)} of {len(recording.units)} units")


def _in_range(recording: Recording, start: int, stop: int) -> Recording:
    n_trials = len(recording.trials)
    if not 0 <= start < stop or start >= n_trials:
        raise InputError(f"--trial-range {start} {stop}: the recording has the trials 0 to "
                         f"{n_trials - 1}; STOP is not included")
    index = np.arange(start, min(stop, n_trials))
    return keep_trials(recording, index, f"--trial-range {start} {stop}")


def _correct(recording: Recording) -> Recording:
    trials = recording.trials
    if not trials.has_decisions:
        raise InputError("--correct-only needs decisions, and the recording has no Event "
                         "'decision' inside its trials")
    correct = np.isfinite(trials.decision_time) & (trials.decision_label == trials.label)
    if not correct.any():
        raise InputError(
            f"--correct-only leaves none of {len(trials)} trials: the classes are "
            f"{_listed(trials.label)}, the decisions "
            f"{_listed(trials.decision_label[np.isfinite(trials.decision_time)])}")
    return keep_trials(recording, correct, "--correct-only")


def _of_classes(recording: Recording, classes: Sequence[str]) -> Recording:
    present = recording.trials.classes
    unknown = [name for name in classes if name not in present]
    if unknown or not classes:
        raise InputError(f"--classes: no trial is of class {', '.join(map(repr, unknown))}; "
                         f"the classes are {_listed(present)}")
    return keep_trials(recording, np.isin(recording.trials.label, classes),
                       f"--classes {','.join(classes)}")


def _trials_where(recording: Recording, condition: str) -> Recording:
    option, trials = f"--trials-where {condition}", recording.trials
    chosen = _fitting(condition, {**trials.annotations, "label": trials.label}, option, "trial")
    return keep_trials(recording, chosen, option)


def _units_where(recording: Recording, condition: str) -> Recording:
    option, units = f"--units-where {condition}", recording.units
    known = {"area": units.area, "cell_type": units.cell_type, "name": units.name,
             "unit_id": units.unit_id, **units.annotations}
    return keep_units(recording, _fitting(condition, known, option, "unit"), option)


def _fitting(condition: str, known: Mapping[str, np.ndarray], option: str, what: str
             ) -> np.ndarray:
    """(trial or unit,) bool, which have a value of the condition."""
    key, equals, wanted = condition.partition("=")
    if not equals or key not in known:
        raise InputError(f"{option}: write KEY=VALUE with one of the keys {', '.join(known)}")
    values = labels_of(known[key])
    chosen = np.isin(values, _values_among(wanted, set(values.tolist())))
    if not chosen.any():
        raise InputError(f"{option}: no {what} has this {key}; they have "
                         f"{listed(counted(values))}")
    return chosen


def _values_among(wanted: str, known: set[str]) -> list[str]:
    """Those of VALUE,VALUE that are known; as long ones as can be, for they may hold commas."""
    parts, found = wanted.split(","), []
    while parts:
        joined = (",".join(parts[:n]).strip() for n in range(len(parts), 0, -1))
        value = next((value for value in joined if value in known), None)
        found += [] if value is None else [value]
        parts = parts[1 if value is None else value.count(",") + 1:]
    return found


def _at_least(recording: Recording, min_rate: float) -> Recording:
    rates = rates_in_trials(recording)
    chosen = rates >= min_rate
    if not chosen.any():
        raise InputError(f"--min-rate {min_rate:g} leaves no unit: within the trials the most "
                         f"active one has {rates.max(initial=0.0):.3g} spikes/s")
    return keep_units(recording, chosen, f"--min-rate {min_rate:g} (spikes/s within the trials)")


def _listed(values) -> str:
    return listed([name or "(empty)" for name in sort_labels(values)])
