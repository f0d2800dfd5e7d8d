"""Verdicts are formulas: each can hold and fail, on tables made for it and as published."""

import numpy as np
import pandas as pd
import pytest

from ephys_snn.analysis.information.areas import information_by_area, information_by_depth
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.analysis.synchrony.packet_widths import analyse_synchrony
from ephys_snn.recording import decision_windows
from ephys_snn.study import claims


def widths(**by_area) -> pd.DataFrame:
    return pd.DataFrame({"area": list(by_area), "cell_type": "all",
                         "shortest_half_ms": list(by_area.values())})


@pytest.mark.parametrize("hidden, holds", [
    ((0.9, 1.1, 0.3, 0.1), True),
    ((0.3, 0.2, 0.1, 0.05), False),  # never spreads
    ((0.9, 1.1, 1.0, 0.6), False),  # spreads, but does not re-converge
    ((0.9, 1.1, 0.3, 0.45), False),  # below half of the largest, but not below the input
    ((0.41, 0.42, 0.4, 0.3), False),  # below the input, but not below half of the largest
    ((0.9, 1.1, 0.3, np.nan), True),  # an area without packets is not the last one
])
def test_synchronization(hidden, holds):
    table = widths(input=0.4, **{f"layer_{i}": w for i, w in enumerate(hidden, 1)}, output=np.nan)
    assert claims.judge_synchronization(table).holds is holds


def test_synchronization_without_packets_does_not_hold():
    verdict = claims.judge_synchronization(widths(input=0.4, layer_1=np.nan, layer_2=np.nan))
    assert not verdict.holds and "not computable" in verdict.value


def information(excitatory, inhibitory, low):
    areas = [f"layer_{i}" for i in range(1, len(excitatory) + 1)]
    by_area = pd.DataFrame({
        "area": areas * 2, "cell_type": ["excitatory"] * len(areas) + ["inhibitory"] * len(areas),
        "mean_corrected": [*excitatory, *inhibitory]})
    depth = pd.DataFrame({"cell_type": ["all", "excitatory"], "difference_low": [-9.0, low],
                          "difference_high": [9.0, 1.0]})
    return claims.judge_semantization(by_area, depth)


def test_semantization():
    assert information([0.1, 0.4, 0.8], [0.05, 0.1, 0.3], 0.5).holds
    assert not information([0.1, 0.4, 0.8], [0.05, 0.1, 0.3], -0.1).holds
    assert not information([0.1, 0.4, 0.8], [0.05, 0.5, 0.3], 0.5).holds
    assert not information([0.1, 0.4, 0.8], [0.05, 0.1, np.nan], 0.5).holds


@pytest.mark.parametrize("preference, p_value, holds", [
    ([0.0, 0.2, 0.5, 0.6], [0.8, 0.5, 0.001, 0.001], True),
    ([0.0, 0.2, 0.5, 0.6], [0.8, 0.5, 0.02, 0.001], False),
    ([0.7, 0.2, 0.5, 0.6], [0.001] * 4, False),
])
def test_pathways(preference, p_value, holds):
    areas = [f"layer_{i}" for i in range(1, 5)]
    table = pd.DataFrame({"kind": "structural", "area": areas, "preference": preference,
                          "p_value": p_value})
    other = table.assign(kind="functional", preference=0.0, p_value=1.0)
    assert claims.judge_pathways(pd.concat([other, table])).holds is holds


def test_the_published_network_synchronizes_and_its_untrained_twin_does_not(
        reference_recording, untrained_reference_recording):
    for recording, holds in ((reference_recording, True), (untrained_reference_recording, False)):
        table = analyse_synchrony(recording, decision_windows(recording.trials),
                                  n_surrogates=2).table
        assert claims.judge_synchronization(table).holds is holds


def test_the_published_network_is_semantic_and_its_untrained_twin_is_not(
        reference_recording, untrained_reference_recording):
    for recording, holds in ((reference_recording, True), (untrained_reference_recording, False)):
        windows, rng = decision_windows(recording.trials), np.random.default_rng(0)
        information = unit_information(recording, windows, rng, 30)
        verdict = claims.judge_semantization(
            information_by_area(recording, windows, information),
            information_by_depth(recording, information, rng))
        assert verdict.holds is holds, verdict


def test_accuracy_of_the_published_network(reference_recording):
    accuracy = claims.decision_accuracy(reference_recording)
    assert accuracy.fraction == pytest.approx(149 / 150)
    assert accuracy.low < accuracy.fraction < accuracy.high


def test_dales_law_is_counted(reference_recording):
    from dataclasses import replace

    weights = np.zeros((400, 400))
    weights[0, :3] = -1.0  # an excitatory unit that inhibits three others
    weights[399, 0] = 1.0  # an inhibitory unit that excites one
    recording = replace(reference_recording, weights={("layer_1", "layer_2"): weights})
    assert claims.dale_violations(recording) == 4
