"""Outcomes of a battery with planted effects, as its tables and figures get them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from ephys_snn.perturbation.battery.outcome import AREA_MEASURES
from ephys_snn.perturbation.battery.plan import Experiment
from ephys_snn.perturbation.battery.tables import battery_tables
from ephys_snn.perturbation.battery.trials import (
    NONE,
    RANDOM,
    UNTRAINED,
    UNTRAINED_RANDOM,
    Outcome,
)
from ephys_snn.perturbation.operations import Operation

INTACT = {True: 0.9, False: 0.1}  # accuracy by whether it is trained
N_TRIALS = 1000
NOTHING = {"change": 0.0, "own": 0.0, "decision": 0.0}
# What a perturbation does: of (operation, whether trained, whether matched, replicate).
Effect = Callable[[Operation, bool, bool, int], dict[str, float]]


def nothing(*_) -> dict[str, float]:
    return NOTHING


def outcomes(plan: Sequence[Experiment], hidden: Sequence[str], classes: Sequence[str],
             effect: Effect = nothing, network: str = "net", twin: bool = True
             ) -> Iterable[Outcome]:
    """A draw of every perturbation and all its matched sets, with the effects asked for."""
    for experiment in plan:
        for operation in experiment.operations(hidden, classes):
            for is_trained in (True, False)[:1 + twin]:
                for draw in range(experiment.draws):
                    yield _outcome(experiment.name, operation, hidden, classes, effect, network,
                                   is_trained, False, draw)
                for draw in range(experiment.matched):
                    yield _outcome(experiment.name, operation, hidden, classes, effect, network,
                                   is_trained, True, draw)


def _outcome(experiment, operation, hidden, classes, effect, network, is_trained, is_matched, draw
             ) -> Outcome:
    target = operation.target
    control = {(True, False): NONE, (True, True): RANDOM, (False, False): UNTRAINED,
               (False, True): UNTRAINED_RANDOM}[is_trained, is_matched]
    key = {"network": network, "experiment": experiment, "perturbation": operation.words,
           "control": control, "replicate": draw}
    done = NOTHING | effect(operation, is_trained, is_matched, draw)
    own = None if target.pathway is None else [*map(str, classes)].index(target.pathway)
    changes = np.full(len(classes), done["change"])
    if own is not None:
        changes[own] = done["own"]
    change = changes.mean()
    row = key | {
        "operation": operation.name, "area": target.area, "cell_type": target.cell_type or "all",
        "target_class": target.pathway or "", "dose": operation.dose[0],
        "dose_unit": operation.dose[1], "n_units": 10,
        "selectivity": 1 - operation.dose[0], "n_trials": N_TRIALS,
        "accuracy": INTACT[is_trained] + change, "change": change, "low": change - 0.01,
        "high": change + 0.01, "change_own_class": np.nan if own is None else changes[own],
        "change_other_classes": np.nan if own is None or len(changes) == 1
        else np.delete(changes, own).mean(),
        "decision_ms": 10 + done["decision"], "decision_change_ms": done["decision"],
        "undecided": 0.0, "note": ""}
    by_class = [key | {"class": name, "change": one, "n_trials": N_TRIALS // len(classes)}
                for name, one in zip(classes, changes, strict=True)]
    by_area = [] if is_matched or own is not None else [
        key | {"area": area, "cell_type": cell_type, "n_trials": N_TRIALS, "n_drawn": 5,
               "n_units_used": 10, **dict.fromkeys(AREA_MEASURES, 0.5),
               **{f"control_{name}": 0.6 for name in AREA_MEASURES}}
        for area in hidden for cell_type in ("all", "excitatory", "inhibitory")]
    return Outcome(row, by_class, by_area)


def made_up_tables(plan: Sequence[Experiment], hidden: Sequence[str], classes: Sequence[str],
                   effect: Effect = nothing, networks: Sequence[str] = ("net",),
                   twin: bool = True) -> dict[str, pd.DataFrame]:
    """Tables of a battery with planted effects."""
    return battery_tables([one for network in networks
                           for one in outcomes(plan, hidden, classes, effect, network, twin)])
