"""p-values and statements on recordings of known truth: counted rightly, and they hold.

The slow test is a short version of ``benchmarks/calibration.py``.
"""

import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import CHECKOUT

FEW = 5  # recordings of each scenario
ERRORS = 4  # standard errors; hundreds of columns are looked at


@pytest.fixture(scope="module")
def calibration():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CHECKOUT / "benchmarks")
        yield importlib.import_module("calibration")


def made_up_values(calibration, column, truths, hits):
    """Values of one column; a row per recording."""
    shape = np.shape(hits)
    recording, row = np.indices(shape).reshape(2, -1)
    return pd.DataFrame(dict.fromkeys(calibration.PLACE, "x") | {
        "column": column, "recording": recording, "row": row,
        "truth": np.broadcast_to(truths, shape).ravel(), "value": 0.5,
        "hit": np.ravel(hits).astype(float), "low": np.nan, "high": np.nan})


def test_levels_are_shares_of_values_and_of_false_discoveries(calibration):
    truths = ["null", "null", "planted", "open"]
    hits = [[1, 0, 1, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
    values = pd.concat([made_up_values(calibration, column, truths, hits)
                        for column in ("p_value", "q_value", "p_value_corrected")])
    summary = calibration.summarise(values).set_index(["column", "truth"])
    assert (summary.xs("null", level="truth")["share"] == 2 / 8).all()
    assert (summary.xs("planted", level="truth")["share"] == 1 / 2).all()
    assert summary.loc[("p_value", "null"), "level"] == 2 / 8
    # False among all that are found where that is known: 1 of 2, 0 of 1, 1 of 1, 0 of 0.
    assert summary.loc[("q_value", "null"), "level"] == pytest.approx((1 / 2 + 0 + 1 + 0) / 4)
    assert summary.loc[("p_value_corrected", "null"), "level"] == 2 / 4
    assert summary.loc[("p_value", "null"), "first"] == 2 / 4


def test_errors_are_those_of_recordings(calibration):
    rng = np.random.default_rng(0)
    alike = np.repeat(rng.random((400, 1)) < 0.2, 25, axis=1)  # all values of a recording
    summary = calibration.summarise(made_up_values(calibration, "p_value", "null", alike))
    assert summary["error"].item() == pytest.approx(np.sqrt(0.2 * 0.8 / 400), rel=0.1)
    assert calibration.judge(summary.iloc[0]) == "FAILS"


def test_intervals_without_a_known_truth_are_to_hold_the_mean(calibration):
    rng = np.random.default_rng(0)
    values = made_up_values(calibration, "low to high", "null", np.full((2000, 1), np.nan))
    values["value"] = rng.normal(3.0, 1.0, 2000)
    values["low"], values["high"] = values["value"] - 1.645, values["value"] + 1.645
    assert calibration.summarise(values)["level"].item() == pytest.approx(0.1, abs=0.02)


def test_an_option_that_a_command_does_not_know_is_reported(calibration, monkeypatch):
    scenario = replace(calibration.SCENARIOS["linked_pairs"], runs=(("pathways", "--no-such 1"),))
    monkeypatch.setitem(calibration.SCENARIOS, "linked_pairs", scenario)
    values, failures = calibration.measure_recording(("linked_pairs", 0), 0, ["pathways"])
    assert values.empty
    assert [run for run, *_ in failures] == ["pathways --no-such 1"]
    assert "unrecognized arguments: --no-such" in failures[0][-1]


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_and_what_is_planted_is_found(calibration):
    values, _ = calibration.measure([name for name in calibration.SCENARIOS if "relabelled"
                                     not in name and "pseudo" not in name], FEW)
    summary = calibration.summarise(values)
    null = summary[summary["truth"] == "null"]
    pooled = null.assign(level=null["level"] * null["n_recordings"]).groupby(
        ["table", "column", "rows"])[["level", "n_recordings"]].sum()
    pooled["level"] /= pooled["n_recordings"]
    for each in (null, pooled):
        # As if values of one recording were all the same.
        limit = 0.05 + ERRORS * np.sqrt(0.05 * 0.95 / each["n_recordings"])
        assert not len(each[each["level"] > limit]), each[each["level"] > limit].to_string()
    weak = summary[(summary["truth"] == "planted") & (summary["share"] < 0.6)]
    assert not len(weak), weak.to_string()
