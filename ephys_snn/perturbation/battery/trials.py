"""The battery: every perturbation of a plan on a network, each beside its controls.

Controls, by their names in the tables: ``none``, the perturbation itself; ``random``, the same done
to matched sets of units; ``wrong_class``, what the lesions of other classes' pathways do to a
class; ``untrained`` and ``untrained_random``, the same in the network before it was trained.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.perturbation.battery.matched_sets import matched_units
from ephys_snn.perturbation.battery.outcome import (
    AREA_MEASURES,
    Decisions,
    area_measures,
    class_changes,
    decision_changes,
    packet_sizes_to_draw,
)
from ephys_snn.perturbation.battery.plan import Experiment
from ephys_snn.perturbation.control import Responses
from ephys_snn.perturbation.operations import Operation
from ephys_snn.perturbation.reference import Reference, class_word
from ephys_snn.perturbation.responses import (
    ActedOn,
    condition_rng,
    find_units,
    perturbed_responses,
)
from ephys_snn.perturbation.targets import NoUnits

NONE, RANDOM, WRONG_CLASS, UNTRAINED = "none", "random", "wrong_class", "untrained"
UNTRAINED_RANDOM = f"{UNTRAINED}_{RANDOM}"


class Baseline(NamedTuple):
    """What is measured of a network without a perturbation.

    Attributes
    ----------
    decisions : Decisions
    n_drawn : dict of str to int
        Units of each area's packets that are drawn for their width.
    by_area : dict of (str, str) to dict
        `AREA_MEASURES` of every hidden area and cell type.
    """

    decisions: Decisions
    n_drawn: dict[str, int]
    by_area: dict[tuple[str, str], dict[str, float]]


@dataclass(frozen=True)
class Subject:
    """A network, and what it does without a perturbation.

    Attributes
    ----------
    name : str
        In the tables.
    network : Network
    is_trained : bool
    reference : Reference
    control : dict of str to (trial, unit) float, ms
        Its responses to the stimuli that it is tested with.
    labels : (trial,) int
        Their classes.
    """

    name: str
    network: Network
    is_trained: bool
    reference: Reference
    control: Responses
    labels: np.ndarray

    @cached_property
    def baseline(self) -> Baseline:
        """What a perturbation is compared with."""
        n_drawn = packet_sizes_to_draw(self.control)
        return Baseline(Decisions.of(self.control, self.labels), n_drawn, {
            (row["area"], row["cell_type"]): {name: row[name] for name in AREA_MEASURES}
            for row in self.measure_areas(self.control, n_drawn)})

    def measure_areas(self, responses: Responses, n_drawn: dict[str, int]) -> list[dict]:
        """A row per hidden area and cell type (`area_measures`)."""
        return area_measures(responses, self.labels, n_drawn, self.reference.cell_types,
                             self.reference.areas[1:-1])


class Trial(NamedTuple):
    """One perturbation to be tried: the units themselves, or the n-th matched set."""

    experiment: Experiment
    operation: Operation
    draw: int
    is_matched: bool


class Outcome(NamedTuple):
    """Rows for the tables, as dictionaries: one of the decisions, some by class and by area."""

    row: dict
    by_class: list[dict]
    by_area: list[dict]


def planned_trials(plan: Sequence[Experiment], subject: Subject, retrain: bool = False
                   ) -> list[Trial]:
    """Everything that a plan tries on a network.

    Parameters
    ----------
    plan : sequence of Experiment
    subject : Subject
    retrain : bool
        Whether of the experiments after which the network learns again, or of all others.

    Raises
    ------
    InputError
        If some words are no perturbation, or the network has no such units.
    """
    trials = []
    for experiment in plan:
        if experiment.retrain != retrain:
            continue
        for operation in experiment.operations(subject.reference.areas[1:-1],
                                               subject.reference.classes):
            _check(experiment, operation, subject.reference)
            n_draws = experiment.draws if _is_random(operation) else 1
            trials += [Trial(experiment, operation, draw, False) for draw in range(n_draws)]
            trials += [Trial(experiment, operation, draw, True)
                       for draw in range(experiment.matched)]
    return trials


def _check(experiment: Experiment, operation: Operation, reference: Reference) -> None:
    """Fail before the work, not in it; a target without units is no mistake, the table says it."""
    with suppress(NoUnits):
        acted_on = find_units(operation, reference, np.random.default_rng(0))
        if experiment.matched and reference.areas[-1] in acted_on.units:
            raise InputError(f"{experiment.name}: '{operation.words}' acts on the output layer, "
                             "which has no matched sets: leave out matched, or choose hidden "
                             "layers")


def run_battery(trials: Sequence[Trial], subject: Subject, seed: int = 0) -> Iterator[Outcome]:
    """Try perturbations on a network, on all processors.

    Parameters
    ----------
    trials : sequence of Trial
    subject : Subject
    seed : int
        With the words and the draw, of everything random in a trial: its outcome does not depend
        on what else is tried.

    Yields
    ------
    Outcome
        Of one trial after the other.
    """
    _ = subject.baseline  # once, not by every thread
    with _one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(try_perturbation, trial, subject, seed) for trial in trials]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """A thread per trial is faster than several threads for each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _is_random(operation: Operation) -> bool:
    """Whether another draw can give another outcome."""
    part = operation.target.of
    return operation.name in ("jitter", "drop", "shuffle") or "noise" in operation.parameters \
        or (part is not None and part < 1)


def try_perturbation(trial: Trial, subject: Subject, seed: int) -> Outcome:
    """Perturb the units of a trial, or its matched set, and compare with the same stimuli before.

    A target without a unit, or with more than are left for a matched set, gives a row that says so.
    """
    operation, reference = trial.operation, subject.reference
    rng = condition_rng(seed, operation.words, trial.draw)
    try:
        acted_on = find_units(operation, reference, rng)
        if trial.is_matched:
            matches = matched_units(acted_on.units, reference, rng)
            acted_on = acted_on._replace(units=matches)
    except NoUnits as error:  # a pathway without members is no mistake of the plan
        return Outcome(describe(trial, subject, None) | {"note": str(error)}, [], [])
    responses = perturbed_responses(subject.network, operation, acted_on, subject.control,
                                    reference, rng)
    return outcome_of(describe(trial, subject, acted_on), responses, subject,
                      with_areas=not trial.is_matched)


def outcome_of(row: dict, responses: Responses, subject: Subject, with_areas: bool) -> Outcome:
    """What became of a network's decisions, and of its areas where no class is aimed at.

    Parameters
    ----------
    row : dict
        By `describe`.
    responses : dict of str to (trial, unit) float, ms
        To the stimuli of the subject's control.
    subject : Subject
    with_areas : bool
    """
    labels, reference, baseline = subject.labels, subject.reference, subject.baseline
    found = Decisions.of(responses, labels)
    words = [class_word(name) for name in reference.classes]
    own = words.index(row["target_class"]) if row["target_class"] else None
    row = row | decision_changes(found, baseline.decisions, labels, len(words), own)
    key = {name: row[name] for name in ("network", "experiment", "perturbation", "control",
                                        "replicate")}
    changes = class_changes(found, baseline.decisions, labels, len(words))
    by_class = [key | {"class": name, "change": change, "n_trials": int((labels == c).sum())}
                for c, (name, change) in enumerate(zip(reference.classes, changes, strict=True))]
    by_area = []
    if with_areas and own is None:
        for measures in subject.measure_areas(responses, baseline.n_drawn):
            before = baseline.by_area[measures["area"], measures["cell_type"]]
            by_area.append(key | measures | {f"control_{name}": value
                                             for name, value in before.items()})
    return Outcome(row, by_class, by_area)


def describe(trial: Trial, subject: Subject, acted_on: ActedOn | None) -> dict:
    """What was done, to which units, under which control."""
    operation, target = trial.operation, trial.operation.target
    control = {(True, False): NONE, (True, True): RANDOM, (False, False): UNTRAINED,
               (False, True): UNTRAINED_RANDOM}[subject.is_trained, trial.is_matched]
    return {
        "network": subject.name, "experiment": trial.experiment.name,
        "perturbation": operation.words, "operation": operation.name, "area": target.area,
        "cell_type": target.cell_type or "all",
        "target_class": target.pathway or target.functional or "",
        "dose": operation.dose[0], "dose_unit": operation.dose[1],
        "n_units": 0 if acted_on is None else acted_on.n_units,
        **_features(acted_on, subject.reference), "control": control, "replicate": trial.draw,
        "n_trials": len(subject.labels), "note": "",
    }


def _features(acted_on: ActedOn | None, reference: Reference) -> dict[str, float]:
    """What matched sets share, and selectivity: means over the units of a single hidden area."""
    names = ("activity", "outgoing_weight", "selectivity")
    if acted_on is None or len(acted_on.units) != 1:
        return dict.fromkeys(names, np.nan)
    (area, units), = acted_on.units.items()
    if area in (reference.areas[0], reference.areas[-1]):
        return dict.fromkeys(names, np.nan)
    selectivity = reference.selectivity(area)[units]
    return {"activity": float(reference.activity(area)[units].mean()),
            "outgoing_weight": float(reference.outgoing_weight(area)[units].mean()),
            "selectivity": float(np.nanmean(selectivity)) if np.isfinite(selectivity).any()
            else np.nan}
