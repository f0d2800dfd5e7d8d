"""Trends with depth: all orders by brute force, scipy's correlation, areas without a trend."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.depth_trend import LAST_EXACT_ORDER, MIN_AREAS, depth_trend


@given(st.lists(st.integers(0, 6), min_size=3, max_size=5), st.integers(0, 99))
def test_correlation_is_scipys_and_p_that_of_all_orders(values, seed):
    trend = depth_trend(np.array(values, dtype=float), np.random.default_rng(seed))
    if np.ptp(values) == 0:
        assert np.isnan([trend.spearman_rho, trend.p_value]).all() and trend.note
        return
    position = np.arange(len(values))
    assert trend.spearman_rho == pytest.approx(stats.spearmanr(position, values).statistic)
    if len(values) < MIN_AREAS:
        assert np.isnan(trend.p_value) and "three areas" in trend.note
        return
    rho = [stats.spearmanr(position, order).statistic for order in itertools.permutations(values)]
    assert trend.p_value == pytest.approx(np.mean(np.array(rho) >= trend.spearman_rho - 1e-9))


def test_areas_that_differ_without_a_trend_are_significant_in_one_order_of_twenty_at_most():
    values = np.array([0.1, 0.4, 0.35, 0.9])
    p = [depth_trend(values[list(order)], np.random.default_rng(0)).p_value
         for order in itertools.permutations(range(4))]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(1 / 24)


def test_sampled_orders_of_many_areas_have_nearly_the_p_of_all():
    values = np.random.default_rng(1).normal(size=LAST_EXACT_ORDER + 1)
    values += 0.2 * np.arange(len(values))
    found = depth_trend(values, np.random.default_rng(0))
    exact = stats.spearmanr(np.arange(len(values)), values, alternative="greater").pvalue
    assert found.p_value == pytest.approx(exact, abs=0.02)


def test_two_areas_have_no_trend():
    trend = depth_trend(np.array([0.1, 0.2]), np.random.default_rng(0))
    assert np.isnan([trend.spearman_rho, trend.p_value]).all() and "three" in trend.note
