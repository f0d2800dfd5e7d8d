"""Opening a file: it is hashed once, whoever wrote it, and every pipeline has that digest."""

import hashlib
import json

import h5py
import numpy as np
import pytest
from builders import make_recording, write_block

from ephys_snn import files
from ephys_snn.__main__ import main
from ephys_snn.formats import open_session
from ephys_snn.recording import Recording


@pytest.fixture
def hashed(monkeypatch):
    """Files that were hashed, each time that they were."""
    seen, digest = [], files._digest
    monkeypatch.setattr(files, "_digest", lambda file, size: seen.append(file.name)
                        or digest(file, size))
    return seen


def sealed(path):
    make_recording([[1.0, 60.0]], [0.0, 50.0]).write(path)


def foreign(path):
    write_block(path, epochs=())


@pytest.mark.parametrize("write", [sealed, foreign])
def test_a_file_is_hashed_once(tmp_path, monkeypatch, hashed, write):
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    path = tmp_path / "out.nix"
    write(path)
    hashed.clear()
    for _ in range(2):  # cold, and from the cache
        session = open_session(path)
        assert hashed.count(str(path)) == 1
        hashed.clear()
    content = path.read_bytes()
    if write is sealed:
        content = content[:-files._SEAL_SIZE]
    assert session.sha256 == hashlib.sha256(content).hexdigest()


def test_all_results_have_one_digest_that_of_the_content(tmp_path):
    path, out = tmp_path / "out.nix", tmp_path / "results"
    rng = np.random.default_rng(0)
    make_recording([rng.uniform(0, 1000, 200) for _ in range(6)], 50.0 * np.arange(20),
                   label=["a", "b"] * 10).write(path)
    options = ["--out", str(out), "--permutations", "3", "--quiet"]
    assert main(["separability", str(path), *options]) == 0
    stated = json.loads((out / "separability.json").read_text())["recording"]["sha256"]
    assert stated == Recording.read(path).sha256 == files.content_digest(path)


def test_other_hdf5_is_neither_nix_nor_nwb(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1.0]
    with pytest.raises(ValueError, match="other.h5 is not a recording that Neo can read"):
        open_session(tmp_path / "other.h5")
