"""What units are chosen by: wiring, and responses to other stimuli, computed when asked for."""

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.perturbation import Reference, find_units, parse_perturbation
from ephys_snn.perturbation.selectivity import MIN_ACTIVE, corrected_information_gain


@pytest.mark.parametrize("words, is_needed", {
    "silence layer_1 inhibitory of=0.5": False, "silence layer_2 pathway=a": False,
    "cut layer_1 units=0-3 onto layer_2": False, "silence layer_1 functional=a": True,
    "silence layer_2 selective=0.5": True}.items())
def test_responses_are_computed_where_a_target_needs_them(network, thirds, words, is_needed):
    reference = Reference(network, *thirds.part("validation"), thirds.classes)
    find_units(parse_perturbation(words), reference, np.random.default_rng(0))
    assert ("responses" in vars(reference)) == is_needed


def test_without_other_stimuli_only_what_needs_none_can_be_chosen(network):
    reference = Reference(network, np.zeros((0, 30)), np.zeros(0, dtype=int), "abc")
    rng = np.random.default_rng(0)
    assert find_units(parse_perturbation("silence layer_2 pathway=a"), reference, rng).n_units
    with pytest.raises(InputError, match="other stimuli than those tested, and the data have none"):
        find_units(parse_perturbation("silence layer_2 functional=a"), reference, rng)


def test_active_is_before_the_decision_in_decided_trials(reference):
    decision = reference.responses["output"].min(axis=1)
    expected = [[time < at for time in row] for row, at
                in zip(reference.responses["layer_2"], decision, strict=True) if np.isfinite(at)]
    np.testing.assert_array_equal(reference.active("layer_2"), expected)
    np.testing.assert_allclose(reference.activity("layer_2"), np.mean(expected, axis=0))
    assert not reference.active("output").any()


def test_packet_width_is_the_median_shortest_half(reference):
    widths = []
    for times, at in zip(reference.responses["layer_1"], reference.decision_time, strict=True):
        packet = np.sort(times[times < at])
        if np.isfinite(at) and len(packet) >= 5:
            k = len(packet) // 2
            widths.append(min(packet[i + k] - packet[i] for i in range(len(packet) - k)))
    assert len(widths) > 20
    assert reference.packet_width("layer_1") == pytest.approx(np.median(widths), rel=1e-12)


def test_an_area_without_packets_has_no_width(reference):
    with pytest.raises(InputError, match="output has no pulse packet.*give the dose in ms"):
        reference.packet_width("output")


def test_outgoing_weights(network, reference):
    expected = [sum(abs(weight) for weight in row) for row in network.weights[1].tolist()]
    np.testing.assert_allclose(reference.outgoing_weight("layer_1"), expected)
    with pytest.raises(InputError, match="the last layer and has no outgoing weights"):
        reference.outgoing_weight("output")


def test_selectivity_is_one_for_one_class_and_zero_without_class():
    """And nan where a unit is hardly ever active."""
    rng = np.random.default_rng(0)
    code = np.arange(300) % 3
    active = rng.random((300, 203)) < 0.1  # whatever the class
    active[:, 200] = code == 1
    active[:, 201] = np.arange(300) < MIN_ACTIVE - 1
    active[:, 202] = True
    gain = corrected_information_gain(active, code)
    assert gain[200] == pytest.approx(1, abs=1e-9)
    assert np.isnan(gain[201]) and gain[202] == pytest.approx(0, abs=1e-9)
    assert abs(gain[:200].mean()) < 4 * gain[:200].std() / np.sqrt(200)
