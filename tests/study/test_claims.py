"""Verdicts are formulas: each can hold, fail and be open, on made-up tables and as published."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from study.claim_tables import (
    hidden_layers,
    lesion_tables,
    pathway_tables,
    silenced_inhibition,
    widths,
)

from ephys_snn.analysis.information.areas import information_by_area, information_by_depth
from ephys_snn.analysis.information.cell_types import excitatory_against_inhibitory
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.analysis.synchrony.packet_widths import analyse_synchrony
from ephys_snn.recording import decision_windows
from ephys_snn.study import claims
from ephys_snn.study.claims import Judgement

HOLDS, FAILS, UNDECIDED, NOT_COMPUTABLE = (
    Judgement.HOLDS, Judgement.FAILS, Judgement.UNDECIDED, Judgement.NOT_COMPUTABLE)


@pytest.mark.parametrize("interval, judgement", [
    ((0.1, 0.3), HOLDS), ((-0.3, -0.1), FAILS), ((-0.1, 0.1), UNDECIDED), ((0.0, 0.1), UNDECIDED),
    ((np.nan, np.nan), NOT_COMPUTABLE)])
def test_an_interval_decides_only_beyond_the_threshold(interval, judgement):
    assert Judgement.of(*interval) is judgement


def test_all_parts_of_a_claim_must_hold():
    assert Judgement.of_all(HOLDS, HOLDS) is HOLDS
    assert Judgement.of_all(HOLDS, UNDECIDED) is UNDECIDED
    assert Judgement.of_all(UNDECIDED, NOT_COMPUTABLE, HOLDS) is NOT_COMPUTABLE
    assert Judgement.of_all(NOT_COMPUTABLE, FAILS) is FAILS  # whatever the other would be


@pytest.mark.parametrize("hidden, judgement", [
    ((0.9, 1.1, 0.3, 0.1), HOLDS),
    ((0.3, 0.2, 0.1, 0.05), FAILS),  # never spreads
    ((0.9, 1.1, 1.0, 0.6), FAILS),  # spreads, but does not re-converge
    ((0.9, 1.1, 0.3, 0.45), FAILS),  # below half of the largest, but not below the input
    ((0.41, 0.42, 0.4, 0.3), FAILS),  # below the input, but not below half of the largest
    ((0.9, 1.1, 0.3, np.nan), HOLDS),  # an area without packets is not the last one
])
def test_synchronization(hidden, judgement):
    table = widths(input=0.4, **hidden_layers(hidden), output=np.nan)
    assert claims.judge_synchronization(table).judgement is judgement


def test_synchronization_is_undecided_within_the_errors_of_the_widths():
    course = hidden_layers((0.9, 1.1, 0.35))
    assert claims.judge_synchronization(widths(0.01, input=0.4, **course)).judgement is HOLDS
    assert claims.judge_synchronization(widths(0.1, input=0.4, **course)).judgement is UNDECIDED


def test_synchronization_without_packets_is_not_computable():
    table = widths(input=0.4, layer_1=np.nan, layer_2=np.nan)
    assert claims.judge_synchronization(table).judgement is NOT_COMPUTABLE


def test_the_interval_of_the_margin_is_that_of_a_difference_where_it_is_one():
    """The widest area far above, half of it above the input: margin = input - last."""
    table = widths(0.02, input=0.4, layer_1=5.0, layer_2=0.1)
    drawn = claims.margin_draws(table)
    assert drawn.mean() == pytest.approx(0.3, abs=0.001)
    assert drawn.std() == pytest.approx(0.02 * np.sqrt(2), rel=0.03)


def information(excitatory, inhibitory, rise=(0.5, 0.7), exceeds=(0.01, 0.1),
                measure="relative_information_gain"):
    areas = [f"layer_{i}" for i in range(1, len(excitatory) + 1)]
    by_area = pd.DataFrame({
        "area": areas * 2, "cell_type": ["excitatory"] * len(areas) + ["inhibitory"] * len(areas),
        "mean_relative": [*excitatory, *inhibitory]})
    contrast = pd.DataFrame({"area": areas, "measure": measure,
                             "compared": "units of similar activity", "low": [0.1] * len(areas),
                             "high": [0.2] * len(areas)})
    contrast.loc[0, ["low", "high"]] = exceeds
    depth = pd.DataFrame({"measure": ["information_gain", measure, measure],
                          "cell_type": ["excitatory", "all", "excitatory"],
                          "difference_low": [-9.0, -9.0, rise[0]],
                          "difference_high": [9.0, 9.0, rise[1]]})
    # Of the other measure, and of the output, nothing is asked.
    other = pd.DataFrame({"area": [*areas, "output"], "low": -0.2, "high": -0.1,
                          "measure": [*["information_gain"] * len(areas), measure]})
    return claims.judge_semantization(by_area, pd.concat([other, contrast]), depth,
                                      "relative_information_gain").judgement


def test_semantization():
    rising, low = [0.1, 0.4, 0.8], [0.05, 0.1, 0.3]
    assert information(rising, low) is HOLDS
    assert information(rising, low, rise=(-0.1, 0.2)) is UNDECIDED
    assert information(rising, low, rise=(-0.2, -0.1)) is FAILS
    assert information(rising, low, exceeds=(-0.05, 0.1)) is UNDECIDED
    assert information(rising, low, exceeds=(-0.2, -0.1)) is FAILS
    assert information(rising, [0.05, 0.1, np.nan]) is NOT_COMPUTABLE
    assert information(rising, low, measure="other") is NOT_COMPUTABLE


@pytest.mark.parametrize("preference, p_value, judgement", [
    ([0.0, 0.2, 0.5, 0.6], [0.8, 0.5, 0.001, 0.001], HOLDS),
    ([0.0, 0.2, 0.5, 0.6], [0.8, 0.5, 0.02, 0.001], UNDECIDED),
    ([0.0, 0.2, 0.5, 0.01], [0.001] * 4, UNDECIDED),
    ([0.0, 0.2, 0.5, 0.6], [0.8, 0.5, np.nan, 0.001], NOT_COMPUTABLE),
    ([0.7, 0.2, 0.5, 0.6], [0.001] * 4, FAILS),
    ([np.nan, np.nan, np.nan, 0.6], [0.001] * 4, NOT_COMPUTABLE),
])
def test_pathways(preference, p_value, judgement):
    assert claims.judge_pathways(*pathway_tables(preference, p_value)).judgement is judgement


@pytest.mark.parametrize("tables, judgement", [
    (lesion_tables((0.0, -0.5)), HOLDS),  # the lower half of the areas is not asked
    (lesion_tables((0.0, -0.5), p_value=(0.9, 0.06)), UNDECIDED),
    (lesion_tables((0.0, -0.5), others=(0.0, -0.5)), UNDECIDED),  # every class suffers
    (lesion_tables((0.0, -0.5), others=(0.0, -0.8)), FAILS),
    (lesion_tables((0.0, -0.5), matched=(0.0, -0.9)), FAILS),  # so does any set of units
    (lesion_tables((0.0, -0.005), spread=0.001), FAILS),  # less than what counts
    (lesion_tables((0.0, -0.3), spread=0.5), UNDECIDED),  # some classes, not others
    (lesion_tables((0.0, -0.5), p_value=(0.04, np.nan)), NOT_COMPUTABLE),
    (lesion_tables((0.0, -0.5), control="untrained"), NOT_COMPUTABLE),
])
def test_lesions(tables, judgement):
    assert claims.judge_lesions(*tables).judgement is judgement


def test_lesions_of_the_untrained_twin_are_judged_by_its_own_rows():
    both = [pd.concat(tables) for tables in zip(
        lesion_tables((0.0, -0.9)), lesion_tables((0.0, 0.0), control="untrained"), strict=True)]
    assert claims.judge_lesions(*both).judgement is HOLDS
    assert claims.judge_lesions(*both, trained=False).judgement is UNDECIDED


def test_lesions_of_too_few_classes_are_not_computable():
    rows, lesions = lesion_tables((0.0, -0.5))
    few = rows[rows["target_class"].isin(list("0123"))]
    assert claims.judge_lesions(few, lesions).judgement is NOT_COMPUTABLE


def test_inhibition_is_needed_where_its_loss_exceeds_what_counts():
    table = silenced_inhibition([-0.2, -0.02, -0.005, -0.2], [-0.1, -0.005, 0.01, 0.1])
    verdicts = claims.judge_inhibition(table)
    assert [verdict.judgement for verdict in verdicts.values()] == [
        HOLDS, UNDECIDED, FAILS, UNDECIDED]
    assert "-0.150 [-0.200, -0.100]" in verdicts["layer_1"].value
    assert claims.judge_inhibition(table, trained=False) == {}


def test_all_of_an_area_may_be_written_as_a_fraction():
    table = silenced_inhibition([-0.2], [-0.1])
    whole = table["perturbation"] == "silence layer_1 inhibitory"
    table.loc[whole, "perturbation"] = "silence layer_1 inhibitory of=1"
    assert claims.judge_inhibition(table)["layer_1"].judgement is HOLDS


def test_dales_law_is_counted(reference_recording):
    weights = np.zeros((400, 400))
    weights[0, :3] = -1.0  # an excitatory unit that inhibits three others
    weights[399, 0] = 1.0  # an inhibitory unit that excites one
    recording = replace(reference_recording, weights={("layer_1", "layer_2"): weights})
    assert claims.dale_violations(recording) == 4


def test_the_published_network_synchronizes_and_its_untrained_twin_does_not(
        reference_recording, untrained_reference_recording):
    for recording, judgement in ((reference_recording, HOLDS),
                                 (untrained_reference_recording, FAILS)):
        table = analyse_synchrony(recording, decision_windows(recording.trials),
                                  n_surrogates=0).table
        assert claims.judge_synchronization(table).judgement is judgement


def test_the_published_network_is_semantic_by_its_gain_and_its_untrained_twin_is_not(
        reference_recording, untrained_reference_recording):
    for recording, judgement in ((reference_recording, HOLDS),
                                 (untrained_reference_recording, FAILS)):
        windows, rng = decision_windows(recording.trials), np.random.default_rng(0)
        information = unit_information(recording, windows, rng, 30)
        verdict = claims.judge_semantization(
            information_by_area(recording, windows, information),
            excitatory_against_inhibitory(recording, windows, information, rng),
            information_by_depth(recording, information, rng))
        assert verdict.judgement is judgement, verdict
