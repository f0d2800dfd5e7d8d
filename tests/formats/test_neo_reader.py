"""Recordings that are folders, and readers that must not run code."""

import io
import pickle

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.files import content_digest
from ephys_snn.recording import Recording


class Trap:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def phy(tmp_path):
    """A folder as Kilosort and Phy leave it: 3 units, 10 kHz."""
    folder = tmp_path / "sorted"
    folder.mkdir()
    np.save(folder / "spike_times.npy", np.array([1000, 2000, 3000, 12000, 15000, 20000]))
    for name in ("spike_templates", "spike_clusters"):
        np.save(folder / f"{name}.npy", np.array([0, 4, 0, 4, 7, 0]))
    (folder / "params.py").write_text("sample_rate = 10000.\nhp_filtered = False\n")
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tgood\n4\tmua\n7\tgood\n")
    return folder


def test_a_phy_folder_with_a_table_of_trials(phy, tmp_path):
    trials = tmp_path / "trials.csv"
    trials.write_text("onset_s,duration_s,label\n0,1,a\n1,1,b\n")
    recording = Recording.read(phy, one_area="V1", trials_table=trials)
    np.testing.assert_allclose(recording.spikes_of(0), [100.0, 300.0, 2000.0])
    np.testing.assert_array_equal(recording.units.annotations["group"], ["good", "mua", "good"])
    assert recording.trials.classes == ("a", "b")


def test_the_hash_of_a_folder_is_that_of_names_and_contents(phy):
    before = content_digest(phy)
    assert content_digest(phy) == before
    (phy / "params.py").rename(phy / "parameters.py")
    assert content_digest(phy) != before


def test_a_phy_folder_runs_no_code(phy, tmp_path):
    trap = tmp_path / "sprung"
    content = io.BytesIO()
    np.save(content, np.array([Trap(trap)], dtype=object), allow_pickle=True)
    (phy / "spike_times.npy").write_bytes(content.getvalue())
    with pytest.raises(InputError, match="is a folder, and not a recording that Neo can read"):
        Recording.read(phy)
    assert not trap.exists()


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".npy", ".npz", ".nix", ".mat", ".plx",
                                    ".dat", ".txt", ".nwb", ".joblib", ""])
def test_no_file_runs_code(tmp_path, suffix):
    path, trap = tmp_path / f"trap{suffix}", tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(InputError, match="pickles|not a recording|damaged|no NWB|no spike trains"):
        Recording.read(path)
    assert not trap.exists()


def test_the_readers_are_the_ones_that_neo_has():
    """A new reader of Neo's that unpickles would have to be refused as well."""
    import inspect

    import neo

    from ephys_snn.formats.neo_reader import _PICKLE_READERS

    unpickling = {reader.__name__ for reader in neo.io.iolist
                  if "pickle.load" in inspect.getsource(inspect.getmodule(reader))}
    assert unpickling <= set(_PICKLE_READERS)
