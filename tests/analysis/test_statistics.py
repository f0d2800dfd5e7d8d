"""Permutation p, false discovery, surrogates: against their definitions and known theory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.analysis.statistics import (
    bootstrap_interval,
    false_discovery_q,
    permutation_p_value,
    permute_labels,
    surrogate_comparison,
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


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_permuted_labels_are_the_same_labels(n_trials, block_trials, seed):
    labels = np.arange(n_trials)
    permuted = permute_labels(labels, np.random.default_rng(seed), block_trials)
    assert sorted(permuted) == labels.tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 4),
       st.integers(0, 2**32 - 1))
def test_labels_stay_in_their_stratum(strata, block_trials, seed):
    strata, labels = np.array(strata), np.arange(len(strata))
    permuted = permute_labels(labels, np.random.default_rng(seed), block_trials, strata)
    assert sorted(permuted) == labels.tolist()
    np.testing.assert_array_equal(strata[permuted], strata)


def test_blocks_keep_neighbours_together():
    labels = np.repeat([0, 1], 50)
    rng = np.random.default_rng(0)
    changes = [np.count_nonzero(np.diff(permute_labels(labels, rng, 10))) for _ in range(50)]
    singly = [np.count_nonzero(np.diff(permute_labels(labels, rng))) for _ in range(50)]
    assert max(changes) < min(singly)


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        low, high = bootstrap_interval(rng.normal(size=50), rng, level=0.9, n_resamples=300)
        covered += low < 0 < high
    assert covered / 300 == pytest.approx(0.89, abs=0.05)
    assert np.isnan(bootstrap_interval(np.array([1.0]), rng)).all()


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
