"""Fixtures that several test modules share."""

import os
from pathlib import Path

import numpy as np
import pytest
from builders import CHECKOUT, recording_of_layers
from hypothesis import settings

from ephys_snn.recording import Recording
from ephys_snn.stimuli import Stimuli

# How long an example takes depends on what else the machine does.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep what tests read out of the user's cache."""
    os.environ["EPHYS_SNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def thirds() -> Stimuli:
    """Three classes that differ in which third of 30 inputs is early."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    times = generator.uniform(5, 20, (240, 30))
    for row, label in zip(times, labels, strict=True):
        row[10 * label:10 * (label + 1)] = generator.uniform(1, 6, 10)
    split = np.repeat(["train", "validation", "test"], 80)
    return Stimuli("thirds", times, labels, ("a", "b", "c"), split)


@pytest.fixture(scope="session")
def own_npz(tmp_path_factory) -> Path:
    """A user's file of 60 images of 2 x 3 pixels in two classes, 36 of them for training."""
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = generator.random((60, 2, 3)) * 0.4
    images[labels == 1, 0] += 0.6
    path = tmp_path_factory.mktemp("own") / "own.npz"
    np.savez(path, images=images, labels=np.array(["ant", "bee"])[labels])
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference networks, data sets and real recordings; not part of the project."""
    folder = Path(os.environ.get("EPHYS_SNN_SHARED", CHECKOUT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the reference data, and {folder} does not exist (EPHYS_SNN_SHARED)")
    return folder


@pytest.fixture(scope="session")
def reference_spike_times(shared) -> dict[str, np.ndarray]:
    """The authors' 4x400 network on 150 test images, as they published it (units of tau)."""
    with np.load(shared / "reference" / "mnist_dale_4x400_seed1_spike_times.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def reference_recording(reference_spike_times) -> Recording:
    """The authors' trained 4x400 network as a recording."""
    return _layered_recording(reference_spike_times, "trained")


@pytest.fixture(scope="session")
def untrained_reference_recording(reference_spike_times) -> Recording:
    """The authors' 4x400 network before training, on the same images, as a recording."""
    return _layered_recording(reference_spike_times, "untrained")


def _layered_recording(arrays: dict[str, np.ndarray], state: str) -> Recording:
    layers = {"input": arrays["input_times"]}
    for depth, times in enumerate(arrays[f"hidden_times_{state}"], start=1):
        layers[f"layer_{depth}"] = times
    layers["output"] = output = arrays[f"output_times_{state}"]
    return recording_of_layers(
        layers, arrays["label"], first_inhibitory=300, decisions=output)
