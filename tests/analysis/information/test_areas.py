"""Information by area, cell type, depth, and against a control."""

import numpy as np
import pytest
from builders import recording_of_layers
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.analysis.information.areas import (
    contrast,
    depth_trend,
    excitatory_against_inhibitory,
    information_by_area,
    information_by_depth,
    keep_windows,
    match_trials,
)
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.recording import epoch_windows


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12),
       st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_auc_is_the_probability_that_one_has_more(values, others):
    pairs = [(a > b) + (a == b) / 2 for a in values for b in others]
    found = contrast(np.array(values, float), np.array(others, float), np.random.default_rng(0))
    assert found.auc == pytest.approx(np.mean(pairs))
    assert found.difference == pytest.approx(np.mean(values) - np.mean(others))


def test_contrast_of_nobody_is_empty():
    assert np.isnan(contrast(np.array([]), np.ones(3), np.random.default_rng(0))).all()


def test_depth_trend_is_found_where_it_is_and_not_where_it_is_not():
    rng = np.random.default_rng(0)
    rising = depth_trend([rng.normal(0.1 * area, 0.1, 60) for area in range(4)], rng)
    assert rising.difference_low > 0.2 and rising.rho_low > 0.5 and rising.p_value < 0.01
    p = [depth_trend([rng.normal(size=20) for _ in range(3)], rng).p_value for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) <= 0.12


def test_depth_trend_without_variation_has_no_correlation():
    trend = depth_trend([np.zeros(4), np.zeros(4)], np.random.default_rng(0))
    assert np.isnan(trend.spearman_rho) and trend.difference == 0


def layered(**fields):
    """Two areas, the second more selective, two inhibitory units each."""
    rng = np.random.default_rng(1)
    labels = np.tile(np.arange(4), 20)
    preferred = labels[:, None] == np.arange(8) % 4
    layers = {name: np.where(rng.random((80, 8)) < np.where(preferred, 0.7, other), 0.5, np.inf)
              for name, other in (("V1", 0.5), ("IT", 0.02))}
    recording = recording_of_layers(layers, labels, first_inhibitory=6)
    return recording.__class__(**{**vars(recording), **fields})


def analyse(recording):
    windows, rng = epoch_windows(recording.trials), np.random.default_rng(2)
    information = unit_information(recording, windows, rng, 100)
    return (information_by_area(recording, windows, information, rng),
            excitatory_against_inhibitory(recording, windows, information, rng),
            information_by_depth(recording, information, rng), information)


def test_rows_are_the_means_of_their_units():
    table, contrasts, depth, information = analyse(layered())
    units = information.units
    for row in table.itertuples():
        members = units[(units["area"] == row.area)
                        & ((units["cell_type"] == row.cell_type) | (row.cell_type == "all"))]
        assert row.n_units == row.n_units_used == len(members)
        assert row.mean == pytest.approx(members["information_gain"].mean())
        assert row.median == pytest.approx(members["information_gain"].median())
        assert row.mean_corrected == pytest.approx(members["information_gain_corrected"].mean())
    assert contrasts[["n_excitatory", "n_inhibitory"]].to_numpy().tolist() == [[6, 2], [6, 2]]
    everyone = depth.set_index("cell_type").loc["all"]
    assert everyone["difference"] > 0.5 and everyone["p_value"] < 0.01


def test_without_an_order_of_areas_there_is_no_depth():
    depth = analyse(layered(areas_ordered=False))[2]
    assert depth["p_value"].isna().all()
    assert depth["note"].str.contains("order of the areas").all()


@given(st.integers(0, 1000))
def test_matched_trials_are_as_many_of_each_class(seed):
    rng = np.random.default_rng(seed)
    labels, others = (rng.permutation([*"abc", *rng.choice(list("abc"), n)]) for n in (20, 9))
    ours, theirs = match_trials(labels, others, rng)
    assert sorted(labels[ours]) == sorted(others[theirs])
    for label in "abc":
        assert (labels[ours] == label).sum() == min((labels == label).sum(),
                                                    (others == label).sum())
    assert len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)


def test_other_classes_are_matched_in_number_alone():
    ours, theirs = match_trials(np.array(list("aabb")), np.array(list("xyxyxyxy")),
                                np.random.default_rng(0))
    assert len(ours) == len(theirs) == 4


def test_kept_windows_are_counted_among_trials_that_have_one():
    recording = layered()
    windows = epoch_windows(recording.trials)
    start = windows.start.copy()
    start[:3] = np.nan
    kept = keep_windows(windows._replace(start=start), np.array([0, 2]))
    assert np.flatnonzero(kept.used).tolist() == [3, 5]
