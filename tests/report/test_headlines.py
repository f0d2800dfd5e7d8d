"""Headlines: sentences that say what stands in the tables, also where nothing does."""

from dataclasses import replace

import numpy as np
import pandas as pd
from builders import recording_of_layers

from ephys_snn.recording import decision_windows, epoch_windows
from ephys_snn.report.headlines import write_headlines, write_unasked


def synchrony(widths, q_values) -> pd.DataFrame:
    return pd.DataFrame({
        "area": [f"layer_{i}" for i in range(len(widths))], "cell_type": "all",
        "shortest_half_ms": widths, "shuffled_shortest_half_q_value": q_values})


def test_packets_that_spread_and_converge():
    (sentence,) = write_headlines(
        {"synchrony": synchrony([0.4, 1.2, 0.08, np.nan], [0.9, 0.01, 0.01, np.nan])}, True)
    assert "within 0.4 ms in layer_0, up to 1.2 ms in layer_1, 0.08 ms in layer_2" in sentence
    assert "in 2 of 3 areas" in sentence


def test_without_an_order_there_is_no_course():
    (sentence,) = write_headlines({"synchrony": synchrony([3.0, 5.0], [0.9, 0.8])}, False)
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
    }
    sentences = write_headlines(empty, True)
    assert len(sentences) == 4
    assert all("nan" not in sentence for sentence in sentences)


def test_the_best_area_is_named():
    table = pd.DataFrame({"area": ["A", "A", "B"], "code": ["active", "count", "count"],
                          "accuracy": [0.3, 0.7, 0.2], "chance": 0.25,
                          "q_value": [0.3, 0.01, 0.6]})
    (sentence,) = write_headlines({"separability": table}, False)
    assert "in 1 of 2 areas, best from A (70% right from spike counts, 25% by chance)" in sentence


def test_what_cannot_be_asked_is_said_with_its_reason():
    times, labels = np.ones((4, 2)), np.arange(4) % 2
    layers = {"layer_1": times, "output": times}
    recording = recording_of_layers(layers, labels, first_inhibitory=1, decisions=times,
                                    weights={("layer_1", "output"): np.ones((2, 2))})
    assert write_unasked(recording, epoch_windows(recording.trials)) == ""
    said = write_unasked(recording, decision_windows(recording.trials))
    assert said.startswith("Could not be asked: what output does")

    units = replace(recording.units, cell_type=np.full(4, ""))
    brain = replace(recording, units=units, areas_ordered=False, weights={})
    said = write_unasked(brain, epoch_windows(brain.trials))
    assert all(word in said for word in ("no weights", "cell types", "order of the areas"))
    one = replace(recording, trials=replace(recording.trials, label=np.full(4, "a")))
    assert "all trials have the same one" in write_unasked(one, epoch_windows(one.trials))
