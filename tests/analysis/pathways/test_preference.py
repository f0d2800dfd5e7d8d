"""Preference and overlap: the definitions by brute force, and chance members in other trials."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.pathways.members import Pathways, class_activity, evaluated_area
from ephys_snn.analysis.pathways.preference import (
    member_preference,
    overlap_with_others,
    preference_index,
    relabelled_preference,
)
from ephys_snn.analysis.pathways.tables import _trend_row
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import Relabelling, relabel
from ephys_snn.analysis.trial_subsets import split_halves


def area_of(active, code, member):
    units, effect = np.arange(active.shape[1]), member * 1.0
    return evaluated_area("A", "all", units, effect, member, active, code, ("",) * len(member))


def pooled_preference(active, code, member, c):
    own = active[code == c][:, member].ravel().mean()
    other = active[code != c][:, member].ravel().mean()
    return own, other, (own - other) / (own + other) if own + other else np.nan


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_preference_pools_members_and_trials(seed):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=20), [0, 1, 2])
    active = rng.random((23, 6)) < 0.5
    member = rng.random((3, 6)) < 0.5
    member[:, 0] = True
    preference = member_preference(area_of(active, code, member), 500, rng)
    for c in range(3):
        own, other, index = pooled_preference(active, code, member[c], c)
        assert preference.own[c] == pytest.approx(own)
        assert preference.other[c] == pytest.approx(other)
        assert preference.index[c] == pytest.approx(index, nan_ok=True)
        # The mean of random sets is that over all sets of that size, within sampling error.
        sets = [list(s) for s in itertools.combinations(range(6), int(member[c].sum()))]
        every = [preference_index(active[code == c][:, s].mean(), active[code != c][:, s].mean())
                 for s in sets]
        if np.isfinite(every).all():
            assert preference.of_random_sets[:, c].mean() == pytest.approx(
                np.mean(every), abs=5 * np.std(every) / np.sqrt(500) + 1e-9)


@pytest.mark.parametrize("relabelling", [Relabelling(), Relabelling(3), Relabelling(1, True)])
def test_null_is_the_preference_under_other_labels(relabelling):
    """All classes and areas under one order of the labels, trials of no class among them."""
    rng = np.random.default_rng(0)
    code = np.append(rng.integers(-1, 3, size=20), [-1, 0, 1, 2])
    actives, member = rng.poisson(1.0, (2, 24, 5)), rng.random((3, 5)) < 0.5
    member[:, 0] = True
    pathways = Pathways("structural", ("a", "b", "c"), code, tuple(
        area_of(active, code, member) for active in actives), np.empty(0, dtype=int))
    null = relabelled_preference(pathways, 4, np.random.default_rng(1), relabelling)
    rng = np.random.default_rng(1)
    for one in null:
        relabelled = relabel(code, rng, relabelling)
        expected = [[pooled_preference(active, relabelled, member[c], c)[2] for c in range(3)]
                    for active in actives]
        np.testing.assert_allclose(one, expected)


def test_members_that_share_their_drive_prefer_no_class():
    """In random sets they would: a set of units without a common drive varies less."""
    rng = np.random.default_rng(5)
    p_values, of_sets = [], []
    for _ in range(60):
        code = rng.integers(2, size=60)
        drive = np.where(rng.random(60) < 0.5, 0.1, 0.7)[:, None]
        active = rng.random((60, 30)) < np.hstack([np.tile(drive, 8), np.full((60, 22), 0.4)])
        member = np.tile(np.arange(30) < 8, (2, 1))
        area = area_of(active, code, member)
        preference = member_preference(area, 100, rng)
        null = relabelled_preference(
            Pathways("structural", ("a", "b"), code, (area,), np.empty(0, dtype=int)), 100, rng)
        p_values.append(permutation_p_value(preference.index, null[:, 0])[0])
        of_sets.append(permutation_p_value(preference.index, preference.of_random_sets)[0])
    assert np.mean(np.array(p_values) <= 0.05) < 0.12 < np.mean(np.array(of_sets) <= 0.05)


def test_held_out_preference_of_chance_members_is_not_significant():
    """Members that chance chose in one half do not prefer their class in the other."""
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(60):
        code = rng.integers(2, size=60)
        active = rng.random((60, 30)) < 0.3
        half = split_halves(code, rng)
        effect = np.subtract(*class_activity(active[half], code[half], 2))
        member = effect > np.quantile(effect, 0.8, axis=1, keepdims=True)
        area = area_of(active[~half], code[~half], member)
        null = relabelled_preference(Pathways(
            "functional", ("a", "b"), code[~half], (area,), np.empty(0, dtype=int)), 100, rng)
        p_values.append(permutation_p_value(member_preference(area, 1, rng).index, null[:, 0])[0])
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
        assert np.isnan(row["spearman_rho"]) == (row["n_areas"] < 3 or note.startswith("all areas"))
