"""Differences between areas: at equal numbers of units, on the same trials, at their level."""

import numpy as np
import pytest
from builders import recording_of_layers

from ephys_snn.analysis.decoding import accuracy_difference, assign_folds, decode_draws
from ephys_snn.analysis.separability.design import SeparabilitySettings, plan
from ephys_snn.analysis.separability.separability import measure_separability
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.recording import epoch_windows


def differences(tuning, other_tuning, n_recordings, seed):
    """The comparison of two areas of ten units in made-up recordings of 80 trials."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(len(tuning)), 80 // len(tuning))

    def area(means):
        return [(means[classes] + rng.normal(size=(80, 10)) > 0.3).astype(float)]

    found = []
    for _ in range(n_recordings):
        folds = np.stack([assign_folds(classes, 5, rng) for _ in range(3)])
        one, other = (decode_draws(area(means), classes[None], folds).correct
                      for means in (tuning, other_tuning))
        found.append(accuracy_difference(one, other, classes, np.arange(80)))
    return found


def test_areas_of_equal_information_differ_as_often_as_promised():
    tuning = 0.5 * np.random.default_rng(1).normal(size=(4, 10))
    found = differences(tuning, tuning, 150, seed=2)
    assert np.mean([each.p_value <= 0.05 for each in found]) <= 0.1
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= 0.9


def test_areas_of_unequal_information_are_found_and_the_interval_covers():
    tuning = np.random.default_rng(1).normal(size=(4, 10))
    found = differences(tuning, 0.4 * tuning, 40, seed=3)
    assert np.mean([each.p_value <= 0.05 for each in found]) >= 0.8
    truth = np.mean([each.difference for each in found])
    assert truth > 0.1
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.85


def test_interval_is_that_of_agresti_and_min():
    """In their words: half an observation added to each of the four cells of a paired table."""
    both, only_one, only_other, neither = 40, 12, 6, 22
    one, other = (np.repeat(right, [both, only_one, only_other, neither])[None]
                  for right in ([1, 1, 0, 0], [1, 0, 1, 0]))
    found = accuracy_difference(one, other, np.tile([0, 1], 40), np.arange(80))
    n, b, c = 82, only_one + 0.5, only_other + 0.5
    half = 1.959964 * np.sqrt((b + c) - (b - c)**2 / n) / n
    assert found.low == pytest.approx((b - c) / n - half)
    assert found.high == pytest.approx((b - c) / n + half)
    assert found.difference == pytest.approx(6 / 80)
    # Another assignment in which other trials are right is no new observation.
    order = np.random.default_rng(0).permutation(80)
    repeated = accuracy_difference(
        *(np.concatenate([area, area[:, order]])
          for area in (one, other)), np.tile([0, 1], 40), np.arange(80))
    assert (repeated.low, repeated.high) == pytest.approx((found.low, found.high))
    always = np.ones((1, 80))
    same = accuracy_difference(always, always, np.tile([0, 1], 40), np.arange(80))
    assert same.p_value == 1 and same.low < 0 < same.high


def test_blocks_in_which_trials_fail_together_are_one_observation():
    rng, classes, found = np.random.default_rng(5), np.tile([0, 1], 80), {1: 0, 16: 0}
    for _ in range(200):
        one, other = (np.repeat(rng.random(10) < 0.6, 16)[None].astype(float) for _ in range(2))
        for length in found:
            result = accuracy_difference(one, other, classes, np.arange(160) // length)
            found[length] += result.p_value <= 0.05
    assert found[16] <= 20 and found[1] > 60


@pytest.mark.parametrize(("relabelling", "n_blocks"), [
    (Relabelling(), 100), (Relabelling(5), 20), (Relabelling(shift=True), 20)])
def test_neighbours_are_one_observation_where_labels_move_with_them(relabelling, n_blocks):
    labels = np.random.default_rng(0).permutation(np.repeat(["x", "y"], 50))
    recording = recording_of_layers({"A": np.ones((100, 2))}, labels)
    design = plan(recording, epoch_windows(recording.trials),
                  SeparabilitySettings(relabelling=relabelling))
    assert len(np.unique(design.block)) == n_blocks and (np.diff(design.block) >= 0).all()


def test_a_larger_area_of_the_same_units_is_no_better_at_equal_numbers():
    rng = np.random.default_rng(4)
    labels = rng.permutation(np.repeat(["x", "y"], 40))

    def area(n_units):
        preferred = (np.arange(n_units) % 2)[None] == (labels == "x")[:, None]
        return np.where(rng.random((80, n_units)) < np.where(preferred, 0.6, 0.4), 1.0, np.inf)

    recording = recording_of_layers(
        {"few": area(10), "many": area(60), "tiny": area(2), "silent": area(20) + np.inf}, labels)
    result = measure_separability(recording, epoch_windows(recording.trials),
                                  SeparabilitySettings(n_permutations=19, n_steps=2, n_draws=5))
    accuracy = result.table[result.table["code"] == "active"].set_index("area")["accuracy"]
    assert accuracy["many"] > accuracy["few"] + 0.1
    between = result.between_areas.set_index(["area", "other_area"])
    pair = between.loc[("few", "many")]
    assert pair["n_units"] == 10 and pair["n_trials"] == 80
    assert pair["low"] < 0 < pair["high"] and pair["p_value"] > 0.05
    assert pair["difference"] == pytest.approx(pair["accuracy"] - pair["other_accuracy"])
    assert "tiny: not computable: fewer units than the 10" in between.loc[("few", "tiny"), "note"]
    assert "silent: not computable: no spikes" in between.loc[("many", "silent"), "note"]
    assert between.loc[("tiny", "silent"), ["p_value", "q_value"]].isna().all()
