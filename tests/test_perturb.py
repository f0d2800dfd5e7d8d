"""The command perturb: what is tried, what is written, and what a user gets wrong."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ephys_snn.network import Network
from ephys_snn.perturb import main

PLAN = """
silencing:
  question: Which cells are needed?
  perturb:
    - silence {hidden} {excitatory,inhibitory} of={0.5,1}
  draws: 2
pathways:
  question: Do pathways cause decisions?
  perturb: silence layer_2 pathway={class}
  matched: 3
"""


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"target_class": str}, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network that was trained for two epochs on the digits."""
    from ephys_snn.train import main as train

    path = tmp_path_factory.mktemp("model") / "digits.pt"
    assert train(["--data", "digits", "--hidden", "24", "20", "--epochs", "2", "--seed", "3",
                  "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def plan(model):
    path = model.with_name("plan.yaml")
    path.write_text(PLAN)
    return path


@pytest.fixture(scope="module")
def results(model, plan):
    out = model.with_name("results")
    assert main([str(model), "--plan", str(plan), "--out", str(out), "--trials", "120",
                 "--quiet"]) == 0
    return out


def test_every_perturbation_stands_beside_its_controls(results):
    table = read(results / "perturbations.csv")
    pathways = table[table["experiment"] == "pathways"]
    assert pathways["control"].value_counts().to_dict() == {
        "none": 10, "random": 30, "untrained": 10, "untrained_random": 30, "wrong_class": 90}
    silencing = table[table["experiment"] == "silencing"]
    # Half of the units are drawn twice; all of them are always the same.
    assert silencing.groupby(["control", "dose"]).size().to_dict() == {
        ("none", 0.5): 8, ("none", 1.0): 4, ("untrained", 0.5): 8, ("untrained", 1.0): 4}


def test_an_accuracy_is_what_the_network_without_these_units_has(model, results):
    network = Network.load(model)
    table = read(results / "perturbations.csv")
    row = table[(table["perturbation"] == "silence layer_1 inhibitory")
                & (table["control"] == "none")]
    row = row if len(row) else table[(table["perturbation"] == "silence layer_1 inhibitory of=1")
                                     & (table["control"] == "none")]
    from ephys_snn.stimuli import load_stimuli

    times, labels = load_stimuli("digits").part("test")
    network.weights[1].data[network.cell_types[0] == "inhibitory"] = 0
    decided = network.decision(network(times[:120])[-1]).numpy()
    assert row["accuracy"].item() == pytest.approx((decided == labels[:120]).mean(), abs=1e-6)
    assert row["n_units"].item() == (network.cell_types[0] == "inhibitory").sum()


def test_the_json_tells_what_was_done(model, results):
    told = json.loads((results / "perturbations.json").read_text())
    assert told["networks"]["digits"]["sha256"] == Network.load(model).sha256()
    assert told["parameters"]["plan"]["pathways"]["matched"] == 3
    assert told["parameters"]["trials"] == 120
    assert {"torch", "numba", "ephys_snn"} <= set(told["versions"])


def test_the_same_seed_gives_the_same_tables(model, plan, results, tmp_path):
    assert main([str(model), "--plan", str(plan), "--out", str(tmp_path), "--trials", "120",
                 "--quiet"]) == 0
    for table in sorted(results.glob("*.csv")):
        assert (tmp_path / table.name).read_bytes() == table.read_bytes(), table.name


def test_several_networks_have_means_over_networks(model, plan, tmp_path):
    from ephys_snn.train import main as train

    other = tmp_path / "other.pt"
    assert train(["--data", "digits", "--hidden", "24", "20", "--epochs", "1", "--seed", "4",
                  "--out", str(other)]) == 0
    assert main([str(model), str(other), "--plan", str(plan), "--out", str(tmp_path), "--quiet",
                 "--trials", "60", "--no-untrained"]) == 0
    table = read(tmp_path / "perturbations.csv")
    means = read(tmp_path / "perturbations_networks.csv")
    assert set(table["network"]) == {"digits", "other"}
    assert set(table["control"]) == {"none", "random", "wrong_class"}
    words = "silence layer_1 excitatory of=0.5"
    of_network = table[table["perturbation"] == words].groupby("network")["accuracy"].mean()
    row = means[means["perturbation"] == words]
    assert row["accuracy"].item() == pytest.approx(of_network.mean(), abs=1e-5)
    assert row["n_networks"].item() == 2 and np.isnan(row["accuracy_low"].item())


def test_a_network_learns_again_beside_the_acute_lesion(model, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("again: {perturb: silence layer_2 excitatory of=0.5, retrain: true}")
    assert main([str(model), "--plan", str(plan), "--out", str(tmp_path), "--trials", "100",
                 "--retrain", "2", "--no-untrained", "--quiet"]) == 0
    accuracy = read(tmp_path / "perturbations.csv").set_index("control")["accuracy"]
    assert set(accuracy.index) == {"none", "retrained", "retrained_intact"}
    assert accuracy["retrained"] > accuracy["none"]
    assert (tmp_path / "perturb_again.png").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT of POSIX")
def test_what_is_done_when_it_is_stopped_is_kept(model, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "ephys_snn.perturb", str(model), "--out", str(tmp_path)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    shown = b""
    while not re.search(rb"perturbations:.* [1-9]\d*/\d+ \[", shown):
        shown += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    told = process.stderr.read().decode()
    assert process.wait() == 130
    assert "Traceback" not in told and "stopped after" in told
    assert len(read(tmp_path / "perturbations.csv"))


@pytest.mark.parametrize("plan_text, complaint", [
    ("silencing: [silence layer_1]", "must have the key perturb"),
    ("a: {perturb: silence layer_9}", "there is no area 'layer_9'"),
    ("a: {perturb: destroy layer_1}", "the operations are"),
    ("a: {perturb: 'silence {hiden}'}", "{hiden} must be"),
    ("a: {perturb: silence layer_1 pathway=x}", "there is no class 'x'"),
    ("a: {perturb: silence layer_1, draws: 0}", "draws must be a whole number"),
    ("a: {perturb: silence layer_1, matched: 0.5}", "matched must be a whole number"),
    ("a: {perturb: silence layer_1, doses: 3}", "has the key doses"),
    ("a: {perturb: [1, 2]}", "must be a list of perturbations"),
    ("a: {perturb: silence output}", None),
    ("a: {perturb: weights bits=4, matched: 2}", "no matched sets"),
    ("a: {perturb: silence layer_1, retrain: true}", "--retrain EPOCHS"),
    ("a b: {perturb: silence layer_1}", "must be a word"),
    ("a: {perturb: [", "no YAML"),
    ("", "must hold experiments"),
    ("3", "must hold experiments"),
])
def test_a_wrong_plan_is_one_line(model, tmp_path, capsys, plan_text, complaint):
    path = tmp_path / "plan.yaml"
    path.write_text(plan_text)
    status = main([str(model), "--plan", str(path), "--out", str(tmp_path / "out"), "--quiet",
                   "--trials", "20"])
    told = capsys.readouterr().err
    if complaint is None:
        assert status == 0
    else:
        assert status == 2 and told.count("\n") == 1 and complaint in told


@pytest.mark.parametrize("arguments, complaint", [
    (["MODEL"], "--out"),
    (["MODEL", "MODEL", "--out", "OUT"], "named twice"),
    (["MODEL", "--out", "OUT", "--plan", "nowhere.yaml"], "nowhere.yaml"),
    (["nowhere.pt", "--out", "OUT"], "nowhere.pt"),
    (["MODEL", "--out", "OUT", "--trials", "0"], "--trials"),
    (["MODEL", "--out", "OUT", "--data", "nowhere.npz"], "nowhere.npz"),
    (["MODEL", "--out", "MODEL"], "--out"),
])
def test_a_wrong_option_is_one_line(model, tmp_path, capsys, arguments, complaint):
    given = [{"MODEL": str(model), "OUT": str(tmp_path / "out")}.get(word, word)
             for word in arguments]
    assert main(given) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and complaint in told


def test_the_default_plan_can_be_printed(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--show-plan"])
    assert not stopped.value.code and "silencing:" in capsys.readouterr().out
