"""Which trials are compared: only like with like, whatever the mix of classes, and in pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.analysis.conditions.contrast import (
    MIN_PAIRS,
    choose_conditions,
    contrast_of,
)
from ephys_snn.errors import InputError
from ephys_snn.recording import Trials


def trials_of(label, **annotations) -> Trials:
    n = len(label)
    return Trials(100.0 * np.arange(n), np.full(n, 50.0), np.array(label, dtype=str),
                  np.full(n, np.nan), np.full(n, ""),
                  {key: np.array(values) for key, values in annotations.items()})


def contrast(trials, other="on", **options):
    conditions = choose_conditions(trials, "laser", "off")
    return contrast_of(trials, conditions, other, np.full(len(trials), True), **options)


@st.composite
def designs(draw):
    """Trials of up to three classes in two conditions, stimuli shown again or not."""
    n, seed = draw(st.integers(2, 80)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    label = rng.integers(0, draw(st.integers(1, 3)), n)
    share = draw(st.sampled_from([0.1, 0.5]))
    laser = np.where(rng.random(n) < share, "on", "off")
    laser[:2] = "on", "off"
    stimuli = {} if draw(st.booleans()) else {"stimulus": rng.integers(0, n // 2 + 1, n)}
    return trials_of(label.astype(str), laser=laser, **stimuli), rng


@given(designs())
def test_every_stratum_has_both_conditions_of_one_kind(design):
    trials, rng = design
    found = contrast(trials)
    assert (np.diff(found.trial) > 0).all() and found.counts.min(initial=1) > 0
    kind = trials.label if found.of == "class" else np.char.add(
        np.char.add(trials.label, " "), trials.values_of("stimulus"))
    for stratum in np.unique(found.stratum):
        inside = found.trial[found.stratum == stratum]
        assert len(set(kind[inside])) == 1 and set(trials.annotations["laser"][inside]) == \
            {"on", "off"}
    if len(found.trial):
        weights = found.weights
        for of, total in ((found.is_condition, 1), (~found.is_condition, -1)):
            assert weights[of].sum() == pytest.approx(total)
        # The classes, and all else that is the same in a stratum, weigh alike in both.
        by_stratum = np.bincount(found.stratum, weights)
        np.testing.assert_allclose(by_stratum, 0, atol=1e-12)


@given(designs(), st.integers(1, 30))
def test_matched_trials_are_alike_and_as_many_as_can_be(design, most):
    trials, rng = design
    found = contrast(trials)
    if not len(found.trial):
        return
    pairs = found.matched(rng, len(trials))
    alike = found.kind
    assert found.paired is False or len(set(zip(alike, found.stratum, strict=True))) == len(
        set(alike))
    assert found.is_condition[pairs[0]].all() and not found.is_condition[pairs[1]].any()
    np.testing.assert_array_equal(alike[pairs[0]], alike[pairs[1]])
    assert all(len(set(of)) == pairs.shape[1] for of in pairs)
    expected = sum(min((alike[found.is_condition] == each).sum(),
                       (alike[~found.is_condition] == each).sum()) for each in set(alike))
    assert pairs.shape[1] == expected
    if found.paired:
        assert (np.diff(found.stratum[pairs[0]]) >= 0).all()


def test_how_classes_are_mixed_is_no_change():
    """Laser trials are mostly of class b, whose response is 10 times that of class a."""
    label = np.array(["a", "b"] * 40)
    laser = np.where((np.arange(80) // 2 % 4 == 0) == (label == "a"), "on", "off")
    found = contrast(trials_of(label, laser=laser))
    response = np.where(label == "b", 10.0, 1.0)[found.trial]
    naive = response[found.is_condition].mean() - response[~found.is_condition].mean()
    assert naive > 3 and found.weights @ response == pytest.approx(0)


def test_drift_between_neighbourhoods_is_no_change():
    """The laser is switched on ever more often, and the response grows."""
    rng = np.random.default_rng(0)
    laser = np.where(rng.random(400) < np.linspace(0.1, 0.9, 400), "on", "off")
    found = contrast(trials_of(["a"] * 400, laser=laser))
    drift = np.linspace(0, 1, 400)[found.trial]
    naive = drift[found.is_condition].mean() - drift[~found.is_condition].mean()
    assert naive > 0.2 and abs(found.weights @ drift) < 0.01


@pytest.mark.parametrize(("n_stimuli", "repeats", "paired", "of"), [
    (MIN_PAIRS, 1, True, "stimulus"), (MIN_PAIRS, 3, True, "stimulus"),
    (MIN_PAIRS - 1, 8, False, "stimulus")])
def test_stimuli_that_both_conditions_show_are_the_sample(n_stimuli, repeats, paired, of):
    stimulus = np.tile(np.arange(n_stimuli), 2 * repeats)
    laser = np.repeat(["on", "off"], n_stimuli * repeats)
    order = np.random.default_rng(1).permutation(len(laser))
    trials = trials_of(np.full(len(laser), "a"), laser=laser[order], stimulus=stimulus[order])
    found = contrast(trials)
    assert (found.paired, found.of) == (paired, of)
    if paired:
        np.testing.assert_array_equal(found.counts, np.full((2, n_stimuli), repeats))


def test_stimuli_of_their_own_are_not_paired():
    stimulus = np.concatenate([np.arange(20), 15 + np.arange(20)])  # 5 of 20 are shared
    found = contrast(trials_of(["a"] * 40, laser=["on", "off"] * 20, stimulus=np.concatenate(
        [[one, other] for one, other in zip(stimulus[:20], stimulus[20:], strict=True)])))
    assert (found.paired, found.of) == (False, "class")


@pytest.mark.parametrize(("options", "words"), [
    ((), r"no array annotation 'perturbation'; .* --condition KEY; those of 2 to 20 values are "
         r"laser: off \(2\), on \(2\); side: \(empty\) \(1\), l \(1\), r \(2\)$"),
    (("nothing",), "--condition nothing: the trials have no such array annotation; those of"),
    (("laser",), r"choose the control with --control VALUE: .*'laser' are off \(2\), on \(2\)$"),
    (("laser", "blue"), r"no trial has laser of --control blue: .*off \(2\), on \(2\)$"),
    (("same",), r"conditions are compared, but 'same' of all trials is x \(4\); "),
])
def test_what_is_missing_is_asked_for_with_what_there_is(options, words):
    trials = trials_of(list("aabb"), laser=["on", "off"] * 2, side=["l", "r", "r", ""],
                       same=["x"] * 4)
    with pytest.raises(InputError, match=words):
        choose_conditions(trials, *options)


def test_what_the_trials_state_is_taken():
    trials = trials_of(list("aaaa"), perturbation=["jitter sd=2", "control", "jitter sd=10", ""])
    found = choose_conditions(trials)
    assert found[:3] == ("perturbation", "control", ("jitter sd=10", "jitter sd=2"))
    found = choose_conditions(trials, control="jitter sd=2")
    assert found.others == ("control", "jitter sd=10")
