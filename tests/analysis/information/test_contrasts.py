"""Groups of units compared within strata, and what activity alone does to them."""

import itertools

import numpy as np
import pytest
from builders import recording_of_layers
from scipy import stats

from ephys_snn.analysis.information.cell_types import excitatory_against_inhibitory
from ephys_snn.analysis.information.contrasts import (
    contrast,
    contrast_within,
    similar_activity,
)
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.recording import epoch_windows


def test_contrast_is_of_the_first_against_the_second():
    found = contrast(np.array([2.0, 3.0]), np.array([1.0, 2.0, 0.0]))
    assert found.difference == 1.5
    assert found.auc == pytest.approx(5.5 / 6) and found.n_compared == 5


def test_contrast_of_nobody_is_empty():
    rng = np.random.default_rng(0)
    apart = contrast_within(np.arange(4.0), np.array([True, True, False, False]),
                            np.array([0, 0, 1, 1]), rng)
    for found in (contrast(np.array([]), np.ones(3)), apart):
        assert np.isnan(found[:5]).all() and found.n_compared == 0


def test_contrast_within_strata_is_that_of_all_exchanges_and_of_a_linear_model():
    rng = np.random.default_rng(1)
    stratum = np.repeat([0, 1, 2, 3], [4, 4, 4, 3])
    first = np.array([1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1], dtype=bool)
    values = np.round(rng.normal(size=15) + first + stratum, 1)
    found = contrast_within(values, first, stratum, rng)
    mixed = stratum < 3

    def ranks_of_first(chosen):
        return sum(stats.rankdata(values[stratum == s])[chosen[stratum == s]].sum()
                   for s in range(3))

    expected = sum(first[stratum == s].sum() * 2.5 for s in range(3))
    exchanges = [np.isin(np.arange(15), sum(each, ())) for each in itertools.product(*(
        itertools.combinations(np.flatnonzero(stratum == s), first[stratum == s].sum())
        for s in range(3)))]
    p = np.mean([abs(ranks_of_first(each) - expected)
                 >= abs(ranks_of_first(first) - expected) - 1e-9 for each in exchanges])
    assert found.p_value == pytest.approx(p, abs=0.02)
    pairs = [(values[i] > values[j]) + 0.5 * (values[i] == values[j])
             for i in np.flatnonzero(first & mixed) for j in np.flatnonzero(~first & mixed)
             if stratum[i] == stratum[j]]
    assert found.auc == pytest.approx(np.mean(pairs)) and found.n_compared == 12
    design = np.column_stack([first, *(stratum == s for s in range(3))])[mixed].astype(float)
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ values[mixed]
    squares = (values[mixed] - design @ coefficients)**2
    variance = bread @ (design.T * squares) @ design @ bread * 12 / (12 - 4)
    half = stats.t(12 - 4).ppf(0.975) * np.sqrt(variance[0, 0])
    assert found.difference == pytest.approx(coefficients[0])
    assert (found.low, found.high) == pytest.approx((coefficients[0] - half,
                                                     coefficients[0] + half))


@pytest.mark.parametrize("n_units, size", [(41, 6), (82, 4)])
def test_units_of_a_stratum_are_neighbours_in_activity(n_units, size):
    n_active = np.random.default_rng(2).integers(5, 60, n_units)
    stratum = similar_activity(n_active, np.random.default_rng(0))
    assert set(np.bincount(stratum)) <= {size, size + 1}
    mean = [n_active[stratum == s].mean() for s in range(stratum.max() + 1)]
    assert mean == sorted(mean)
    assert len(similar_activity(np.array([], dtype=int), np.random.default_rng(0))) == 0


def test_units_of_equal_activity_come_in_any_order():
    rng = np.random.default_rng(3)
    strata = [similar_activity(np.full(12, 9), rng) for _ in range(50)]
    assert 0.3 < np.mean([each[0] == each[11] for each in strata]) < 0.65  # 5 of 11 others


def types_that_differ_in_activity(rng, tuning, n_trials=150):
    """Excitatory units are rarely active, inhibitory ones often; inputs are tuned alike or not."""
    labels = rng.permutation(np.arange(n_trials) % 10)
    is_excitatory = np.arange(80) < 60
    activity = np.where(is_excitatory, rng.uniform(0.03, 0.3, 80), rng.uniform(0.1, 0.7, 80))
    tuning = np.where(is_excitatory, *tuning)
    drive = (tuning * rng.normal(size=(10, 80)))[labels] + rng.normal(size=(n_trials, 80))
    active = drive > stats.norm.isf(activity) * np.hypot(1, tuning)
    return recording_of_layers({"area": np.where(active, 0.5, np.inf)}, labels, first_inhibitory=60)


def contrasts_of(tuning, seed, n_recordings):
    """(recording, measure) p of excitatory against inhibitory units."""
    found = []
    for child in np.random.default_rng(seed).spawn(n_recordings):
        recording = types_that_differ_in_activity(child, tuning)
        windows = epoch_windows(recording.trials)
        information = unit_information(recording, windows, child, 30)
        found.append(excitatory_against_inhibitory(recording, windows, information, child)
                     .set_index("measure")["p_value"])
    return np.array(found)


@pytest.mark.parametrize("tuning", [(0.0, 0.0), (0.8, 0.8)], ids=["none", "alike"])
def test_activity_alone_makes_no_difference_in_relative_measures(tuning):
    significant = (contrasts_of(tuning, 4, 60) < 0.05).mean(axis=0)
    # 99 % quantile of the binomial with 5 %
    assert (significant[1:] <= stats.binom(60, 0.05).ppf(0.99) / 60).all()
    if tuning[0]:
        assert significant[0] > 0.8  # the gain itself is another matter


def test_types_that_differ_in_tuning_are_found_whatever_their_activity():
    assert ((contrasts_of((1.2, 0.6), 5, 15) < 0.05).mean(axis=0) > 0.8).all()
