"""Findings: sentences that say what stands in the tables, also where nothing does."""

import numpy as np
import pandas as pd

from ephys_snn.analysis import pipelines

PIPELINES = {pipeline.name: pipeline for pipeline in pipelines()}


def synchrony(widths, q_values) -> pd.DataFrame:
    return pd.DataFrame({
        "area": [f"layer_{i}" for i in range(len(widths))], "cell_type": "all",
        "shortest_half_ms": widths, "shuffled_shortest_half_q_value": q_values})


def test_packets_that_spread_and_converge():
    table = synchrony([0.4, 1.2, 0.08, np.nan], [0.9, 0.01, 0.01, np.nan])
    sentence = PIPELINES["synchrony"].findings({"synchrony": table}, True)
    assert "within 0.4 ms in layer_0, up to 1.2 ms in layer_1, 0.08 ms in layer_2" in sentence
    assert "in 2 of 3 areas" in sentence


def test_without_an_order_there_is_no_course():
    table = synchrony([3.0, 5.0], [0.9, 0.8])
    sentence = PIPELINES["synchrony"].findings({"synchrony": table}, False)
    assert "3 ms in layer_0, 5 ms in layer_1" in sentence and "0 of 2 areas" in sentence


def test_nothing_computable_is_said():
    empty = {
        "synchrony": synchrony([np.nan], [np.nan]),
        "information_gain": pd.DataFrame({"q_value": [np.nan], "spike_count_q_value": [np.nan]}),
        "information_gain_by_area": pd.DataFrame({
            "area": ["A"], "cell_type": ["all"], "mean_corrected": [np.nan]}),
        "pathways_by_area": pd.DataFrame({
            "kind": ["functional"], "area": ["A"], "preference": [np.nan], "q_value": [np.nan]}),
        "separability": pd.DataFrame({
            "area": ["A"], "code": ["count"], "accuracy": [np.nan], "q_value": [np.nan],
            "chance": [0.1]}),
        "separability_onset": pd.DataFrame({"area": ["A"], "onset_ms": [np.nan]}),
    }
    for pipeline in PIPELINES.values():
        sentence = pipeline.findings(empty, True)
        assert sentence.endswith(".") and "nan" not in sentence
        assert sentence.startswith("No ") or "could not" in sentence


def test_the_best_area_is_named():
    table = pd.DataFrame({"area": ["A", "A", "B"], "code": ["active", "count", "count"],
                          "accuracy": [0.3, 0.7, 0.2], "chance": 0.25,
                          "q_value": [0.3, 0.01, 0.6]})
    onsets = pd.DataFrame({"area": ["A", "B"], "onset_ms": [40.0, 31.5]})
    sentence = PIPELINES["separability"].findings(
        {"separability": table, "separability_onset": onsets}, False)
    assert "in 1 of 2 areas, best from A (70% right from spike counts, 25% by chance)" in sentence
    assert sentence.endswith(", earliest from B, 31.5 ms after the onset.")
