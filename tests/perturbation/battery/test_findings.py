"""Sentences of a battery say what was planted, and what could not be computed."""

import numpy as np
import pandas as pd
import pytest
from perturbation.battery.made_up import made_up_tables

from ephys_snn.perturbation.battery.findings import battery_findings
from ephys_snn.perturbation.battery.limitations import battery_limitations
from ephys_snn.perturbation.battery.plan import Experiment
from ephys_snn.perturbation.battery.retraining import RETRAINED

HIDDEN, CLASSES = ("layer_1", "layer_2"), ("a", "b", "c")
AREAS = ("input", *HIDDEN, "output")


def found(perturb, effect, draws=1, matched=0, networks=("net",), classes=CLASSES, **options
          ) -> str:
    plan = [Experiment("mine", "why?", (perturb,) if isinstance(perturb, str) else perturb, draws,
                       matched)]
    tables = made_up_tables(plan, HIDDEN, classes, effect, networks, **options)
    return "\n".join(battery_findings(tables, AREAS))


def test_the_intact_network_comes_first_and_says_what_intervals_are_over():
    first = found("silence layer_1", lambda *_: {"change": -0.2}).splitlines()[0]
    assert "decides 90.0% of 1,000 trials right" in first and "this network alone" in first
    first = found("silence layer_1", lambda *_: {}, networks=["x", "y"]).splitlines()[0]
    assert "2 intact networks" in first and "range over networks" in first


def test_silencing_names_the_layer_that_is_needed_and_how_much_of_it():
    def effect(operation, is_trained, *_):
        needed = operation.target.area == "layer_1" and is_trained
        return {"change": -0.4 * operation.dose[0] if needed else 0.0, "decision": -0.5}

    text = found("silence {hidden} inhibitory of={0.1,0.2,0.5,1}", effect)
    assert "Without all inhibitory units, accuracy changes by: layer_1 -0.400 [-0.410, -0.390] " \
        "(decision -0.50 ms), layer_2 0.000" in text
    # 0.9 of 0.9 is a loss of 0.09, more than that of a fifth and less than that of a half
    assert "up to this part of the inhibitory units: layer_1 20%, layer_2 all." in text
    assert "The untrained twin decides 10.0% right intact, and 10.0% to 10.0%" in text
    assert "layer_2 has (information gain about the class 0.60 and packets 0.60 ms wide intact): " \
        "layer_1 0.50 and 0.50 ms" in text


def test_pathways_beside_matched_sets_and_the_twin():
    def effect(operation, is_trained, is_matched, draw):
        own = -0.9 if is_trained and not is_matched else -0.002 * draw
        return {"own": own, "change": 0.01}

    text = found("silence {hidden} pathway={class}", effect, matched=20)
    assert "layer_2 -0.900 and +0.010" in text
    assert "layer_1 -0.019 (20 sets for every class, p = 0.12)" in text  # mean of 0 to 19; 2^-3
    # In the twin a lesion does what the first matched set does, which is less than the others do.
    assert "layer_1 0.000 and -0.019 (p = 1)" in text


def test_pathways_of_several_networks_count_those_beyond_matched_sets():
    def effect(operation, is_trained, is_matched, draw):
        return {"own": -0.5 if is_trained and not is_matched else 0.0}

    text = found("silence layer_1 pathway={class}", effect, matched=20, networks=list("vwxyz"),
                 classes=list("abcde"))
    assert "layer_1 -0.500 [-0.500, -0.500]" in text and "p ≤ 0.05 in 5 of 5 networks" in text


def test_selectivity_says_how_many_groups_matter_at_all():
    def effect(operation, is_trained, is_matched, draw):
        return {"change": -0.05 if operation.dose[0] < 0.2 and not is_matched else 0.0}

    groups = ",".join(f"{low / 10:g}-{(low + 2) / 10:g}" for low in range(0, 10, 2))
    text = found(f"silence layer_1 excitatory selective={{{groups}}}", effect, matched=1)
    assert "the largest loss is -0.050 [-0.060, -0.040]" in text
    assert "below 0 for 1 of 5 groups" in text
    assert "layer_1 +0.71 and unknown" in text  # Spearman's of one group before four equal ones
    assert "there is no p" in text


def test_packets_and_robustness_say_what_costs_less_than_a_hundredth():
    def effect(operation, is_trained, *_):
        dose, unit = operation.dose
        if operation.name == "shuffle":
            return {"change": -0.07 if operation.target.area == "layer_1" else 0.0}
        if unit == "bits":
            return {"change": -0.5 if dose < 5 else 0.0}
        least = {"layer_1": 1, "layer_2": 10}[operation.target.area]
        return {"change": -0.3 if dose > least else -0.009}

    text = found(("jitter {hidden} sd={0.3w,1w,3w,10w,30w}", "shuffle {hidden}",
                  "weights all bits={3,4,5,6}"), effect, draws=2)
    assert "jitter (packet widths): layer_1 1 (at 3 -0.300 [-0.310, -0.290]), layer_2 10 (" in text
    assert "shuffle (no dose): layer_1 -0.070" in text
    assert "weights (bits): all layers 5 (at 3 -0.500" in text


def test_retraining_gives_the_acute_effect_first():
    plan = [Experiment("mine", "why?", ("silence {hidden} inhibitory",))]
    tables = made_up_tables(plan, HIDDEN, CLASSES, lambda *_: {"change": -0.3}, twin=False)
    acute = tables["perturbations"]
    again = acute.assign(control=RETRAINED, change=-0.05, low=-0.06, high=-0.04)
    intact = again.iloc[:1].assign(control="retrained_intact", perturbation="control", change=0.01)
    tables = {"perturbations": pd.concat([intact, acute, again], ignore_index=True)}
    text = "\n".join(battery_findings(tables, AREAS))
    assert "silence layer_2 inhibitory: -0.300 [-0.310, -0.290], then -0.050 [-0.060, -0.040]" \
        in text
    assert "the intact network changes by +0.010" in text


def test_other_plans_name_the_largest_changes():
    def effect(operation, is_trained, is_matched, draw):
        return {"change": 0.0 if is_matched else -0.01 * operation.target.units[0]}

    text = found("silence layer_1 units={0,1,2,3,4,5,6,7,8,9,10,11}", effect, matched=2)
    assert "the 10 largest of 12" in text
    assert "silence layer_1 units=11: -0.110 [-0.120, -0.100], of matched sets 0.000." in text
    assert "units=1:" not in text


def test_what_could_not_be_tried_is_a_limit():
    plan = [Experiment("mine", "why?", ("silence layer_1 pathway={class}",), matched=3)]
    tables = made_up_tables(plan, HIDDEN, CLASSES, twin=False)
    rows = tables["perturbations"]
    empty = rows["target_class"] == "b"
    rows.loc[empty, ["accuracy", "change", "undecided"]] = np.nan
    rows.loc[empty, "note"] = "no unit of layer_1 is in the target"
    rows.loc[rows["target_class"] == "c", "undecided"] = 1.0
    tables["perturbations_by_class"].loc[0, "n_trials"] = 0
    said = battery_limitations(tables)
    assert len([line for line in said if "no unit of layer_1" in line]) == 1
    assert any("no untrained twin" in line for line in said)
    assert any("decides in no trial under silence layer_1 pathway=c:" in line for line in said)
    assert any("pathways of 3 classes no p can be below 0.12" in line for line in said)
    assert any("no trial is of class a" in line for line in said)
    rows["accuracy"] = np.nan
    assert battery_findings(tables, AREAS) == ["No perturbation could be tried; the notes say why."]


@pytest.mark.parametrize("matched, twin", [(20, True), (0, True)])
def test_a_full_battery_is_limited_by_the_want_of_sets_alone(matched, twin):
    plan = [Experiment("mine", "why?", ("silence layer_1 pathway={class}",), matched=matched)]
    said = battery_limitations(made_up_tables(plan, HIDDEN, list("abcde"), twin=twin))
    assert said == ([] if matched else
                    ["no matched sets were tried beside the lesions of pathways, so there is no p"])
