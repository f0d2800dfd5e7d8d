"""Semantization: how much the activity of a unit says about the class of the trial.

Symbols: C the class, H(C) its entropy over the analysed trials, a = "the unit is active" (at least
one spike in the response window), R any discrete response of a unit. With counts n over trials,

    H(C)     = - sum_c n_c/n log2 n_c/n                       entropy of the classes, bits
    IG       = (H(C) - H(C | a)) / H(C)                       information gain
    IG_0     = mean of IG over permuted labels                what chance gives
    IG_corr  = (IG - IG_0) / (1 - IG_0)                       corrected information gain
    I(R; C)  = sum_rc n_rc/n log2 (n n_rc / (n_r n_c))        mutual information, bits
    I_QE     = (8 I(n) - 6 I(n/2) + I(n/4)) / 3               quadratic extrapolation

IG is the specific information of the response "active" (DeWeese & Meister 1999,
doi:10.1088/0954-898X/10/4/303) over the entropy of the classes: 1 if the unit is active for one
class only, 0 if its activity leaves the classes as they were, negative if the classes become more
uniform than they were. Both IG and I are biased upward when trials are few; IG_corr and I_QE
(Strong et al. 1998, doi:10.1103/PhysRevLett.80.197; Panzeri et al. 2007,
doi:10.1152/jn.00559.2007) take the bias out, permuted labels say what is more than chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.analysis.statistics import false_discovery_q, permutation_p_value, permute_labels
from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, Responses, ResponseWindows, sort_labels

HALVES = np.array([(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)])  # of four quarters
BATCH_ELEMENTS = 2**23  # of the largest array in a batch of permutations
MIN_PERMUTATIONS = 1000
COUNTS_BUDGET, PRODUCT_BUDGET = 4e7, 2.4e11  # of all permutations chosen here: well under a minute


def n_log_n(counts: np.ndarray) -> np.ndarray:
    """n log2 n of whole numbers n >= 0, with 0 log 0 = 0."""
    counts = np.asarray(counts)
    table = _n_log_n_below(1 << int(counts.max(initial=0)).bit_length())
    return table[counts.astype(np.intp)]


@cache
def _n_log_n_below(size: int) -> np.ndarray:
    n = np.arange(size, dtype=float)
    return n * np.log2(np.maximum(n, 1))


def entropy(counts: np.ndarray) -> np.ndarray:
    """Plug-in entropy over the last axis, bits; nan where all counts are 0.

    Parameters
    ----------
    counts : (..., class) int
    """
    counts = np.asarray(counts)
    total = counts.sum(axis=-1, dtype=float)  # float32 would break ties between equal entropies
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(total) - n_log_n(counts).sum(axis=-1) / total


def information_gain(active_counts: np.ndarray, class_counts: np.ndarray) -> np.ndarray:
    """Plug-in information gain of being active, not clipped.

    Parameters
    ----------
    active_counts : (..., class) int
        Trials of each class in which the unit is active.
    class_counts : (class,) int
        Trials of each class.

    Returns
    -------
    (...) float
        At most 1; nan where a unit is never active.
    """
    class_entropy = entropy(class_counts)
    return (class_entropy - entropy(active_counts)) / class_entropy


def mutual_information(counts: np.ndarray) -> np.ndarray:
    """Plug-in mutual information of two discrete variables, bits.

    Parameters
    ----------
    counts : (..., response, class) int
        Trials of each combination.

    Returns
    -------
    (...) float
    """
    counts = np.asarray(counts)
    joint = counts.reshape(*counts.shape[:-2], -1)
    return entropy(counts.sum(axis=-1)) + entropy(counts.sum(axis=-2)) - entropy(joint)


class MutualInformation(NamedTuple):
    """Mutual information of responses and classes, bits.

    Attributes
    ----------
    plug_in : (unit,) float
        From the relative frequencies; biased upward.
    extrapolated : (unit,) float
        The plug-in extrapolated to infinitely many trials; nearly unbiased, may be negative.
    """

    plug_in: np.ndarray
    extrapolated: np.ndarray


def quadratic_extrapolation(response: np.ndarray, code: np.ndarray, rng: np.random.Generator,
                            n_partitions: int = 10) -> MutualInformation:
    """Mutual information extrapolated to infinitely many trials.

    The plug-in I(n) = I + a/n + b/n^2 is measured with all trials, with halves and with quarters
    of them; the three equations give I. Halves and quarters keep the proportions of the classes
    and are averaged over random partitions (Strong et al. 1998,
    doi:10.1103/PhysRevLett.80.197; Panzeri et al. 2007, doi:10.1152/jn.00559.2007).

    Parameters
    ----------
    response : (trial, unit) int
        Any discrete response: active or not, number of spikes, ...
    code : (trial,) int
        Index of the class of each trial.
    n_partitions : int
        More partitions, less spread.

    Raises
    ------
    InputError
        If there are fewer than four trials.
    """
    n_trials, n_classes = len(code), code.max(initial=0) + 1
    if n_trials < 4:
        raise InputError("quadratic extrapolation needs at least 4 trials, a quarter of them each; "
                         f"got {n_trials}")
    subset = stratified_quarters(code, n_partitions, rng) + 4 * np.arange(n_partitions)[:, None]
    plug_in, extrapolated = np.empty((2, response.shape[1]))
    for unit, responses in enumerate(response.T):
        values, value = np.unique(responses, return_inverse=True)
        shape = (n_partitions, 4, len(values), n_classes)
        cell = (subset * len(values) + value) * n_classes + code
        quarters = np.bincount(cell.ravel(), minlength=np.prod(shape)).reshape(shape)
        halves = quarters[:, HALVES].sum(axis=2)
        plug_in[unit] = mutual_information(quarters[0].sum(axis=0))
        extrapolated[unit] = (8 * plug_in[unit] - 6 * mutual_information(halves).mean()
                              + mutual_information(quarters).mean()) / 3
    return MutualInformation(plug_in, extrapolated)


def stratified_quarters(code: np.ndarray, n_partitions: int, rng: np.random.Generator
                        ) -> np.ndarray:
    """(partition, trial) int, each trial's quarter; classes are spread evenly over the quarters."""
    n_trials = len(code)
    fours = np.tile(np.arange(4), (n_partitions, -(-n_trials // 4), 1))
    dealt = rng.permuted(fours, axis=2).reshape(n_partitions, -1)[:, :n_trials]
    quarter = np.empty_like(dealt)
    for partition in range(n_partitions):
        by_class = np.lexsort((rng.random(n_trials), code))
        quarter[partition, by_class] = dealt[partition]
    return quarter


class PermutedInformation(NamedTuple):
    """What activity says about permuted labels: nothing but bias and chance.

    Attributes
    ----------
    information_gain : (permutation, unit) float
    mutual_information : (permutation, unit) float, bits
        Plug-in, of active or silent.
    """

    information_gain: np.ndarray
    mutual_information: np.ndarray


def permuted_information(active: np.ndarray, code: np.ndarray, n_permutations: int,
                         rng: np.random.Generator, block_trials: int = 1,
                         progress: Progress = no_progress, strata: np.ndarray | None = None
                         ) -> PermutedInformation:
    """Information of active units about permuted labels.

    Parameters
    ----------
    active : (trial, unit) bool
    code : (trial,) int
        Index of the class of each trial, in the order in which the trials took place.
    block_trials : int
        Neighbouring trials that stay together.
    progress : Progress
    strata : (trial,), optional
        Labels are permuted among trials of equal value only.
    """
    class_counts = np.bincount(code)
    null = PermutedInformation(*np.empty((2, n_permutations, active.shape[1])))
    certain = entropy(class_counts) + entropy(np.stack([active.sum(axis=0), (~active).sum(axis=0)],
                                                       axis=1))
    values = active.T.astype(np.float32)  # sums stay exact below 2**24 trials
    for drawn, counts in permuted_sums(values, code, n_permutations, rng, block_trials, progress,
                                       strata):
        null.information_gain[drawn] = information_gain(counts, class_counts).T
        joint = n_log_n(counts).sum(axis=-1) + n_log_n(class_counts - counts).sum(axis=-1)
        null.mutual_information[drawn] = certain - np.log2(len(code)) + joint.T / len(code)
    return null


def permuted_sums(values: np.ndarray, code: np.ndarray, n_permutations: int,
                  rng: np.random.Generator, block_trials: int = 1, progress: Progress = no_progress,
                  strata: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Sum values over the trials of each permuted class, one matrix product per batch.

    One permutation serves all units, so that what they share is shared under the null, too.

    Parameters
    ----------
    values : (unit, trial) float

    Yields
    ------
    slice
        Which of the permutations.
    (unit, permutation, class) float
    """
    (n_units, n_trials), n_classes = values.shape, code.max() + 1
    batch = max(1, BATCH_ELEMENTS // (n_classes * max(n_trials, n_units)))
    for first in progress(range(0, n_permutations, batch), "permuted labels"):
        size = min(batch, n_permutations - first)
        permuted = np.stack([permute_labels(code, rng, block_trials, strata) for _ in range(size)],
                            axis=1)
        one_hot = (permuted[:, :, None] == np.arange(n_classes)).astype(values.dtype)
        sums = values @ one_hot.reshape(n_trials, size * n_classes)
        yield slice(first, first + size), sums.reshape(n_units, size, n_classes)


def spike_count_p_value(count: np.ndarray, code: np.ndarray, n_permutations: int,
                        rng: np.random.Generator, block_trials: int = 1,
                        progress: Progress = no_progress, strata: np.ndarray | None = None
                        ) -> np.ndarray:
    """(unit,) p that the number of spikes does not depend on the class.

    The statistic is that of Kruskal & Wallis 1952 (doi:10.1080/01621459.1952.10483441); the null
    is permuted labels. It sees graded responses, which the plug-in information of a count with
    many values does not. With strata it is the sum over them, as in a block design: a unit that
    prefers one class in one stratum and another in the next is found, where all trials together
    would hide it.

    Parameters
    ----------
    count : (trial, unit) int
    code, n_permutations, block_trials, progress, strata
        As in `permuted_information`.
    """
    observed, null = np.zeros(count.shape[1]), np.zeros((n_permutations, count.shape[1]))
    strata = np.zeros(len(code)) if strata is None else strata
    for stratum in np.unique(strata):
        inside = strata == stratum
        of_stratum = _rank_statistics(count[inside], code[inside], n_permutations, rng,
                                      block_trials, progress)
        observed += of_stratum[0]
        null += of_stratum[1:]
    return permutation_p_value(observed, null)


def _rank_statistics(count: np.ndarray, code: np.ndarray, n_permutations: int,
                     rng: np.random.Generator, block_trials: int, progress: Progress
                     ) -> np.ndarray:
    """(1 + permutation, unit) Kruskal and Wallis's H, 0 of equal counts; first as observed."""
    code = np.unique(code, return_inverse=True)[1]
    class_counts = np.bincount(code)
    # Twice the deviation from the mean rank is a whole number, and no sum of s of them exceeds
    # s (n_trials - s): sums and ties are exact, where they fit in single precision, too.
    exact = np.float32 if class_counts.max() * len(code) < 2**24 else np.float64
    rank = (2 * stats.rankdata(count, axis=0).T - (len(code) + 1)).astype(exact)
    sums = np.empty((1 + n_permutations, count.shape[1]))
    observed = (rank @ (code[:, None] == np.arange(len(class_counts))).astype(exact)).astype(float)
    sums[0] = (observed**2 / class_counts).sum(axis=-1)
    for drawn, permuted in permuted_sums(rank, code, n_permutations, rng, block_trials, progress):
        sums[1:][drawn] = (permuted.astype(float)**2 / class_counts).sum(axis=-1).T
    variance = np.square(rank.astype(float)).sum(axis=1) / max(len(code) - 1, 1)
    return sums / np.where(variance > 0, variance, 1)


def correct_for_chance(information: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """0 at chance, 1 at the most there is; nan where chance reaches the most there is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1 - 1e-12, (information - chance) / (1 - chance), np.nan)


class UnitInformation(NamedTuple):
    """What every unit of a recording says about the class.

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
    n_permutations : int
        Permutations of the labels behind chance and p.
    """

    units: pd.DataFrame
    classes: tuple[str, ...]
    class_counts: np.ndarray
    activity: np.ndarray
    n_permutations: int

    @property
    def n_trials(self) -> int:
        """Number of analysed trials."""
        return int(self.class_counts.sum())

    @property
    def used(self) -> np.ndarray:
        """(unit,) bool, units that have statistics."""
        return self.units["information_gain"].notna().to_numpy()


def unit_information(recording: Recording, windows: ResponseWindows, rng: np.random.Generator,
                     n_permutations: int | None = None, block_trials: int = 1, min_active: int = 5,
                     progress: Progress = no_progress, within: str | None = None
                     ) -> UnitInformation:
    """Information of every unit of a recording about the class of the trial.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
        When a spike makes a unit active; trials without a window are left out.
    n_permutations : int, optional
        Permutations of the labels, for chance and p; by default `enough_permutations`.
    block_trials : int
        Neighbouring trials that stay together in a permutation.
    min_active : int
        Units active in fewer trials have no statistics.
    progress : Progress
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
    _check_design(len(responses.label), classes, block_trials)
    strata = None if within is None else trial_strata(recording, responses, within, block_trials)
    index = {label: number for number, label in enumerate(classes)}
    code = np.array([index[label] for label in responses.label])
    active = responses.active
    units = _describe_units(recording, windows, active, min_active)
    used = np.flatnonzero(units["note"] == "")
    n_permutations = n_permutations or enough_permutations(len(used), len(code), len(classes))
    statistics = _unit_statistics(responses.count[:, used], code, classes, rng, n_permutations,
                                  block_trials, progress, strata)
    units = units.join(statistics.set_axis(used))
    chance_is_all = units["information_gain"].notna() & units["information_gain_corrected"].isna()
    units.loc[chance_is_all, "note"] = "not corrected: any labels give an information gain of 1"
    units["note"] = units.pop("note")  # the last column
    return UnitInformation(units, classes, np.bincount(code),
                           activity_in_halves(active, code, rng), n_permutations)


def trial_strata(recording: Recording, responses: Responses, within: str, block_trials: int
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
    if block_trials > max(1, smallest // 2):
        raise InputError(f"--block-trials must be at most half of the {smallest} trials of the "
                         f"rarest value of '{within}'; got {block_trials}")
    return strata


def enough_permutations(n_units: int, n_trials: int, n_classes: int) -> int:
    """So many that a single significant unit among all can be found, as far as time allows.

    The smallest q of one unit among n is n / (1 + N); it falls below 0.05 from N = 20 n.
    """
    affordable = min(COUNTS_BUDGET / n_classes, PRODUCT_BUDGET / (n_classes * n_trials)) \
        / max(n_units, 1)
    return int(max(MIN_PERMUTATIONS, min(20 * n_units, affordable)))


def count_active(active: np.ndarray, code: np.ndarray, n_classes: int) -> np.ndarray:
    """(unit, class) int, number of trials of a class in which a unit is active.

    Parameters
    ----------
    active : (trial, unit) bool
    code : (trial,) int
        Index of the class of each trial.
    """
    return np.stack([active[code == c].sum(axis=0) for c in range(n_classes)], axis=1)


def activity_in_halves(active: np.ndarray, code: np.ndarray, rng: np.random.Generator
                       ) -> np.ndarray:
    """(2, unit, class) float, activity by class in two random halves of the trials of each class.

    A class with an odd number of trials has one more in the second half.
    """
    shuffled = rng.permutation(len(code))
    by_class = shuffled[np.argsort(code[shuffled], kind="stable")]
    class_counts = np.bincount(code)
    rank = np.arange(len(code)) - np.repeat(np.cumsum(class_counts) - class_counts, class_counts)
    first = np.zeros(len(code), dtype=bool)
    first[by_class] = rank < np.repeat(class_counts // 2, class_counts)
    halves = []
    for half in (first, ~first):
        trials = np.bincount(code[half], minlength=len(class_counts))
        counts = count_active(active[half], code[half], len(class_counts))
        halves.append(counts / np.where(trials > 0, trials, np.nan))
    return np.stack(halves)


def _check_design(n_trials: int, classes: tuple[str, ...], block_trials: int) -> None:
    if len(classes) < 2:
        label = classes[0] if classes else ""
        raise InputError("information about the class needs at least two classes; all "
                         f"{n_trials} analysed trials are '{label}'; choose another --label, "
                         "--trials or response window")
    if not 1 <= block_trials <= n_trials // 2:
        raise InputError(f"--block-trials must be at most half of the {n_trials} analysed trials, "
                         f"else there is nothing to permute; got {block_trials}")


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


def _unit_statistics(count: np.ndarray, code: np.ndarray, classes: tuple[str, ...],
                     rng: np.random.Generator, n_permutations: int, block_trials: int,
                     progress: Progress, strata: np.ndarray | None) -> pd.DataFrame:
    """The statistics of units that are active often enough; `count` is (trial, unit) spikes."""
    active = count > 0
    class_counts = np.bincount(code)
    active_counts = count_active(active, code, len(classes))
    activity = active_counts / class_counts
    preferred = activity.argmax(axis=1)
    gain = information_gain(active_counts, class_counts)
    binary = quadratic_extrapolation(active, code, rng)
    null = permuted_information(active, code, n_permutations, rng, block_trials, progress, strata)
    p_gain = permutation_p_value(gain, null.information_gain)
    p_information = permutation_p_value(binary.plug_in, null.mutual_information)
    chance = null.information_gain.mean(axis=0)
    # Where units spike at most once, the number of spikes says no more than being active does.
    counted = quadratic_extrapolation(count, code, rng) if (count > 1).any() else binary
    p_count = p_information
    if (count > 1).any() or strata is not None:
        p_count = spike_count_p_value(count, code, n_permutations, rng, block_trials, progress,
                                      strata)
    return pd.DataFrame({
        "preferred_class": np.array(classes, dtype=object)[preferred],
        "information_gain": gain,
        "information_gain_corrected": correct_for_chance(gain, chance),
        "p_value": p_gain,
        "q_value": false_discovery_q(p_gain),
        "mutual_information_bits": binary.extrapolated,
        "information_gain_chance": chance,
        "preferred_activity": activity[np.arange(len(preferred)), preferred],
        "mutual_information_plugin_bits": binary.plug_in,
        "mutual_information_p_value": p_information,
        "mutual_information_q_value": false_discovery_q(p_information),
        "mutual_information_count_bits": counted.extrapolated,
        "mutual_information_count_plugin_bits": counted.plug_in,
        "spike_count_p_value": p_count,
        "spike_count_q_value": false_discovery_q(p_count),
    })
