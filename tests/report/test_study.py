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
    ({"recordings": "data", "groups": {"x": "a*", "y": "z*"}}, r"groups: no recording is called z"),
    ({"recordings": "data", "groups": {"x": "a*"}}, "there is only x; name another"),
    ({"recordings": "data", "groups": {"x": "a*", "y": ["a.*", "b*"]}}, "a would be in several"),
    ({"recordings": "data", "subjects": {"x": "*", "y": "b*"}}, "b would be in several"),
])
def test_a_config_that_cannot_be_meant_is_refused(files, config, message):
    (files.parent / "other").mkdir()
    (files.parent / "other" / "a.nix").touch()
    with pytest.raises(InputError, match=message):
        study.read_study(config)


def test_groups_and_subjects_are_options_of_the_step_that_compares(files):
    (files / "c.nix").touch()
    found = study.read_study({"recordings": "data", "groups": {"new": ["a*", "b*"], "old": "c*"},
                              "subjects": {"mouse 1": "[ac].nix"}})
    assert found.groups == {"new": ["a", "b"], "old": ["c"]}
    assert found.design == ["--group", "new", "a", "b", "--group", "old", "c",
                            "--subject", "mouse 1", "a", "c"]


def write_results(folder, error="", failed=None, **tables):
    """Results of the pipelines that the tables are named for, or begin with."""
    folder.mkdir()
    (folder / study.STATUS).write_text(json.dumps({
        "recording": f"{folder.name}.nix", "options": [], "error": error,
        "failed": failed or {}}))
    for name, table in tables.items():
        (folder / f"{name.removesuffix('_depth')}.json").write_text("{}")
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


INFORMATION = """\
unit_id,area,cell_type,information_gain_corrected,relative_information_gain
0,V1,excitatory,{a},0.5
1,V1,inhibitory,{b},
2,V1,,{c},0.5
3,V2,excitatory,,
4,V2,excitatory,{d},0.25
"""
DEPTH = """\
cell_type,measure,spearman_rho,note
all,information_gain,{rho},
excitatory,information_gain,,fewer than three areas: no trend
"""


@pytest.fixture
def groups_of_results(tmp_path):
    """Four recordings with a gain of 0.6 and more and four with less than 0.1, in other areas."""
    folders = []
    for index in range(8):
        gain = (0.6 if index < 4 else 0.05) + 0.01 * index
        folders.append(write_results(
            tmp_path / f"r{index}", synchrony=SYNCHRONY,
            information_gain=INFORMATION.format(a=gain, b=gain + 0.1, c=gain + 0.2, d=gain),
            information_gain_depth=DEPTH.format(rho=0.8 if index else -0.2)))
    folders.append(write_results(tmp_path / "broken", error="r8.nix is damaged"))
    return folders


def test_values_are_units_or_recordings_and_no_copies(groups_of_results):
    values = study.study_values(groups_of_results, {}, {"r0": "mouse", "r1": "mouse"})
    one = values[values["recording"] == "r1"]
    rows = one.groupby(["measure", "area", "cell_type"])["value"].agg(list).to_dict()
    assert rows == {
        ("information_gain_corrected", "V1", "all"): [0.61, 0.71, 0.81],
        ("information_gain_corrected", "V1", "excitatory"): [0.61],
        ("information_gain_corrected", "V1", "inhibitory"): [0.71],
        ("information_gain_corrected", "V2", "all"): [0.61],  # as of its excitatory units
        ("relative_information_gain", "V1", "all"): [0.5, 0.5],
        ("relative_information_gain", "V1", "excitatory"): [0.5],
        ("relative_information_gain", "V2", "all"): [0.25],
        ("shortest_half_ms", "V2", "all"): [0.5],
        ("shortest_half_ms", "V1", "all"): [0.25],
        ("shortest_half_equal_ms", "V2", "all"): [0.4],
        ("shortest_half_equal_ms", "V1", "all"): [0.2],
        ("information_gain_trend", "", "all"): [0.8]}
    assert (one["subject"] == "mouse").all() and (one["group"] == "all recordings").all()
    assert set(values["recording"]) == {f"r{index}" for index in range(8)}


def test_the_comparison_has_a_row_per_measure_area_and_pair_of_groups(groups_of_results):
    groups = {f"r{index}": "high" if index < 4 else "low" for index in range(7)}
    values = study.study_values(groups_of_results, groups, {})
    table = study.compare_recordings(values, ["high", "low"])
    assert not table.duplicated(["measure", "area", "cell_type", "group", "other"]).any()
    assert set(table["n_recordings"] + table["n_recordings_other"].fillna(0)) == {3, 4, 7}
    gain = table[(table["measure"] == "information_gain_corrected") & (table["area"] == "V1")]
    assert gain["n_values"].tolist() == [12, 4, 4]
    assert gain["difference"].tolist() == pytest.approx([0.515] * 3)
    assert gain["p_value"].isna().all() and gain["note"].str.contains("fewer than 4").all()

    groups |= {"r7": "low"}
    values = study.study_values(groups_of_results, groups, {})
    table = study.compare_recordings(values, ["high", "low"])
    row = table[(table["measure"] == "information_gain_corrected")].iloc[0]
    assert row["p_value"] == pytest.approx(2 / 70) and row["q_value"] == pytest.approx(2 / 70)
    assert table.loc[table["measure"] == "shortest_half_ms", "p_value"].tolist() == [1, 1]
    assert (table["note"] != "").all()  # four recordings are too few for intervals
    said = study.summarize_comparison(table).splitlines()
    assert said[0].startswith("high against low, 4 and 4 subjects, independent: 4 of ")
    assert "information_gain_corrected V1 excitatory +0.51" in said[0]
    assert said[1].startswith("high, trends with depth of 4 subjects: not tested (fewer than 6")


def test_without_groups_trends_are_tested_over_all_recordings(groups_of_results):
    table = study.compare_recordings(study.study_values(groups_of_results, {}, {}), [])
    assert table["measure"].tolist() == ["information_gain_trend"]
    row = table.iloc[0]
    # Of the 256 signs, the mean is as far from 0 with all, or all but the one of -0.2, reversed.
    assert row["n_recordings"] == 8 and row["p_value"] == pytest.approx(4 / 256)
    assert study.summarize_comparison(table) == (
        "all recordings, trends with depth of 8 subjects: 1 of 1 means differ from 0 at q < 0.05: "
        "information_gain_trend all +0.68")


def test_the_same_results_give_the_same_bytes_and_a_figure(groups_of_results, tmp_path):
    from ephys_snn.report.study.__main__ import main

    for name in ("one", "two"):
        assert main(["compare", str(tmp_path / f"{name}.csv"), *map(str, groups_of_results),
                     "--group", "high", "r0", "r1", "r2", "r3",
                     "--group", "low", "r4", "r5", "r6", "r7"]) == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_subjects_of_one_value_can_be_drawn():
    from ephys_snn.report.study.comparison_figure import plot_comparison

    names = [f"r{index}" for index in range(20)]
    values = pd.DataFrame({"recording": names, "subject": names, "group": "all recordings",
                           "measure": "decoding_accuracy", "area": "V1", "cell_type": "all",
                           "value": 0.6, "is_trend": False})
    assert values["value"].mean() != 0.6  # by rounding
    plot_comparison(values, study.compare_recordings(values, []), ["all recordings"])


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
        "each:\n  'session 0.nix': --window 0 60\n"
        "groups:\n  early: 'session [012].nix'\n  late: 'session [345].nix'\n")
    first = run_snakemake(tmp_path)
    assert first.returncode == 0, first.stderr
    table = pd.read_csv(tmp_path / "out" / "study.csv")
    assert list(dict.fromkeys(table["recording"])) == ["cut", *(f"session {n}" for n in range(6))]
    rows = table[(table["cell_type"] == "all") & table["area"].notna()]
    assert rows["area"].tolist() == ["V1", "V2"] * 6
    compared = pd.read_csv(tmp_path / "out" / "study_comparison.csv")
    assert (compared["n_recordings"].dropna() == 3).all()
    assert (tmp_path / "out" / "study_comparison.png").stat().st_size > 10_000
    assert "early against late, 3 and 3 subjects" in first.stdout + first.stderr
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
