"""What is decoded: which trials, classes, folds, units and codes; the same choice for all areas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.classes import label_codes
from ephys_snn.analysis.decoding import assign_folds, choose_folds, main_code, permuted_classes
from ephys_snn.analysis.surrogates import FEW_BLOCKS, SINGLE_TRIALS, Relabelling
from ephys_snn.analysis.trial_subsets import keep_windows, proportional_trials
from ephys_snn.errors import InputError
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

LEVEL = 0.05  # of significance
FEW_RUNS = 3  # of a class along the session; with fewer, a trend alone can separate classes
MIN_MATCHED = 10  # units; areas with fewer do not set the number that `match_units` draws


@dataclass(frozen=True)
class SeparabilitySettings:
    """What the numbers depend on.

    Attributes
    ----------
    n_folds : int
        Folds of the cross-validation.
    n_repeats : int
        Random assignments of the trials to folds, over which accuracies are averaged.
    n_permutations : int
        Permutations of the labels.
    relabelling : Relabelling
        How labels change places; blocks of neighbouring trials stay together in folds, too.
    match_units : int or None
        Decode from so many units of every area; 0: as many as the smallest area has; None: all
        units, and areas are compared at as many as the smallest has.
    n_draws : int
        Random draws of units that are averaged, where areas have more.
    n_steps : int
        Ends of the window over time.
    n_bins : int
        Time bins of the cross-temporal decoding; 0: none.
    time_code : str or None
        The code over time, between areas and of the confusions, one of `CODES`; None: that of
        `ephys_snn.analysis.decoding.main_code`.
    max_trials : int
        More trials are thinned out to this number, every class in proportion.
    seed : int
    """

    n_folds: int = 5
    n_repeats: int = 5
    n_permutations: int = 100
    relabelling: Relabelling = SINGLE_TRIALS
    match_units: int | None = None
    n_draws: int = 10
    n_steps: int = 16
    n_bins: int = 0
    time_code: str | None = None
    max_trials: int = 1000
    seed: int = 0


class Design(NamedTuple):
    """The trials that are decoded, and how; the same for every area, code and end of the
    window.

    Attributes
    ----------
    windows : ResponseWindows
        nan in trials that are left out.
    classes : tuple of str
    labellings : (1 + permutation, trial) int
        Index into `classes`; first the true ones.
    folds : (assignment, trial) int
        The first is that of the permutations.
    block : (trial,) int
        Neighbouring trials of equal value may be right or wrong together because of drift.
    code : str
        The one code in which areas are followed over time and compared.
    notes : list of str
    """

    windows: ResponseWindows
    classes: tuple[str, ...]
    labellings: np.ndarray
    folds: np.ndarray
    block: np.ndarray
    code: str
    notes: list[str]

    @property
    def class_sizes(self) -> np.ndarray:
        """(class,) int, trials per class."""
        return np.bincount(self.labellings[0])


def plan(recording: Recording, windows: ResponseWindows, settings: SeparabilitySettings
         ) -> Design:
    """Choose trials, classes, folds and permutations.

    Raises
    ------
    InputError
        If fewer than two classes have two trials, or there are too few blocks.
    """
    rng = np.random.default_rng(settings.seed)
    label = recording.trials.label[windows.used]
    trials, n_folds, notes = _choose_trials(label, settings, rng)
    relabelling = settings.relabelling
    if relabelling.block_trials > 1:  # a block of neighbours shrinks with the trials
        relabelling = replace(relabelling, block_trials=max(
            1, round(relabelling.block_trials * len(trials) / len(label))))
    classes = tuple(name for name in recording.trials.classes if name in set(label[trials]))
    true = label_codes(label[trials], classes)
    folds = np.stack([assign_folds(true, n_folds, rng, relabelling)
                      for _ in range(settings.n_repeats)])
    relabelling.check(len(trials))
    notes += relabelling.limits(len(trials)) + _runs(true, relabelling)
    labellings = permuted_classes(true, folds[0], settings.n_permutations, rng, relabelling)
    windows = keep_windows(windows, trials)
    length = -(-len(trials) // FEW_BLOCKS) if relabelling.shift else relabelling.block_trials
    return Design(windows, classes, labellings, folds, np.arange(len(trials)) // length,
                  settings.time_code or main_code(recording, windows), notes)


def _choose_trials(label: np.ndarray, settings: SeparabilitySettings, rng: np.random.Generator
                   ) -> tuple[np.ndarray, int, list[str]]:
    """Positions of the trials to decode, the number of folds, and what was left out and why."""
    names, codes, sizes = np.unique(label, return_inverse=True, return_counts=True)
    n_folds, kept = choose_folds(sizes, settings.n_folds)
    notes = []
    if not kept.all():
        left_out = ", ".join(f"'{name}' ({size})" for name, size
                             in zip(names[~kept], sizes[~kept], strict=True))
        notes.append(f"classes with fewer than {n_folds} trials, one per fold, are left out of "
                     f"the decoding: {left_out}")
    if n_folds < settings.n_folds:
        notes.append(f"{n_folds} folds instead of {settings.n_folds}: a class must have a trial "
                     f"in every fold, and the smallest has {sizes[kept].min()}")
    trials = np.flatnonzero(kept[codes])
    if len(trials) > settings.max_trials:
        thinned = proportional_trials(label[trials], settings.max_trials, rng, least=n_folds)
        notes.append(f"{len(thinned)} of {len(trials)} trials are decoded, every class in "
                     "proportion, to save time (--max-trials)")
        trials = trials[thinned]
    return trials, n_folds, notes


def _runs(true: np.ndarray, relabelling: Relabelling) -> list[str]:
    """A warning where a class came so rarely in a row that no exchange parts it from drift."""
    begins = np.append(True, true[1:] != true[:-1])
    fewest = np.bincount(true[begins]).min()
    return [f"some class came in only {fewest} {'run' if fewest == 1 else 'runs'} of successive "
            "trials: no exchange of labels parts what differs between classes from what drifts "
            "along the recording"
            ] if relabelling != SINGLE_TRIALS and fewest < FEW_RUNS else []


def draw_units(recording: Recording, design: Design, settings: SeparabilitySettings,
               matched: bool) -> dict[str, list[np.ndarray] | str]:
    """Which units of every area are decoded: one or more draws, or why none can be.

    Parameters
    ----------
    matched : bool
        Equally many units of every area, else all units.

    Returns
    -------
    dict of str to list of (unit,) int, or str
        Indices into ``recording.units`` by area.
    """
    deciding = recording.output_units(design.windows)
    members, reasons = {}, {}
    for area in recording.areas:
        units = recording.units_in(area)
        if deciding[units].all():
            reasons[area] = DECISION_NOTE
        else:
            members[area] = units[~deciding[units]]
    if not matched:
        return reasons | {area: [units] for area, units in members.items()}
    sizes = [len(units) for units in members.values()]
    number = settings.match_units or min([n for n in sizes if n >= MIN_MATCHED] or sizes,
                                         default=0)
    draws = {}
    for i, (area, units) in enumerate(members.items()):
        if len(units) < number:
            reasons[area] = f"not computable: fewer units than the {number} drawn per area"
            continue
        rng = np.random.default_rng([settings.seed, i])
        n_draws = 1 if len(units) == number else settings.n_draws
        draws[area] = [np.sort(rng.choice(units, number, replace=False)) for _ in range(n_draws)]
    if settings.match_units and not draws:
        raise InputError(f"--match-units {number}: no area has so many units; the largest has "
                         f"{max(sizes, default=0)}")
    return reasons | draws
