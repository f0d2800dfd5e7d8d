"""Networks as recordings: what the neurons did is what stands in the file."""

from dataclasses import replace

import neo
import numpy as np
import pytest
import torch

from ephys_snn.network import Network
from ephys_snn.record import main, record_session, show
from ephys_snn.recording import Recording, decision_windows
from ephys_snn.stimuli import Stimuli, load_stimuli, present


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network that was trained for an epoch on the digits."""
    from ephys_snn.train import main as train

    path = tmp_path_factory.mktemp("model") / "digits.pt"
    assert train(["--data", "digits", "--hidden", "20", "12", "--epochs", "1", "--seed", "3",
                  "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def recorded(model):
    out = model.with_name("out.nix")
    assert main([str(model), str(out), "--trials", "40", "--quiet"]) == 0
    return out


def test_the_recording_holds_what_the_network_does(model, recorded):
    network, recording = Network.load(model), Recording.read(recorded)
    times, labels = load_stimuli("digits").part("test")
    with torch.no_grad():
        layers = [torch.as_tensor(times[:40]).float(), *network(times[:40])]
    assert recording.areas == ("input", "layer_1", "layer_2", "output")
    for area, layer in zip(recording.areas, layers, strict=True):
        for unit, expected in zip(recording.units_in(area), layer.double().numpy().T, strict=True):
            inside = expected < 90.0
            np.testing.assert_array_equal(recording.spikes_of(unit),
                                          100.0 * np.flatnonzero(inside) + expected[inside])
    np.testing.assert_array_equal(recording.trials.label, labels[:40].astype(str))
    decision = network.decision(layers[-1]).numpy()
    decided = decision >= 0
    np.testing.assert_array_equal(recording.trials.decision_label[decided],
                                  decision[decided].astype(str))


def test_no_output_spikes_before_the_decision(recorded):
    recording = Recording.read(recorded)
    responses = recording.responses(decision_windows(recording.trials))
    assert not responses.active[:, recording.units_in("output")].any()
    assert responses.active[:, recording.units_in("input")].any()


def test_the_weights_are_inside(model, recorded):
    network, recording = Network.load(model), Recording.read(recorded)
    for pair, weights in zip([("input", "layer_1"), ("layer_1", "layer_2"), ("layer_2", "output")],
                             network.weights, strict=True):
        np.testing.assert_array_equal(recording.weights[pair], weights.detach().numpy())


def test_cell_types_come_from_the_network(recorded):
    recording = Recording.read(recorded)
    assert recording.cell_types_in("input") == ("all", "input")
    assert len(recording.units_in("layer_1", "excitatory")) == 15
    assert len(recording.units_in("layer_1", "inhibitory")) == 5


def test_neo_alone_opens_the_recording(recorded):
    with neo.io.NixIO(str(recorded), "ro") as file:
        (segment,) = file.read_block().segments
    assert len(segment.spiketrains) == 64 + 20 + 12 + 10
    assert segment.epochs[0].name == "trials" and len(segment.epochs[0]) == 40
    assert segment.events[0].name == "decision"


def test_the_untrained_network_is_the_one_before_training(model, tmp_path):
    out = tmp_path / "untrained.nix"
    assert main([str(model), str(out), "--trials", "5", "--untrained", "--quiet"]) == 0
    recording = Recording.read(out)
    redrawn = Network.load(model).untrained()
    np.testing.assert_array_equal(recording.weights["layer_1", "layer_2"],
                                  redrawn.weights[1].detach().numpy())
    assert recording.annotations["settings"]["trained"] is False
    assert recording.annotations["model_sha256"] == redrawn.sha256()


def test_repeats_jitter_and_seed(model, tmp_path):
    options = ["--trials", "6", "--repeats", "3", "--jitter", "0.5", "--quiet"]
    recordings = []
    for seed in ("1", "1", "2"):
        assert main([str(model), str(tmp_path / "r.nix"), *options, "--seed", seed]) == 0
        recordings.append(Recording.read(tmp_path / "r.nix"))
    first, again, other = recordings
    assert other.annotations["settings"]["seed"] == 2  # 3 is that of the network
    assert other.annotations["settings"]["network_seed"] == 3
    np.testing.assert_array_equal(first.spike_times, again.spike_times)
    assert not np.array_equal(first.spike_times, other.spike_times)
    np.testing.assert_array_equal(first.trials.annotations["stimulus"], [*range(6)] * 3)
    np.testing.assert_array_equal(first.trials.annotations["repeat"], np.repeat([0, 1, 2], 6))
    np.testing.assert_array_equal(first.trials.label, np.tile(first.trials.label[:6], 3))


def test_more_trials_than_there_are_is_said(model, tmp_path, capsys):
    assert main([str(model), str(tmp_path / "all.nix"), "--trials", "5000"]) == 0
    assert "the test split has 359 stimuli, not 5000: all are recorded" in capsys.readouterr().out


def test_validation_samples_that_were_trained_on_are_said(model, tmp_path, capsys):
    network = Network.load(model)
    for is_included in (True, False):
        network.card = replace(network.card, training={**network.card.training,
                                                       "include_validation": is_included})
        network.save(tmp_path / "model.pt")
        for split, untrained in (("validation", []), ("test", []), ("validation", ["--untrained"])):
            assert main([str(tmp_path / "model.pt"), str(tmp_path / "out.nix"), "--trials", "5",
                         "--split", split, *untrained]) == 0
            is_said = "was trained on the validation samples too" in capsys.readouterr().out
            assert is_said == (is_included and split == "validation" and not untrained)


def test_late_spikes_are_dropped_and_ties_go_to_the_lowest_class():
    network = Network.draw([2, 3, 3], excitatory=1.0)
    stimuli = Stimuli("two", np.array([[1.0, 2.0]] * 3), np.array([0, 1, 2]), ("a", "b", "c"),
                      np.array(["test"] * 3))
    session = show(present(stimuli), network)
    session.responses["output"] = np.array(
        [[5.0, 4.0, 4.0], [95.0, 91.0, np.inf], [89.99, np.inf, 90.0]])
    recording = record_session(session, network, stimuli.classes, {})
    np.testing.assert_array_equal(recording.trials.decision_label, ["b", "", "a"])
    np.testing.assert_array_equal(recording.trials.decision_time, [4.0, np.nan, 289.99])
    assert recording.annotations["dropped_spikes"] >= 3
    assert recording.responses(decision_windows(recording.trials)).trial.tolist() == [0, 2]


def run(capsys, *arguments) -> str:
    """The one line that a failing command prints."""
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.strip().split("\n")
    return line


def test_what_cannot_be_recorded_is_one_line(model, tmp_path, capsys, recorded):
    out = tmp_path / "out.nix"
    assert "no such file" in run(capsys, tmp_path / "none.pt", out)
    assert "is not a network" in run(capsys, recorded, out)
    torch.save({"a": 1}, tmp_path / "other.pt")
    assert "is not a network" in run(capsys, tmp_path / "other.pt", out)
    assert "64 inputs and 10 outputs" in run(capsys, model, out, "--data", "yin-yang")
    assert "--jitter: must be" in run(capsys, model, out, "--jitter", "-1")
    assert "cannot write" in run(capsys, model, tmp_path / "no" / "such" / "out.nix", "--quiet")
    assert not out.exists()
