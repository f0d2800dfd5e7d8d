"""Which units a target is: by their type, number, pathway, selectivity, and by chance."""

import numpy as np
import pytest

from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.perturbation import (
    Reference,
    condition_rng,
    find_conditions,
    find_units,
    parse_perturbation,
)


@pytest.fixture(scope="module")
def units(reference):
    """Units by area that a perturbation in words acts on."""
    def find(words: str, seed: int = 0) -> dict[str, list[int]]:
        acted_on = find_units(parse_perturbation(words), reference, np.random.default_rng(seed))
        return {area: numbers.tolist() for area, numbers in acted_on.units.items()}
    return find


def test_areas_types_and_numbers(units):
    """16 and 12 units, three quarters of them excitatory, which come first."""
    assert units("silence layer_1") == {"layer_1": [*range(16)]}
    assert units("silence layer_1 excitatory") == {"layer_1": [*range(12)]}
    assert units("silence layer_2 inhibitory") == {"layer_2": [9, 10, 11]}
    assert units("silence layer_1 units=13,0-2") == {"layer_1": [0, 1, 2, 13]}
    assert units("silence layer_1 inhibitory units=0-12") == {"layer_1": [12]}
    assert units("jitter input sd=1") == {"input": [*range(30)]}
    assert units("drop output p=1") == {"output": [0, 1, 2]}


def test_all_areas_are_the_hidden_ones_and_for_synapses_the_output(units):
    assert set(units("silence")) == {"layer_1", "layer_2"}
    assert set(units("weights noise=0.1")) == {"layer_1", "layer_2", "output"}
    assert units("weights inhibitory noise=0.1") == {"layer_1": [12, 13, 14, 15],
                                                     "layer_2": [9, 10, 11]}
    assert set(units("cut pathway=a onto pathway=a")) == {"layer_2"}


def test_a_fraction_is_drawn_and_every_unit_may_be(units):
    drawn = [units("silence layer_1 excitatory of=0.25", seed)["layer_1"] for seed in range(400)]
    assert {len(chosen) for chosen in drawn} == {3}
    assert all(chosen == sorted(set(chosen)) for chosen in drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=16)
    assert (counts[12:] == 0).all()
    np.testing.assert_allclose(counts[:12], 100, atol=5 * np.sqrt(100 * 0.75))
    assert units("silence layer_1 of=0.01") == units("silence layer_1 of=0.01")
    assert len(units("silence layer_1 of=0.01")["layer_1"]) == 1  # never none
    assert len(units("silence layer_1 of=1")["layer_1"]) == 16


def test_selective_units_are_those_of_the_highest_ranks(units, reference):
    selectivity = reference.selectivity("layer_1")
    ranked = [unit for unit in np.argsort(-selectivity) if np.isfinite(selectivity[unit])]
    half = len(ranked) // 2
    assert units("silence layer_1 selective=0.5") == {
        "layer_1": sorted(ranked[:round(len(ranked) / 2)])}
    assert units("silence layer_1 selective=0.5-1") == {
        "layer_1": sorted(ranked[round(len(ranked) / 2):])}
    assert 0 < half < len(ranked)
    inhibitory = units("silence layer_1 inhibitory selective=0.5")["layer_1"]
    assert min(inhibitory) >= 12  # ranked among themselves


def pathway_by_hand(network: Network, k: float) -> list[list[set[int]]]:
    """Members by class of every hidden layer, from the last to the first, unit by unit."""
    weights = [matrix.detach().numpy() for matrix in network.weights]
    excitatory = [[unit for unit, kind in enumerate(types) if kind == "excitatory"]
                  for types in network.cell_types]
    found = []
    for c in range(network.layer_sizes[-1]):
        strength, onto, layers = {c: 1.0}, weights[-1], []
        for depth in range(len(excitatory) - 1, -1, -1):
            effect = {unit: sum(max(onto[unit, post], 0) * share
                                for post, share in strength.items()) for unit in excitatory[depth]}
            values = list(effect.values())
            bound = np.mean(values) + k * np.std(values)
            members = {unit for unit, value in effect.items() if value > bound}
            layers.append(members)
            total = sum(effect[unit] for unit in members)
            strength = {unit: effect[unit] / total for unit in members}
            onto = weights[depth]
        found.append(layers[::-1])
    return found


@pytest.mark.parametrize("k", [1.0, 0.5])
def test_structural_pathways_are_traced_through_the_weights(network, reference, k):
    for name, layers in zip("abc", pathway_by_hand(network, k), strict=True):
        for area, members in zip(("layer_1", "layer_2"), layers, strict=True):
            assert set(np.flatnonzero(reference.pathway(area, name, k))) == members
            assert members or k == 1.0


def test_functional_pathways_are_more_active_for_their_class(reference):
    """Without a member that is less active for its class, and with some that are more."""
    n_members = 0
    decided = np.isfinite(reference.decision_time)
    for c, name in enumerate("abc"):
        own = reference.labels[decided] == c
        for area in ("layer_1", "layer_2"):
            active = reference.active(area)
            members = reference.functional_pathway(area, name)
            more = active[own].mean(axis=0) - active[~own].mean(axis=0)
            assert (more[members] > 0.1).all()
            n_members += members.sum()
    assert n_members >= 3


@pytest.mark.parametrize("words, message", {
    "silence layer_9": "there is no area 'layer_9'; there are input, layer_1, layer_2, output, "
                       "and all",
    "silence layer_1 units=3,16": "layer_1 has the units 0-15",
    "silence layer_1 pathway=d": "there is no class 'd'; there are a, b, c",
    "silence layer_1 functional=d": "there is no class 'd'; there are a, b, c",
    "silence input pathway=a": "input has no pathways: these are excitatory units of hidden",
    "silence output pathway=a": "output has no pathways",
    "silence input inhibitory": "no unit of input is in the target",
    "silence all inhibitory units=0": "no unit of layer_1, layer_2 is in the target",
    "cut onto input": "no synapses lead onto the input",
    "weights input bits=4": "no synapses lead onto the input",
    "cut input onto layer_2": "synapses lead from an area onto the next one, so the source must "
                              "be in layer_1",
    "cut output onto all": "the source must be in input, layer_1, layer_2",
}.items())
def test_units_that_are_not_there_are_one_error_with_those_that_are(reference, words, message):
    with pytest.raises(InputError, match=f"^the perturbation '{words}': .*{message}"):
        find_conditions([parse_perturbation(words)], reference, 0)


def test_sources_of_cut_synapses(reference):
    found = find_units(parse_perturbation("cut layer_1 units=3 onto layer_2 units=0,4"), reference,
                       np.random.default_rng(0))
    assert {area: units.tolist() for area, units in found.units.items()} == {"layer_2": [0, 4]}
    assert {area: units.tolist() for area, units in found.sources.items()} == {"layer_1": [3]}
    assert found.n_units == 2


def test_only_areas_whose_synapses_are_cut_are_acted_on(reference):
    found = find_units(parse_perturbation("cut layer_1 onto all"), reference,
                       np.random.default_rng(0))
    assert set(found.units) == {"layer_2"} and set(found.sources) == {"layer_1"}


def test_class_names_with_spaces_are_written_without(network, thirds):
    reference = Reference(network, *thirds.part("validation"), ("lying down", "b", "c"))
    words = "silence layer_2 pathway=lying_down k=0.5"
    acted_on = find_units(parse_perturbation(words), reference, np.random.default_rng(0))
    np.testing.assert_array_equal(
        acted_on.units["layer_2"],
        np.flatnonzero(reference.pathway("layer_2", "lying_down", 0.5)))


def test_random_numbers_depend_on_seed_words_and_draw_alone():
    draws = {(seed, words, draw): condition_rng(seed, words, draw).random()
             for seed in (0, 1) for words in ("silence all", "silence layer_1") for draw in (0, 1)}
    assert len(set(draws.values())) == len(draws)
    assert condition_rng(1, "silence all", 1).random() == draws[1, "silence all", 1]
