"""Permuted labels: all orders by brute force, exact expectations, strata."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ephys_snn.analysis.classes import class_sums
from ephys_snn.analysis.entropy import (
    information_gain,
    mutual_information,
)
from ephys_snn.analysis.information.permuted import (
    enough_permutations,
    permuted_information,
    spike_count_p_value,
)
from ephys_snn.analysis.statistics import permutation_p_value


def test_permutations_agree_with_all_orders_of_the_labels():
    code = np.array([0, 0, 0, 1, 1, 2, 2])
    active = np.array([[1, 1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0, 1],
                       [0, 0, 0, 1, 1, 0, 0]], dtype=bool).T
    class_counts = np.bincount(code)
    every = [class_sums(active, np.array(order), 3).T
             for order in set(itertools.permutations(code.tolist()))]
    exact_gain = np.array([information_gain(c, class_counts) for c in every])
    exact_information = np.array([mutual_information(np.stack([c, class_counts - c], axis=1))
                                  for c in every])
    null = permuted_information(active, code, 20000, np.random.default_rng(0))
    np.testing.assert_allclose(null.information_gain.mean(axis=0), exact_gain.mean(axis=0),
                               atol=0.01)
    np.testing.assert_allclose(null.mutual_information.mean(axis=0),
                               exact_information.mean(axis=0), atol=0.01)
    observed = class_sums(active, code, 3).T
    # Ties are frequent in so small tables: a bit lost in one of them would show.
    for statistic, exact, drawn in (
            (information_gain(observed, class_counts), exact_gain, null.information_gain),
            (mutual_information(np.stack([observed, class_counts - observed], axis=1)),
             exact_information, null.mutual_information)):
        reached = (exact >= statistic - 1e-9).mean(axis=0)
        np.testing.assert_allclose(permutation_p_value(statistic, drawn), reached, atol=0.012)


def test_chance_is_the_hypergeometric_expectation():
    class_counts, n_active = np.array([30, 20, 10]), 8
    code = np.repeat(np.arange(3), class_counts)
    active = np.zeros((60, 1), dtype=bool)
    active[:n_active] = True
    # E[IG] = (H(C) - log2 n + sum_c E[k log2 k] / n) / H(C), k hypergeometric.
    k = np.arange(1, n_active + 1)
    expected_sum = sum((stats.hypergeom(60, n, n_active).pmf(k) * k * np.log2(k)).sum()
                       for n in class_counts)
    p = class_counts / 60
    class_entropy = -(p * np.log2(p)).sum()
    expected = (class_entropy - np.log2(n_active) + expected_sum / n_active) / class_entropy
    null = permuted_information(active, code, 20000, np.random.default_rng(1))
    assert null.information_gain.mean() == pytest.approx(expected, abs=0.004)


def test_spike_count_p_value_is_that_of_all_orders():
    code = np.array([0, 0, 0, 1, 1, 1, 1])
    count = np.array([[0, 1, 1, 2, 5, 5, 3], [3, 0, 2, 2, 1, 1, 0]]).T
    orders = [np.array(order) for order in set(itertools.permutations(code.tolist()))]
    found = spike_count_p_value(count, code, 20000, np.random.default_rng(0))
    for unit in range(2):
        def statistic(order, unit=unit):
            return stats.kruskal(*[count[order == c, unit] for c in (0, 1)]).statistic
        exact = np.mean([statistic(order) >= statistic(code) - 1e-9 for order in orders])
        assert found[unit] == pytest.approx(exact, abs=0.012)


def test_spike_counts_within_strata_have_the_p_of_all_orders_within_them():
    stratum = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    code = np.array([0, 0, 1, 1, 0, 0, 0, 2, 2])
    count = np.array([[0, 1, 4, 4, 9, 7, 9, 6, 0], [2, 2, 2, 2, 3, 1, 1, 0, 0],
                      [0, 5, 0, 5, 0, 2, 1, 5, 3]]).T
    orders = [np.array(first + second)
              for first in set(itertools.permutations(code[:4].tolist()))
              for second in set(itertools.permutations(code[4:].tolist()))]

    def statistic(order, unit):
        total = 0.0
        for inside in (stratum == 0, stratum == 1):
            groups = [count[inside & (order == c), unit] for c in np.unique(code[inside])]
            if np.ptp(count[inside, unit]):
                total += stats.kruskal(*groups).statistic
        return total

    found = spike_count_p_value(count, code, 20000, np.random.default_rng(0), strata=stratum)
    for unit in range(3):
        reached = [statistic(order, unit) >= statistic(code, unit) - 1e-9 for order in orders]
        assert found[unit] == pytest.approx(np.mean(reached), abs=0.012)


def units_at_two_positions(n_trials=160):
    """Spike counts of units whose preferred class depends on the position, or not at all."""
    rng = np.random.default_rng(9)
    code, position = rng.permutation([[c, p] for c in (0, 1) for p in (0, 1)]
                                     * (n_trials // 4)).T
    flips = rng.poisson(np.where(code == position, 2.0, 4.0)[:, None], (n_trials, 40))
    where_alone = rng.poisson(np.where(position == 0, 1.0, 6.0)[:, None], (n_trials, 40))
    return np.concatenate([flips, where_alone], axis=1), code, position


def test_units_that_prefer_another_class_at_each_position_are_found_within_positions():
    count, code, position = units_at_two_positions()
    together = spike_count_p_value(count, code, 300, np.random.default_rng(0))
    within = spike_count_p_value(count, code, 300, np.random.default_rng(0), strata=position)
    assert (together[:40] < 0.05).mean() < 0.2 and (within[:40] < 0.05).mean() > 0.9
    assert (within[40:] < 0.05).mean() < 0.15


def test_default_permutations_find_a_single_unit_where_that_is_quick():
    assert enough_permutations(660, 114, 4) == 20 * 660
    assert enough_permutations(2400, 10000, 10) == 1000
    assert enough_permutations(0, 10, 2) == 1000
