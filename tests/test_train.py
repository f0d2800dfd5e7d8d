"""The command line of training: what it prints and saves, what it refuses, how well it does."""

import re
import subprocess
import sys

import pytest
import torch

from ephys_snn import train
from ephys_snn.network import Network, TrainingData
from ephys_snn.stimuli import LatencyCode, load_stimuli
from ephys_snn.training import evaluate

SMALL = ["--hidden", "12", "8", "--epochs", "2"]


def test_a_model_is_saved_with_all_that_recording_needs(own_npz, tmp_path, capsys):
    out = tmp_path / "new" / "model.pt"
    arguments = ["--data", str(own_npz), "--out", str(out), *SMALL, "--seed", "7",
                 "--excitatory", "0.5", "--early", "2", "--late", "15"]
    assert train.main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"test accuracy [01]\.\d{4}", last)
    network = Network.load(out)
    assert network.layer_sizes == [6, 12, 8, 2]
    assert [(types == "excitatory").sum() for types in network.cell_types] == [6, 4]
    card = network.card
    assert card.data == TrainingData("own", str(own_npz), str(own_npz.resolve()), (2, 3),
                                     load_stimuli(own_npz, LatencyCode(2, 15)).sha256())
    assert card.classes == ("ant", "bee")
    assert card.encoding == {"early": 2.0, "late": 15.0, "background": "late"}
    assert card.seed == card.training["seed"] == 7
    assert [entry["epoch"] for entry in card.history] == [1, 2]
    assert len(card.history[0]["silent_fraction"]) == 3
    assert card.versions["torch"] == torch.__version__
    assert f"{card.test_accuracy:.4f}" == last.split()[-1]
    assert network.untrained().layer_sizes == network.layer_sizes


def test_the_accuracy_printed_is_that_of_the_model_saved(own_npz, tmp_path, capsys):
    out = tmp_path / "model.pt"
    train.main(["--data", str(own_npz), "--out", str(out), "--hidden", "12", "--epochs", "30",
                "--batch-size", "6"])
    printed = float(capsys.readouterr().out.split()[-1])
    accuracy = evaluate(Network.load(out), *load_stimuli(own_npz).part("test")).accuracy
    assert printed == pytest.approx(accuracy, abs=1e-4) and accuracy > 0.9


def test_the_validation_samples_can_be_trained_on(own_npz, tmp_path, capsys):
    log = tmp_path / "log.csv"
    assert train.main(["--data", str(own_npz), "--out", str(tmp_path / "model.pt"), *SMALL,
                       "--include-validation", "--log", str(log)]) == 0
    captured = capsys.readouterr()
    assert "the validation samples are trained on too; the last epoch is kept" in captured.out
    assert "epoch 2/2:" in captured.err and "validation" not in captured.err
    header, *rows = log.read_text().splitlines()
    assert "validation" not in header and "silent_fraction_layer_1" in header and len(rows) == 2


def test_the_same_seed_gives_the_same_model_in_another_process(own_npz, tmp_path):
    hashes = []
    for name in ("first", "second"):
        out = tmp_path / f"{name}.pt"
        subprocess.run(
            [sys.executable, "-m", "ephys_snn.train", "--data", own_npz, "--out", out, *SMALL],
            check=True, capture_output=True,
        )
        hashes.append(Network.load(out).sha256())
    assert hashes[0] == hashes[1]


BAD_OPTIONS = {
    "unknown data": (["--data", "minst"], "unknown data 'minst'"),
    "all too excitatory": (["--excitatory", "1.5"], "excitatory fraction .* got 1.5"),
    "empty layer": (["--hidden", "10", "0"], "each at least 1; got"),
    "no epochs": (["--epochs", "0"], "`epochs` must be at least 1; got 0"),
    "negative seed": (["--seed", "-1"], "--seed: must be at least 0; got -1"),
    "late before early": (["--late", "1"], "early < late"),
    "time constants": (["--tau-m", "30"], "tau_m"),
    "negative jitter": (["--jitter", "-2"], "jitter"),
    "in-degree": (["--in-degree", "-1"], "--in-degree: must be at least 0; got -1"),
    "net weight": (["--net-weight", "1"], "net weight must exceed e"),
}


@pytest.mark.parametrize("options, message", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_options_get_one_line_and_exit_2(tmp_path, capsys, options, message):
    out = tmp_path / "model.pt"
    assert train.main(["--hidden", "5", "--epochs", "1", "--out", str(out), *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert re.search(message, captured.err)
    assert not out.exists()


@pytest.mark.parametrize(("device", "message"), [
    ("gpu", "--device must be cpu, cuda, cuda:N or mps; got gpu"),
    ("cuda:1", "--device cuda:1: PyTorch finds no cuda device here; use cpu"),
    ("mps", "--device mps: PyTorch finds no mps device here; use cpu"),
])
def test_a_device_that_is_not_there_is_refused(tmp_path, capsys, monkeypatch, device, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert train.main(["--device", device, "--out", str(tmp_path / "model.pt")]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {message}"]


def test_an_output_that_cannot_be_written_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "model.pt", tmp_path):
        assert train.main(["--out", str(out)]) == 2
        assert re.fullmatch(r"error: cannot .*\n", capsys.readouterr().err)


def test_writability_is_tried_without_touching_the_old_model(tmp_path):
    old = tmp_path / "model.pt"
    old.write_bytes(b"old")
    train.prepare_output(old)
    assert old.read_bytes() == b"old" and list(tmp_path.iterdir()) == [old]


def test_presets_give_way_to_what_the_user_says():
    parser = train.parser()
    settings = train.choose_settings(parser.parse_args(["--data", "digits", "--jitter", "0.5"]))
    assert settings.jitter == 0.5 and settings.epochs == train.PRESETS["digits"]["epochs"]
    settings = train.choose_settings(parser.parse_args(["--data", "own.npz"]))
    assert settings.epochs == train.DEFAULT_EPOCHS


def accuracy_of(capsys, *arguments) -> float:
    assert train.main([str(argument) for argument in arguments]) == 0
    return float(capsys.readouterr().out.split()[-1])


def test_digits_are_learnt_in_four_hidden_layers(tmp_path, capsys):
    accuracy = accuracy_of(capsys, "--data", "digits", "--hidden", 100, 100, 100, 100, "--seed", 2,
                           "--out", tmp_path / "digits.pt")
    assert accuracy >= 0.93  # seeds, and machines by their last bits, gave 94.7 to 98.1 %


def test_yin_yang_is_learnt_in_one_hidden_layer(tmp_path, capsys):
    accuracy = accuracy_of(capsys, "--data", "yin-yang", "--hidden", 120,
                           "--out", tmp_path / "yin_yang.pt")
    assert accuracy >= 0.95


@pytest.mark.slow
def test_mnist_is_learnt_in_three_epochs(shared, tmp_path, capsys):
    accuracy = accuracy_of(capsys, "--data", shared / "data" / "mnist", "--epochs", 3,
                           "--out", tmp_path / "mnist.pt")
    assert accuracy >= 0.945


@pytest.mark.slow
def test_sixteen_layers_learn_mnist_without_losing_a_class(shared, tmp_path, capsys):
    accuracy = accuracy_of(capsys, "--data", shared / "data" / "mnist", "--epochs", 6, "--seed", 1,
                           "--hidden", *[100] * 16, "--out", tmp_path / "deep.pt")
    assert accuracy >= 0.95
