"""The command mechanism."""

import json

import pandas as pd
import pytest

from ephys_snn.mechanism import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from ephys_snn.train import main as train

    path = tmp_path_factory.mktemp("model") / "digits.pt"
    assert train(["--data", "digits", "--hidden", "24", "20", "--epochs", "2", "--out",
                  str(path)]) == 0
    return path


def test_it_writes_tables_a_figure_and_sentences(model, tmp_path, capsys):
    assert main([str(model), "--out", str(tmp_path), "--trials", "30"]) == 0
    told = capsys.readouterr()
    assert "averaging gain" in told.out and "as averaging predicts" in told.out
    assert "one network" in told.err
    assert (tmp_path / "mechanism.png").stat().st_size > 10_000
    table = pd.read_csv(tmp_path / "mechanism.csv")
    assert set(table["area"]) == {"layer_1", "layer_2"} and table["untrained"].notna().any()
    assert json.loads((tmp_path / "mechanism.json").read_text())["parameters"]["trials"] == 30


@pytest.mark.parametrize("arguments, complaint", [
    (["nowhere.pt"], "nowhere.pt"),
    (["MODEL", "--trials", "1"], "--trials"),
    (["MODEL", "--data", "nowhere.npz"], "nowhere.npz"),
])
def test_a_wrong_option_is_one_line(model, tmp_path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    assert main([str(model) if word == "MODEL" else word for word in arguments]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and complaint in told
