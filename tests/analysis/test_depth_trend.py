"""Trends with depth: all orders by brute force, scipy's correlation, planted and absent trends."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.depth_trend import LAST_EXACT_ORDER, trend_of_areas, trend_of_units


def test_trend_of_units_is_found_where_it_is_and_not_where_it_is_not():
    rng = np.random.default_rng(0)
    rising = trend_of_units([rng.normal(0.1 * area, 0.1, 60) for area in range(4)], rng)
    assert rising.difference_low > 0.2 and rising.rho_low > 0.5 and rising.p_value < 0.01
    p = [trend_of_units([rng.normal(size=20) for _ in range(3)], rng).p_value for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) <= 0.12


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=2, max_size=4),
       st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_correlation_of_units_is_scipys(values_by_area, seed):
    depth = np.repeat(np.arange(len(values_by_area)), list(map(len, values_by_area)))
    values = np.concatenate(values_by_area)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = trend_of_units([np.array(each, float) for each in values_by_area],
                               np.random.default_rng(seed))
    if np.ptp(values) == 0:
        assert np.isnan(found.spearman_rho) and np.isnan(found.p_value)
    else:
        assert found.spearman_rho == pytest.approx(stats.spearmanr(depth, values).statistic)


def test_p_of_units_is_that_of_all_ways_to_deal_them():
    values_by_area = [np.array([0.1, 0.5]), np.array([0.2, 0.7]), np.array([0.9])]
    depth = np.array([0, 0, 1, 1, 2])
    rho = [stats.spearmanr(depth, order).statistic
           for order in itertools.permutations(np.concatenate(values_by_area))]
    p = [trend_of_units(values_by_area, np.random.default_rng(seed)).p_value for seed in range(20)]
    assert np.mean(p) == pytest.approx(np.mean(np.abs(rho) >= abs(rho[0]) - 1e-9), abs=0.01)


def test_units_without_variation_have_no_correlation():
    trend = trend_of_units([np.zeros(4), np.zeros(4)], np.random.default_rng(0))
    assert np.isnan(trend.spearman_rho) and trend.difference == 0


def test_trend_of_areas_agrees_with_scipy_over_all_orders():
    rng = np.random.default_rng(0)
    preference = rng.normal(size=(4, 5)) + 0.3 * np.arange(5)
    trend = trend_of_areas(preference, rng)
    mean = preference.mean(axis=0)
    assert trend.spearman_rho == pytest.approx(stats.spearmanr(np.arange(5), mean).statistic)
    rho = [stats.spearmanr(np.arange(5), order).statistic for order in itertools.permutations(mean)]
    assert trend.p_value == pytest.approx(np.mean(np.array(rho) >= trend.spearman_rho - 1e-9))
    assert trend.difference == pytest.approx((preference[:, -1] - preference[:, 0]).mean())


def test_sampled_orders_of_many_areas_have_nearly_the_p_of_all():
    values = np.random.default_rng(1).normal(size=(1, LAST_EXACT_ORDER + 1))
    values += 0.2 * np.arange(values.shape[1])
    found = trend_of_areas(values, np.random.default_rng(0))
    exact = stats.spearmanr(np.arange(values.shape[1]), values[0], alternative="greater").pvalue
    assert found.p_value == pytest.approx(exact, abs=0.02)


def test_classes_that_an_area_lacks_are_left_out_of_the_difference():
    values = np.array([[0.1, 0.3, 0.6], [0.2, np.nan, 0.5], [np.nan, 0.1, 0.9]])
    trend = trend_of_areas(values, np.random.default_rng(0))
    assert trend.difference == pytest.approx((0.5 + 0.3) / 2)
    assert trend.spearman_rho == pytest.approx(
        stats.spearmanr(range(3), np.nanmean(values, axis=0)).statistic)
    assert np.isnan([trend.rho_low, trend.rho_high]).all()


def test_two_areas_have_a_difference_and_no_correlation():
    trend = trend_of_areas(np.array([[0.1, 0.2], [0.1, 0.3]]), np.random.default_rng(0))
    assert trend.difference == pytest.approx(0.15) and trend.difference_low > 0
    assert np.isnan([trend.spearman_rho, trend.p_value]).all()


def test_equal_areas_have_no_correlation():
    trend = trend_of_areas(np.full((3, 4), 0.5), np.random.default_rng(0))
    assert trend.difference == 0 and np.isnan([trend.spearman_rho, trend.p_value]).all()
