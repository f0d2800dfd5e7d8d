"""Seals: what was written is what is read, and other programs' changes are no damage."""

import subprocess
import sys
import threading

import h5py
import nixio
import numpy as np
import pytest
from builders import recording_of_layers

from ephys_snn import files
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.formats import guard, open_session


@pytest.fixture
def sealed(tmp_path):
    """A small file of this project."""
    times = np.random.default_rng(0).uniform(0, 2, (4, 3))
    path = tmp_path / "sealed.nix"
    recording_of_layers({"input": times, "layer_1": times + 1},
                        np.array(["a", "b"] * 2)).write(path)
    return path


def test_every_flipped_bit_is_noticed(sealed):
    whole = sealed.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(len(whole) - files._SEAL_SIZE, size=100):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << rng.integers(8)
        sealed.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged: its content is not what was written"):
            open_session(sealed)


def test_a_flipped_spike_is_noticed(sealed):
    spike = open_session(sealed).trains[0].times[1]
    position = sealed.read_bytes().index(np.float64(spike).tobytes())
    damaged = bytearray(sealed.read_bytes())
    damaged[position] ^= 1  # by 1e-16 of its value
    sealed.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        open_session(sealed)


def test_another_programs_change_breaks_the_seal_and_is_no_damage(sealed):
    assert guard.check(sealed)[1]
    file = nixio.File.open(str(sealed), nixio.FileMode.ReadWrite)
    file.blocks[0].definition = "seen"
    file.close()
    assert not guard.check(sealed)[1]
    assert len(open_session(sealed).trains) == 6


@pytest.mark.parametrize("fate, message", [
    ("while True: pass", "did not come to an end in 1 s"),
    ("import os; os.abort()", r"crashes on it \(signal 6\)"),
])
def test_a_library_that_hangs_or_crashes_is_survived(tmp_path, monkeypatch, fate, message):
    path = tmp_path / "foreign.nix"
    with h5py.File(path, "w"):
        pass
    package = tmp_path / "ephys_snn" / "formats"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "hdf5.py").write_text(fate)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(guard, "PATIENCE", 1.0)
    with pytest.raises(InputError, match=message):
        open_session(path)


WRITER = """
import sys, h5py
with h5py.File(sys.argv[1], "r+") as file:
    file.attrs["note"] = "half of it"
    file.flush()
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_another_program_writes_is_in_use_not_damaged(sealed):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(sealed)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        with pytest.raises(InputError, match="open for writing in another program"):
            open_session(sealed)
        writer.stdin.close()
        writer.wait()
    assert len(open_session(sealed).trains) == 6


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_a_foreign_file_cut_short_says_how_much_is_missing(tmp_path, libver):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file["a"] = np.arange(1000)
    whole = path.read_bytes()
    guard.check(path)
    for length in (100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(OSError, match="truncated file"):
            h5py.File(path)
        with pytest.raises(InputError, match=f"it ends after {length:,} of {len(whole):,} bytes"):
            guard.check(path)


def test_a_file_that_is_replaced_meanwhile_is_one_of_both(tmp_path):
    path = tmp_path / "sealed.bin"

    def write(content: bytes) -> None:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
            files.seal(temporary)

    write(b"0")
    stop = threading.Event()

    def keep_writing() -> None:
        length = 1
        while not stop.is_set():
            length = length % 997 + 1
            write(b"1" * length)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        assert all(guard.check(path)[1] for _ in range(500))
    finally:
        stop.set()
        writer.join()
