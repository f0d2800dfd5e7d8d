"""Stimuli to test with, and others to choose units by."""

from dataclasses import replace

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.stimuli import Stimuli, present, reference_stimuli
from ephys_snn.stimuli.presentation import N_REFERENCE


def test_an_empty_split_is_refused():
    stimuli = Stimuli("none", np.zeros((1, 2)), np.zeros(1, int), ("a",), np.array(["train"]))
    with pytest.raises(InputError, match="no stimuli in the split 'test'"):
        present(stimuli)


def test_jitter_shifts_every_spike_with_the_stated_sd():
    times = np.full((1, 40_000), 50.0)
    stimuli = Stimuli("one", times, np.zeros(1, int), ("a",), np.array(["test"]))
    shown = present(stimuli, jitter=2.0, seed=1).times
    assert np.std(shown) == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("tested, other", {"test": "validation", "validation": "train",
                                           "train": "validation"}.items())
def test_units_are_chosen_by_stimuli_of_another_split(thirds, tested, other):
    found = reference_stimuli(thirds, tested)
    times, labels = thirds.part(other)
    assert found.split == other
    np.testing.assert_array_equal(found.times, times)
    np.testing.assert_array_equal(found.labels, labels)


def test_empty_splits_are_passed_over(thirds):
    without = replace(thirds, split=np.where(thirds.split == "validation", "test", thirds.split))
    assert reference_stimuli(without, "test").split == "train"
    assert reference_stimuli(without, "train").split == "test"
    alone = replace(thirds, split=np.full(240, "test"))
    assert reference_stimuli(alone, "test").split == ""
    assert len(reference_stimuli(alone, "test").times) == 0


def test_the_first_ones_are_enough():
    n = N_REFERENCE + 5
    stimuli = Stimuli("many", np.arange(n)[:, None] * 1.0, np.zeros(n, int), ("a",),
                      np.full(n, "train"))
    found = reference_stimuli(stimuli, "test")
    np.testing.assert_array_equal(found.times[:, 0], np.arange(N_REFERENCE))
    assert len(found.labels) == N_REFERENCE
