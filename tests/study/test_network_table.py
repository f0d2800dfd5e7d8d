"""A row per network from the results in its folder, whatever is missing there."""

import json

import numpy as np
import pandas as pd
import pytest
from builders import recording_of_layers
from study.claim_tables import hidden_layers, widths

from ephys_snn.study import network_table
from ephys_snn.study.network_config import Condition, NetworkStudy


@pytest.fixture
def study(tmp_path):
    """Two conditions of one seed, of which nothing has been run."""
    conditions = {"base": Condition("base", ("--epochs", "3"), {"jitter": ""}, 2),
                  "jitter=0": Condition("jitter=0", ("--epochs", "3", "--jitter", "0"),
                                        {"jitter": "0"}, 2)}
    return NetworkStudy(conditions, (5,), 100, (), tmp_path)


def finish(folder, accuracy=0.9, steps=network_table.STEPS):
    """Leave what every step leaves."""
    for result in steps.values():
        (folder / result).parent.mkdir(parents=True, exist_ok=True)
        (folder / result).write_text("{}")
    for twin, correct in (("trained", accuracy), ("untrained", 0.1)):
        (folder / twin / network_table.DECISIONS).write_text(json.dumps({
            "accuracy": correct, "undecided": 0.0, "decision_ms": None, "n_trials": 100,
            "model_sha256": "abc", "training": {"epochs": 3, "jitter": 2.0}}))
        widths(input=1.0, **hidden_layers([2.0, 0.5])).to_csv(folder / twin / "synchrony.csv")
    pd.DataFrame({"area": "layer_1", "cell_type": "all", "value": 0.3, "untrained": 0.6,
                  "measure": ["averaging_gain", "negative_mass"]}).to_csv(
        folder / "mechanism" / "mechanism.csv")


def test_a_row_has_options_measures_and_those_of_the_twin_beside(study):
    for folder in study.folders.values():
        finish(folder)
    table = network_table.collect_networks(study)
    assert table["condition"].tolist() == ["base", "jitter=0"]
    assert table["jitter"].tolist() == [2.0, "0"]  # what training chose, and what was said
    assert table["options"].tolist() == ["--epochs 3", "--epochs 3 --jitter 0"]
    row = table.iloc[0]
    assert (row["seed"], row["epochs"], row["n_trials"]) == (5, 3, 100)
    assert (row["accuracy"], row["untrained_accuracy"]) == (0.9, 0.1)
    assert (row["spreading_ratio"], row["untrained_convergence_ratio"]) == (2.0, 0.25)
    assert (row["negative_mass_last"], row["untrained_negative_mass_last"]) == (0.3, 0.6)
    assert np.isnan(row["decision_ms"]) and row["note"] == "decision_ms: no trial has a decision"
    assert list(table).index("accuracy") < list(table).index("untrained_accuracy")
    assert list(table)[-1] == "note"


def test_steps_that_failed_or_were_not_run_are_named(study):
    base, other = study.folders.values()
    finish(base)
    (base / network_table.STEPS["perturb"]).unlink()
    (base / "perturb.log").write_text("perturbing:  0%|\rperturbing:  9%|\nerror: no disk\n\n")
    other.mkdir(parents=True)
    (other / "train.log").write_text("a step\n 3%|\r 6%|\rstopped, go on with\n  python -m x\n")
    table = network_table.collect_networks(study)
    assert table["note"].str.split("; ").str[0].tolist() == [
        "perturb failed: error: no disk", "train failed: stopped, go on with python -m x"]
    assert table["accuracy"].tolist()[0] == 0.9 and np.isnan(table["accuracy"].tolist()[1])
    (other / "train.log").unlink()
    assert network_table.collect_networks(study)["note"][1].startswith("train has not been run")


def test_decisions_are_counted_by_hand(tmp_path):
    label = np.array(["0", "1", "0", "1"])
    output = np.array([[0.1, 0.2], [0.3, 0.5], [np.inf, np.inf], [0.8, 0.4]])
    recording = recording_of_layers({"input": np.full((4, 3), 0.05), "output": output}, label,
                                    decisions=output)
    recording.annotations.update(settings={"training": {"epochs": 7}}, model_sha256="abc",
                                 classes=["0", "1"])
    recording.write(tmp_path / "r.nix")
    network_table.write_decisions(tmp_path / "r.nix", tmp_path / "d.json")
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["undecided"] == 0.25 and found["n_trials"] == 4
    assert found["accuracy"] == 0.5  # right, wrong, undecided, right
    assert found["decision_ms"] == pytest.approx((1 + 3 + 4) / 3)
    assert found["training"] == {"epochs": 7} and found["model_sha256"] == "abc"


def test_the_table_is_what_pandas_reads_back(study, tmp_path):
    finish(study.folders["base", 5])
    table = network_table.collect_networks(study)
    table.to_csv(tmp_path / "networks.csv", index=False)
    again = pd.read_csv(tmp_path / "networks.csv")
    assert list(again) == list(table) and len(again) == 2
