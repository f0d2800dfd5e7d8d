"""What becomes of decisions and areas: by brute force over trials, and by other routes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.perturbation.battery.outcome import (
    Decisions,
    area_measures,
    class_changes,
    decision_changes,
    packet_sizes_to_draw,
)

N_CLASSES = 3
OUTPUT_TIME = st.sampled_from([1.0, 2.0, 3.5, np.inf])


@st.composite
def outputs_and_labels(draw):
    n_trials = draw(st.integers(1, 12))
    rows = st.lists(st.lists(OUTPUT_TIME, min_size=N_CLASSES, max_size=N_CLASSES),
                    min_size=n_trials, max_size=n_trials)
    labels = draw(st.lists(st.integers(0, N_CLASSES - 1), min_size=n_trials, max_size=n_trials))
    return np.array(draw(rows)), np.array(draw(rows)), np.array(labels)


def decide(times):
    """The class decided for; None if no output spikes."""
    first = min(times)
    return None if first == np.inf else list(times).index(first)


def mean(values):
    return np.mean(values) if len(values) else np.nan


@given(outputs_and_labels(), st.sampled_from([None, 0, 2]))
def test_changes_are_those_counted_trial_by_trial(drawn, own):
    times, before, labels = drawn
    found = decision_changes(Decisions.of({"output": times}, labels),
                             Decisions.of({"output": before}, labels), labels, N_CLASSES, own)
    right = [decide(row) == label for row, label in zip(times, labels, strict=True)]
    was_right = [decide(row) == label for row, label in zip(before, labels, strict=True)]
    by_class = [mean([float(now) - was for now, was, label in
                      zip(right, was_right, labels, strict=True) if label == c])
                for c in range(N_CLASSES)]
    decided = [min(row) < np.inf for row in times]
    both = [min(new) - min(old) for new, old in zip(times, before, strict=True)
            if min(new) < np.inf and min(old) < np.inf]
    expected = {
        "accuracy": mean(right), "change": mean(right) - mean(was_right),
        "undecided": 1 - mean(decided),
        "decision_ms": mean([min(row) for row in times if min(row) < np.inf]),
        "decision_change_ms": mean(both),
        "change_own_class": np.nan if own is None else by_class[own],
        "change_other_classes": np.nan if own is None else mean(
            [change for c, change in enumerate(by_class) if c != own and not np.isnan(change)]),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, nan_ok=True), name
    assert found["low"] <= found["change"] <= found["high"]
    np.testing.assert_allclose(
        class_changes(Decisions.of({"output": times}, labels),
                      Decisions.of({"output": before}, labels), labels, N_CLASSES), by_class)


def test_a_class_without_trials_has_no_change_wherever_it_stands():
    decisions = Decisions(np.array([True, False]), np.array([1.0, 2.0]))
    assert np.isnan(class_changes(decisions, decisions, np.array([0, 1]), 3)[2])
    found = decision_changes(decisions, decisions, np.array([0, 1]), 3, own=2)
    assert np.isnan(found["change_own_class"]) and found["change_other_classes"] == 0


# --- areas ----------------------------------------------------------------------------------------

TYPES = {"layer_1": np.array(["excitatory"] * 4 + ["inhibitory"] * 3)}


def made_up_responses(n_trials=60, seed=0):
    """Four of seven units spike before the decision, which some trials do not have."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_trials) % N_CLASSES
    times = 9 + rng.uniform(0, 5, (n_trials, 7))  # after the decision
    early = np.column_stack([np.full(n_trials, 0), 1 + labels,  # units 1 to 3 know the class
                             np.tile([4, 5], n_trials // 2), np.full(n_trials, 6)])
    np.put_along_axis(times, early, rng.uniform(1, 6, early.shape), axis=1)
    decision = np.where(rng.random(n_trials) < 0.8, 8.0, np.inf)
    output = np.full((n_trials, N_CLASSES), np.inf)
    output[:, 0] = decision
    return {"input": times[:, :1], "layer_1": times, "output": output}, labels


def entropy(counts):
    p = np.array([count for count in counts if count]) / sum(counts)
    return -(p * np.log2(p)).sum()


def gain_by_definition(active, labels):
    everywhere = entropy(np.bincount(labels))
    return 1 - entropy(np.bincount(labels[active])) / everywhere


@pytest.fixture(scope="module")
def measured():
    responses, labels = made_up_responses()
    rows = area_measures(responses, labels, {"layer_1": 4}, TYPES, ["layer_1"])
    return responses, labels, {row["cell_type"]: row for row in rows}


def test_active_is_before_the_decision_of_a_decided_trial(measured):
    responses, _, rows = measured
    for cell_type, units in (("all", range(7)), ("excitatory", range(4)),
                             ("inhibitory", range(4, 7))):
        active = [responses["layer_1"][trial, unit] < decision
                  for trial, decision in enumerate(responses["output"][:, 0])
                  if decision < np.inf for unit in units]
        assert rows[cell_type]["active_fraction"] == pytest.approx(np.mean(active))
    assert rows["all"]["n_trials"] == np.isfinite(responses["output"][:, 0]).sum() < 60


def test_widths_are_shortest_halves_where_all_of_a_packet_are_drawn(measured):
    responses, _, rows = measured
    widths = []
    for times, decision in zip(responses["layer_1"], responses["output"][:, 0], strict=True):
        packet = sorted(times[times < decision])
        if decision < np.inf:
            assert len(packet) == 4
            widths.append(min(packet[i + 2] - packet[i] for i in range(2)))
    assert rows["all"]["shortest_half_equal_ms"] == pytest.approx(np.mean(widths))
    assert np.isnan(rows["inhibitory"]["shortest_half_equal_ms"])  # two units at most


def test_information_is_that_of_the_definition_without_that_of_permuted_labels(measured):
    responses, labels, rows = measured
    decided = np.isfinite(responses["output"][:, 0])
    labels, rng = labels[decided], np.random.default_rng(5)
    corrected = []
    for times in responses["layer_1"][decided].T:
        active = times < responses["output"][decided, 0]
        chance = np.mean([gain_by_definition(active, rng.permutation(labels))
                          for _ in range(2000)])
        corrected.append(0.0 if active.all() else
                         (gain_by_definition(active, labels) - chance) / (1 - chance))
    assert corrected[1:4] == pytest.approx([1, 1, 1])
    assert rows["all"]["information_gain"] == pytest.approx(np.mean(corrected), abs=0.01)
    assert rows["excitatory"]["information_gain"] == pytest.approx(np.mean(corrected[:4]), abs=1e-6)
    assert rows["inhibitory"]["n_units_used"] == 3


def test_as_many_are_drawn_as_half_a_usual_packet_within_bounds():
    times = np.sort(np.random.default_rng(0).uniform(0, 10, (50, 100)))
    control = {"input": times[:, :8], "layer_1": times[:, :30], "layer_2": times,
               "output": np.full((50, 1), 11.0)}
    assert packet_sizes_to_draw(control) == {"input": 5, "layer_1": 15, "layer_2": 20}
