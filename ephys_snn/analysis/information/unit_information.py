"""Semantization: how informative the activity of each unit of a recording is about the class.

Information gain, mutual information and the test of spike counts, for every unit that is active in
enough trials; see `entropy` for the measures and `permuted` for what is more than chance. Given how
often a unit is active, relative gain only rescales gain, and the uncertainty coefficient mutual
information, for all labels alike: they have the same p and q.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.classes import class_sums, label_codes
from ephys_snn.analysis.entropy import (
    activity_entropy,
    correct_for_chance,
    information_gain,
    largest_information_gain,
    quadratic_extrapolation,
)
from ephys_snn.analysis.information.permuted import (
    PermutedInformation,
    enough_permutations,
    permuted_information,
    spike_count_p_value,
)
from ephys_snn.analysis.statistics import false_discovery_q, permutation_p_value
from ephys_snn.analysis.surrogates import SINGLE_TRIALS, Relabelling
from ephys_snn.analysis.trial_subsets import first_halves
from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, Responses, ResponseWindows, sort_labels


class UnitInformation(NamedTuple):
    """How informative every unit of a recording is about the class.

    Attributes
    ----------
    units : DataFrame
        The columns of ``information_gain.csv``, a row per unit in the order of the recording;
        statistics are empty, with a reason in `note`, where a unit has none.
    classes : tuple of str
        The classes of the analysed trials.
    class_counts : (class,) int
        Analysed trials of each class.
    activity : (2, unit, class) float
        Fraction of active trials by class in one random half of the trials and in the other:
        one to choose and sort by, the other to look at. nan where a half lacks the class.
    permuted : PermutedInformation
        The same of permuted labels, of the units that have statistics.
    """

    units: pd.DataFrame
    classes: tuple[str, ...]
    class_counts: np.ndarray
    activity: np.ndarray
    permuted: PermutedInformation

    @property
    def n_trials(self) -> int:
        """Number of analysed trials."""
        return int(self.class_counts.sum())

    @property
    def n_permutations(self) -> int:
        """Permutations of the labels behind chance and p."""
        return len(self.permuted.information_gain)

    @property
    def used(self) -> np.ndarray:
        """(unit,) bool, units that have statistics."""
        return self.units["information_gain"].notna().to_numpy()


def unit_information(recording: Recording, windows: ResponseWindows, rng: np.random.Generator,
                     n_permutations: int | None = None, relabelling: Relabelling = SINGLE_TRIALS,
                     min_active: int = 5, progress: Progress = no_progress,
                     within: str | None = None) -> UnitInformation:
    """Information of every unit of a recording about the class of the trial.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
        When a spike makes a unit active; trials without a window are left out.
    n_permutations : int, optional
        Permutations of the labels, for chance and p; by default `enough_permutations`.
    relabelling : Relabelling
    min_active : int
        Units active in fewer trials have no statistics.
    progress : Progress
        Of the batches of permutations.
    within : str, optional
        Annotation of the trials: labels are permuted among trials of equal value only, and spike
        counts are tested at each of its values.

    Raises
    ------
    InputError
        If the analysed trials have one class only, or fit into one block, or `within` names no
        annotation or one that leaves nothing to permute.
    """
    responses = recording.responses(windows)
    classes = sort_labels(responses.label)
    _check_design(len(responses.label), classes, relabelling)
    strata = None if within is None else trial_strata(recording, responses, within, relabelling)
    code = label_codes(responses.label, classes)
    active = responses.active
    units = _describe_units(recording, windows, active, min_active)
    used = np.flatnonzero(units["note"] == "")
    n_permutations = n_permutations or enough_permutations(len(used), len(code), len(classes))
    permuted = permuted_information(active[:, used], code, n_permutations, rng, relabelling,
                                    progress, strata)
    statistics = _unit_statistics(responses.count[:, used], code, classes, rng, permuted,
                                  relabelling, progress, strata)
    few_silent = len(code) - units["n_active"].to_numpy()[used] < min_active
    statistics.loc[few_silent, ["uncertainty_coefficient", "uncertainty_coefficient_plugin"]] = \
        np.nan
    units = units.join(statistics.set_axis(used))
    units.loc[used, "note"] = _missing(units.iloc[used], len(code), min_active)
    units["note"] = units.pop("note")  # the last column
    return UnitInformation(units, classes, np.bincount(code),
                           activity_in_halves(active, code, rng), permuted)


def trial_strata(recording: Recording, responses: Responses, within: str, relabelling: Relabelling
                 ) -> np.ndarray:
    """(trial,) int, which trials share a value of an annotation.

    Raises
    ------
    InputError
        If there is no such annotation, or permuting labels among the trials of each of its values
        changes nothing.
    """
    annotations = recording.trials.annotations
    if within not in annotations:
        known = ", ".join(sorted(annotations)) or "none"
        raise InputError(f"--within {within}: the trials have no such array annotation; there "
                         f"are: {known}")
    strata = np.unique(annotations[within][responses.trial], return_inverse=True)[1]
    if not any(len(set(responses.label[strata == stratum])) > 1 for stratum in np.unique(strata)):
        raise InputError(f"--within {within}: trials of equal value are all of one class, so no "
                         "label can change its place; choose another annotation")
    smallest = np.bincount(strata).min()
    if relabelling.block_trials > max(1, smallest // 2):
        raise InputError(f"--block-trials must be at most half of the {smallest} trials of the "
                         f"rarest value of '{within}'; got {relabelling.block_trials}")
    return strata


def activity_in_halves(active: np.ndarray, code: np.ndarray, rng: np.random.Generator
                       ) -> np.ndarray:
    """(2, unit, class) float, activity by class in two random halves of the trials of each class.

    A class with an odd number of trials has one more in the second half.
    """
    n_classes = code.max() + 1
    first = first_halves(code, rng)
    halves = []
    for half in (first, ~first):
        trials = np.bincount(code[half], minlength=n_classes)
        counts = class_sums(active[half], code[half], n_classes).T
        halves.append(counts / np.where(trials > 0, trials, np.nan))
    return np.stack(halves)


def _check_design(n_trials: int, classes: tuple[str, ...], relabelling: Relabelling) -> None:
    if len(classes) < 2:
        label = classes[0] if classes else ""
        raise InputError("information about the class needs at least two classes; all "
                         f"{n_trials} analysed trials are '{label}'; choose another --label, "
                         "--trials or response window")
    relabelling.check(n_trials)


def _describe_units(recording: Recording, windows: ResponseWindows, active: np.ndarray,
                    min_active: int) -> pd.DataFrame:
    n_active = active.sum(axis=0)
    table = pd.DataFrame({
        "unit_id": recording.units.unit_id, "unit": recording.units.name,
        "area": recording.units.area, "cell_type": recording.units.cell_type,
        "n_active": n_active, "active_fraction": n_active / len(active)})
    note = np.array([f"active in {n} of {len(active)} trials; {min_active} are needed"
                     for n in n_active],
                    dtype=object)
    note[n_active >= min_active] = ""
    note[recording.output_units(windows)] = "not computable: it makes the decision that ends " \
                                               "the window"
    return table.assign(note=note)


def _missing(units: pd.DataFrame, n_trials: int, min_active: int) -> list[str]:
    """Which statistics each unit lacks that is active often enough, and why."""
    notes = []
    for unit in units.itertuples():
        reasons = []
        if np.isnan(unit.information_gain_corrected):
            reasons.append("not corrected: any labels give an information gain of 1")
        elif np.isnan(unit.relative_information_gain):
            reasons.append("no relative information gain: any labels give the same gain")
        if np.isnan(unit.uncertainty_coefficient):
            reasons.append(f"no uncertainty coefficient: silent in {n_trials - unit.n_active} of "
                           f"{n_trials} trials; {min_active} are needed")
        notes.append("; ".join(reasons))
    return notes


def _unit_statistics(count: np.ndarray, code: np.ndarray, classes: tuple[str, ...],
                     rng: np.random.Generator, null: PermutedInformation,
                     relabelling: Relabelling, progress: Progress, strata: np.ndarray | None
                     ) -> pd.DataFrame:
    """The statistics of units that are active often enough; `count` is (trial, unit) spikes."""
    active = count > 0
    class_counts = np.bincount(code)
    active_counts = class_sums(active, code, len(classes)).T
    activity = active_counts / class_counts
    preferred = activity.argmax(axis=1)
    gain = information_gain(active_counts, class_counts)
    binary = quadratic_extrapolation(active, code, rng)
    p_gain = permutation_p_value(gain, null.information_gain)
    p_information = permutation_p_value(binary.plug_in, null.mutual_information)
    chance = null.information_gain.mean(axis=0)
    n_active = active.sum(axis=0)
    most = largest_information_gain(n_active, class_counts)
    uncertainty = activity_entropy(n_active, len(code))
    uncertainty[uncertainty == 0] = np.nan
    # Where units spike at most once, the number of spikes is their being active.
    counted = quadratic_extrapolation(count, code, rng) if (count > 1).any() else binary
    p_count = p_information
    if (count > 1).any() or strata is not None:
        p_count = spike_count_p_value(count, code, len(null.information_gain), rng, relabelling,
                                      progress, strata)
    return pd.DataFrame({
        "preferred_class": np.array(classes, dtype=object)[preferred],
        "information_gain": gain,
        "information_gain_corrected": correct_for_chance(gain, chance),
        "p_value": p_gain,
        "q_value": false_discovery_q(p_gain),
        "mutual_information_bits": binary.extrapolated,
        "relative_information_gain": correct_for_chance(gain, chance, most),
        "uncertainty_coefficient": binary.extrapolated / uncertainty,
        "information_gain_chance": chance,
        "information_gain_max": most,
        "preferred_activity": activity[np.arange(len(preferred)), preferred],
        "mutual_information_plugin_bits": binary.plug_in,
        "uncertainty_coefficient_plugin": binary.plug_in / uncertainty,
        "mutual_information_p_value": p_information,
        "mutual_information_q_value": false_discovery_q(p_information),
        "mutual_information_count_bits": counted.extrapolated,
        "mutual_information_count_plugin_bits": counted.plug_in,
        "spike_count_p_value": p_count,
        "spike_count_q_value": false_discovery_q(p_count),
    })
