"""Permutation p, false discovery, surrogates: against their definitions and known theory."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from ephys_snn.analysis import statistics
from ephys_snn.analysis.statistics import (
    difference_interval,
    false_discovery_q,
    mean_interval,
    paired_fraction_interval,
    permutation_p_value,
    proportion_difference_interval,
    rank_sum,
    sign_flip_p_value,
    stratified_difference_interval,
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


@pytest.mark.parametrize("two_sided", [True, False])
def test_flipped_signs_are_scipys_permutation_test_of_the_mean(two_sided, monkeypatch):
    rng = np.random.default_rng(2)
    values = rng.normal(-0.5, 1, 8)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples",
                                      alternative="two-sided" if two_sided else "less",
                                      n_resamples=np.inf).pvalue
    assert sign_flip_p_value(values, rng, two_sided) == pytest.approx(expected)
    assert np.isnan(sign_flip_p_value(values[:0], rng, two_sided))
    monkeypatch.setattr(statistics, "MAX_EXACT", 100)  # fewer than there are, to draw
    drawn = [sign_flip_p_value(values, rng, two_sided) for _ in range(60)]
    assert np.mean(drawn) == pytest.approx(expected, abs=0.03)


def test_flipped_signs_of_few_values_give_no_small_p():
    rng = np.random.default_rng(0)
    assert [sign_flip_p_value(-np.ones(n), rng, two_sided=False) for n in (1, 2, 5)] \
        == [1 / 2, 1 / 4, 1 / 32]
    assert sign_flip_p_value(-np.ones(5), rng) == 2 / 32
    assert sign_flip_p_value(np.ones(5), rng, two_sided=False) == 1


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


def test_of_one_stratum_the_interval_is_that_of_welch_but_for_the_degrees_of_freedom():
    rng = np.random.default_rng(0)
    values, others = rng.normal(size=40), 3 * rng.normal(size=300)
    both, is_first = np.concatenate([values, others]), np.arange(340) < 40
    found = stratified_difference_interval(both, is_first, np.zeros(340, dtype=int))
    np.testing.assert_allclose(found, difference_interval(values, others), rtol=0.03)


def test_of_strata_of_two_the_interval_is_that_of_paired_differences():
    rng = np.random.default_rng(1)
    values, others = rng.normal(size=(2, 9)) * [[1.0], [2.0]]
    found = stratified_difference_interval(
        np.concatenate([values, others]), np.arange(18) < 9, np.tile(np.arange(9), 2))
    np.testing.assert_allclose(found, mean_interval(values - others))


@given(st.integers(0, 2**32 - 1))
def test_the_stratified_interval_is_that_of_least_squares(seed):
    """Against statsmodels' HC2 variance, and degrees of freedom from the matrices themselves."""
    import statsmodels.api as sm

    rng = np.random.default_rng(seed)
    n_strata = int(rng.integers(1, 5))
    stratum = np.concatenate([np.tile(np.arange(n_strata), 2), rng.integers(0, n_strata, 8)])
    is_first = np.concatenate([np.repeat([True, False], n_strata), rng.random(8) < 0.4])
    values = rng.normal(size=len(stratum)) * rng.choice([1.0, 3.0], len(stratum))
    design = np.column_stack([is_first, stratum[:, None] == np.arange(n_strata)]).astype(float)
    fit = sm.OLS(values, design).fit(cov_type="HC2")
    maker = np.eye(len(values)) - design @ np.linalg.pinv(design)
    assume(np.diag(maker).min() > 1e-6)  # no value that is fitted whatever it is
    scaled = (np.linalg.pinv(design)[0] / np.sqrt(np.diag(maker)))[:, None] * maker
    eigenvalues = np.linalg.eigvalsh(scaled @ scaled.T)
    freedom = eigenvalues.sum()**2 / (eigenvalues**2).sum()
    half = stats.t.ppf(0.975, freedom) * fit.bse[0]
    np.testing.assert_allclose(stratified_difference_interval(values, is_first, stratum),
                               (fit.params[0] - half, fit.params[0] + half), rtol=1e-6, atol=1e-9)


def test_proportions_of_the_papers():
    # Agresti & Min 2005: half a case added to each cell of the table of pairs.
    both, only_first, only_second, neither = 40, 12, 6, 22
    n, b, c = 82, only_first + 0.5, only_second + 0.5
    half = stats.norm.ppf(0.975) * np.sqrt((b + c) - (b - c)**2 / n) / n
    found = paired_fraction_interval(only_first, only_second,
                                     both + only_first + only_second + neither)
    np.testing.assert_allclose(found, ((b - c) / n - half, (b - c) / n + half))
    # Agresti & Caffo 2000: a case of each kind added to each sample.
    p, q = 8 / 12, 3 / 22
    half = stats.norm.ppf(0.975) * np.sqrt(p * (1 - p) / 12 + q * (1 - q) / 22)
    np.testing.assert_allclose(proportion_difference_interval(0.7, 10, 0.1, 20),
                               (p - q - half, p - q + half))


def coverage_of_paired_fractions(n, gained, lost):
    """How often the interval holds gained - lost, by every outcome's multinomial probability."""
    outcomes = np.array([(g, s, n - g - s) for g in range(n + 1) for s in range(n + 1 - g)])
    intervals = np.array([paired_fraction_interval(g, s, n) for g, s, _ in outcomes])
    covers = (intervals[:, 0] <= gained - lost) & (gained - lost <= intervals[:, 1])
    probability = stats.multinomial(n, [gained, lost, 1 - gained - lost]).pmf(outcomes)
    return probability[covers].sum()


@pytest.mark.parametrize("n, least", [(10, 0.88), (30, 0.93), (100, 0.93)])
def test_intervals_of_paired_fractions_cover_even_where_little_changes(n, least):
    coverages = [coverage_of_paired_fractions(n, gained, lost)
                 for gained in (0.0, 0.01, 0.05, 0.2, 0.4) for lost in (0.01, 0.05, 0.2, 0.5)]
    assert min(coverages) > least and np.mean(coverages) == pytest.approx(0.965, abs=0.02)


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
