"""Information of conditions: the same gain as elsewhere, fair at equal numbers, changes found."""

import warnings

import numpy as np
import pytest

from ephys_snn.analysis.conditions.information import PairedTrials, information_changes
from ephys_snn.analysis.entropy import information_gain
from ephys_snn.analysis.surrogates import permute_within


def pairs_of(rng, tuning, other_tuning, n=40, n_units=12, n_classes=4) -> PairedTrials:
    """Units that prefer a class by so much in the condition, and by so much in the control."""
    code = np.repeat(np.arange(n_classes), n)
    own = code[:, None] == np.arange(n_units) % n_classes
    active = np.stack([rng.random(own.shape) < np.where(own, 0.2 + each, 0.2)
                       for each in (tuning, other_tuning)])
    return PairedTrials(active, code, np.arange(len(code)), False)


def changes(pairs, rng, n_permutations=199):
    found = information_changes(pairs, np.ones((1, pairs.active.shape[2]), dtype=bool),
                                n_permutations, rng)
    return [change for change, _ in found[0]]


def corrected_gain(active, code, rng):
    """A unit's gain corrected by permuted labels, one unit at a time."""
    counts = np.bincount(code)

    def gain(labels):
        return information_gain(np.bincount(labels[active], minlength=len(counts)), counts)

    order = permute_within(np.zeros(len(code), dtype=int), rng, 3000)
    chance = np.mean([gain(code[each]) for each in order])
    return (gain(code) - chance) / (1 - chance)


def test_gains_are_corrected_as_by_permuted_labels_and_averaged_over_units():
    rng = np.random.default_rng(0)
    pairs = pairs_of(rng, 0.5, 0.2, n=12, n_units=3)
    change = changes(pairs, rng)[0]
    for value, active in zip(change[:2], pairs.active, strict=True):
        expected = [corrected_gain(active[:, unit], pairs.code, rng) for unit in range(3)]
        assert value == pytest.approx(np.mean(expected), abs=0.005)
    assert change.change == pytest.approx(change.value - change.control_value)


def test_only_units_that_are_active_often_enough_in_both_count():
    rng = np.random.default_rng(1)
    pairs = pairs_of(rng, 0.5, 0.5)
    pairs.active[0, :, 0] = False
    pairs.active[1, 4:, 1] = False
    members = np.eye(12, dtype=bool)[[0, 1]] | (np.arange(12) > 9)
    silent = np.eye(12, dtype=bool)[[0]]
    found = information_changes(pairs, np.concatenate([members, silent]), 19, rng)
    assert [n_units for of_group in found for _, n_units in of_group] == [2, 2, 2, 2, 0, 0]
    assert "no unit is active in 5 trials of both" in found[2][0][0].note


def test_a_lost_preference_is_found_and_its_interval_covers():
    rng, covered, found = np.random.default_rng(2), 0, 0
    every = [changes(pairs_of(rng, 0.2, 0.5), rng, 99)[0] for _ in range(40)]
    truth = np.mean([each.change for each in every])
    assert truth < -0.05
    covered = sum(each.low <= truth <= each.high for each in every)
    found = sum(each.p_value <= 0.05 for each in every)
    assert covered >= 35 and found == 40


def test_more_activity_without_preference_is_no_information():
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(60):
        pairs = pairs_of(rng, 0.0, 0.0, n=10)
        pairs.active[0] |= rng.random(pairs.active[0].shape) < 0.3
        gain, relative = changes(pairs, rng, 99)
        assert abs(gain.value) < 0.1 and gain.low < gain.change < gain.high
        false += gain.low > 0 or gain.high < 0
    assert false <= 6


def test_of_few_pairs_there_is_no_interval_and_no_warning():
    rng = np.random.default_rng(5)
    pairs = pairs_of(rng, 0.5, 0.5, n=20, n_classes=2, n_units=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kept in (np.arange(40) < 21, np.isin(np.arange(40), [0, 1, 20, 21])):
            few = pairs.part(kept)
            few.active[:] = True
            few.active[:, 0] = False
            for change in changes(few, rng):
                assert np.isnan(change.low) and change.note


def test_one_class_has_no_information():
    rng = np.random.default_rng(4)
    pairs = pairs_of(rng, 0.2, 0.2)
    one = pairs.part(pairs.code == 0)
    assert "fewer than two classes" in changes(one, rng)[0].note
