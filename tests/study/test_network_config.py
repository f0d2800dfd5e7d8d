"""A study of networks: conditions, seeds, and mistakes of its config."""

import itertools

import pytest
import yaml
from builders import CHECKOUT

from ephys_snn.errors import InputError
from ephys_snn.perturbation.battery import read_plan
from ephys_snn.study.network_config import read_network_study
from ephys_snn.train import parser

CONFIG = {"base": {"hidden": [20, 20], "epochs": 3}, "vary": {"excitatory": [0.5, 0.9]},
          "seeds": 2}


def read(**changes):
    return read_network_study({**CONFIG, **changes}, parser())


def test_each_value_is_a_condition_beside_the_base():
    study = read(vary={"excitatory": [0.5, 0.9], "no_dale": [True], "hidden": [[30], [20, 30, 30]]},
                 seeds=[4, 7], data="own.npz", trials=50, out="here")
    assert {name: " ".join(each.options) for name, each in study.conditions.items()} == {
        "base": "--hidden 20 20 --epochs 3",
        "excitatory=0.5": "--hidden 20 20 --epochs 3 --excitatory 0.5",
        "excitatory=0.9": "--hidden 20 20 --epochs 3 --excitatory 0.9",
        "no-dale=true": "--hidden 20 20 --epochs 3 --no-dale",
        "hidden=30": "--hidden 30 --epochs 3",
        "hidden=20-2x30": "--hidden 20 30 30 --epochs 3"}
    assert study.conditions["base"].values == {
        "excitatory": "0.75", "no_dale": "false", "hidden": "2x20"}
    assert (study.seeds, study.trials, study.data) == ((4, 7), 50, ("--data", "own.npz"))
    assert len(study.folders) == 12
    assert str(study.folders["no-dale=true", 7]) == "here/no-dale=true/seed_7"


def test_crossed_axes_give_every_pair_of_values_and_the_base():
    values = {"excitatory": [0.5, 0.9], "jitter": [0, 1, 2]}
    study = read(vary=values, design="crossed")
    assert list(study.conditions) == ["base", *(
        f"excitatory={e},jitter={j}" for e, j in itertools.product(*values.values()))]


def test_a_value_of_the_base_is_the_base():
    """Also where the base has it by default, and a value that is given twice."""
    study = read(vary={"excitatory": [0.75, 0.5, 0.5], "hidden": [[20, 20]]})
    assert list(study.conditions) == ["base", "excitatory=0.5"]


def test_names_can_be_folders():
    study = read(vary={"classes": ["a/b c,d"]})
    assert list(study.conditions)[1] == "classes=a_b_c,d"


def test_the_plan_lesions_the_last_layer_and_silences_the_inhibition_of_all(tmp_path):
    condition = read(vary={"hidden": [[20, 20, 20]]}).conditions["hidden=3x20"]
    (tmp_path / "plan.yaml").write_text(condition.plan)
    pathways, inhibition = read_plan(tmp_path / "plan.yaml")
    hidden = ["layer_1", "layer_2", "layer_3"]
    assert [each.words for each in pathways.operations(hidden, ["x"])] == [
        "silence layer_3 pathway=x"]
    assert len(inhibition.operations(hidden, ["x"])) == 3


@pytest.mark.parametrize("changes, message", [
    ({"sedes": 3}, "the config has sedes; it may have base, vary"),
    ({"vary": {}}, "vary names no value beside those of base"),
    ({"vary": {"excitatory": [0.75]}}, "vary names no value beside those of base"),
    ({"vary": {"excitatory": 0.5}}, "vary: excitatory must be a list of values; got 0.5"),
    ({"vary": {"excitatory": []}}, "vary: excitatory must be a list of values"),
    ({"vary": ["excitatory"]}, "vary must hold options of training, NAME: VALUE"),
    ({"vary": {"exitatory": [0.5]}}, "exitatory=0.5: unrecognized arguments: --exitatory 0.5"),
    ({"vary": {"hidden": [["many"]]}}, "hidden=many: argument --hidden: invalid int value"),
    ({"base": {"seed": 3}}, "base: the study itself sets seed; leave it out"),
    ({"base": {"data": "mnist"}}, "base: the study itself sets data"),
    ({"base": "--epochs 3"}, "base must hold options of training"),
    ({"vary": {"classes": ["a b", "a/b"]}}, "two conditions would be called classes=a_b"),
    ({"design": "nested"}, "design must be one_at_a_time or crossed; got nested"),
    ({"seeds": 0}, "seeds must be how many"),
    ({"seeds": True}, "seeds must be how many"),
    ({"seeds": [1, 1]}, "seeds must be how many"),
    ({"seeds": [0.5]}, "seeds must be how many"),
    ({"seeds": [-1]}, "seeds must be how many"),
    ({"trials": 5}, "trials must be a whole number, at least 10; got 5"),
    ({"trials": "all"}, "trials must be a whole number"),
])
def test_a_config_that_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        read(**changes)


def test_the_shipped_config_is_one():
    text = (CHECKOUT / "pipelines" / "networks.yaml").read_text(encoding="utf-8")
    study = read_network_study(yaml.safe_load(text), parser())
    assert len(study.folders) == 3 * len(study.conditions) >= 45
