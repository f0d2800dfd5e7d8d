"""Lesions after which the network learns again, beside acute silencing of the same units.

What a network cannot do at once without some units, it may learn to do without them (Otchy et al.
2015), so acute silencing says what units do and not what they are needed for. Further training
alone changes a network too; therefore the intact one learns as long, from the same stimuli in the
same order.

Units that never send a spike are units that are not there: what learns is a copy of the network
without them. Weights held at 0 would not be the same, for a training step subtracts from gradients
their mean over all presynaptic neurons, silent ones included.

References
----------
Otchy et al., Nature 528, 358 (2015), doi:10.1038/nature16442.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError, listed
from ephys_snn.network import EXCITATORY, Network
from ephys_snn.perturbation.battery.plan import Experiment
from ephys_snn.perturbation.battery.trials import (
    Outcome,
    Subject,
    Trial,
    describe,
    outcome_of,
    planned_trials,
    try_perturbation,
)
from ephys_snn.perturbation.control import Responses, control_responses
from ephys_snn.perturbation.operations import Silence
from ephys_snn.perturbation.responses import UnitsByArea, condition_rng, find_units
from ephys_snn.perturbation.targets import NoUnits
from ephys_snn.perturbation.words import CONTROL
from ephys_snn.stimuli import Stimuli
from ephys_snn.training import Diverged, Settings, restore_best, start, training_steps

RETRAINED, RETRAINED_INTACT = "retrained", "retrained_intact"
# Largest step when learning again, in units of that of the first training. Weights have grown
# several times since, and steps with them: the full size undoes at first what was learnt.
RETRAINING_RATE = 0.2


def retrained_outcomes(plan: Sequence[Experiment], subject: Subject, stimuli: Stimuli, epochs: int,
                       seed: int = 0, progress: Progress = no_progress) -> Iterator[Outcome]:
    """Silence units at once, and for good: what a network does then, and after learning again.

    It learns as it was trained (by its card), with steps `RETRAINING_RATE` times as large and their
    whole schedule within the given epochs. Mistakes show when this is called; the work is done as
    outcomes are asked for, so that whoever stops has those so far.

    Parameters
    ----------
    plan : sequence of Experiment
        Those with `retrain` are done; the others are not.
    subject : Subject
        A trained network.
    stimuli : Stimuli
        What it was trained on; its tested trials should be of another split.
    epochs : int
        Passes through the training samples, for each network.
    seed : int
        Of the units, as in `run_battery`, and of training, so that all networks of a subject learn
        from the same stimuli in the same order.
    progress : Progress
        Of the steps of each network.

    Yields
    ------
    Outcome
        Per experiment, with `control` ``retrained_intact``: the intact network after further
        training; then per perturbation and draw ``none``: its acute effect, and ``retrained``.
        All changes are from the network as it was.

    Raises
    ------
    InputError
        If a perturbation is no silencing of hidden units, or the network's training is unknown.
    """
    trials = planned_trials(plan, subject, retrain=True)
    for trial in trials:
        target = trial.operation.target
        if not isinstance(trial.operation, Silence) \
                or target.area in (subject.reference.areas[0], subject.reference.areas[-1]):
            raise InputError(f"{trial.experiment.name}: a network learns again after units of "
                             f"hidden layers were silenced; got '{trial.operation.words}'")
    if trials and subject.network.card.training is None:
        raise InputError(f"{subject.name} does not say how it was trained, so it cannot learn "
                         "again; train it with python -m ephys_snn.train")
    return _outcomes(trials, subject, stimuli, epochs, seed, progress)


def _outcomes(trials: Sequence[Trial], subject: Subject, stimuli: Stimuli, epochs: int, seed: int,
              progress: Progress) -> Iterator[Outcome]:
    def learned(row: dict, units: UnitsByArea) -> Outcome:
        try:
            responses = learned_responses(subject, units, stimuli, epochs, seed, progress)
        except (NoUnits, Diverged) as error:
            return Outcome(row | {"note": str(error)}, [], [])
        return outcome_of(row, responses, subject, with_areas=True)

    for experiment, of_experiment in groupby(trials, lambda trial: trial.experiment):
        yield learned(_describe_intact(experiment, subject), {})
        for trial in of_experiment:
            acute = try_perturbation(trial, subject, seed)
            yield acute
            if not acute.row["note"]:
                rng = condition_rng(seed, trial.operation.words, trial.draw)
                acted_on = find_units(trial.operation, subject.reference, rng)
                yield learned(describe(trial, subject, acted_on) | {"control": RETRAINED},
                              acted_on.units)


def _describe_intact(experiment: Experiment, subject: Subject) -> dict:
    return {
        "network": subject.name, "experiment": experiment.name, "perturbation": CONTROL,
        "operation": "", "area": "", "cell_type": "", "target_class": "", "dose": np.nan,
        "dose_unit": "", "n_units": 0, "control": RETRAINED_INTACT, "replicate": 0,
        "n_trials": len(subject.labels), "note": "",
    }


def learned_responses(subject: Subject, units: UnitsByArea, stimuli: Stimuli, epochs: int,
                      seed: int, progress: Progress = no_progress) -> Responses:
    """What a network does after it has learned to do without some units.

    Parameters
    ----------
    subject : Subject
        Whose network stays as it is.
    units : dict of str to (unit,) int
        Hidden units that are gone, by area.
    stimuli, epochs, seed, progress
        As in `retrained_outcomes`.

    Returns
    -------
    dict of str to (trial, unit) float, ms
        As the subject's control; units that are gone are silent. Of the epoch that did best on
        the validation samples, where these are not trained on.

    Raises
    ------
    NoUnits
        If no excitatory unit of a layer is left.
    Diverged
        If weights become infinite.
    """
    left = {area: np.setdiff1d(np.arange(times.shape[1]), units.get(area, []))
            for area, times in subject.control.items()}
    network = network_of(subject.network, left)
    trained = Settings(**network.card.training)
    run = start(network, stimuli, replace(
        trained, epochs=epochs, seed=seed, learning_rate=RETRAINING_RATE * trained.learning_rate))
    what = f"learning without {listed(list(units))}" if units else "learning on, intact"
    for _ in progress(training_steps(run, stimuli), what, epochs * (run.n_steps + 1)):
        pass
    restore_best(run)
    responses = {area: np.full_like(times, np.inf) for area, times in subject.control.items()}
    for area, times in control_responses(network, subject.control["input"]).items():
        responses[area][:, left[area]] = times
    return responses


def network_of(network: Network, units: UnitsByArea) -> Network:
    """A copy of a network that consists of some of its units.

    Parameters
    ----------
    network : Network
    units : dict of str to (unit,) int
        Of every area, the numbers of those that it keeps.

    Raises
    ------
    NoUnits
        If no excitatory unit of a hidden layer is among them.
    """
    kept = [units[area] for area in network.areas]
    types = [of_layer[left] for of_layer, left in zip(network.cell_types, kept[1:-1], strict=True)]
    if mute := [area for area, left in zip(network.areas[1:-1], types, strict=True)
                if EXCITATORY not in left]:
        raise NoUnits(f"no excitatory unit of {listed(mute)} is left, so no unit of the areas "
                      "after it can spike, whatever is learned")
    weights = [matrix.detach()[np.ix_(pre, post)] for matrix, pre, post
               in zip(network.weights, kept[:-1], kept[1:], strict=True)]
    return Network(weights, network.lif, types, network.card)
