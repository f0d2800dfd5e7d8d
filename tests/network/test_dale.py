"""Dale's law: types, signs, projection."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.network import Network, dale


def test_three_of_four_neurons_are_excitatory_and_come_first():
    types = dale.cell_types(8, 0.75)
    assert types.tolist() == ["excitatory"] * 6 + ["inhibitory"] * 2


@given(st.integers(1, 500), st.floats(0, 1, exclude_min=True))
def test_types_keep_the_fraction_and_at_least_one_excitatory_neuron(n_neurons, fraction):
    n_excitatory = int((dale.cell_types(n_neurons, fraction) == "excitatory").sum())
    assert n_excitatory >= 1
    assert abs(n_excitatory - n_neurons * fraction) <= max(0.5, 1 - n_neurons * fraction)


@pytest.mark.parametrize("fraction", [1.5, 0.0, -0.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(InputError, match="excitatory fraction must lie above 0"):
        dale.cell_types(10, fraction)


def test_an_unknown_cell_type_is_refused():
    with pytest.raises(InputError, match="'pyramidal'"):
        dale.signs(np.array(["excitatory", "pyramidal"]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 10), st.floats(0.1, 1))
def test_projection_is_the_nearest_point_that_obeys(seed, pre, post, fraction):
    sign = dale.signs(dale.cell_types(pre, fraction))
    weights = torch.randn(pre, post, generator=torch.Generator().manual_seed(seed))
    projected = dale.project_(weights.clone(), sign)
    for i in range(pre):
        for j in range(post):
            weight, allowed = weights[i, j].item(), sign[i].item()
            expected = weight if weight * allowed > 0 else 0.0
            assert projected[i, j].item() == expected
    assert dale.obeys(projected, sign)
    assert torch.equal(dale.project_(projected.clone(), sign), projected)


def test_a_weight_of_the_wrong_sign_disobeys():
    sign = dale.signs(dale.cell_types(4, 0.5))
    weights = torch.ones(4, 2) * sign
    assert dale.obeys(weights, sign)
    weights[3, 1] = 1e-9
    assert not dale.obeys(weights, sign)


def test_without_the_law_the_same_weights_may_change_their_signs(tmp_path):
    kept, free = (Network.draw([6, 8, 8, 2], seed=4, dale_law=law) for law in (True, False))
    for one, other in zip(kept.weights, free.weights, strict=True):
        assert torch.equal(one, other)
    assert [types.tolist() for types in free.cell_types] == [[""] * 8] * 2
    with torch.no_grad():
        free.weights[1].neg_()
    changed = free.weights[1].clone()
    assert torch.equal(free.apply_dale_().weights[1], changed)
    free.save(tmp_path / "free.pt")
    again = Network.load(tmp_path / "free.pt")
    assert torch.equal(again.weights[1], changed) and not again.card.dale_law
    assert again.signs[1] is None and again.cell_types[0].tolist() == [""] * 8
    assert torch.equal(again.untrained().weights[1], kept.weights[1])
    assert again.untrained().signs[1] is None
