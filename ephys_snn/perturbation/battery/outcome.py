"""What becomes of decisions and areas under a perturbation, beside the same trials without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis import paired_fraction_interval
from ephys_snn.perturbation.control import Responses
from ephys_snn.perturbation.selectivity import corrected_information_gain
from ephys_snn.pulse_packets import MIN_ACTIVE, equal_shortest_halves

AREA_MEASURES = ("active_fraction", "shortest_half_equal_ms", "information_gain")
MAX_DRAWN = 20  # units drawn from every packet whose width is measured


class Decisions(NamedTuple):
    """What a network decides in every trial.

    Attributes
    ----------
    correct : (trial,) bool
        A trial without a decision is wrong.
    time : (trial,) float, ms
        Inf where there is no decision.
    """

    correct: np.ndarray
    time: np.ndarray

    @classmethod
    def of(cls, responses: Responses, labels: np.ndarray) -> Decisions:
        """The first output unit to spike decides; of several at once, the first in their order."""
        output = next(reversed(responses.values()))
        time = output.min(axis=1)
        return cls(np.isfinite(time) & (output.argmin(axis=1) == labels), time)


def decision_changes(decisions: Decisions, control: Decisions, labels: np.ndarray, n_classes: int,
                     own: int | None = None) -> dict[str, float]:
    """How decisions differ from those in the same trials without the perturbation.

    Parameters
    ----------
    decisions, control : Decisions
        Of the same trials.
    labels : (trial,) int
    n_classes : int
        Also those that none of these trials is of.
    own : int, optional
        The class that the perturbation is aimed at.

    Returns
    -------
    dict of str to float
        `accuracy` and its `change`, with a 95 % interval over trials (`low`, `high`); of the
        class, `change_own_class`, and of the others `change_other_classes`, means over classes;
        mean `decision_ms` and, over the trials decided in both, `decision_change_ms`; the fraction
        `undecided`.
    """
    gained = decisions.correct & ~control.correct
    lost = control.correct & ~decisions.correct
    low, high = paired_fraction_interval(int(gained.sum()), int(lost.sum()), len(labels))
    decided = np.isfinite(decisions.time)
    both = decided & np.isfinite(control.time)
    changes = class_changes(decisions, control, labels, n_classes)
    others = np.delete(changes, own) if own is not None else changes
    return {
        "accuracy": float(decisions.correct.mean()),
        "change": float(decisions.correct.mean() - control.correct.mean()),
        "low": low, "high": high,
        "change_own_class": np.nan if own is None else float(changes[own]),
        "change_other_classes": np.nan if own is None else _mean(others),
        "decision_ms": _mean(decisions.time[decided]),
        "decision_change_ms": _mean(decisions.time[both] - control.time[both]),
        "undecided": float(1 - decided.mean()),
    }


def class_changes(decisions: Decisions, control: Decisions, labels: np.ndarray, n_classes: int
                  ) -> np.ndarray:
    """(class,) float, change of each class's accuracy; nan for classes without trials."""
    difference = decisions.correct.astype(float) - control.correct
    n_trials = np.bincount(labels, minlength=n_classes)
    with np.errstate(invalid="ignore"):
        return np.bincount(labels, difference, n_classes) / n_trials


def packet_sizes_to_draw(control: Responses) -> dict[str, int]:
    """How many units are drawn from an area's packets so that widths are at equal numbers.

    Half of the control's median packet, from `MIN_ACTIVE` to `MAX_DRAWN`.
    """
    decision = next(reversed(control.values())).min(axis=1, keepdims=True)
    return {area: int(np.clip(np.median((times < decision).sum(axis=1)) // 2, MIN_ACTIVE,
                              MAX_DRAWN)) for area, times in list(control.items())[:-1]}


def area_measures(responses: Responses, labels: np.ndarray, n_drawn: dict[str, int],
                  cell_types: dict[str, np.ndarray], areas: Sequence[str], seed: int = 0
                  ) -> list[dict]:
    """What areas do before the decision: activity, packet width, information gain.

    Trials without a decision are left out.

    Parameters
    ----------
    responses : dict of str to (trial, unit) float, ms
    labels : (trial,) int
    n_drawn : dict of str to int
        By `packet_sizes_to_draw`.
    cell_types : dict of str to (unit,) str
    areas : sequence of str
        Which of them.
    seed : int

    Returns
    -------
    list of dict
        A row per area and cell type: `active_fraction`; `shortest_half_equal_ms`, the width at
        equal numbers of spikes; `information_gain`, corrected, mean over units, and how many these
        are.
    """
    decision = next(reversed(responses.values())).min(axis=1)
    decided = np.isfinite(decision)
    rows = []
    for area in areas:
        times = responses[area][decided]
        latency = np.where(times < decision[decided, None], times, np.inf)
        active = np.isfinite(latency)
        gain = corrected_information_gain(active, labels[decided], seed)
        for cell_type in ("all", *np.unique(cell_types[area])):
            units = (cell_types[area] == cell_type) | (cell_type == "all")
            widths = equal_shortest_halves(latency[:, units], n_drawn[area], 1,
                                           np.random.default_rng(seed))
            rows.append({
                "area": area, "cell_type": cell_type, "n_trials": int(decided.sum()),
                "active_fraction": _mean(active[:, units]),
                "shortest_half_equal_ms": _mean(widths), "n_drawn": n_drawn[area],
                "information_gain": _mean(gain[units & np.isfinite(gain)]),
                "n_units_used": int(np.isfinite(gain[units]).sum()),
            })
    return rows


def _mean(values: np.ndarray) -> float:
    """The mean; nan of nothing."""
    values = np.asarray(values, dtype=float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
