"""Which rows are courses over doses, lesions of pathways and so on, whatever the plan."""

import pandas as pd
import pytest
from perturbation.battery.made_up import made_up_tables

from ephys_snn.perturbation.battery.kinds import kinds
from ephys_snn.perturbation.battery.plan import Experiment, read_plan
from ephys_snn.perturbation.battery.retraining import RETRAINED

HIDDEN, CLASSES = ("layer_1", "layer_2"), ("a", "b")


def kinds_of(*perturb: str, matched: int = 0) -> list[str]:
    """The kinds of an experiment's rows by `none`, in the order of its perturbations."""
    plan = [Experiment("mine", "why?", perturb, matched=matched)]
    rows = made_up_tables(plan, HIDDEN, CLASSES)["perturbations"]
    found = kinds(rows)[rows["control"] == "none"]
    return found.groupby(rows["perturbation"], sort=False).first().tolist()


def test_the_default_plan_has_a_kind_for_each_experiment():
    plan = [one for one in read_plan(None) if not one.retrain]
    rows = made_up_tables(plan, HIDDEN, CLASSES)["perturbations"]
    found = kinds(rows).groupby(rows["experiment"], sort=False).unique()
    assert {name: list(each) for name, each in found.items()} == {
        "silencing": ["silencing"], "pathways": ["pathways"], "selectivity": ["selectivity"],
        "packets": ["doses"], "robustness": ["doses"]}


@pytest.mark.parametrize("perturb, expected", [
    (["silence layer_1"], ["other"]),  # one dose is no course
    (["silence layer_1 of={0.5,1}"], ["silencing"] * 2),
    (["silence all of={0.5,1}"], ["doses"] * 2),
    (["silence layer_1 units=0-9 of={0.5,1}"], ["other"] * 2),  # not of all the layer's units
    (["jitter layer_1 of=0.5 sd={1,2}"], ["other"] * 2),
    (["jitter layer_1 sd={1,2}", "shuffle layer_1"], ["doses"] * 3),
    (["shuffle layer_1"], ["other"]),  # without any course beside it
    (["silence layer_1 of={0.5,1}", "shuffle layer_1"], ["silencing"] * 2 + ["other"]),
    (["jitter layer_1 sd={1,2}", "cut layer_1 inhibitory onto layer_2"], ["doses"] * 2 + ["other"]),
    (["silence layer_1 pathway={class}"], ["pathways"] * 2),
    (["jitter layer_1 pathway={class} sd={1,2}"], ["other"] * 4),  # not one lesion per class
])
def test_kinds_of_a_users_plan(perturb, expected):
    assert kinds_of(*perturb) == expected


def test_matched_sets_and_wrong_classes_are_of_the_kind_of_their_lesions():
    plan = [Experiment("mine", "why?", ("silence layer_1 pathway={class}",), matched=2)]
    rows = made_up_tables(plan, HIDDEN, CLASSES)["perturbations"]
    assert {"wrong_class", "random", "untrained_random"} <= set(rows["control"])
    assert set(kinds(rows)) == {"pathways"}


def test_networks_that_learned_again():
    plan = [Experiment("mine", "why?", ("silence layer_1",)),
            Experiment("other", "why?", ("silence layer_1",))]
    rows = made_up_tables(plan, HIDDEN, CLASSES, twin=False)["perturbations"]
    again = rows[rows["experiment"] == "mine"].assign(control=RETRAINED)
    rows = pd.concat([rows, again], ignore_index=True)
    assert set(kinds(rows)[rows["experiment"] == "mine"]) == {"retraining"}
    assert set(kinds(rows)[rows["experiment"] == "other"]) == {"other"}
