"""Changes of means: by the definition, by enumeration of the null, by textbook intervals."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ephys_snn.analysis.conditions.changes import mean_changes
from ephys_snn.analysis.conditions.contrast import Contrast


def contrast_of(is_condition, stratum, paired=False):
    is_condition, stratum = np.array(is_condition, dtype=bool), np.array(stratum)
    return Contrast(np.arange(len(stratum)), is_condition, stratum, stratum, stratum, paired,
                    "stimulus" if paired else "class")


def one_change(values, contrast, n_permutations=999, **options):
    (change,) = mean_changes(np.array(values, dtype=float)[:, None], contrast, n_permutations,
                             np.random.default_rng(0), **options)
    return change


def test_a_change_is_the_weighted_mean_of_changes_within_strata():
    rng = np.random.default_rng(0)
    stratum = np.repeat([0, 1, 2], [4, 10, 6])
    is_condition = np.concatenate([np.arange(n) < m for n, m in ((4, 1), (10, 7), (6, 3))])
    values = rng.normal(size=20)
    found = one_change(values, contrast_of(is_condition, stratum))
    of_strata, weights = [], []
    for each in range(3):
        on, off = (values[(stratum == each) & (is_condition == of)] for of in (True, False))
        of_strata.append((on.mean(), off.mean()))
        weights.append(len(on) * len(off) / (len(on) + len(off)))
    value, control = np.average(of_strata, axis=0, weights=weights)
    assert (found.value, found.control_value) == pytest.approx((value, control))
    assert found.change == pytest.approx(value - control)
    assert (found.n_trials, found.n_trials_control) == (11, 9)


@pytest.mark.parametrize("paired", [False, True])
def test_p_is_that_of_all_exchanges_within_strata(paired):
    stratum = np.repeat([0, 1], 4)
    is_condition = np.tile([True, True, False, False], 2)
    values = np.array([3.1, 4.0, 1.2, 0.3, 2.2, 2.9, 2.5, 1.0])
    observed = one_change(values, contrast_of(is_condition, stratum, paired), 20_000)
    reached = []
    for first, second in itertools.product(itertools.combinations(range(4), 2), repeat=2):
        on = np.zeros(8, dtype=bool)
        on[[*first, *(4 + np.array(second))]] = True
        change = np.mean([values[on & (stratum == s)].mean() - values[~on & (stratum == s)].mean()
                          for s in (0, 1)])
        reached.append(abs(change) >= abs(observed.change) - 1e-12)
    assert observed.p_value == pytest.approx(np.mean(reached), abs=0.01)
    assert np.isnan(observed.low) and "fewer than 5" in observed.note


def test_a_paired_interval_is_students_of_the_differences_by_stimulus():
    rng = np.random.default_rng(2)
    stratum = np.repeat(np.arange(12), 3)  # two trials of the condition, one of the control
    values, is_condition = rng.normal(size=36), np.tile([True, True, False], 12)
    found = one_change(values, contrast_of(is_condition, stratum, paired=True))
    of_stimuli = values.reshape(12, 3)
    differences = of_stimuli[:, :2].mean(axis=1) - of_stimuli[:, 2]
    low, high = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (found.change, found.low, found.high) == pytest.approx((differences.mean(), low, high))


def test_trials_without_a_value_go_and_their_stratum_with_them():
    stratum, is_condition = np.repeat([0, 1], 10), np.tile([True, False], 10)
    values = np.arange(20.0)
    values[:10:2] = np.nan  # the condition has no value in the first stratum
    found = one_change(values, contrast_of(is_condition, stratum), missing="packets")
    rest = one_change(np.arange(10.0, 20), contrast_of(is_condition[10:], np.zeros(10, dtype=int)))
    assert found[:2] == rest[:2] and (found.n_trials, found.n_trials_control) == (5, 5)
    values[10::2] = np.nan
    nothing = one_change(values, contrast_of(is_condition, stratum), missing="no packets")
    assert nothing.note == "not computable: no packets" and np.isnan(nothing.p_value)


def test_shares_that_never_vary_have_an_interval_with_a_width():
    contrast = contrast_of(np.tile([True, False], 20), np.zeros(40, dtype=int))
    always = one_change(np.ones(40), contrast, proportions=True)
    assert always.change == 0 and always.p_value == 1 and always.low < -0.05 < 0.05 < always.high
    paired = contrast_of(np.tile([True, False], 20), np.repeat(np.arange(20), 2), paired=True)
    always = one_change(np.ones(40), paired, proportions=True)
    assert always.low < -0.05 < 0.05 < always.high


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("proportions", [False, True])
def test_intervals_cover_and_p_holds_its_level(paired, proportions):
    """Strata of their own level, uneven conditions, and variances that differ."""
    rng, n, covered, false, truth = np.random.default_rng(7), 600, 0, 0, 0.2
    for effect in (truth, 0.0):
        for _ in range(n // 2):
            n_strata, size = (25, 2) if paired else (5, 12)
            stratum = np.repeat(np.arange(n_strata), size)
            is_condition = np.tile(np.arange(size) < (1 if paired else 3), n_strata)
            level = rng.uniform(0.2, 0.7, n_strata)[stratum] + effect * is_condition
            values = (rng.random(len(level)) < level).astype(float) if proportions else \
                level + rng.normal(size=len(level)) * np.where(effect * is_condition, 0.4, 0.2)
            found = one_change(values, contrast_of(is_condition, stratum, paired), 99,
                               proportions=proportions)
            covered += found.low <= effect <= found.high
            false += effect == 0 and found.p_value <= 0.05
    assert covered / n >= 0.92 and false / (n // 2) <= 0.085
    assert proportions or covered / n <= 0.98
