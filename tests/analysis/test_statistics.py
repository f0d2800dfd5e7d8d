"""Permutation p, false discovery, surrogates: against their definitions and known theory."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from ephys_snn.analysis.statistics import (
    difference_interval,
    false_discovery_q,
    mean_interval,
    permutation_p_value,
    rank_sum,
    surrogate_comparison,
    wilson_interval,
)


def test_permutation_p_value_counts_ties_for_chance():
    assert permutation_p_value(2.0, np.array([1.0, 2.0, 3.0])) == (1 + 2) / (1 + 3)
    assert permutation_p_value(9.0, np.zeros(99)) == 0.01
    assert np.isnan(permutation_p_value(np.nan, np.zeros(9)))


def test_permutation_p_value_is_uniform_under_the_null():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20, 4000))  # each column: one observation and 19 surrogates
    p = permutation_p_value(values[0], values[1:])
    assert np.bincount(np.rint(p * 20).astype(int), minlength=21)[1:] == pytest.approx(200, abs=60)


def test_false_discovery_q_is_benjamini_and_hochberg_1995():
    # The example of their section 4: 15 ordered p-values, of which four pass at 0.05.
    p = np.array([0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
                  0.4262, 0.5719, 0.6528, 0.7590, 1.0000])
    assert (false_discovery_q(p) < 0.05).sum() == 4


def test_false_discovery_q_does_not_count_missing_tests():
    q = false_discovery_q(np.array([0.01, np.nan, 0.02]))
    assert np.isnan(q[1])
    np.testing.assert_allclose(q[[0, 2]], [0.02, 0.02])


@pytest.mark.parametrize("n", [5, 8, 20])
def test_intervals_cover_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    means = [mean_interval(rng.normal(2, 3, n)) for _ in range(800)]
    assert np.mean([low < 2 < high for low, high in means]) == pytest.approx(0.95, abs=0.02)
    differences = [difference_interval(rng.normal(1, 1, n), rng.normal(0, 4, 2 * n))
                   for _ in range(800)]
    assert np.mean([low < 1 < high for low, high in differences]) == pytest.approx(0.95, abs=0.02)


def test_interval_of_a_mean_is_students():
    """Student 1908, doi:10.1093/biomet/6.1.1: the differences of hours of sleep."""
    hours = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    np.testing.assert_allclose(mean_interval(hours), [0.700, 2.460], atol=1e-3)


@given(st.lists(st.floats(-9, 9), min_size=5, max_size=9, unique=True),
       st.lists(st.floats(-9, 9), min_size=5, max_size=9, unique=True))
def test_interval_of_a_difference_is_that_of_scipys_test(values, others):
    assume(np.std(values) + np.std(others) > 1e-3)
    expected = stats.ttest_ind(values, others, equal_var=False).confidence_interval()
    np.testing.assert_allclose(difference_interval(np.array(values), np.array(others)), expected)


def test_no_interval_of_few_values_and_none_but_the_value_of_equal_ones():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(mean_interval(np.arange(4.0))).all()
        assert mean_interval(np.ones(9)) == (1.0, 1.0)
        assert np.isnan(difference_interval(np.arange(9.0), np.arange(4.0))).all()
        assert difference_interval(np.ones(9), np.zeros(9)) == (1.0, 1.0)


@given(st.integers(1, 300), st.floats(0, 1))
def test_wilson_interval_is_that_of_scipy_for_whole_numbers(n, share):
    k = round(share * n)
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson_interval(k / n, n), expected, atol=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12),
       st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_auc_is_the_probability_that_one_has_more(values, others):
    pairs = [(a > b) + (a == b) / 2 for a in values for b in others]
    found = rank_sum(np.array(values), np.array(others))
    assert found.auc == pytest.approx(np.mean(pairs))


def test_surrogate_comparison_by_hand():
    compared = surrogate_comparison(1.0, np.array([2.0, 4.0, 6.0]), alternative="less")
    assert compared.null_mean == 4.0
    assert compared.ratio == 0.25
    assert compared.z == pytest.approx(-3 / 2)
    assert compared.p_value == 1 / 4
    assert surrogate_comparison(1.0, np.array([2.0, 4.0, 6.0])).p_value == 1.0


def test_a_surrogate_without_value_counts_for_chance():
    for alternative in ("less", "greater"):
        compared = surrogate_comparison(5.0, np.array([np.nan, 5.5, 4.5]), alternative)
        assert compared.null_mean == 5.0
        assert compared.p_value == (1 + 2) / (1 + 3)


def test_no_effect_size_where_surrogates_do_not_vary():
    assert np.isnan(surrogate_comparison(1.0, np.full(9, 1.0)).z)
