"""Where nothing can be written, one clear line, and what was there stays; reading needs no disk."""

import os
from contextlib import contextmanager

import numpy as np
import pytest
from builders import recording_of_layers

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.formats import open_session
from ephys_snn.formats.nix_writer import largest_size
from ephys_snn.recording.exchange import session_of_recording

resource = pytest.importorskip("resource", reason="limits on files are a matter of Unix")


@contextmanager
def room_for(n_bytes):
    """As on a full disk, no file can grow beyond so much."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def recording():
    """With everything that a file can hold."""
    rng = np.random.default_rng(0)
    times = rng.uniform(0.1, 2, (8, 6))
    return recording_of_layers(
        {"input": times, "layer_1": times + 0.5, "output": times[:, :2] + 1},
        np.array(["kiwi", "ü"] * 4), first_inhibitory=3, decisions=times[:, :2] + 1,
        weights={("input", "layer_1"): rng.normal(size=(6, 6))},
        events={"saccade": np.arange(8.0)}, annotations={"settings": {"text": "x" * 10_000}})


@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 0.99])
def test_a_full_disk_leaves_the_old_recording(recording, tmp_path, share):
    path = tmp_path / "out.nix"
    recording.write(path)
    old = path.read_bytes()
    with room_for(int(share * len(old))), pytest.raises(InputError, match="cannot write .*out.nix"):
        recording.write(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_the_room_that_is_asked_for_suffices_and_is_no_fantasy(recording, tmp_path):
    path = tmp_path / "out.nix"
    recording.write(path)
    size = path.stat().st_size
    assert size < largest_size(session_of_recording(recording)) < 10 * size


@pytest.mark.parametrize("room", [0, 1000, 8000])
def test_a_recording_is_read_without_room_for_the_cache(recording, tmp_path, room, monkeypatch):
    monkeypatch.setenv("EPHYS_SNN_CACHE", str(tmp_path / "cache"))
    recording.write(tmp_path / "out.nix")
    with room_for(room):
        contents = open_session(tmp_path / "out.nix")
    assert len(contents.trains) == len(recording.units)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("folder", ["read-only", "missing", "/proc"])
def test_a_folder_that_cannot_be_written_is_named(recording, tmp_path, folder):
    path = tmp_path / folder / "out.nix"
    if folder == "read-only":
        path.parent.mkdir(mode=0o500)
        if os.access(path.parent, os.W_OK):
            pytest.skip("nothing is read-only for this user")
    with pytest.raises(InputError, match="cannot write .*out.nix"):
        recording.write(path)


def test_an_error_of_the_disk_is_said_in_words(tmp_path):
    with room_for(10), pytest.raises(InputError, match="cannot write .*a.txt: File too large"), \
            atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("more than ten bytes")
