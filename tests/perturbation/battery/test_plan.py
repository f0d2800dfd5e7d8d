"""Plans: what braces stand for, and what is wrong with a plan in one line."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.perturbation.battery.plan import Experiment, default_plan, expand, read_plan

WORD = st.text("abcxyz019=_- ", max_size=6)
OPTIONS = st.lists(st.text("abc019=", min_size=1, max_size=4), min_size=2, max_size=4)


@given(st.lists(st.tuples(WORD, OPTIONS), max_size=3), WORD)
def test_every_choice_is_made_once_in_order(parts, end):
    pattern = "".join(f"{text}{{{','.join(options)}}}" for text, options in parts) + end
    expected = ["".join(text + choice for (text, _), choice in zip(parts, chosen, strict=True))
                + end for chosen in product(*(options for _, options in parts))]
    assert expand(pattern, {}) == expected


def test_names_stand_for_their_values_even_if_these_are_one_or_none():
    values = {"hidden": ["layer_1"], "class": ["lying_down", "b"]}
    assert expand("silence {hidden} pathway={class}", values) \
        == ["silence layer_1 pathway=lying_down", "silence layer_1 pathway=b"]


@pytest.mark.parametrize("pattern", ["silence {hidden", "silence hidden}", "a {b,{c,d}}", "{}",
                                     "{one}", "silence {hiden}"])
def test_braces_that_stand_for_nothing_are_mistakes(pattern):
    with pytest.raises(InputError) as error:
        expand(pattern, {"hidden": ["layer_1"]})
    assert pattern in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("n_hidden", [1, 2, 4, 16])
def test_the_default_plan_is_one_for_every_depth(n_hidden):
    hidden = [f"layer_{depth}" for depth in range(1, n_hidden + 1)]
    classes = ["lying down", "sitting", "up and  away"]
    plan = {one.name: one.operations(hidden, classes) for one in read_plan(None)}
    assert {len(plan["silencing"]), len(plan["pathways"])} == {n_hidden * 12, n_hidden * 3}
    words = [operation.words for operations in plan.values() for operation in operations]
    assert len(set(words)) == len(words)
    assert f"silence {hidden[-1]} pathway=up_and_away" in words
    assert {one.name for one in read_plan(None) if one.retrain} == {"retraining"}


def test_a_file_with_the_default_plan_is_the_default_plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(default_plan(), "utf-8")
    assert read_plan(path) == read_plan(None)


def test_what_is_left_out_has_its_default(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("mine: {perturb: silence layer_1}")
    assert read_plan(path) == [Experiment("mine", "mine", ("silence layer_1",))]


@pytest.mark.parametrize("text, complaint", [
    ("a: {perturb: x, retrain: maybe}", "retrain must be true or false; got maybe"),
    ("a: {perturb: x, retrain: true, matched: 3}", "no matched sets where networks learn again"),
    ("a: {perturb: x, matched: -1}", "matched must be a whole number, at least 0; got -1"),
    ("a: {perturb: x, draws: true}", "draws must be a whole number, at least 1; got True"),
    ("a: {perturb: []}", "perturb must be a list of perturbations"),
    ("a: {perturb: }", "perturb must be a list of perturbations"),
    ("a: x", "must have the key perturb"),
    ("[1, 2]", "must hold experiments"),
    ("a: {perturb: x\nb: 3", "is no YAML file, line 2"),
    ("a: {perturb: x, 3: 4}", "has the key 3"),
])
def test_mistakes_name_the_file_and_the_experiment(tmp_path, text, complaint):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_plan(path)
    assert str(path) in str(error.value) and complaint in str(error.value)


def test_a_file_that_is_no_text_is_no_plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no YAML file"):
        read_plan(path)
    with pytest.raises(InputError, match="No such file"):
        read_plan(tmp_path / "nowhere.yaml")
