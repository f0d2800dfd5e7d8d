"""Kept contents: the same as the file's, never another's, and no harm whatever becomes of them."""

import os
import pickle
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from builders import recording_of_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ephys_snn import files
from ephys_snn.errors import InputError
from ephys_snn.formats import (
    Event,
    Session,
    SpikeTrain,
    cache,
    guard,
    hdf5,
    open_session,
    serialization,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def path(tmp_path):
    """A small file of this project."""
    return write(tmp_path / "out.nix", seed=0)


def write(path, seed):
    rng = np.random.default_rng(seed)
    times = rng.uniform(0, 2, (4, 3))
    recording_of_layers(
        {"input": times, "layer_1": times + 1}, np.array(["a", "ü"] * 2), decisions=times[:, :2],
        weights={("input", "layer_1"): rng.normal(size=(3, 3)).astype(np.float32)}).write(path)
    return path


def unsealed(path):
    path.write_bytes(path.read_bytes()[:-files._SEAL_SIZE])
    return path


def assert_same(one, other):
    """Equal in type and value, whatever they are; the order of bytes may differ."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
        assert one.shape == other.shape
        if one.dtype == object:
            assert_same(one.tolist(), other.tolist())
        else:
            np.testing.assert_array_equal(one, other)
    elif isinstance(one, (Session, Event, SpikeTrain)):
        assert_same(vars(one), vars(other))
    elif isinstance(one, dict):
        assert_same(list(one.items()), list(other.items()))
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        assert one == other or one != one


@pytest.mark.parametrize("prepare", [lambda path: path, unsealed])
def test_the_second_reading_is_of_the_cache_and_the_same(path, prepare, folder, monkeypatch):
    prepare(path)
    monkeypatch.setenv(files.CACHE_VARIABLE, "off")
    without = open_session(path)
    assert not folder.exists()
    monkeypatch.setenv(files.CACHE_VARIABLE, str(folder))
    first = open_session(path)
    monkeypatch.delattr(hdf5, "read_nix")
    monkeypatch.delattr(guard, "read_apart")
    second = open_session(path)
    assert_same(first, without)
    assert_same(second, without)


def test_a_changed_file_is_read_anew_even_if_only_its_content_tells(path, folder):
    before, status = open_session(path), path.stat()
    with h5py.File(path, "r+") as file:
        (block,) = file["data"].values()
        times = next(tag for tag in block["multi_tags"].values()
                     if tag.attrs["type"] == "neo.spiketrain")["positions/data"]
        times[0] = times[0] / 2
    with open(path, "ab") as file:
        file.truncate(status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = open_session(path)
    assert after.trains[0].times[0] == before.trains[0].times[0] / 2


def test_a_file_that_changes_while_it_is_read_is_not_kept(path, folder, monkeypatch):
    def read_and_replace(path):
        contents = read_nix(path)
        write(path, seed=1)
        return contents

    read_nix = hdf5.read_nix
    monkeypatch.setattr(hdf5, "read_nix", read_and_replace)
    open_session(path)
    assert list(folder.iterdir()) == []


def test_a_damaged_seal_is_refused_although_the_content_is_kept(path, folder):
    open_session(path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged"):
        open_session(path)


def test_damaged_entries_are_replaced(path, folder):
    contents = open_session(path)
    (entry,) = folder.iterdir()
    whole = entry.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        kind, at = rng.integers(3), int(rng.integers(len(whole)))
        if kind == 0:
            del damaged[at:at + int(rng.integers(1, 1000))]
        elif kind == 1:
            damaged[at:at] = rng.bytes(10)
        else:
            for position in rng.integers(len(whole), size=rng.integers(1, 4)):
                damaged[position] ^= 1 << rng.integers(8)
        entry.write_bytes(damaged)
        found = cache.load(files.content_digest(path))
        if found is not None:  # the damage hit what nobody reads
            assert_same(replace(found, sha256=contents.sha256), contents)
        else:
            assert not entry.exists()
    entry.write_bytes(b"")
    assert_same(open_session(path), contents)
    assert entry.stat().st_size == len(whole)


class _Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("bomb", [
    lambda file: np.savez(file, structure=np.array([_Bomb()], dtype=object), allow_pickle=True),
    lambda file: pickle.dump(_Bomb(), file),
])
def test_entries_cannot_run_code(path, folder, bomb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_session(path)
    (entry,) = folder.iterdir()
    with open(entry, "wb") as file:
        bomb(file)
    assert len(open_session(path).trains) == 6
    assert not (tmp_path / "exploded").exists()


def test_what_becomes_of_the_folder_does_not_matter(path, folder):
    contents = open_session(path)
    shutil.rmtree(folder)
    assert_same(open_session(path), contents)
    shutil.rmtree(folder)
    folder.write_text("a file where the folder should be")
    assert_same(open_session(path), contents)
    assert_same(open_session(unsealed(path)), contents)


def test_the_oldest_entries_give_way(folder, tmp_path, monkeypatch):
    paths = [write(tmp_path / f"{seed}.nix", seed) for seed in range(4)]
    open_session(paths[0])
    (entry,) = folder.iterdir()
    monkeypatch.setattr(cache, "MAX_BYTES", int(2.5 * entry.stat().st_size))
    open_session(paths[1])
    first, second = sorted(folder.iterdir(), key=lambda file: file != entry)
    for age, file in ((100, first), (50, second)):
        os.utime(file, (file.stat().st_mtime - age,) * 2)
    open_session(paths[0])  # used again: the second is the oldest now
    open_session(paths[2])
    assert first.exists() and not second.exists() and len(list(folder.iterdir())) == 2
    monkeypatch.setattr(cache, "MAX_BYTES", 0)
    open_session(paths[3])
    assert len(list(folder.iterdir())) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | arrays.arrays(arrays.boolean_dtypes() | arrays.integer_dtypes() | arrays.floating_dtypes()
                    | arrays.unicode_string_dtypes(), arrays.array_shapes(min_dims=0, min_side=0)),
    lambda values: st.lists(values) | st.lists(values).map(tuple)
    | st.dictionaries(st.text() | st.tuples(st.text(), st.text()), values), max_leaves=8)


@settings(max_examples=50, deadline=None)
@given(annotations=st.dictionaries(st.text(), VALUES, max_size=4))
def test_flat_files_hold_any_value_as_it_was(tmp_path_factory, annotations):
    path = tmp_path_factory.getbasetemp() / "serialization.npz"
    train = SpikeTrain(np.array([1.0, np.nan, np.inf]), "β", -np.inf, 3.0, annotations)
    contents = Session((train,), (), (), annotations, {("a", "b"): np.ones((2, 3), np.float32)})
    serialization.save_session(path, contents)
    assert_same(serialization.load_session(path), contents)


def test_values_without_a_flat_form_are_refused(tmp_path):
    with pytest.raises(TypeError, match="no flat form of complex"):
        serialization.save_session(tmp_path / "serialization.npz", Session((), (), (), {"z": 1j}))
