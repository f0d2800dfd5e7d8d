"""Measures of information: worked examples, another package, laws, and known truths."""

import itertools

import dit
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from ephys_snn.analysis.entropy import (
    chance_information_gain,
    correct_for_chance,
    entropy,
    information_gain,
    largest_information_gain,
    mutual_information,
    quadratic_extrapolation,
)
from ephys_snn.errors import InputError


def true_information(p):
    """Bits, from the probability p (response, class) of a response in equally likely classes."""
    return np.mean(np.sum(special.xlogy(p, p / p.mean(axis=1, keepdims=True)), axis=0)) / np.log(2)


# --- plug-in measures ---------------------------------------------------------------------------


def test_information_gain_is_the_worked_example():
    # Four classes of 10 trials, active 6 and 2 times in two of them: H(C) = 2 bits,
    # H(C | active) = -(3/4 log2 3/4 + 1/4 log2 1/4) = 0.811278 bits.
    found = information_gain(np.array([6, 2, 0, 0]), np.array([10, 10, 10, 10]))
    assert found == pytest.approx((2 - 0.8112781244591328) / 2, abs=1e-12)


counts = hnp.arrays(int, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
                    elements=st.integers(0, 30)).filter(lambda table: table.sum() > 0)


@given(counts)
def test_mutual_information_is_that_of_dit(table):
    outcomes = [f"{r}{c}" for r, c in np.ndindex(table.shape) if table[r, c]]
    p = [table[r, c] / table.sum() for r, c in np.ndindex(table.shape) if table[r, c]]
    joint = dit.Distribution(outcomes, p)
    assert mutual_information(table) == pytest.approx(
        dit.shannon.mutual_information(joint, [0], [1]), abs=1e-9)


@given(counts)
def test_specific_information_averages_to_mutual_information(table):
    table = table[:2]
    classes = table.sum(axis=0)
    if not table.sum() or (classes > 0).sum() < 2:
        return
    class_entropy = entropy(classes)
    fractions = table.sum(axis=1) / table.sum()
    average = sum(f * information_gain(row, classes) * class_entropy
                  for f, row in zip(fractions, table, strict=True) if f)
    assert average == pytest.approx(mutual_information(table), abs=1e-9)


@given(st.lists(st.integers(1, 20), min_size=2, max_size=6), st.integers(1, 4))
def test_activity_in_proportion_to_the_classes_says_nothing(classes, factor):
    assert information_gain(np.array(classes), factor * np.array(classes)) == pytest.approx(
        0, abs=1e-12)


@given(st.integers(2, 8), st.integers(1, 20), st.data())
def test_activity_for_one_class_only_says_all(n_classes, n_active, data):
    active = np.zeros(n_classes, dtype=int)
    active[data.draw(st.integers(0, n_classes - 1))] = n_active
    assert information_gain(active, np.full(n_classes, 20)) == pytest.approx(1)


def test_information_gain_may_be_negative_and_is_not_clipped():
    # The classes of active trials are more even than those of all trials.
    assert information_gain(np.array([10, 10]), np.array([90, 10])) < -1


def test_single_precision_counts_give_the_same_bits():
    table = np.array([[3, 5, 9], [5, 9, 3], [1, 0, 7]])
    assert entropy(table.astype(np.float32)).dtype == float
    np.testing.assert_array_equal(entropy(table.astype(np.float32)), entropy(table))


# --- the largest gain ---------------------------------------------------------------------------


@pytest.mark.parametrize("class_counts", [(3, 3, 3), (1, 4, 2), (2, 5), (1, 1, 1, 3)])
def test_largest_gain_is_that_of_all_choices_of_trials(class_counts):
    choices = np.array(list(itertools.product(*(range(n + 1) for n in class_counts))))
    gain, n_active = information_gain(choices, class_counts), choices.sum(axis=1)
    for n in range(1, sum(class_counts) + 1):
        assert largest_information_gain(n, class_counts) == pytest.approx(
            gain[n_active == n].max(), abs=1e-12)


@pytest.mark.parametrize("n_active, most", [(10, 1), (20, 0.70), (30, 0.52), (60, 0.22), (100, 0)])
def test_largest_gain_of_ten_classes_is_the_published_one(n_active, most):
    assert largest_information_gain(n_active, np.full(10, 10)) == pytest.approx(most, abs=0.005)


@given(st.lists(st.integers(1, 12), min_size=2, max_size=6), st.data())
def test_nobody_exceeds_the_largest_gain_and_packed_units_reach_it(class_counts, data):
    active = np.array([data.draw(st.integers(0, n)) for n in class_counts])
    active[0] = max(active[0], 1)
    n_active, counts = active.sum(), np.array(class_counts)
    most = largest_information_gain(n_active, counts)
    gain = information_gain(active, counts)
    assert gain <= most + 1e-12
    packed, left = np.zeros_like(counts), n_active
    for c in np.argsort(-counts):
        packed[c] = min(counts[c], left)
        left -= packed[c]
    # Which of two classes is filled does not matter where they are as large.
    is_packed = sorted(active) == sorted(packed)
    assert is_packed == bool(gain >= most - 1e-9)
    chance = data.draw(st.floats(-1, float(most) - 0.01))
    assert (correct_for_chance(gain, chance, most) >= 1 - 1e-9) == is_packed


def test_correction_maps_chance_to_0_and_all_to_1():
    np.testing.assert_allclose(correct_for_chance(np.array([0.2, 0.5]), 0.2, np.array([0.5, 0.5])),
                               [0, 1])
    assert np.isnan(correct_for_chance(np.array([0.5]), np.array([0.5]), np.array([0.5])))
    np.testing.assert_allclose(correct_for_chance(np.array([0.2, 1, 0.6]), np.array([0.2] * 3)),
                               [0, 1, 0.5])
    assert np.isnan(correct_for_chance(np.array([1.0]), np.array([1.0])))


def test_correction_of_few_active_trials_is_as_low_as_it_is_said_to_be():
    # Of ten classes, a unit active for three alike; the figures stand in the module and in a note.
    rng = np.random.default_rng(3)
    classes = np.full(10, 10)
    for n, said in ((5, 0.37), (10, 0.44), (20, 0.49), (50, 0.51)):
        chance = information_gain(rng.multinomial(n, np.full(10, 0.1), 20000), classes).mean()
        gain = information_gain(rng.multinomial(n, np.full(3, 1 / 3), 20000), classes)
        assert correct_for_chance(gain, chance).mean() == pytest.approx(said, abs=0.006)


# --- the extrapolation --------------------------------------------------------------------------


@pytest.mark.parametrize("draw, p", [
    (lambda rng, x: rng.poisson(x), lambda x: stats.poisson.pmf(np.arange(80)[:, None], x)),
    (lambda rng, x: rng.random(x.shape) < x / 8, lambda x: np.stack([1 - x / 8, x / 8])),
], ids=["Poisson counts", "active or silent"])
def test_extrapolation_finds_the_known_information_of_200_units(draw, p):
    rng = np.random.default_rng(4)
    rates = np.linspace(1, 7, 10)
    code = np.repeat(np.arange(10), 20)
    found = quadratic_extrapolation(draw(rng, np.tile(rates[code][:, None], (1, 400))), code, rng)
    truth = true_information(p(rates))
    assert found.extrapolated.mean() == pytest.approx(truth, rel=0.1)
    assert found.plug_in.mean() > 1.1 * truth
    assert found.extrapolated.std() < 0.4 * truth


def test_extrapolation_of_nothing_is_nothing_on_average():
    rng = np.random.default_rng(5)
    code = np.repeat(np.arange(5), 30)
    found = quadratic_extrapolation(rng.random((150, 300)) < 0.4, code, rng)
    assert abs(found.extrapolated.mean()) < 0.003
    assert found.plug_in.mean() == pytest.approx(4 / (2 * 150 * np.log(2)), rel=0.15)


def test_extrapolation_of_a_perfect_response_is_the_entropy_of_the_classes():
    # A response that repeats the class has the whole entropy in every balanced subset.
    code = np.repeat(np.arange(4), 8)
    found = quadratic_extrapolation(code[:, None], code, np.random.default_rng(0))
    assert found.plug_in[0] == found.extrapolated[0] == pytest.approx(2)


def test_extrapolation_needs_four_trials():
    with pytest.raises(InputError, match="at least 4 trials"):
        quadratic_extrapolation(np.ones((3, 1)), np.array([0, 1, 0]), np.random.default_rng(0))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=3).filter(
    lambda sizes: min(sizes[:2]) > 0))
def test_chance_is_the_mean_over_all_ways_to_be_active(sizes):
    code, sizes = np.repeat(np.arange(len(sizes)), sizes), np.array(sizes)
    found = chance_information_gain(np.arange(len(code) + 1), sizes)
    assert np.isnan(found[0])
    for n_active in range(1, len(code) + 1):
        gains = [information_gain(np.bincount(code[list(chosen)], minlength=len(sizes)), sizes)
                 for chosen in itertools.combinations(range(len(code)), n_active)]
        assert found[n_active] == pytest.approx(np.mean(gains))
