"""Damaged files: a result or one clear line with exit status 2, whatever the damage.

Every file is read by the command line in a process of its own, so that a crash or a hang of a
library is found as well.
"""

import contextlib
import io
import multiprocessing
import pickle
import traceback
import warnings
import zipfile
from dataclasses import replace

import h5py
import neo
import numpy as np
import pytest
import quantities as pq
from builders import recording_of_layers

from ephys_snn import files, inspect
from ephys_snn.analysis import PipelineResult, run, synchrony
from ephys_snn.formats import guard
from ephys_snn.recording.options import limits_of

LIMIT = 120.0  # s; longer is a hang


def outcome(path) -> str:
    """'' if a file gives a result or one clear line, else what went wrong."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), \
                warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = inspect.main([str(path)])
            only_read = replace(synchrony.PIPELINE, name="reading", analyse=_respond,
                                add_options=lambda parser: None)
            if status == 0:
                status = run(only_read, [str(path), "--out", str(path.parent / "out")])
    except BaseException:
        return traceback.format_exc()
    lines = err.getvalue().strip().splitlines()
    if status == 0:
        return ""
    return "" if status == 2 and len(lines) == 1 and lines[0].startswith("error: ") \
        else f"status {status}, {lines}"


def _respond(recording, windows, args):
    responses = recording.responses(windows)
    assert (responses.count >= 0).all() and not np.isnan(responses.latency).any()
    return PipelineResult("reading", {}, {}, {}, ["read"], limits_of(windows, recording))


def _serve(connection) -> None:
    while True:
        connection.send(outcome(connection.recv()))


class Reader:
    """Reads files in another process; a new one after each crash or hang."""

    def __init__(self):
        self.process = None

    def __call__(self, path) -> str:
        if self.process is None:
            context = multiprocessing.get_context("fork")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self.process.start()
            theirs.close()
        self.connection.send(path)
        try:
            if self.connection.poll(LIMIT):
                return self.connection.recv()
            problem = "hangs"
        except EOFError:
            problem = "crashes"
        self.process.kill()
        self.process = None
        return problem


@pytest.fixture(scope="module")
def read():
    """outcome(path), in a process of its own."""
    reader = Reader()
    yield reader
    if reader.process is not None:
        reader.process.kill()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A small file of this project, with weights and decisions."""
    rng = np.random.default_rng(0)
    times = rng.uniform(0.1, 2, (6, 4))
    recording = recording_of_layers(
        {"input": times, "layer_1": times + 0.5, "output": times[:, :2] + 1},
        np.array(["a", "b"] * 3), first_inhibitory=3, decisions=times[:, :2] + 1,
        weights={("input", "layer_1"): rng.normal(size=(4, 4)).astype(np.float32)})
    path = tmp_path_factory.mktemp("ours") / "ours.nix"
    recording.write(path)
    return path


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A small file that NixIO wrote, so without a seal."""
    rng = np.random.default_rng(1)
    block, segment = neo.Block(name="b"), neo.Segment(name="s")
    for unit in range(4):
        segment.spiketrains.append(neo.SpikeTrain(
            np.sort(rng.uniform(0, 6, 20)) * pq.s, t_stop=6 * pq.s, name=f"u{unit}",
            area=f"V{unit // 2}", unit_id=unit))
    segment.epochs.append(neo.Epoch(np.arange(6) * pq.s, np.full(6, 0.9) * pq.s,
                                    labels=["a", "b"] * 3, name="stimulus"))
    segment.events.append(neo.Event((np.arange(6) + 0.5) * pq.s, labels=["a", "b"] * 3,
                                    name="decision"))
    block.segments.append(segment)
    path = tmp_path_factory.mktemp("theirs") / "theirs.nix"
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block)
    return path


def mutate(whole: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, zero, shift or flip, at random."""
    damaged = bytearray(whole)
    kind = rng.integers(8)
    at = int(rng.integers(len(whole)))
    length = int(10 ** rng.uniform(0, 4))
    if kind == 0:
        return whole[:at]
    if kind == 1:
        length = min(length, len(whole) - at)
        damaged[at:at + length] = bytes(length)
    elif kind == 2:
        del damaged[at:at + length]
    elif kind == 3:
        damaged[at:at] = rng.bytes(length)
    else:
        for position in rng.integers(len(whole), size=int(10 ** rng.uniform(0, 2.5))):
            damaged[position] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def try_mutants(original, read, tmp_path, n_files: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = original.read_bytes()
    path = tmp_path / "damaged.nix"
    for number in range(n_files):
        path.write_bytes(mutate(whole, rng))
        problem = read(path)
        assert not problem, f"file {number} of seed {seed}: {problem}"


def test_damaged_files_of_ours(ours, read, tmp_path):
    try_mutants(ours, read, tmp_path, 200, seed=0)


def test_damaged_files_of_others(theirs, read, tmp_path):
    try_mutants(theirs, read, tmp_path, 10, seed=1)


@pytest.mark.slow
def test_a_thousand_damaged_files_of_ours(ours, read, tmp_path):
    try_mutants(ours, read, tmp_path, 1000, seed=2)


@pytest.mark.slow
def test_two_thousand_damaged_files_without_a_seal(ours, theirs, read, tmp_path, monkeypatch):
    """Without the process that opens foreign files first, the reader itself must hold out.

    Where the HDF5 library hangs or crashes in the reader, the guarded way must say so.
    """
    rng = np.random.default_rng(3)
    unsealed = ours.read_bytes()[:-files._SEAL_SIZE]
    path = tmp_path / "damaged.nix"
    guarded = Reader()
    monkeypatch.setattr(guard, "PATIENCE", 5.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "read_apart", lambda path, out: None)
        patch.setattr(__name__ + ".LIMIT", 5.0)
        hard = []
        bare = Reader()
        for number in range(2000):
            path.write_bytes(mutate(unsealed if number % 2 else theirs.read_bytes(), rng))
            problem = bare(path)
            if problem in ("hangs", "crashes"):
                hard.append(path.read_bytes())
            else:
                assert not problem, f"file {number}: {problem}"
    for content in hard:
        path.write_bytes(content)
        assert not guarded(path)
    print(f"the HDF5 library hung or crashed on {len(hard)} of 2000 files")


def _tags(file, kind):
    (block,) = file["data"].values()
    return [tag for tag in block["multi_tags"].values()
            if tag.attrs["type"] in (kind, kind.encode())]


def _train(file):
    return _tags(file, "neo.spiketrain")[0]


def _replace(group, name, values):
    attributes = dict(group[name].attrs) if name in group else {}
    if name in group:
        del group[name]
    dataset = group.create_dataset(name, data=values)
    for key, value in attributes.items():
        dataset.attrs[key] = value


def _times(values):
    return lambda file: _replace(_train(file)["positions"], "data", values)


def _annotation(key, values):
    return lambda file: _replace(_train(file)["metadata/properties"], key, values)


def _type(group, name):
    def change(file):
        parent = _train(file)[group]
        del parent[name]
        parent[name] = np.dtype("f8")  # a type with a name, where values should be
    return change


def _no_group(where, name):
    """Values where a group should be, of the block, of its Segment or of a train."""
    def change(file):
        (block,) = file["data"].values()
        segment = next(group for group in block["groups"].values() if "multi_tags" in group)
        _replace({"block": block, "segment": segment, "train": _train(file)}[where], name, [1, 2])
    return change


def _mark(name, values, kind="neo.epoch"):
    return lambda file: _replace(_tags(file, kind)[0][name], "data", values)


def _labels(values):
    return lambda file: _replace(_tags(file, "neo.epoch")[0]["positions/dimensions/1"], "labels",
                                 values)


def _delete(path, kind="neo.spiketrain"):
    def change(file):
        del _tags(file, kind)[0][path]
    return change


def _unit(unit):
    def change(file):
        _train(file)["positions"].attrs["unit"] = unit
    return change


def _no_units(file):
    (block,) = file["data"].values()
    for segment in block["groups"].values():
        for name in list(segment.get("multi_tags", ())):
            if segment["multi_tags"][name].attrs["type"] in ("neo.spiketrain", b"neo.spiketrain"):
                del segment["multi_tags"][name]


TEXT = h5py.string_dtype()
CHANGES = {
    "nan": _times([1.0, np.nan]), "inf": _times([1.0, np.inf]), "negative": _times([-5.0, 3.0]),
    "unsorted": _times([5.0, 1.0, 3.0]), "duplicates": _times([1.0, 1.0, 1.0]),
    "empty": _times(np.empty(0)), "integers": _times([1, 2, 3]),
    "strings": _times(np.array(["a", "b"], dtype=TEXT)), "2-d": _times(np.ones((3, 2))),
    "scalar": _times(1.0), "complex": _times(np.ones(3, complex)), "bool": _times([True, False]),
    "compound": _times(np.zeros(2, dtype=[("a", "f8"), ("b", "i4")])),
    "huge times": _times([1e300, 1e308]), "huge integers": _times([2 ** 62, 2 ** 63 - 1]),
    "seconds": _unit("s"), "volts": _unit("V"), "no unit": _unit(""), "odd unit": _unit("m/s)("),
    "number as unit": _unit(3.0),
    "no name": _delete("metadata/properties/neo_name"),
    "no area": _delete("metadata/properties/area"),
    "no t_start": _delete("metadata/properties/t_start"),
    "no metadata": _delete("metadata"), "no positions": _delete("positions"),
    "no data": _delete("positions/data"), "no durations": _delete("extents", "neo.epoch"),
    "no epoch times": _delete("positions", "neo.epoch"),
    "no labels": _delete("positions/dimensions/1/labels", "neo.epoch"),
    "no decisions": _delete("positions", "neo.event"),
    "area a number": _annotation("area", [3]), "area empty": _annotation("area", np.empty(0)),
    "area a type": _type("metadata/properties", "area"), "times a type": _type("positions", "data"),
    "groups no group": _no_group("block", "groups"),
    "arrays no group": _no_group("block", "data_arrays"),
    "trains no group": _no_group("segment", "multi_tags"),
    "positions no group": _no_group("train", "positions"),
    "metadata no group": _no_group("train", "metadata"),
    "area a list": _annotation("area", np.array(["a", "b"], dtype=TEXT)),
    "name a number": _annotation("neo_name", [3.5]),
    "name a list": _annotation("neo_name", np.array(["a", "b"], dtype=TEXT)),
    "unicode": _annotation("neo_name", np.array(["\u03b2\u0301 \U0001f9e0\n"], dtype=TEXT)),
    "no utf-8": _annotation("area", np.array([b"\xff\xfe"], dtype="S2")),
    "very long": _annotation("area", np.array(["x" * 100_000], dtype=TEXT)),
    "unit_id a word": _annotation("unit_id", np.array(["u"], dtype=TEXT)),
    "unit_id a list": _annotation("unit_id", [1, 2]),
    "unit_id nan": _annotation("unit_id", [np.nan]),
    "unit_id twice": _annotation("unit_id", [1]),
    "t_start a word": _annotation("t_start", np.array(["soon"], dtype=TEXT)),
    "t_start nan": _annotation("t_start", [np.nan]),
    "t_start late": _annotation("t_start", [1e9]), "t_stop empty": _annotation("t_stop", []),
    "cell type a number": _annotation("cell_type", [1]),
    "no units": _no_units,
    "no trials": _mark("positions", np.empty(0)), "too few onsets": _mark("positions", [0.0]),
    "onsets nan": _mark("positions", np.full(6, np.nan)),
    "onsets in any order": _mark("positions", [5.0, 1, 3, 2, 4, 0]),
    "onsets 2-d": _mark("positions", np.ones((6, 1))),
    "durations negative": _mark("extents", np.full(6, -1.0)),
    "durations zero": _mark("extents", np.zeros(6)),
    "durations inf": _mark("extents", np.full(6, np.inf)),
    "too few durations": _mark("extents", [1.0]),
    "durations words": _mark("extents", np.array(["a"] * 6, dtype=TEXT)),
    "too few labels": _labels(np.array(["a"], dtype=TEXT)),
    "too many labels": _labels(np.array(["a"] * 9, dtype=TEXT)),
    "labels numbers": _labels([1, 2, 3, 4, 5, 6]), "labels 2-d": _labels(np.ones((6, 2))),
    "labels empty": _labels(np.array([""] * 6, dtype=TEXT)),
    "some labels empty": _labels(np.array(["", "a"] * 3, dtype=TEXT)),
    "decisions nan": _mark("positions", np.full(6, np.nan), "neo.event"),
    "too few decisions": _mark("positions", [1.0], "neo.event"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("origin", ["ours", "theirs"])
def test_changed_content(request, origin, name, read, tmp_path, monkeypatch):
    path = tmp_path / "changed.nix"
    path.write_bytes(request.getfixturevalue(origin).read_bytes())
    with h5py.File(path, "r+") as file:
        try:
            CHANGES[name](file)
        except KeyError:
            pytest.skip("this file has nothing of that kind")
    monkeypatch.setattr(guard, "read_apart", lambda path, out: None)  # a second each
    problem = outcome(path)
    assert not problem, problem


def _pickle(path):
    path.write_bytes(pickle.dumps({"spikes": [1, 2, 3]}))


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


def _hdf5(path):
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(3)


def _huge(path):
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "nix"
        file.create_dataset("data/b/spikes", (10 ** 15,), "f4", chunks=(1000,))


OTHERS = {
    "pickle": _pickle, "zip": _zip, "HDF5": _hdf5, "huge HDF5": _huge,
    "csv": lambda path: path.write_text("a,b\n1,2\n"), "empty": lambda path: path.touch(),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(10_000)),
}


@pytest.mark.parametrize("suffix", [".nix", ".h5", ".csv", ".npz", ""])
@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_other_kinds(kind, suffix, tmp_path, monkeypatch):
    path = tmp_path / f"other{suffix}"
    OTHERS[kind](path)
    monkeypatch.setattr(guard, "read_apart", lambda path, out: None)
    problem = outcome(path)
    assert not problem, problem
