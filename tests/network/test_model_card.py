"""The card of a model: what it says survives as plain values."""

import json

import pytest

from ephys_snn.errors import InputError
from ephys_snn.network import Initialization, ModelCard, TrainingData

FULL = ModelCard(
    seed=3, excitatory_fraction=0.75, initialization=Initialization(12.0, 0.4, 5, 80.5),
    untrained_sha256="ab", data=TrainingData("own", "own.npz", "/own.npz", (2, 3), "cd"),
    encoding={"early": 1.5, "late": 20.0, "background": "silent"}, classes=("ant", "bee"),
    training={"epochs": 2, "learning_rate": 0.05, "balance_classes": False},
    versions={"torch": "2.6"},
    history=({"epoch": 1, "loss": 0.5, "silent_fraction": {"layer_1": 0.25}},), trained=True,
    test_accuracy=0.9, test_accuracy_by_class={"ant": 0.9, "bee": None}, other={"remark": [1]})


@pytest.mark.parametrize("card", [ModelCard(), FULL, ModelCard(data=TrainingData("arrays"))])
def test_a_card_survives_as_plain_values(card):
    assert ModelCard.from_dictionary(json.loads(json.dumps(card.to_dictionary()))) == card


def test_plain_values_are_those_that_files_hold():
    values = FULL.to_dictionary()
    assert values["data"]["shape"] == [2, 3] and values["classes"] == ["ant", "bee"]
    assert values["initialization"] == {"net_weight": 12.0, "net_weight_cv": 0.4, "in_degree": 5,
                                        "spiking_inputs": 80.5}
    assert values["remark"] == [1] and "other" not in values
    assert ModelCard(seed=1).to_dictionary() == {
        "seed": 1, "dale_law": True, "history": [], "trained": False}


def test_what_a_card_does_not_know_is_kept():
    card = ModelCard.from_dictionary({"seed": 1, "mood": "good", "data": {"name": "own", "n": 3}})
    assert card.seed == 1 and card.other == {"mood": "good"} and card.data == TrainingData("own")
    assert card.to_dictionary()["mood"] == "good"


def test_impossible_values_are_refused():
    with pytest.raises(InputError, match="net weight must exceed"):
        ModelCard.from_dictionary({"initialization": {"net_weight": 1.0}})
    with pytest.raises(TypeError):
        ModelCard.from_dictionary({"initialization": {"colour": 1.0}})
