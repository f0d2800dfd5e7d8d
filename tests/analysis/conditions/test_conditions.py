"""Conditions of whole recordings: what a laser does is found, and nothing where it does nothing.

The short version of what ``benchmarks/calibration.py`` measures on many recordings.
"""

import argparse
import importlib
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from builders import CHECKOUT

from ephys_snn.__main__ import main
from ephys_snn.analysis.conditions import PIPELINE
from ephys_snn.analysis.conditions.comparison import compare_conditions
from ephys_snn.analysis.conditions.measures import MEASURES, ConditionSettings
from ephys_snn.recording import Recording, choose_windows

QUICK = ConditionSettings(n_permutations=99)


@pytest.fixture(scope="module")
def made_up():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CHECKOUT / "benchmarks")
        yield importlib.import_module("made_up_recordings")


@pytest.fixture(scope="module")
def laser(made_up) -> Recording:
    return made_up.laser(np.random.default_rng(5))


def compare(recording, **settings):
    return compare_conditions(recording, choose_windows(recording), replace(QUICK, **settings))


def rows(comparison, **chosen):
    table = comparison.table
    for key, value in chosen.items():
        table = table[table[key] == value]
    return table


def test_a_laser_that_halves_one_area_is_found_there_and_nowhere_else(laser):
    found = compare(laser, n_permutations=999)
    (rate,) = rows(found, area="B", cell_type="all", measure="rate_hz").itertuples()
    assert rate.q_value < 0.01
    assert rate.low < -rate.control_value / 2 < rate.high < 0
    assert rate.value - rate.control_value == pytest.approx(rate.change)
    elsewhere = found.table[found.table["area"] != "B"]
    assert not (elsewhere.loc[elsewhere["measure"] == "rate_hz", "q_value"] < 0.05).any()
    assert (elsewhere["q_value"] < 0.05).sum() <= 2  # of nine families, each at .05
    decided = found.decisions.set_index(["class", "measure"])
    assert decided.loc[("all", "accuracy"), "value"] == pytest.approx(0.5, abs=0.1)
    assert decided.loc[("all", "accuracy"), "q_value"] < 0.01
    assert decided.loc[("all", "undecided"), "change"] == 0


def test_every_row_has_its_change_or_its_reason(laser):
    found = compare(laser)
    table = found.table
    assert len(table) == 3 * 3 * len(MEASURES)
    assert (table["p_value"].notna() | (table["note"] != "")).all()
    assert not table.duplicated(["condition", "area", "cell_type", "measure"]).any()
    assert set(found.decisions["class"]) == {"all", "0", "1", "2", "3"}


def alike(name, made_up):
    """What differs in nothing but the name of the condition, with all that could mislead."""
    in_conditions = partial(partial, made_up.in_conditions)
    return {
        "drift": in_conditions(make=made_up.drift, share=0.25),
        "mixed classes": in_conditions(make=made_up.selective, by_class=True),
        "decisions": in_conditions(make=made_up.undecided, by_class=True),
        "stimuli": partial(made_up.stimuli_in_conditions, per_class=15, repeats=1),
        "few stimuli": partial(made_up.stimuli_in_conditions, per_class=2, repeats=10),
    }[name]


@pytest.mark.parametrize("name", ["drift", "mixed classes", "decisions", "stimuli", "few stimuli"])
def test_where_conditions_are_alike_p_and_intervals_hold(name, made_up):
    make, tables = alike(name, made_up), []
    for index in range(12):
        found = compare(make(np.random.default_rng([1, index])), seed=index)
        tables.append(found.table[found.table["cell_type"] == "all"])
    table = pd.concat(tables)
    assert table["paired"].all() == (name == "stimuli")
    tested = table[table["p_value"].notna()]
    assert len(tested) > 250
    # Values of a recording depend on each other: as if there were a third of them.
    limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / (len(tested) / 3))
    assert (tested["p_value"] <= 0.05).mean() < limit
    assert ((tested["low"] > 0) | (tested["high"] < 0)).mean() < limit


def test_the_same_seed_gives_the_same_bytes(laser, tmp_path):
    laser.write(tmp_path / "laser.nix")
    for out in ("a", "b"):
        assert main(["conditions", str(tmp_path / "laser.nix"), "--permutations", "19", "--quiet",
                     "--dpi", "30", "--out", str(tmp_path / out)]) == 0
    for name in ("conditions.csv", "conditions_decisions.csv", "conditions.png",
                 "conditions_decisions.png", "conditions.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_is_said_is_what_the_tables_say(laser, tmp_path, capsys):
    laser.write(tmp_path / "laser.nix")
    assert main(["conditions", str(tmp_path / "laser.nix"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    n, m = (np.sum(laser.trials.annotations["perturbation"] == each)
            for each in ("laser", "control"))
    assert f"laser ({n} trials) against control ({m}), among neighbouring trials of a class" in said
    table = pd.read_csv(tmp_path / "conditions.csv").set_index(["area", "cell_type", "measure"])
    rate = table.loc[("B", "all", "rate_hz")]
    assert f"rate: B from {rate['control_value']:.3g} to {rate['value']:.3g} spikes/s" in said
    assert "share of right decisions: all from 1 to" in said
    assert json.loads((tmp_path / "conditions.json").read_text())["parameters"]["control"] == \
        "control"


def test_conditions_that_come_in_runs_are_said_not_to_be_told_from_drift(laser, tmp_path, capsys):
    blocked = np.where(np.arange(240) // 20 % 2, "laser", "control")
    replace(laser, trials=replace(laser.trials, annotations={"perturbation": blocked})).write(
        tmp_path / "laser.nix")
    assert main(["conditions", str(tmp_path / "laser.nix"), "--permutations", "19", "--quiet",
                 "--shift-labels", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "conditions are not in random order: 95% of the trials repeat" in said
    assert "--shift-labels changes nothing here" in said


def test_undecided_trials_are_counted_by_condition(made_up, tmp_path, capsys):
    recording = made_up.laser(np.random.default_rng(1))
    trials = recording.trials
    is_laser = trials.annotations["perturbation"] == "laser"
    time = np.where(is_laser & (np.arange(240) % 4 < 2), np.nan, trials.decision_time)
    replace(recording, trials=replace(trials, decision_time=time)).write(tmp_path / "laser.nix")
    assert main(["conditions", str(tmp_path / "laser.nix"), "--permutations", "19", "--quiet",
                 "--out", str(tmp_path)]) == 0
    share = np.isnan(time[is_laser]).mean()
    assert f"are not compared: {share:.0%} of laser, 0% of control; those left are a selection" \
        in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "conditions.csv")
    assert table["n_trials"].max() <= np.isfinite(time[is_laser]).sum()
    decided = pd.read_csv(tmp_path / "conditions_decisions.csv").set_index(["class", "measure"])
    assert decided.loc[("all", "undecided"), "value"] == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("key", "values", "asked", "applies"), [
    ("perturbation", ["laser", "control"], None, True), ("laser", ["on", "off"], None, False),
    ("laser", ["on", "off"], "laser", True), ("perturbation", ["control", ""], None, False)])
def test_it_applies_where_trials_have_conditions_or_somebody_says_so(
        key, values, asked, applies, laser):
    trials = replace(laser.trials, annotations={key: np.array(values * 120)})
    options = argparse.Namespace(condition=asked)
    assert PIPELINE.applies(replace(laser, trials=trials), options) == applies


@pytest.mark.parametrize(("file", "key", "control"), [
    ("steinmetz2019_session1.nix", "feedback", "1"), ("zhang_desimone_it_1006.nix", "position",
                                                      "middle")])
def test_conditions_of_a_brain(shared, file, key, control, tmp_path, capsys):
    path = str(shared / "recordings" / file)
    assert main(["conditions", path, "--out", str(tmp_path)]) == 2
    assert f"{key}: " in capsys.readouterr().err  # offered
    assert main(["conditions", path, "--condition", key, "--control", control, "--out",
                 str(tmp_path), "--permutations", "99", "--quiet"]) == 0
    table = pd.read_csv(tmp_path / "conditions.csv")
    assert (table["p_value"].notna() | table["note"].notna()).all()
    whole = table[(table["measure"] == "rate_hz") & (table["cell_type"] == "all")]
    assert whole["value"].notna().all() and (whole["low"] <= whole["change"]).all()


def test_position_in_macaque_it(shared):
    """Spikes counted by hand, without strata, which weigh little where the order is random."""
    recording = Recording.read(shared / "recordings" / "zhang_desimone_it_1006.nix")
    found = compare(recording, condition="position", control="middle", n_permutations=999)
    (lower,) = rows(found, condition="lower", measure="rate_hz").itertuples()
    position, trials = recording.trials.values_of("position"), recording.trials

    def rate(where):
        inside = [np.sum((spikes >= start) & (spikes < start + 500))
                  for spikes in map(recording.spikes_of, range(7))
                  for start in trials.onset[position == where]]
        return 2 * np.mean(inside)

    assert lower.value == pytest.approx(rate("lower"), rel=0.06)
    assert lower.control_value == pytest.approx(rate("middle"), rel=0.06)
    assert lower.p_value < 0.01
