"""Functional members: scipy's tests, drift, and trials that did not choose them."""

import itertools

import numpy as np
import pytest
from builders import recording_of_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.pathways.functional import (
    fisher_p_values,
    functional_pathways,
    rank_sum_p_values,
    relabelled_p_values,
)
from ephys_snn.analysis.pathways.members import PathwaySettings
from ephys_snn.analysis.pathways.preference import member_preference
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.recording import epoch_windows

FAST = PathwaySettings(n_permutations=200)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_p_values_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=25), [0, 1, 2])
    counts = rng.poisson(0.8, size=(28, 4))
    counts[:, 3] = 1
    fisher, ranks = fisher_p_values(counts > 0, code, 3), rank_sum_p_values(counts, code, 3)
    for c, unit in itertools.product(range(3), range(4)):
        own, other = counts[code == c, unit], counts[code != c, unit]
        table = [[(own > 0).sum(), (own == 0).sum()], [(other > 0).sum(), (other == 0).sum()]]
        assert fisher[c, unit] == pytest.approx(
            stats.fisher_exact(table, alternative="greater").pvalue)
        if np.ptp(counts[:, unit]):
            assert ranks[c, unit] == pytest.approx(stats.mannwhitneyu(
                own, other, alternative="greater", method="asymptotic").pvalue)
    assert (ranks[:, 3] == 1).all()


def test_relabelled_p_values_keep_runs_of_labels_together():
    """Slow drift and labels in runs: single trials seem to differ, blocks do not."""
    rng = np.random.default_rng(0)
    single, blocked = [], []
    for _ in range(20):
        drift = np.repeat(rng.random((20, 5)), 20, axis=0)
        active = rng.random((400, 5)) < drift
        code = np.repeat(rng.integers(2, size=20), 20)
        single.append(fisher_p_values(active, code, 2))
        blocked.append(relabelled_p_values(active, code, 2, 100, Relabelling(20), rng))
    assert np.mean(np.array(single) < 0.05) > 0.2 > 0.1 > np.mean(np.array(blocked) < 0.05)


def test_members_are_evaluated_in_the_trials_that_did_not_choose_them():
    """A unit that prefers a class in the choosing half only is a member without preference."""
    rng = np.random.default_rng(0)
    labels, chosen_by = np.arange(80) % 2, np.arange(80) < 40
    times = np.where(rng.random((80, 6)) < 0.5, 1.0, np.inf)
    times[:, 0] = np.where((labels == 0) == chosen_by, 1.0, np.inf)
    recording = recording_of_layers({"A": times}, labels)
    windows = epoch_windows(recording.trials)
    area = functional_pathways(recording, recording.responses(windows), windows, chosen_by, FAST,
                               rng).areas[0]
    assert area.member[0, 0] and area.effect[0, 0] == 1.0
    assert area.own[0, 0] == 0.0 and area.other[0, 0] == 1.0
    assert member_preference(area, 20, rng).index[0] == -1.0
