"""Networks as recordings: what the neurons did is what stands in the file."""

import json
import re
from dataclasses import replace

import neo
import numpy as np
import pytest
import torch

from ephys_snn.__main__ import main as pipeline
from ephys_snn.network import Network
from ephys_snn.perturbation import (
    GRAMMAR,
    Reference,
    control_responses,
    find_conditions,
    parse_perturbations,
    perturbed_responses,
)
from ephys_snn.perturbation.reference import structural_members
from ephys_snn.record import main, record_responses, show
from ephys_snn.recording import Recording, decision_windows, fixed_windows
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
    shown = show(present(stimuli), network)
    shown.responses["output"] = np.array(
        [[5.0, 4.0, 4.0], [95.0, 91.0, np.inf], [89.99, np.inf, 90.0]])
    recording = record_responses(shown, network, stimuli.classes, {})
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


# --- perturbations --------------------------------------------------------------------------------


WORDS = ["silence layer_1 inhibitory", "silence layer_2 pathway=7 k=0.5",
         "silence all selective=0.5", "jitter layer_1 sd=1", "delay layer_2 by=1w",
         "drop layer_1 of=0.5 p=0.3", "shuffle layer_1", "synchronize layer_2",
         "stretch layer_1 by=2", "drive layer_2 units=0-3 at=3",
         "cut layer_1 inhibitory onto layer_2", "weights all bits=3"]


def record(model, out, *options) -> Recording:
    assert main([str(model), str(out), *map(str, options)]) == 0
    return Recording.read(out)


def perturb(*words) -> list[str]:
    return [option for one in words for option in ("--perturb", one)]


def spikes_by_trial(recording: Recording) -> dict[tuple, np.ndarray]:
    """Spike times (unit,) after the onset, ms, by stimulus, repeat and condition."""
    trials = recording.trials
    times = recording.responses(fixed_windows(trials, 0, 90)).latency
    condition = trials.annotations.get("perturbation", np.full(len(trials), "control"))
    return dict(zip(zip(trials.annotations["stimulus"], trials.annotations["repeat"], condition,
                        strict=True), times, strict=True))


def same_spikes(first: np.ndarray, second: np.ndarray) -> None:
    """Equal but for the rounding of times late in a session."""
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def perturbed(model):
    return record(model, model.with_name("perturbed.nix"), "--trials", 20, "--seed", 4, "--quiet",
                  *perturb(*WORDS))


def test_every_stimulus_is_shown_in_every_condition(perturbed):
    trials = perturbed.trials
    condition, stimulus = trials.annotations["perturbation"], trials.annotations["stimulus"]
    assert len(trials) == 20 * 13
    assert set(zip(condition, stimulus, strict=True)) == {
        (words, index) for words in ["control", *WORDS] for index in range(20)}
    labels = load_stimuli("digits").part("test")[1][:20].astype(str)
    np.testing.assert_array_equal(trials.label, labels[stimulus])
    assert perturbed.annotations["perturbations"] == ["control", *WORDS]


def test_conditions_and_stimuli_come_in_a_random_order(perturbed):
    """Ranks of a random order have a mean of half of it, and neighbours nothing in common."""
    trials, n = perturbed.trials, len(perturbed.trials)
    for key in ("perturbation", "stimulus"):
        values = trials.annotations[key]
        for value in set(values.tolist()):
            place = np.flatnonzero(values == value)
            sd = n / np.sqrt(12 * len(place))
            assert abs(place.mean() - n / 2) < 4 * sd
        repeated = (values[1:] == values[:-1]).sum()
        expected = n / len(set(values.tolist()))
        assert repeated < expected + 4 * np.sqrt(expected)


def test_trials_do_what_the_network_does_in_their_condition(model, perturbed):
    network, stimuli = Network.load(model), load_stimuli("digits")
    reference = Reference(network, *stimuli.part("validation"), stimuli.classes)
    control = control_responses(network, stimuli.part("test")[0][:20])
    expected = {"control": control}
    for operation, acted_on, rng in find_conditions(parse_perturbations(WORDS), reference, 4):
        expected[operation.words] = perturbed_responses(network, operation, acted_on, control,
                                                        reference, rng)
    decided = perturbed.trials.decision_label
    for trial, ((stimulus, _, words), times) in enumerate(spikes_by_trial(perturbed).items()):
        responses = np.concatenate([layer[stimulus] for layer in expected[words].values()])
        same_spikes(times, np.where(responses < 90, responses, np.inf))
        output = expected[words]["output"][stimulus]
        assert decided[trial] == (str(output.argmin()) if output.min() < 90 else "")


def test_the_control_is_the_recording_without_perturbations(model, perturbed, tmp_path):
    plain = record(model, tmp_path / "plain.nix", "--trials", 20, "--seed", 4, "--quiet")
    assert "perturbation" not in plain.trials.annotations
    assert "perturbations" not in plain.annotations
    assert not {"perturbations", "reference"} & set(plain.annotations["settings"])
    np.testing.assert_array_equal(plain.trials.annotations["stimulus"], range(20))
    found = spikes_by_trial(perturbed)
    for key, times in spikes_by_trial(plain).items():
        same_spikes(found[key], times)


def test_a_condition_does_the_same_whatever_else_is_asked(model, perturbed, tmp_path):
    words = ["drop layer_1 of=0.5 p=0.3", "jitter layer_1 sd=1"]
    few = record(model, tmp_path / "few.nix", "--trials", 20, "--seed", 4, "--quiet",
                 *perturb(*words))
    assert few.annotations["perturbations"] == ["control", *words]
    found = spikes_by_trial(perturbed)
    for key, times in spikes_by_trial(few).items():
        same_spikes(found[key], times)


def test_the_same_seed_gives_the_same_trials_and_another_does_not(model, tmp_path):
    options = ["--trials", 10, "--quiet", *perturb("jitter layer_1 sd=2")]
    first, again, other = (record(model, tmp_path / "r.nix", *options, "--seed", seed)
                           for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.spike_times, again.spike_times)
    for key, values in first.trials.annotations.items():
        np.testing.assert_array_equal(values, again.trials.annotations[key])
    assert (first.trials.annotations["perturbation"]
            != other.trials.annotations["perturbation"]).any()
    jittered = (3, 0, "jitter layer_1 sd=2")
    assert not np.allclose(spikes_by_trial(first)[jittered], spikes_by_trial(other)[jittered])


def test_conditions_see_the_same_jittered_input(model, tmp_path):
    recording = record(model, tmp_path / "r.nix", "--trials", 4, "--repeats", 3, "--jitter", 1,
                       "--quiet", *perturb("silence layer_1 inhibitory", "shuffle layer_2"))
    trials, inputs = spikes_by_trial(recording), recording.units_in("input")
    assert len(trials) == 4 * 3 * 3
    for (stimulus, repeat, _), times in trials.items():
        same_spikes(times[inputs], trials[stimulus, repeat, "control"][inputs])
        assert not np.allclose(times[inputs],
                               trials[stimulus, (repeat + 1) % 3, "control"][inputs])


def test_what_was_done_to_whom_stands_in_the_recording(model, perturbed):
    settings = perturbed.annotations["settings"]
    assert settings["reference"] == {"split": "validation", "n_stimuli": len(
        load_stimuli("digits").part("validation")[1][:1000])}
    acted_on = settings["perturbations"]
    assert list(acted_on) == WORDS
    assert acted_on["silence layer_1 inhibitory"] == {"units": {"layer_1": [*range(15, 20)]}}
    assert acted_on["cut layer_1 inhibitory onto layer_2"] == {
        "units": {"layer_2": [*range(12)]}, "sources": {"layer_1": [*range(15, 20)]}}
    assert len(acted_on["drop layer_1 of=0.5 p=0.3"]["units"]["layer_1"]) == 10
    silenced = np.array([times for (_, _, words), times in spikes_by_trial(perturbed).items()
                         if words == "silence all selective=0.5"])
    for area, units in acted_on["silence all selective=0.5"]["units"].items():
        assert len(units) and np.isinf(silenced[:, perturbed.units_in(area)[units]]).all()


def test_units_are_chosen_by_stimuli_that_are_not_recorded(model, tmp_path):
    words = perturb("silence layer_1 selective=0.3")
    by_split = {split: record(model, tmp_path / "r.nix", "--trials", 5, "--split", split,
                              "--quiet", *words).annotations["settings"]
                for split in ("test", "validation")}
    assert by_split["test"]["reference"]["split"] == "validation"
    assert by_split["validation"]["reference"]["split"] == "train"


def test_pathways_of_the_untrained_network_are_its_own(model, tmp_path):
    untrained, trained = (structural_members(network, 0.5)[1] for network in
                          (Network.load(model).untrained(), Network.load(model)))
    name = int(np.flatnonzero((untrained != trained).any(axis=1))[0])  # a class that learned
    words = f"silence layer_2 pathway={name} k=0.5"
    recording = record(model, tmp_path / "r.nix", "--trials", 5, "--untrained", "--quiet",
                       *perturb(words))
    assert recording.annotations["settings"]["perturbations"][words]["units"] == {
        "layer_2": np.flatnonzero(untrained[name]).tolist()}


def test_the_summary_has_a_line_for_each_condition(model, tmp_path, capsys):
    recording = record(model, tmp_path / "r.nix", "--trials", 30, *perturb("drop output p=0.8"))
    first, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"wrote .*r.nix: 106 units in 4 areas, 60 trials, [\d,]+ spikes", first)
    for words, line in zip(["control", "drop output p=0.8"], lines, strict=True):
        trials = recording.trials[recording.trials.annotations["perturbation"] == words]
        correct = (trials.label == trials.decision_label).mean()
        decided = (trials.decision_label != "").mean()
        assert line == (f"{words}: decided in {decided:.1%} of the trials, correctly in "
                        f"{correct:.1%}")
    assert "decided in 100.0%" not in lines[1]


def test_neo_and_the_pipelines_take_a_perturbed_recording(perturbed, model, tmp_path):
    path = model.with_name("perturbed.nix")
    with neo.io.NixIO(str(path), "ro") as file:
        block = file.read_block()
    (epoch,) = block.segments[0].epochs
    np.testing.assert_array_equal(epoch.array_annotations["perturbation"],
                                  perturbed.trials.annotations["perturbation"])
    assert json.loads(block.annotations["perturbations"]) == ["control", *WORDS]
    assert pipeline(["synchrony", str(path), "--out", str(tmp_path), "--trials-where",
                     "perturbation=silence layer_1 inhibitory", "--surrogates", "20",
                     "--elephant-shuffles", "2", "--quiet"]) == 0
    assert (tmp_path / "synchrony.csv").exists()


def test_what_cannot_be_done_is_one_line_before_anything_is_computed(model, tmp_path, capsys,
                                                                     monkeypatch):
    monkeypatch.setattr("ephys_snn.record.control_responses", None)
    out = tmp_path / "out.nix"
    for words, message in {
            "silence layer_9": "'silence layer_9': there is no area 'layer_9'; there are input, ",
            "silence layer_1 units=20": "layer_1 has the units 0-19",
            "silence layer_2 pathway=x": "there is no class 'x'; there are 0, 1, 2",
            "cut output onto layer_1": "the source must be in input"}.items():
        assert message in run(capsys, model, out, *perturb(words))
    assert not out.exists()


def test_help_names_the_operations(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert GRAMMAR in capsys.readouterr().out
