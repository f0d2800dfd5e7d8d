"""Effects of the weights: the definition by brute force, and chains of areas."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.analysis.pathways.structural import area_chain, pathway_effects
from ephys_snn.errors import InputError


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_effects_follow_the_definition(seed):
    rng = np.random.default_rng(seed)
    sizes = [5, 7, 6]
    weights = [rng.normal(size=(pre, post)) for pre, post in itertools.pairwise([*sizes, 3])]
    k = rng.uniform(0, 1.5)
    traced = pathway_effects(weights, k)
    for c in range(3):
        effect = [max(w, 0) for w in weights[-1][:, c]]
        for depth in (2, 1, 0):
            mean = sum(effect) / len(effect)
            sd = (sum((e - mean) ** 2 for e in effect) / len(effect)) ** 0.5
            member = [e > mean + k * sd for e in effect]
            np.testing.assert_allclose(traced[depth].effect[c], effect)
            assert traced[depth].member[c].tolist() == member
            if depth == 0:
                break
            total = sum(e for e, m in zip(effect, member, strict=True) if m)
            if total == 0:
                assert not traced[depth - 1].member[c].any()
                break
            effect = [sum(max(weights[depth - 1][i, j], 0) * effect[j] / total
                          for j in range(sizes[depth]) if member[j])
                      for i in range(sizes[depth - 1])]


def test_area_chains():
    ones = np.ones((1, 1))
    assert area_chain({("b", "c"): ones, ("a", "b"): ones}) == ("a", "b", "c")
    for broken in ({("a", "b"): ones, ("c", "d"): ones}, {("a", "b"): ones, ("b", "a"): ones},
                   {("a", "a"): ones}, {("a", "c"): ones, ("b", "c"): ones}):
        with pytest.raises(InputError, match="one feedforward chain"):
            area_chain(broken)
