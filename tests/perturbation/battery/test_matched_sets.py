"""Matched sets are like the target in all but the choice: random targets exceed them in nothing."""

import numpy as np
import pytest
from builders import CHECKOUT
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.analysis.statistics import sign_flip_p_value
from ephys_snn.network import Network
from ephys_snn.perturbation import Reference, parse_perturbation
from ephys_snn.perturbation.battery.matched_sets import (
    SMALLEST_CELL,
    cells_of_like_units,
    matched_set,
    matched_units,
)
from ephys_snn.perturbation.battery.outcome import Decisions, class_changes
from ephys_snn.perturbation.responses import ActedOn, perturbed_responses
from ephys_snn.perturbation.targets import NoUnits
from ephys_snn.stimuli import load_stimuli
from ephys_snn.training import Settings, load_own_stimuli, train

AREA = "layer_2"
N_UNITS = 7  # of 45, about as large a part as pathways are


@st.composite
def targets_and_features(draw):
    n_units = draw(st.integers(2, 120))
    n_target = draw(st.integers(1, n_units // 2))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    in_target = np.zeros(n_units, dtype=bool)
    features = rng.normal(size=(n_units, 2))
    if draw(st.booleans()):  # many alike, as units that are never active
        features[:, 0] = features[:, 0].round()
    chosen = np.argsort(features[:, 1])[-n_target:] if draw(st.booleans()) \
        else rng.choice(n_units, n_target, replace=False)
    in_target[chosen] = True
    return in_target, features


@given(targets_and_features())
def test_cells_hold_the_target_once_and_others_enough(drawn):
    in_target, features = drawn
    cells = cells_of_like_units(in_target, features)
    held = np.concatenate(cells)
    assert len(np.unique(held)) == len(held) and np.isin(np.flatnonzero(in_target), held).all()
    for cell in cells:
        assert 1 <= in_target[cell].sum() <= len(cell) / 2
        assert len(cell) >= min(SMALLEST_CELL, len(in_target))


@given(targets_and_features(), st.integers(0, 99))
def test_sets_take_of_every_cell_as_many_as_the_target(drawn, seed):
    in_target, features = drawn
    units = matched_set(in_target, features, np.random.default_rng(seed))
    assert len(np.unique(units)) == len(units) == in_target.sum() and not in_target[units].any()
    for cell in cells_of_like_units(in_target, features):
        assert np.isin(units, cell).sum() == in_target[cell].sum()
    np.testing.assert_array_equal(units, matched_set(in_target, features,
                                                     np.random.default_rng(seed)))


def test_every_other_unit_of_a_cell_is_as_likely():
    n_units = 2 * SMALLEST_CELL - 1  # one cell
    in_target, rng = np.arange(n_units) < 2, np.random.default_rng(0)
    counts = np.bincount(np.concatenate([
        matched_set(in_target, np.arange(n_units)[:, None], rng) for _ in range(2000)]))
    assert counts[2:] == pytest.approx(4000 / (n_units - 2), rel=0.1)


@pytest.mark.parametrize("chosen_by", [0, 1])
def test_sets_resemble_targets_that_were_chosen_by_a_feature(chosen_by):
    rng = np.random.default_rng(1)
    gaps, unmatched = [], []
    for _ in range(40):
        features = np.column_stack([rng.beta(0.5, 3, 300), rng.exponential(5, 300)])
        ranks = features.argsort(axis=0).argsort(axis=0) / 300
        in_target = np.zeros(300, dtype=bool)
        weight = ranks[:, chosen_by] ** 2
        in_target[rng.choice(300, 30, replace=False, p=weight / weight.sum())] = True
        units = matched_set(in_target, features, rng)
        gaps.append(ranks[in_target].mean(axis=0) - ranks[units].mean(axis=0))
        unmatched.append(ranks[in_target].mean(axis=0) - ranks[~in_target].mean(axis=0))
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.02 < 0.2 < np.mean(unmatched, axis=0)[chosen_by]


def test_types_and_areas_keep_their_numbers(reference):
    target = {"layer_1": np.array([0, 5, 12, 13]), "layer_2": np.array([3, 9])}
    found = matched_units(target, reference, np.random.default_rng(0))
    for area, units in target.items():
        types = reference.cell_types[area]
        assert sorted(types[units]) == sorted(types[found[area]])
        assert not np.isin(found[area], units).any() and (np.diff(found[area]) > 0).all()


def test_of_more_than_half_the_units_there_is_no_set(reference):
    with pytest.raises(NoUnits, match="layer_1 has only 1 other inhibitory units for a matched "
                                      "set of 3"):
        matched_units({"layer_1": np.array([12, 13, 14])}, reference, np.random.default_rng(0))


# --- random targets exceed their matched sets in nothing ------------------------------------------


@pytest.fixture(scope="module")
def digits(make_subject):
    """A trained network of two layers with 45 excitatory units."""
    stimuli = load_stimuli("digits")
    network = Network.draw([stimuli.n_inputs, 60, 60, 10], seed=1)
    settings = Settings(epochs=10, batch_size=30, jitter=2.0, seed=1)
    return make_subject(train(network, stimuli, settings), stimuli)


def excesses(subject, area, n_units, n_targets, chosen_by_activity=False, n_matched=2, seed=0):
    """(target, class) change by targets beyond matched sets, and beyond any other units."""
    rng = np.random.default_rng(seed)
    reference: Reference = subject.reference
    candidates = np.flatnonzero(reference.cell_types[area] == "excitatory")
    weight = reference.activity(area)[candidates] + 1e-3 if chosen_by_activity \
        else np.ones(len(candidates))
    silence, before = parse_perturbation("silence"), subject.baseline.decisions

    def changes(units):
        responses = perturbed_responses(subject.network, silence, ActedOn({area: np.sort(units)}),
                                        subject.control, reference, rng)
        return class_changes(Decisions.of(responses, subject.labels), before, subject.labels, 10)

    beyond_matched, beyond_any = [], []
    for _ in range(n_targets):
        units = rng.choice(candidates, n_units, replace=False, p=weight / weight.sum())
        own = changes(units)
        beyond_matched.append(own - np.mean([
            changes(matched_units({area: units}, reference, rng)[area])
            for _ in range(n_matched)], axis=0))
        others = rng.choice(np.setdiff1d(candidates, units), n_units, replace=False)
        beyond_any.append(own - changes(others))
    return np.array(beyond_matched), np.array(beyond_any)


def share_significant(excess, n_experiments=1000, seed=0):
    """Share of p <= .05 in the table, where every class has a target of its own."""
    rng = np.random.default_rng(seed)
    n_targets, n_classes = excess.shape
    p_values = []
    for _ in range(n_experiments):
        chosen = excess[rng.permutation(n_targets)[:n_classes], np.arange(n_classes)]
        p_values.append(sign_flip_p_value(chosen, rng, two_sided=False))
    return np.mean(np.array(p_values) <= 0.05)


def error(excess):
    return excess.mean(axis=1).std() / np.sqrt(len(excess))


@pytest.mark.parametrize("area", ["layer_1", "layer_2"])
def test_random_targets_do_what_their_matched_sets_do(digits, area):
    excess, _ = excesses(digits, area, N_UNITS, 120)
    assert abs(excess.mean()) < 3 * error(excess)
    assert 0.015 < share_significant(excess) < 0.07


def test_targets_chosen_by_activity_exceed_others_but_not_their_matched_sets(digits):
    matched, unmatched = excesses(digits, AREA, N_UNITS, 120, chosen_by_activity=True)
    assert unmatched.mean() < -5 * error(unmatched)
    assert abs(matched.mean()) < 0.3 * abs(unmatched.mean())
    assert share_significant(matched) < 0.07 < share_significant(unmatched)


@pytest.mark.slow
def test_random_targets_of_the_shipped_network_exceed_nothing(shared, make_subject):
    network = Network.load(CHECKOUT / "examples" / "models" / "mnist_dale_4x400.pt")
    stimuli = load_own_stimuli(network, str(shared / "data" / "mnist"))
    subject = make_subject(network, stimuli, 1000)
    excess, _ = excesses(subject, "layer_4", 140, 200)  # so many that accuracy falls
    assert abs(excess.mean()) < 3 * error(excess)
    assert 0.02 < share_significant(excess) < 0.07
