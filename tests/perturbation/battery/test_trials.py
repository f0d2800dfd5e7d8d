"""The battery on a network: every perturbation, its matched sets, and nothing else in the way."""

import os

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.perturbation.battery import Experiment, planned_trials, run_battery

PLAN = [
    Experiment("pathways", "?", ("silence layer_2 pathway={class}",), matched=2),
    Experiment("silencing", "?", ("silence {hidden} of={0.3,1}", "jitter layer_1 sd=1"), draws=2),
    Experiment("again", "?", ("silence layer_1",), retrain=True),
]


def same(outcome, other):
    """Whether all rows hold the same values, unknown ones included."""
    return str(outcome) == str(other)


@pytest.fixture(scope="module")
def outcomes(subject):
    return list(run_battery(planned_trials(PLAN, subject), subject, seed=3))


def test_draws_are_of_what_is_random_and_sets_of_what_has_units(subject):
    trials = planned_trials(PLAN, subject)
    counted = {}
    for trial in trials:
        key = trial.operation.words, trial.is_matched
        counted[key] = counted.get(key, 0) + 1
    assert counted == {
        **{(f"silence layer_2 pathway={name}", matched): 1 + matched
           for name in subject.reference.classes for matched in (False, True)},
        **{(f"silence {area} of=0.3", False): 2 for area in ("layer_1", "layer_2")},
        **{(f"silence {area} of=1", False): 1 for area in ("layer_1", "layer_2")},
        ("jitter layer_1 sd=1", False): 2}
    assert [trial.operation.words for trial in planned_trials(PLAN, subject, retrain=True)] \
        == ["silence layer_1"]


def test_draws_are_different_ones(outcomes):
    rows = [one.row for one in outcomes]
    for words in ("silence layer_1 of=0.3", "jitter layer_1 sd=1"):
        first, second = (row for row in rows if row["perturbation"] == words)
        assert first["decision_change_ms"] != second["decision_change_ms"]
    sets = [row["activity"] for row in rows if row["control"] == "random"]
    assert len(set(sets)) > 3  # of three classes, two each


def test_an_outcome_does_not_depend_on_what_else_is_tried(subject, outcomes):
    trials = planned_trials(PLAN, subject)
    alone = list(run_battery(trials[::-3], subject, seed=3))
    assert all(same(one, other) for one, other in zip(alone, outcomes[::-3], strict=True))
    other_seed = list(run_battery(trials, subject, seed=4))
    assert not all(same(one, other) for one, other in zip(other_seed, outcomes, strict=True))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_outcome_does_not_depend_on_the_number_of_threads(subject, outcomes, n_threads,
                                                             monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: n_threads)
    again = run_battery(planned_trials(PLAN, subject), subject, seed=3)
    assert all(same(one, other) for one, other in zip(again, outcomes, strict=True))


def test_matched_sets_have_the_number_of_units_and_their_own_draw(outcomes):
    rows = [one.row for one in outcomes if one.row["experiment"] == "pathways"]
    for words in {row["perturbation"] for row in rows}:
        of_words = [row for row in rows if row["perturbation"] == words]
        assert len({row["n_units"] for row in of_words}) == 1
        assert [(row["control"], row["replicate"]) for row in of_words] \
            == [("none", 0), ("random", 0), ("random", 1)]


def test_sets_that_there_are_no_units_for_are_rows_with_the_reason(subject):
    plan = [Experiment("all", "?", ("silence layer_2",), matched=1)]
    whole, matched = (one.row for one in run_battery(planned_trials(plan, subject), subject))
    assert whole["accuracy"] >= 0 and not whole["note"]
    assert matched["note"].startswith("layer_2 has only 0 other") and "accuracy" not in matched


def test_areas_are_measured_where_no_class_is_aimed_at(outcomes, subject):
    for one in outcomes:
        measured = {row["area"] for row in one.by_area}
        assert measured == (set() if one.row["target_class"] else {"layer_1", "layer_2"})
        assert [row["class"] for row in one.by_class] == list(subject.reference.classes)


def test_the_first_trials_may_lack_the_class_that_is_aimed_at(make_subject, network, thirds):
    few = make_subject(network, thirds, 1)  # of class b
    plan = [Experiment("pathways", "?", ("silence layer_2 pathway=c",))]
    (one,) = run_battery(planned_trials(plan, few), few)
    assert np.isnan(one.row["change_own_class"]) and one.row["n_trials"] == 1
    assert [row["n_trials"] for row in one.by_class] == [0, 1, 0]


def test_matched_sets_of_outputs_are_a_mistake(subject):
    with pytest.raises(InputError, match="no matched sets"):
        planned_trials([Experiment("x", "?", ("silence output",), matched=1)], subject)
