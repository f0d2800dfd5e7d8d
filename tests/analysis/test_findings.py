"""Findings: sentences that say what stands in the tables, also where nothing does."""

import numpy as np
import pandas as pd

from ephys_snn.analysis import pipelines

PIPELINES = {pipeline.name: pipeline for pipeline in pipelines()}


def synchrony(widths, q_values, within="class") -> pd.DataFrame:
    return pd.DataFrame({
        "area": [f"layer_{i}" for i in range(len(widths))], "cell_type": "all",
        "shortest_half_equal_ms": widths, "n_equal_spikes": 7, "shuffled_within": within,
        "shuffled_shortest_half_q_value": q_values})


def test_packets_that_spread_and_converge():
    table = synchrony([0.4, 1.2, 0.08, np.nan], [0.9, 0.01, 0.01, np.nan])
    sentence = PIPELINES["synchrony"].findings({"synchrony": table}, True)
    assert "within 0.4 ms in layer_0, up to 1.2 ms in layer_1, 0.08 ms in layer_2" in sentence
    assert sentence.startswith("Half of 7 active units of an area fire within")
    assert "in 2 of 3 areas" in sentence


def test_shuffling_within_a_class_is_not_said_to_be_within_a_stimulus():
    of_class, of_stimulus = (
        PIPELINES["synchrony"].findings(
            {"synchrony": synchrony([1.0, 2.0], [0.01, 0.01], within)}, True)
        for within in ("class", "stimulus"))
    assert "than the class average predicts" in of_class and "stimuli may differ" in of_class
    assert "locking" not in of_class and "locking to the stimulus alone" in of_stimulus


def test_without_an_order_there_is_no_course():
    table = synchrony([3.0, 5.0], [0.9, 0.8])
    sentence = PIPELINES["synchrony"].findings({"synchrony": table}, False)
    assert "3 ms in layer_0, 5 ms in layer_1" in sentence and "0 of 2 areas" in sentence


def changes(areas="A", **columns) -> pd.DataFrame:
    columns = {"condition": "laser", "control": "off", "cell_type": "all", "value": 2.0,
               "control_value": 4.0, "low": -3.0, "high": -1.0, **columns}
    return pd.DataFrame({"area": list(areas), **columns}).assign(
        p_value=lambda table: table["q_value"])


def decisions(**columns) -> pd.DataFrame:
    return changes(measure="accuracy", **columns).assign(**{"class": "all"})


def test_the_clearest_change_is_named_with_its_numbers_and_where_else():
    table = pd.concat([
        changes("ABC", measure="rate_hz", change=[-2.0, -0.1, 0.1], q_value=[0.01, 0.9, 0.02],
                high=[-1.0, 3.0, 3.0]),
        changes("ABC", measure="latency_ms", change=0.3, q_value=0.5, condition="sham")])
    sentence = PIPELINES["conditions"].findings(
        {"conditions": table, "conditions_decisions": decisions(
            change=-0.2, q_value=0.01, value=0.7, control_value=0.9)}, True)
    assert sentence == (
        "Against off, laser: the clearest change is that of the rate in A, from 4 to 2 spikes/s, "
        "which changes in 2 of 3 areas, the share of right decisions goes from 0.9 to 0.7; sham: "
        "no change was found in any of 3 comparisons.")


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
        "separability_latency": pd.DataFrame({"area": ["A"], "latency_ms": [np.nan]}),
        "separability_between_areas": pd.DataFrame(),
        "conditions": changes(measure="rate_hz", change=np.nan, q_value=np.nan),
        "conditions_decisions": decisions(change=np.nan, q_value=np.nan),
    }
    for pipeline in PIPELINES.values():
        sentence = pipeline.findings(empty, True)
        assert sentence.endswith(".") and "nan" not in sentence
        assert sentence.startswith("No ") or "could not" in sentence


def test_areas_are_compared_at_equal_numbers_of_units():
    table = pd.DataFrame({"area": ["A", "A", "B"], "code": ["active", "count", "count"],
                          "accuracy": [0.3, 0.7, 0.2], "q_value": [0.3, 0.01, 0.6],
                          "duration_accuracy": 0.4, "duration_p_value": 0.01})
    latencies = pd.DataFrame({"area": ["A", "B"], "latency_ms": [40.0, 31.5]})
    between = pd.DataFrame({
        "area": ["A", "A", "B"], "other_area": ["B", "C", "C"], "code": "count",
        "n_units": [12, 12, 0], "accuracy": [0.3, 0.3, np.nan],
        "other_accuracy": [0.6, 0.5, np.nan], "difference": [-0.3, -0.2, np.nan],
        "q_value": [0.01, 0.2, np.nan]})
    sentence = PIPELINES["separability"].findings(
        {"separability": table, "separability_latency": latencies,
         "separability_between_areas": between}, False)
    assert sentence.startswith("The class is decodable from 1 of 2 areas; the durations of the "
                               "response windows alone give 40% (p = 0.01); ")
    assert ("at equal numbers of units (12), the largest accuracy is that of B, 60% from spike "
            "counts, significantly above 1 of 1 other areas") in sentence
    assert sentence.endswith("; it is first decodable from B, 31.5 ms after the onset.")
