"""A study: every recording analysed or named with its reason, and one table across them."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from builders import CHECKOUT, recording_of_layers

from ephys_snn.errors import InputError
from ephys_snn.report import study


def write_recording(path, seed):
    """Two areas whose volleys carry the class."""
    rng = np.random.default_rng(seed)
    label = np.arange(40) % 2
    times = np.where(rng.random((40, 16)) < 0.8, rng.uniform(0.2, 2, (40, 16)), np.inf)
    second = times.min(axis=1, keepdims=True) + 1 + rng.normal(0, 0.05, (40, 16)) ** 2
    second[:, :8][label == 1] = np.inf
    recording_of_layers({"V1": times, "V2": second}, label.astype(str)).write(path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with three files that nobody opens."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("a.nix", "b.nix", "notes.txt", ".c.nix"):
        (tmp_path / "data" / name).touch()
    return tmp_path / "data"


@pytest.mark.parametrize("recordings", ["data", "data/*.nix", ["data/b.nix", "data/a.nix"]])
def test_recordings_are_a_folder_a_pattern_or_a_list(files, recordings):
    found = study.read_study({"recordings": recordings})
    assert {name: path.name for name, path in found.recordings.items()} == {
        "a": "a.nix", "b": "b.nix"}


def test_files_of_one_stem_keep_their_endings(files):
    (files / "a.nwb").touch()
    assert set(study.read_study({"recordings": "data"}).recordings) == {"a.nix", "a.nwb", "b.nix"}


def test_options_are_those_of_all_and_then_those_of_the_recording(files):
    found = study.read_study({
        "recordings": "data", "options": "--seed 3",
        "each": {"b*": "--trials 'go cue' --window -50 100"}})
    assert found.options == {"a": ["--seed", "3"], "b": [
        "--seed", "3", "--trials", "go cue", "--window", "-50", "100"]}


@pytest.mark.parametrize("config, message", [
    ({"recordings": "data", "option": ""}, "config has option; it may have recordings, out"),
    ({}, "name a folder, a pattern"),
    ({"recordings": "nowhere/*.nix"}, "there are none in nowhere"),
    ({"recordings": "data", "each": {"z*": ""}}, r"no recording is called z\*; there are a.nix"),
    ({"recordings": "data", "options": "--windw 3"}, "--windw"),
    ({"recordings": ["data", "other"]}, "several files are called a.nix"),
])
def test_a_config_that_cannot_be_meant_is_refused(files, config, message):
    (files.parent / "other").mkdir()
    (files.parent / "other" / "a.nix").touch()
    with pytest.raises(InputError, match=message):
        study.read_study(config)


def write_results(folder, error="", failed=None, synchrony="", separability=""):
    folder.mkdir()
    (folder / study.STATUS).write_text(json.dumps({
        "recording": f"{folder.name}.nix", "options": [], "error": error,
        "failed": failed or {}}))
    for name, table in (("synchrony", synchrony), ("separability", separability)):
        if table:
            (folder / f"{name}.json").write_text("{}")
            (folder / f"{name}.csv").write_text(table)
    return folder


SYNCHRONY = """\
area,cell_type,n_units,n_trials,active_fraction,latency_ms,sd_ms,shortest_half_ms,\
shortest_half_equal_ms,n_equal_spikes,shuffled_within,\
shuffled_shortest_half_ratio,shuffled_shortest_half_q_value,note
V2,all,8,40,0.5,3,1,0.5,0.4,5,class,0.8,0.01,
V2,inhibitory,2,0,0.1,,,,,,class,,,too few active units
V1,all,4,40,0.25,2,1,0.25,0.2,5,class,0.9,0.2,
"""
SEPARABILITY = """\
area,code,accuracy,chance,q_value,note
V2,active,0.75,0.5,0.01,
V2,latency,,,,no latencies
V1,active,0.5,0.5,0.9,
V1,latency,0.6,0.5,0.04,
"""


def test_the_table_has_a_row_per_recording_area_and_cell_type(tmp_path):
    table = study.collect([
        write_results(tmp_path / "one", synchrony=SYNCHRONY, separability=SEPARABILITY,
                      failed={"pathways": "no weights"}),
        write_results(tmp_path / "gone", error="gone.nix is damaged", synchrony=SYNCHRONY),
        write_results(tmp_path / "two", synchrony=SYNCHRONY)])
    assert table[["recording", "area", "cell_type"]].fillna("").values.tolist() == [
        ["one", "V2", "all"], ["one", "V2", "inhibitory"], ["one", "V1", "all"], ["gone", "", ""],
        ["two", "V2", "all"], ["two", "V2", "inhibitory"], ["two", "V1", "all"]]
    assert table["shortest_half_ms"].tolist()[:3:2] == [0.5, 0.25]
    assert table["latency_decoding_accuracy"].tolist()[2] == 0.6
    assert table["active_decoding_q_value"].tolist()[0] == 0.01
    assert table["note"].tolist()[:4] == [
        "no latencies; pathways: no weights", "too few active units; pathways: no weights",
        "pathways: no weights", "gone.nix is damaged"]
    assert study.summarize(table) == ("2 of 3 recordings analysed\n"
                                      "broken: gone: gone.nix is damaged")


def test_a_damaged_recording_leaves_its_reason(tmp_path):
    path = tmp_path / "half.nix"
    path.write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    error = study.analyse(path, tmp_path / "half")
    assert "half.nix" in error
    assert study.broken(study.collect([tmp_path / "half"])) == {"half": error}


def run_snakemake(folder):
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", str(CHECKOUT / "pipelines" / "Snakefile"),
         "--configfile", "study.yaml", "--cores", "2", "--keep-going"],
        cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_six_recordings_are_analysed_and_the_seventh_is_named(tmp_path):
    pytest.importorskip("snakemake", reason="the workflow needs the extra 'study'")
    (tmp_path / "my data").mkdir()
    for seed in range(6):
        write_recording(tmp_path / "my data" / f"session {seed}.nix", seed)
    whole = (tmp_path / "my data" / "session 0.nix").read_bytes()
    (tmp_path / "my data" / "cut.nix").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "study.yaml").write_text(
        "recordings: my data\nout: out\noptions: --permutations 20 --dpi 30\n"
        "each:\n  'session 0.nix': --window 0 60\n")
    first = run_snakemake(tmp_path)
    assert first.returncode == 0, first.stderr
    table = pd.read_csv(tmp_path / "out" / "study.csv")
    assert list(dict.fromkeys(table["recording"])) == ["cut", *(f"session {n}" for n in range(6))]
    rows = table[(table["cell_type"] == "all") & table["area"].notna()]
    assert rows["area"].tolist() == ["V1", "V2"] * 6
    assert (rows["n_units"] == 16).all() and rows["active_decoding_accuracy"].notna().all()
    assert (rows["active_decoding_accuracy"][rows["area"] == "V2"] > 0.9).all()
    assert rows["information_gain"].notna().all()
    assert "6 of 7 recordings analysed\nbroken: cut: " in first.stdout + first.stderr
    reports = json.loads((tmp_path / "out" / "session 0" / "synchrony.json").read_text())
    assert reports["parameters"]["window"] == "0 to 60 ms after onset"

    again = run_snakemake(tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr
    (tmp_path / "my data" / "cut.nix").write_bytes(whole)
    (tmp_path / "out" / "session 3" / study.STATUS).unlink()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob(f"*/{study.STATUS}")}
    mended = run_snakemake(tmp_path)
    assert "7 of 7 recordings analysed" in mended.stdout + mended.stderr
    redone = [path.parent.name for path in (tmp_path / "out").glob(f"*/{study.STATUS}")
              if path.stat().st_mtime_ns != done.get(path)]
    assert sorted(redone) == ["cut", "session 3"]
