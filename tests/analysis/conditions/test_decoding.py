"""Decoding within conditions and from the control: what differs, and what no decoder has seen."""

import numpy as np

from ephys_snn.analysis.conditions.decoding import decoding_changes, plan_decoding
from ephys_snn.analysis.decoding import decode_elsewhere


def plan(code, unit=None, paired=False, n_folds=5, seed=0):
    unit = np.arange(len(code)) if unit is None else unit
    return plan_decoding(np.stack([np.arange(len(code))] * 2), code, unit, paired, n_folds, 2,
                         np.random.default_rng(seed))


def test_a_code_that_moved_is_decoded_within_but_not_from_the_control():
    rng = np.random.default_rng(0)
    code = np.tile(np.arange(3), 30)
    means = 2 * rng.normal(size=(3, 10))
    control = means[code] + rng.normal(size=(90, 10))
    moved = -means[code] + rng.normal(size=(90, 10))
    within, across = decoding_changes(np.stack([moved, control]), plan(code))
    assert within.value > 0.9 and within.control_value > 0.9 and within.p_value > 0.05
    assert across.value < 0.1 and across.control_value == within.control_value
    assert across.p_value < 1e-6 and across.high < -0.7


def test_noise_is_found_both_ways():
    rng = np.random.default_rng(1)
    code = np.tile(np.arange(3), 40)
    means = rng.normal(size=(3, 10))
    features = means[code] + rng.normal(size=(2, 120, 10)) * np.array([6.0, 1.0])[:, None, None]
    for change in decoding_changes(features, plan(code)):
        assert change.change < -0.2 and change.p_value < 0.01 and change.n_trials == 120


def test_no_stimulus_is_in_training_and_test():
    """Trials of a stimulus have one pattern, of no class: decoders that saw it would know it."""
    rng = np.random.default_rng(2)
    unit = np.repeat(np.arange(40), 3)
    code = unit % 2
    pattern = rng.normal(size=(40, 100))[unit]
    features = pattern + 0.01 * rng.normal(size=(2, 120, 100))
    design = plan(code, unit, paired=True)
    for fold in design.fold:
        assert all(len(set(fold[unit == each])) == 1 for each in range(40))
    within, across = decoding_changes(features, design)
    assert max(within.value, within.control_value, across.value) < 0.7
    seen = plan(code, np.arange(120))
    cheated = decode_elsewhere(features[1], features[1][None], code[None], seen.fold[0])[0, 0]
    assert np.mean(cheated == code) > 0.95


def test_classes_without_enough_trials_are_left_out_or_nothing_is_decoded():
    few = plan(np.repeat([0, 1, 2], [40, 40, 1]))
    assert len(few.code) == 80 and set(few.code) == {0, 1}
    assert "two classes with two trials" in plan(np.zeros(9, dtype=int))


def test_conditions_that_are_alike_differ_as_often_as_promised():
    rng, found = np.random.default_rng(3), []
    for _ in range(150):
        code = np.tile(np.arange(2), 30)
        features = (0.4 * rng.normal(size=(2, 8)))[code] + rng.normal(size=(2, 60, 8))
        found.append([change.p_value <= 0.05 for change in decoding_changes(features, plan(code))])
    assert (np.mean(found, axis=0) <= 0.09).all()
