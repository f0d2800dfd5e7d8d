"""A study of networks from its config to its table, on the embedded digits."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from builders import CHECKOUT

from ephys_snn.study.network_measures import MEASURES

CONFIG = """\
data: digits
out: my study
seeds: [3, 4]
trials: 60
base: {hidden: [20, 20, 20], epochs: 3}
vary: {no-dale: [true]%s}
"""


def run_snakemake(folder):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", str(CHECKOUT / "pipelines" / "Networks"),
         "--configfile", "networks.yaml", "--cores", "2", "--keep-going"],
        cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_networks_are_made_failures_named_and_the_rest_compared(tmp_path):
    pytest.importorskip("snakemake", reason="the workflow needs the extra 'study'")
    out = tmp_path / "my study"
    (tmp_path / "networks.yaml").write_text(CONFIG % ", tau-s: [3]")
    status, said = run_snakemake(tmp_path)
    assert status != 0 and "4 of 6 networks trained and recorded, in 3 conditions" in said
    assert "note: tau-s=3, seed 4: train failed: error: " in said
    table = pd.read_csv(out / "networks.csv").set_index(["condition", "seed"])
    assert list(table.index) == [(name, seed) for name in ("base", "no-dale=true", "tau-s=3")
                                 for seed in (3, 4)]
    assert table.loc["tau-s=3", "accuracy"].isna().all()

    # The condition that cannot be is given up; nothing else is done again.
    (tmp_path / "networks.yaml").write_text(CONFIG % "")
    models = {path: path.stat().st_mtime_ns for path in out.glob("*/*/model.pt")}
    status, said = run_snakemake(tmp_path)
    assert status == 0, said
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/model.pt")} == models
    assert not list(out.glob("*/*/*.nix"))  # of 50 networks they would be many gigabytes
    table = pd.read_csv(out / "networks.csv", keep_default_na=False, na_values=[""])
    assert len(table) == 4 and (table["epochs"] == 3).all() and (table["n_trials"] == 60).all()
    shown = table.drop(columns=["note", "options", "model_sha256"]).set_index(["condition", "seed"])
    base, lawless = shown.loc["base"], shown.loc["no-dale=true"]
    assert (base["accuracy"] > base["untrained_accuracy"] + 0.2).all()
    for measure in MEASURES:
        columns = [column for column in shown if column.startswith(measure)]
        assert columns and base[columns].notna().all(axis=None), measure
    needs_types = [column for column in shown if "contrast" in column or "inhibition" in column
                   or "excitatory" in column or "lesion" in column or "preference" in column]
    assert needs_types and lawless[needs_types].isna().all(axis=None)
    assert lawless[["spreading_ratio", "averaging_gain_last", "information_gain_last",
                    "untrained_negative_mass_last"]].notna().all(axis=None)
    notes = table.set_index("condition")["note"]
    assert notes.loc["base"].isna().all()
    assert notes.loc["no-dale=true"].str.contains("no excitatory units").all()
    effects = pd.read_csv(out / "networks_effects.csv").set_index("measure")
    pair = shown["accuracy"].unstack("condition")
    assert effects.loc["accuracy", "difference"] == pytest.approx(
        (pair["no-dale=true"] - pair["base"]).mean(), abs=1e-5)
    assert effects.loc["accuracy", "n_pairs"] == 2 and (out / "networks.png").exists()
    about = json.loads((out / "networks.json").read_text())
    assert about["parameters"]["conditions"]["no-dale=true"].endswith("--no-dale")
    assert "no-dale=true, 2 pairs: changes" in said and about["summary"][1] in said
    assert "Nothing to be done" in run_snakemake(tmp_path)[1]


@pytest.mark.slow
def test_a_mistake_of_the_config_is_one_line(tmp_path):
    pytest.importorskip("snakemake", reason="the workflow needs the extra 'study'")
    (tmp_path / "networks.yaml").write_text("seeds: 2\nvary: {exitatory: [0.5]}\n")
    status, said = run_snakemake(tmp_path)
    assert status != 0 and "exitatory=0.5: unrecognized arguments" in said
    assert "Traceback" not in said
