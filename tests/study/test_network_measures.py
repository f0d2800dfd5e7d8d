"""The claims of one network as numbers, each computed by hand from made-up tables."""

import numpy as np
import pandas as pd
import pytest
from study.claim_tables import lesion_tables, silenced_inhibition, widths

from ephys_snn.analysis.synchrony.packet_widths import analyse_synchrony
from ephys_snn.recording import decision_windows
from ephys_snn.study import network_measures as measures

GAINS = ["information_gain", "relative_information_gain", "uncertainty_coefficient"]


def numbers(found):
    return {measure.name: measure.value for measure in found}


def test_ratios_of_widths_by_hand_whatever_the_order_of_the_areas():
    table = widths(input=0.4, layer_1=1.0, layer_2=2.0, layer_10=0.5)
    for rows in (table, table.iloc[::-1]):
        assert numbers(measures.widths(rows)) == {
            "spreading_ratio": 5.0, "convergence_ratio": 0.25, "width_ms_input": 0.4,
            "width_ms_layer_1": 1.0, "width_ms_layer_2": 2.0, "width_ms_layer_10": 0.5,
            "width_ms_last": 0.5}
    for missing in (widths(layer_1=1.0, layer_2=0.5), widths(input=0.4, layer_1=1.0),
                    widths(input=0.4, layer_1=np.nan, layer_2=0.5)):
        found = measures.widths(missing)[:2]
        assert all(np.isnan(each.value) and "no packets" in each.note for each in found)


def test_the_published_network_ends_narrower_than_its_input_and_its_twin_does_not(
        reference_recording, untrained_reference_recording):
    found = []
    for recording in (reference_recording, untrained_reference_recording):
        table = analyse_synchrony(recording, decision_windows(recording.trials),
                                  n_surrogates=0).table
        found.append(numbers(measures.widths(table)))
    assert found[0]["spreading_ratio"] > 1 and found[0]["convergence_ratio"] < 0.5
    last_over_input = [each["spreading_ratio"] * each["convergence_ratio"] for each in found]
    assert last_over_input[0] < 0.5 and last_over_input[1] > 2


def contrast_table(differences, note=""):
    return pd.concat([pd.DataFrame({
        "area": ["input", *(f"layer_{i}" for i in range(1, len(differences) + 1)), "output"],
        "measure": name, "difference": [np.nan, *np.array(differences) * factor, np.nan],
        "note": note}) for name, factor in zip(GAINS, (1, 2, 3), strict=True)])


def test_contrasts_by_layer_of_the_last_and_their_trend():
    found = numbers(measures.contrasts(contrast_table([0.1, 0.3, 0.2])))
    assert len(found) == 15
    assert found["information_gain_contrast_layer_2"] == pytest.approx(0.3)
    assert found["uncertainty_coefficient_contrast_last"] == pytest.approx(0.6)
    assert found["relative_information_gain_contrast_trend"] == pytest.approx(0.5)
    two = {each.name: each for each in measures.contrasts(contrast_table([0.1, 0.3]))}
    assert "fewer than three" in two["information_gain_contrast_trend"].note


def test_without_cell_types_contrasts_are_missing_with_their_reason():
    found = measures.contrasts(contrast_table([np.nan] * 3, note="no excitatory units"))
    assert all(np.isnan(each.value) and each.note == "no excitatory units" for each in found)
    assert measures.reasons(found) == [", ".join(
        f"{name}_contrast, {name}_contrast_trend" for name in GAINS) + ": no excitatory units"]


def test_means_rises_and_trends():
    by_area = pd.DataFrame({"area": ["input", "layer_1", "layer_1", "layer_2"],
                            "cell_type": ["all", "all", "excitatory", "all"],
                            "mean_corrected": [9, 0.1, 9, 0.2], "mean_relative": [9, 0.3, 9, 0.4],
                            "mean_uncertainty_coefficient": [9, 0.5, 9, 0.6]})
    found = numbers(measures.information(by_area))
    assert found["information_gain_layer_1"] == 0.1 and len(found) == 9
    assert found["relative_information_gain_last"] == 0.4
    depth = pd.DataFrame({"cell_type": ["all", "excitatory", "excitatory"],
                          "measure": [GAINS[0], GAINS[0], GAINS[1]], "difference": [9, 0.2, np.nan],
                          "spearman_rho": [9, 0.8, np.nan], "note": ["", "", "silent"]})
    found = measures.excitatory_trends(depth)
    assert [(each.value, each.note) for each in found[:2]] == [(0.2, ""), (0.8, "")]
    assert [each.note for each in found[2:]] == ["silent"] * 2 + ["no excitatory units"] * 2


def test_preference_beyond_permuted_labels_is_that_of_structural_pathways():
    by_area = pd.DataFrame({"kind": ["structural"] * 3 + ["functional"], "note": "",
                            "area": ["input", "layer_1", "layer_2", "layer_2"],
                            "preference": [np.nan, 0.4, 0.7, 0.1],
                            "null_mean": [np.nan, -0.1, 0.2, 0.0]})
    assert numbers(measures.preferences(by_area)) == pytest.approx({
        "preference_layer_1": 0.4, "preference_layer_2": 0.7, "preference_last": 0.7,
        "preference_beyond_permuted_layer_1": 0.5, "preference_beyond_permuted_layer_2": 0.5,
        "preference_beyond_permuted_last": 0.5})
    trend = pd.DataFrame({"kind": ["functional", "structural"], "rise": [9, 0.3],
                          "spearman_rho": [9, 1.0], "note": ""})
    assert numbers(measures.preference_trends(trend)) == {
        "preference_rise": 0.3, "preference_trend": 1.0}
    assert measures.preference_trends(trend[:1])[0].note == "no structural pathways"


def test_losses_are_positive_where_accuracy_falls():
    _, lesions = lesion_tables((-0.2, -0.6), others=(0.0, 0.1), matched=(0.0, -0.1))
    lesions["excess"] = lesions["own"] - lesions["matched_own"]
    assert numbers(measures.lesions(lesions)) == pytest.approx({
        "lesion_own_loss_last": 0.6, "lesion_others_loss_last": -0.1,
        "lesion_matched_loss_last": 0.1, "lesion_excess_loss_last": 0.5})
    assert all(each.note for each in measures.lesions(lesions.assign(trained=False)))
    table = silenced_inhibition([-0.4, -0.2], [-0.2, 0.0])
    assert numbers(measures.inhibition(table)) == pytest.approx({
        "inhibition_loss_layer_1": 0.3, "inhibition_loss_layer_2": 0.1,
        "inhibition_loss_last": 0.1, "inhibition_loss_mean": 0.2})
    without = measures.inhibition(table.assign(change=np.nan, note="no such unit"))
    assert all(np.isnan(each.value) and each.note == "no such unit" for each in without)


def test_the_mechanism_is_that_of_all_units_trained_or_not():
    table = pd.DataFrame({"area": ["layer_1", "layer_1", "layer_1"],
                          "cell_type": ["all", "excitatory", "all"],
                          "measure": ["averaging_gain", "averaging_gain", "negative_mass"],
                          "value": [0.3, 9, 0.5], "untrained": [0.6, 9, np.nan], "note": ""})
    assert numbers(measures.mechanism(table)) == {
        "averaging_gain_layer_1": 0.3, "averaging_gain_last": 0.3,
        "negative_mass_layer_1": 0.5, "negative_mass_last": 0.5}
    untrained = measures.mechanism(table, "untrained")
    assert untrained[0].value == 0.6 and untrained[-1].note == "not computable"


def test_every_measure_is_explained():
    table = contrast_table([0.1, 0.2, 0.3])
    for found in (measures.widths(widths(input=1.0)), measures.contrasts(table)):
        for each in found:
            assert any(each.name.startswith(measure) for measure in measures.MEASURES)
