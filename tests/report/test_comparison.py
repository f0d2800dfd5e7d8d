"""Comparisons over recordings: exact tests, levels that hold, units that are no recordings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.report.study import comparison
from ephys_snn.report.study.mixed_model import mixed_model


def draw(rng, n_recordings, effect=0.0, between=1.0, n_units=(5, 60), per_subject=1, within=0.0):
    """Two groups of recordings that differ among themselves."""
    rows = []
    for group, shift in (("a", effect), ("b", 0.0)):
        for subject in range(n_recordings // per_subject):
            common = rng.normal(shift, between)
            for session in range(per_subject):
                value = rng.normal(rng.normal(common, within), 1, rng.integers(*n_units))
                name = f"{group}{subject}"
                rows.append(pd.DataFrame({"group": group, "subject": name,
                                          "recording": f"{name}.{session}", "value": value}))
    return pd.concat(rows, ignore_index=True)


def test_exchange_is_scipys_permutation_test_of_welchs_t():
    rng = np.random.default_rng(1)
    for n, m in ((4, 4), (4, 6), (5, 4)):
        values, others = rng.normal(1, 3, n), rng.normal(0, 1, m)

        def absolute_t(x, y, axis):
            return abs(stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic)

        expected = stats.permutation_test((values, others), absolute_t, vectorized=True,
                                          alternative="greater", n_resamples=np.inf).pvalue
        assert comparison.exchange_p_value(values, others, rng) == pytest.approx(expected)


def test_drawn_arrangements_agree_with_all(monkeypatch):
    rng = np.random.default_rng(3)
    values, others = rng.normal(0.6, 1, 7), rng.normal(0, 1, 7)
    exact = comparison.exchange_p_value(values, others, rng)
    monkeypatch.setattr(comparison, "MAX_EXACT", 100)  # fewer than there are, to draw
    monkeypatch.setattr(comparison.math, "comb", lambda n, k: 10**9)
    drawn = [comparison.exchange_p_value(values, others, rng) for _ in range(60)]
    np.testing.assert_allclose(np.mean(drawn), exact, atol=0.03)


def test_groups_that_do_not_overlap_and_do_not_vary_are_as_different_as_can_be():
    p_value = comparison.exchange_p_value(np.ones(4), np.zeros(4), np.random.default_rng(0))
    assert p_value == pytest.approx(2 / 70)
    assert comparison.exchange_p_value(np.ones(4), np.ones(4), np.random.default_rng(0)) == 1


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5), st.integers(0, 9))
def test_a_hierarchy_of_constants_is_drawn_as_it_is(values, seed):
    tree = [[np.full(3, value)] for value in values]
    means = comparison.resampled_means(([tree[0]], tree), 20, np.random.default_rng(seed))
    assert (means >= values[0] - max(values) - 1e-6).all()
    assert (means <= values[0] - min(values) + 1e-6).all()
    alone = comparison.resampled_means([tree[0]], 5, np.random.default_rng(seed))
    np.testing.assert_allclose(alone, values[0])


def test_the_spread_of_the_bootstrap_is_the_sum_of_its_levels():
    """Of a balanced hierarchy the variance is known: each level's (ddof 0) over its size."""
    rng = np.random.default_rng(4)
    units = rng.normal(0, 1, (6, 1, 1)) + rng.normal(0, 2, (6, 3, 1)) + rng.normal(0, 3, (6, 3, 8))
    tree = [[units[s, r] for r in range(3)] for s in range(6)]
    expected = (units.mean(axis=(1, 2)).var() / 6
                + units.mean(axis=2).var(axis=1).mean() / (6 * 3)
                + units.var(axis=2).mean() / (6 * 3 * 8))
    means = comparison.resampled_means(tree, 20_000, rng)
    assert means.mean() == pytest.approx(units.mean(), abs=0.03)
    assert means.var() == pytest.approx(expected, rel=0.05)


def test_the_mixed_model_of_a_balanced_sample_is_the_t_test_of_its_means():
    sample = draw(np.random.default_rng(5), 6, effect=1.0, n_units=(20, 21))
    means = comparison.subject_means(sample)
    expected = stats.ttest_ind(means["a"], means["b"])
    found = mixed_model(sample, "a", "independent")
    assert found["mixed_difference"] == pytest.approx(means["a"].mean() - means["b"].mean())
    assert found["mixed_p_value"] == pytest.approx(expected.pvalue, rel=1e-3)
    interval = expected.confidence_interval()
    assert found["mixed_low"] == pytest.approx(interval.low, rel=1e-3)
    assert found["mixed_high"] == pytest.approx(interval.high, rel=1e-3)


def test_the_mixed_model_has_intercepts_of_subjects_and_of_their_recordings():
    """With as many units each, recordings of a subject count once: the t test of subjects."""
    sample = draw(np.random.default_rng(6), 12, effect=1.0, n_units=(15, 16), per_subject=2,
                  within=0.7)
    means = comparison.subject_means(sample)
    found = mixed_model(sample, "a", "independent")
    assert len(means["a"]) == 6
    assert found["mixed_p_value"] == pytest.approx(
        stats.ttest_ind(means["a"], means["b"]).pvalue, rel=1e-2)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_mixed_model_does_not_depend_on_the_unit_of_the_values(scale):
    sample = draw(np.random.default_rng(12), 5, between=0.2)
    found = mixed_model(sample, "a", "independent")
    other = mixed_model(sample.assign(value=sample["value"] * scale), "a", "independent")
    assert other["mixed_se"] == pytest.approx(found["mixed_se"] * scale, rel=1e-3)
    assert other["mixed_p_value"] == pytest.approx(found["mixed_p_value"], rel=1e-3)


@pytest.mark.slow
def test_levels_hold_where_recordings_vary_and_pooled_units_do_not():
    rng, rows = np.random.default_rng(7), []
    for _ in range(400):
        sample = draw(rng, 4)
        row = comparison.compare_groups(sample, "a", "b", rng)
        row["pooled"] = stats.ttest_ind(*(units["value"] for _, units in sample.groupby("group")),
                                        equal_var=False).pvalue
        rows.append(row)
    without_effect = pd.DataFrame(rows)
    assert (without_effect["p_value"] <= 0.05).mean() <= 0.07
    assert (without_effect["mixed_p_value"] <= 0.05).mean() <= 0.07
    assert (without_effect["pooled"] <= 0.05).mean() > 0.5
    assert without_effect["note"].str.contains("fewer than 15 subjects").all()


def test_the_level_holds_over_recordings_and_not_over_units():
    rng, p_values, pooled = np.random.default_rng(8), [], []
    for _ in range(300):
        groups = [rng.normal(rng.normal(0, 1, (4, 1)), 1, (4, 30)) for _ in range(2)]
        p_values.append(comparison.exchange_p_value(*(each.mean(axis=1) for each in groups), rng))
        pooled.append(stats.ttest_ind(*(each.ravel() for each in groups)).pvalue)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.07
    assert np.mean(np.array(pooled) <= 0.05) > 0.5


@pytest.mark.slow
def test_the_bootstrap_is_too_narrow_for_few_recordings_and_holds_for_many():
    def misses(n: int) -> float:
        rng, missed = np.random.default_rng(n), 0
        for _ in range(400):
            trees = tuple([rng.normal(rng.normal(0, 1), 1, 20) for _ in range(n)]
                          for _ in range(2))
            low, high = np.quantile(comparison.resampled_means(trees, 500, rng), [0.025, 0.975])
            missed += not low <= 0 <= high
        return missed / 400

    assert misses(4) > 0.1
    assert misses(comparison.MIN_BOOTSTRAP) <= 0.085  # 0.07 and two standard errors


def test_an_effect_is_found_with_every_interval_around_it():
    row = comparison.compare_groups(draw(np.random.default_rng(9), 20, effect=2.0), "a", "b",
                                    np.random.default_rng(0))
    assert row["p_value"] < 0.01 and row["mixed_p_value"] < 0.01 and row["note"] == ""
    for low, high in (("low", "high"), ("bootstrap_low", "bootstrap_high"),
                      ("mixed_low", "mixed_high")):
        assert 0 < row[low] < row["difference"] < row[high] < 4
    assert row["n_subjects"] == row["n_recordings"] == 20 and row["n_values"] > 100


def test_subjects_in_both_groups_are_compared_with_themselves():
    rng = np.random.default_rng(10)
    sample = draw(rng, 6, effect=1.5, between=0.01, n_units=(30, 31))
    sample["subject"] = sample["subject"].str[1:]
    sample["value"] += 20 * sample["subject"].astype(int)  # animals differ by far more
    row = comparison.compare_groups(sample, "a", "b", rng)
    assert row["design"] == "paired" and row["p_value"] == pytest.approx(2 / 64)
    assert 0 < row["low"] < row["difference"] < row["high"] < 2
    assert row["mixed_low"] < row["difference"] < row["mixed_high"]
    assert row["mixed_p_value"] < 0.01

    half = sample[(sample["group"] == "a") | (sample["subject"] < "3")]
    row = comparison.compare_groups(half, "a", "b", rng)
    assert row["n_subjects"] == row["n_subjects_other"] == 3
    assert row["note"].startswith("3 subjects of one group alone left out; fewer than 6 subjects")


def test_recordings_of_one_subject_count_once():
    rng = np.random.default_rng(11)
    sample = draw(rng, 12, per_subject=4)
    row = comparison.compare_groups(sample, "a", "b", rng)
    assert (row["n_recordings"], row["n_subjects"]) == (12, 3)
    assert np.isnan(row["p_value"]) and "fewer than 4 subjects in a group: no p" in row["note"]


def test_a_recording_counts_once_however_many_units_it_has():
    sample = pd.DataFrame({"group": "a", "subject": ["s"] * 5 + ["t"], "value": [0, 0, 0, 0, 1, 3],
                           "recording": ["s1"] * 4 + ["s2", "t1"]})
    assert comparison.subject_means(sample)["a"].to_dict() == {"s": 0.5, "t": 3}


def test_trends_are_tested_over_recordings():
    def trends(values):
        names = [f"r{i}" for i in range(len(values))]
        sample = pd.DataFrame({"group": "g", "subject": names, "recording": names,
                               "value": values})
        return comparison.trend_over_recordings(sample, "g", np.random.default_rng(0))

    assert trends([0.8, 1, 0.4, 0.8, 1, 1])["p_value"] == pytest.approx(2 / 64)
    assert trends([0.8, -1, 0.4, -0.8, 1, -0.4])["p_value"] > 0.5
    few = trends([1.0, 1.0, 1.0])
    assert np.isnan(few["p_value"]) and "fewer than 6 subjects: no p" in few["note"]
