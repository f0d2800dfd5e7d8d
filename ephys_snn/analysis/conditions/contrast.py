"""Which trials of two conditions are compared with which: only like with like.

Trials lie in strata, and only inside a stratum are trials of a condition compared with trials of
the control. Where both conditions show the same stimuli, and enough of them, a stratum is a
stimulus, and stimuli are the sample: the comparison is paired. Else it is a neighbourhood of trials
of one class (and of one stimulus, where few stimuli are shown often), and trials are the sample.
So neither how classes are mixed in the conditions nor what drifts along the session is taken for
an effect of the condition.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.classes import label_codes
from ephys_snn.analysis.surrogates import exchangeable_groups
from ephys_snn.analysis.trial_subsets import proportional_trials
from ephys_snn.errors import InputError, listed
from ephys_snn.recording import CONTROL, PERTURBATION, Trials, counted, sort_labels

MIN_PAIRS = 10  # stimuli; fewer are no sample, and their trials are
FEW_VALUES, MANY_VALUES = 2, 20  # of an annotation that may be the condition


class Conditions(NamedTuple):
    """What is compared with what.

    Attributes
    ----------
    key : str
        Annotation of the trials.
    control : str
    others : tuple of str
        Each of them is compared with the control.
    value : (trial,) str
        The condition of every trial; '' where it has none.
    """

    key: str
    control: str
    others: tuple[str, ...]
    value: np.ndarray


def choose_conditions(trials: Trials, key: str | None = None, control: str | None = None
                      ) -> Conditions:
    """The conditions that a user named, or those that the trials state.

    Raises
    ------
    InputError
        If a choice is missing or impossible, or there are fewer than two conditions; the message
        lists what the trials offer.
    """
    if key is None and PERTURBATION not in trials.annotations:
        raise InputError(f"the trials have no array annotation '{PERTURBATION}'; choose another "
                         f"with --condition KEY; {_offer(trials)}")
    if key is not None and key not in trials.annotations:
        raise InputError(f"--condition {key}: the trials have no such array annotation; "
                         f"{_offer(trials)}")
    key = key or PERTURBATION
    value = trials.values_of(key)
    found = sort_labels(value[value != ""])
    if len(found) < 2:
        raise InputError(f"conditions are compared, but '{key}' of all trials is "
                         f"{listed(counted(value))}; choose other trials, or another annotation "
                         f"with --condition KEY; {_offer(trials)}")
    if control is None and CONTROL not in found or control is not None and control not in found:
        asked = "choose the control with" if control is None else f"no trial has {key} of"
        raise InputError(f"{asked} --control {control or 'VALUE'}: the conditions by '{key}' are "
                         f"{listed(counted(value), MANY_VALUES)}")
    control = control or CONTROL
    return Conditions(key, control, tuple(each for each in found if each != control), value)


def _offer(trials: Trials) -> str:
    """The annotations that may be conditions, with their values."""
    offered = [f"{key}: {', '.join(counted(trials.values_of(key)))}" for key in trials.annotations
               if FEW_VALUES <= len(set(trials.values_of(key)) - {""}) <= MANY_VALUES]
    return f"those of {FEW_VALUES} to {MANY_VALUES} values are {'; '.join(offered)}" if offered \
        else f"no annotation has {FEW_VALUES} to {MANY_VALUES} values"


class Contrast(NamedTuple):
    """Trials of a condition and of the control, in the order in which they took place.

    Every stratum has trials of both.

    Attributes
    ----------
    trial : (compared,) int
        Index in ``recording.trials``.
    is_condition : (compared,) bool
        Else it is a trial of the control.
    stratum : (compared,) int
        From 0.
    code : (compared,) int
        Class of the trial, the same within a stratum.
    kind : (compared,) int
        What trials of a stratum have in common, class and stimulus or class alone.
    paired : bool
        Whether strata are stimuli, and the sample.
    of : {'stimulus', 'class'}
        Which of them.
    """

    trial: np.ndarray
    is_condition: np.ndarray
    stratum: np.ndarray
    code: np.ndarray
    kind: np.ndarray
    paired: bool
    of: str

    @property
    def counts(self) -> np.ndarray:
        """(2, stratum) int, trials of the condition and of the control."""
        n_strata = int(self.stratum.max(initial=-1)) + 1
        return np.stack([np.bincount(self.stratum[of], minlength=n_strata)
                         for of in (self.is_condition, ~self.is_condition)])

    @property
    def weights(self) -> np.ndarray:
        """(compared,) float, of each trial in the change: its mean there minus that of the control.

        Stimuli of a paired comparison weigh alike. Neighbourhoods of n trials of the condition and
        m of the control weigh n m / (n + m), which is best where all have the same change (Mantel &
        Haenszel 1959, doi:10.1093/jnci/22.4.719). The weights of the trials of the condition add
        up to 1, those of the control to -1, and within every stratum they cancel.
        """
        n, m = self.counts
        of_stratum = np.ones(len(n)) if self.paired else n * m / (n + m)
        of_stratum /= of_stratum.sum()
        return np.where(self.is_condition, (of_stratum / n)[self.stratum],
                        -(of_stratum / m)[self.stratum])

    def part(self, kept: np.ndarray) -> Contrast:
        """Some of the trials, (compared,) bool, in so far as their strata still have both."""
        part = Contrast(*(values[kept] for values in self[:5]), *self[5:])
        both = part.counts.min(axis=0) > 0
        again = both[part.stratum]
        return Contrast(part.trial[again], part.is_condition[again],
                        (np.cumsum(both) - 1)[part.stratum[again]], part.code[again],
                        part.kind[again], *self[5:])

    def matched(self, rng: np.random.Generator, most: int) -> np.ndarray:
        """(2, pair) int, equally many trials of both: a random choice where one has more.

        Positions among the compared trials, first those of the condition; each beside a trial of
        the control of the same kind and about the same time, by kind. At most `most` pairs, every
        class in proportion.
        """
        places = [np.flatnonzero(of) for of in (self.is_condition, ~self.is_condition)]
        smaller = np.minimum(*(np.bincount(self.kind[of], minlength=self.kind.max() + 1)
                               for of in places))
        drawn = []
        for place in places:
            shuffled = rng.permutation(place)
            shuffled = shuffled[np.argsort(self.kind[shuffled], kind="stable")]
            of_kind = self.kind[shuffled]
            rank = np.arange(len(place)) - np.searchsorted(of_kind, of_kind)
            chosen = np.sort(shuffled[rank < smaller[of_kind]])
            drawn.append(chosen[np.argsort(self.kind[chosen], kind="stable")])
        pairs = np.stack(drawn)
        return pairs if pairs.shape[1] <= most else pairs[:, proportional_trials(
            self.code[pairs[0]], most, rng)]


def contrast_of(trials: Trials, conditions: Conditions, other: str, usable: np.ndarray,
                block_trials: int = 1) -> Contrast:
    """The trials of a condition and of the control that can be compared.

    Parameters
    ----------
    usable : (trial,) bool
        Trials that may be compared at all.
    block_trials : int
        See `ephys_snn.analysis.surrogates.exchangeable_groups`.
    """
    trial = np.flatnonzero(usable & np.isin(conditions.value, [other, conditions.control]))
    is_condition = conditions.value[trial] == other
    shown, same_stimuli = _stimuli(trials, conditions, trial, is_condition)
    n_shared = len(set(shown[is_condition]) & set(shown[~is_condition]))
    paired = same_stimuli and n_shared >= MIN_PAIRS
    alike = shown if same_stimuli else trials.label[trial]
    kind = np.unique(alike, return_inverse=True)[1]
    stratum = kind if paired else exchangeable_groups(alike, block_trials)
    code = label_codes(trials.label[trial], trials.classes)
    return Contrast(trial, is_condition, np.where(stratum < 0, stratum.max(initial=0) + 1, stratum),
                    code, kind, paired, "stimulus" if same_stimuli else "class").part(stratum >= 0)


def _stimuli(trials: Trials, conditions: Conditions, trial: np.ndarray, is_condition: np.ndarray
             ) -> tuple[np.ndarray, bool]:
    """(trial,) str, class and stimulus, and whether most of both conditions have a partner."""
    if trials.stimulus_key not in trials.annotations or trials.stimulus_key == conditions.key:
        return trials.label[trial], False
    stimulus = trials.values_of(trials.stimulus_key)[trial]
    shown = np.array([f"{label} {one}" for label, one in
                      zip(trials.label[trial], stimulus, strict=True)], dtype=str)
    partner = [np.isin(shown[of], shown[~of]) for of in (is_condition, ~is_condition)]
    return shown, all(len(each) and each.mean() > 0.5 for each in partner)
