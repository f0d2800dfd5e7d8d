"""Decisions of conditions, counted by hand: right ones, missing ones, and when they come."""

import numpy as np
import pytest

from ephys_snn.analysis.conditions.contrast import choose_conditions, contrast_of
from ephys_snn.analysis.conditions.decisions import decision_changes
from ephys_snn.recording import Trials


def test_decisions_are_counted_of_all_and_of_each_class():
    """Every stimulus once in each condition; of one class nobody names the trials' label."""
    rng = np.random.default_rng(0)
    stimulus = np.tile(np.arange(24), 2)
    label = np.where(stimulus % 2, "", "b")
    laser = np.repeat(["on", "off"], 24)
    time = np.where(rng.random(48) < 0.25, np.nan, rng.uniform(5, 40, 48))
    said = np.where(np.isnan(time), "", rng.choice(["b", "z"], 48))
    onset = 100.0 * np.arange(48)
    trials = Trials(onset, np.full(48, 50.0), label, onset + time, said,
                    {"laser": laser, "stimulus": stimulus})
    contrast = contrast_of(trials, choose_conditions(trials, "laser", "off"), "on",
                           np.full(48, True))
    found = {(name, measure): change for name, measure, change in decision_changes(
        trials, contrast, 99, rng)}
    assert contrast.paired and len(found) == 9
    for name, inside in (("all", label != "-"), ("", label == ""), ("b", label == "b")):
        on, off = inside & (laser == "on"), inside & (laser == "off")
        right, none = (said == label) & ~np.isnan(time), np.isnan(time)
        for measure, values in (("accuracy", right), ("undecided", none)):
            change = found[name, measure]
            assert (change.value, change.control_value) == pytest.approx(
                (values[on].mean(), values[off].mean()))
            assert change.n_trials == on.sum()
        both = inside[:24] & ~none[:24] & ~none[24:]
        assert found[name, "decision_ms"].change == pytest.approx(
            (time[:24] - time[24:])[both].mean())
        assert found[name, "decision_ms"].n_trials == both.sum()
