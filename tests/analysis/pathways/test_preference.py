"""Preference and overlap: the definitions by brute force, and chance members in other trials."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.pathways.members import AreaPathways, class_activity
from ephys_snn.analysis.pathways.preference import (
    member_preference,
    overlap_with_others,
    preference_index,
)
from ephys_snn.analysis.pathways.tables import _trend_row
from ephys_snn.analysis.trial_subsets import split_halves


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_preference_pools_members_and_trials(seed):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=20), [0, 1, 2])
    active = rng.random((23, 6)) < 0.5
    member = rng.random((3, 6)) < 0.5
    member[:, 0] = True
    area = AreaPathways("A", "all", np.arange(6), member * 1.0, member,
                        *class_activity(active, code, 3), ("", "", ""))
    preference = member_preference(area, 500, rng)
    for c in range(3):
        own = active[code == c][:, member[c]].ravel().mean()
        other = active[code != c][:, member[c]].ravel().mean()
        assert preference.own[c] == pytest.approx(own)
        assert preference.other[c] == pytest.approx(other)
        if own + other:
            assert preference.index[c] == pytest.approx((own - other) / (own + other))
        # Random sets: p over all sets of that size, within sampling error.
        sets = [list(s) for s in itertools.combinations(range(6), int(member[c].sum()))]
        index = np.array([preference_index(active[code == c][:, s].mean(),
                                           active[code != c][:, s].mean()) for s in sets])
        if np.isfinite(index).all():
            exact = np.mean(index >= preference.index[c] - 1e-12)
            assert preference.p_value[c] == pytest.approx(exact, abs=0.1)


def test_overlap_is_the_mean_jaccard_index():
    member = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], dtype=bool)
    np.testing.assert_allclose(overlap_with_others(member), [(1 / 3 + 0) / 2, (1 / 3) / 2, 0])
    assert np.isnan(overlap_with_others(np.zeros((2, 3), dtype=bool))).all()


def test_held_out_preference_of_chance_members_is_not_significant():
    """Members that chance chose in one half do not prefer their class in the other."""
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(60):
        code = rng.integers(2, size=60)
        active = rng.random((60, 30)) < 0.3
        chosen_by = split_halves(code, rng)
        own, other = class_activity(active[chosen_by], code[chosen_by], 2)
        member = own - other > np.quantile(own - other, 0.8, axis=1, keepdims=True)
        held_out = class_activity(active[~chosen_by], code[~chosen_by], 2)
        area = AreaPathways("A", "all", np.arange(30), own - other, member, *held_out, ("", ""))
        p_values.extend(member_preference(area, 200, rng).p_value[:1])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) < 0.05) < 0.15


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_overlap_is_that_of_the_sets(seed):
    rng = np.random.default_rng(seed)
    member = rng.random((rng.integers(2, 6), rng.integers(1, 8))) < rng.choice([0.1, 0.4, 0.9])
    sets = [set(np.flatnonzero(row)) for row in member]
    for found, own in zip(overlap_with_others(member), range(len(sets)), strict=True):
        overlaps = [len(sets[own] & sets[other]) / len(sets[own] | sets[other])
                    for other in range(len(sets)) if other != own and sets[own] | sets[other]]
        if overlaps:
            assert found == pytest.approx(np.mean(overlaps))
        else:
            assert np.isnan(found)


def test_what_limits_a_trend_is_said():
    rng = np.random.default_rng(0)
    nan = np.nan
    for preference, note in (
            (np.full((2, 1), 0.5), "fewer than three areas: no trend"),
            (np.full((2, 3), nan), "fewer than three areas: no trend"),
            (np.array([[0.1, 0.2], [0.1, 0.3]]), "fewer than three areas: no trend"),
            (np.array([[0.1, nan], [nan, 0.3]]),
             "fewer than three areas: no trend"),
            (np.full((3, 4), 0.5), "all areas have the same value: no trend"),
            (np.array([[0.1, nan, 0.2, 0.4]]),
             "three areas have too few orders for p < 0.05: no p"),
            (np.array([[0.1, 0.3, 0.2, 0.4]]), "")):
        row = _trend_row(preference, rng)
        assert row["note"] == note
        assert np.isnan(row["spearman"]) == (row["n_areas"] < 3 or note.startswith("all areas"))
