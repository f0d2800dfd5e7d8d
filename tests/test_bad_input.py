"""What users get wrong: one clear line, exit status 2, and what was there stays as it was."""

import gzip
import re
from dataclasses import replace

import neo
import numpy as np
import pytest
import quantities as pq
import torch
from builders import CHECKOUT

from ephys_snn.__main__ import main
from ephys_snn.network import Network, TrainingData

SAMPLE = CHECKOUT / "recordings" / "sample_digits.nix"
LABELS = ("a", "b") * 5


def write_recording(path, epochs=(), events=(), labels=LABELS) -> None:
    """A recording as another program would write it: two areas, ten trials."""
    block, segment = neo.Block(name="b"), neo.Segment(name="s")
    for unit in range(4):
        segment.spiketrains.append(neo.SpikeTrain(
            [0.1, 1.2, 3.3] * pq.s, t_stop=10 * pq.s, name=f"u{unit}", area=f"V{unit // 2}"))
    onset = np.arange(10) * pq.s
    segment.epochs = [neo.Epoch(onset, np.full(10, 0.5) * pq.s, labels=labels, name=name)
                      for name in epochs]
    segment.events = [neo.Event(onset, labels=LABELS, name=name) for name in events]
    block.segments.append(segment)
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block)


def write_idx(folder, **changes) -> None:
    """Three images to test and twelve to train, of 2 x 2 pixels, packed."""
    folder.mkdir()
    for part, n in (("train", 12), ("t10k", 3)):
        images = bytes([0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(4 * n)
        labels = bytes([0, 0, 8, 1, 0, 0, 0, n]) + bytes([0, 1] * n)[:n]
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            content = changes.get(f"{part}_{kind.split('-')[0]}", gzip.compress)(content)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything that is wrong, under names that say so."""
    folder = tmp_path_factory.mktemp("bad")
    for name in ("out.pt", "out.nix"):
        (folder / name).write_text("old")
    (folder / "text.nix").write_text("hello")
    (folder / "folder.nix").mkdir()
    (folder / "file").write_text("")
    (folder / "truncated.nix").write_bytes(SAMPLE.read_bytes()[:200_000])
    write_recording(folder / "no_trials.nix", events=["go"])
    write_recording(folder / "two_epochs.nix", epochs=["cue", "go"])
    write_recording(folder / "unlabelled.nix", epochs=["cue"], labels=("a", "") * 5)
    write_recording(folder / "good.nix", epochs=["cue"])
    images, labels = np.zeros((40, 2, 2)), np.arange(40) % 2
    np.savez(folder / "good.npz", images=images, labels=labels)
    np.savez(folder / "flat.npz", images=images.reshape(40, 4), labels=labels)
    np.savez(folder / "few_labels.npz", images=images, labels=labels[:9])
    whole = (folder / "good.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[:len(whole) // 2])
    write_idx(folder / "idx_cut", t10k_images=lambda content: gzip.compress(content)[:-12])
    write_idx(folder / "idx_shape", train_images=lambda content: gzip.compress(content[:-1]))
    write_idx(folder / "idx_labels", train_labels=lambda content: gzip.compress(
        content[:7] + bytes([5]) + content[8:13]))
    network = Network.draw([4, 3, 2])
    network.card = replace(network.card, data=TrainingData(source=str(folder / "gone.npz")),
                           encoding={"early": 1.5, "late": 20.0})
    network.save(folder / "model.pt")
    torch.save({"state_dict": {}}, folder / "other.pt")
    whole = (folder / "model.pt").read_bytes()
    (folder / "cut.pt").write_bytes(whole[:len(whole) // 2])
    return folder


TRAIN = "train --epochs 1 --hidden 3 --out out.pt --data good.npz "
CASES = {
    # a recording
    "no such file": ("synchrony none.nix", "there is no file none.nix"),
    "a folder": ("synchrony folder.nix", "folder.nix is a folder"),
    "not a recording": ("synchrony text.nix", "text.nix is no NIX file, or damaged"),
    "a model for a recording": ("synchrony model.pt", "model.pt"),
    "truncated": ("synchrony truncated.nix", "damaged: it ends after 200,000 of [0-9,]+ bytes"),
    "no trials": ("synchrony no_trials.nix", r"no Epoch .* it has Event 'go' \(10\)"),
    "an Event without a window": ("synchrony no_trials.nix --trials go", "--window START STOP"),
    "ambiguous trials": ("synchrony two_epochs.nix", "2 Epochs.* --trials NAME.*'cue'.*'go'"),
    "unknown trials": ("synchrony two_epochs.nix --trials x", "no Epoch or Event of that name"),
    "unknown area": ("synchrony good.nix --areas V0,V9", "no area 'V9'; it has V0, V1"),
    "unknown annotation": ("synchrony good.nix --area region", "no annotation 'region'"),
    "unknown label": ("synchrony good.nix --label side", "no such array annotation"),
    "unknown class": ("synchrony good.nix --classes z", "no trial is of class 'z'"),
    "labels missing": ("synchrony unlabelled.nix", "5 of 10 trials in 'cue' have no label"),
    "unknown end": ("synchrony good.nix --until go", "no such Event"),
    "empty window": ("synchrony good.nix --window 9 5", "must start before it stops; got 9 5"),
    "no number": ("synchrony good.nix --window a b", "--window: invalid float value: 'a'"),
    "negative seed": ("synchrony good.nix --seed -1", "--seed: must be at least 0; got -1"),
    "folder of results": ("synchrony good.nix --out file/x", "cannot make the folder file/x"),
    "unknown command": ("synchronize good.nix", "no command 'synchronize'; choose from train"),
    # data
    "unknown data": (TRAIN + "--data minst", "unknown data 'minst': .* digits, mnist, yin-yang"),
    "no such npz": (TRAIN + "--data none.npz", "there is no file none.npz"),
    "corrupt npz": (TRAIN + "--data cut.npz", "cannot read cut.npz"),
    "wrong shape": (TRAIN + "--data flat.npz", r"\(n, height, width\); got \(40, 4\)"),
    "too few labels": (TRAIN + "--data few_labels.npz", r"of the 40 images; got shape \(9,\)"),
    "corrupt IDX": (TRAIN + "--data idx_cut", "cannot read idx_cut/t10k-images.*damaged"),
    "short IDX": (TRAIN + "--data idx_shape", "promises 48 values .* and 47 are there"),
    "unequal IDX": (TRAIN + "--data idx_labels", "12 images and 5 labels"),
    "a folder without IDX": (TRAIN + "--data folder.nix", "folder.nix has no file train-images"),
    # a network
    "too excitatory": (TRAIN + "--excitatory 1.5", "excitatory fraction .* at most 1.* got 1.5"),
    "no neurons": (TRAIN + "--hidden 0", "at least 1"),
    "no epochs": (TRAIN + "--epochs 0", "at least 1; got 0"),
    "model is a folder": (TRAIN + "--out folder.nix", "cannot write folder.nix: it is a folder"),
    "model in a file": (TRAIN + "--out file/out.pt", "cannot make the folder file"),
    # a network's recording
    "no such model": ("record none.pt out.nix", "no such file: none.pt"),
    "a model of another kind": ("record other.pt out.nix", "other.pt is not a network"),
    "a recording for a model": ("record good.nix out.nix", "good.nix is not a network"),
    "truncated model": ("record cut.pt out.nix", "cut.pt is not a network"),
    "data are gone": ("record model.pt out.nix", "no longer at .*gone.npz; say with --data"),
    "data of another kind": ("record model.pt out.nix --data digits", "64 inputs .* 4 inputs"),
    "no trials to record": ("record model.pt out.nix --trials 0", "--trials: must be at least 1"),
    "negative jitter": ("record model.pt out.nix --jitter -1", "--jitter: must be .* got -1"),
    "an unknown perturbation": ("record model.pt out.nix --perturb silent", "'silent' must be .* "
                                "the operations are silence, jitter"),
    "a perturbation without a dose": ("record model.pt out.nix --perturb jitter", "needs sd=VALUE"),
    "a perturbation twice": ("record model.pt out.nix --perturb silence --perturb silence",
                             "'silence all' is given twice"),
    "words before the model": ("record none.pt out.nix --perturb drop", "drop needs p=VALUE"),
    "no folder": ("record model.pt no/out.nix", "cannot write no/out.nix: No such file or dir"),
    "recording is a folder": ("record model.pt folder.nix", "folder.nix: it is a folder"),
}


@pytest.mark.parametrize("words, message", CASES.values(), ids=CASES)
def test_one_clear_line_and_nothing_lost(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"error: .*\n", said) and re.search(message, said), said
    assert sorted(folder.iterdir()) == before
    assert (folder / "out.pt").read_text() == (folder / "out.nix").read_text() == "old"
