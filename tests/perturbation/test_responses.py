"""What a perturbation does to a network, by independent routes: other weights, other inputs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.network import Network
from ephys_snn.perturbation import (
    ActedOn,
    control_responses,
    find_conditions,
    parse_perturbation,
    perturbed_responses,
    responses,
)

AREAS = ("input", "layer_1", "layer_2", "output")
SPIKES = ["silence", "jitter sd=1.5", "delay by=2", "drop p=0.4", "shuffle", "synchronize",
          "stretch by=3", "drive at=4"]
SYNAPSES = ["cut", "weights noise=0.5", "weights bits=3"]


def worded(operation: str, target: str) -> str:
    name, *values = operation.split()
    return " ".join([name, *(["onto"] if name == "cut" else []), target, *values])


def equal(first, second, areas=AREAS) -> None:
    for area in areas:
        np.testing.assert_array_equal(first[area], second[area], err_msg=area)


def differ(first, second, area) -> bool:
    return not np.array_equal(first[area], second[area])


def reweighted(network: Network, change) -> Network:
    """The network with other weights; `change` gets a list of arrays to change in place."""
    weights = [matrix.detach().numpy().copy() for matrix in network.weights]
    change(weights)
    return Network([torch.from_numpy(matrix) for matrix in weights], network.lif,
                   network.cell_types)


def test_the_control_is_what_the_network_does(network, times, control):
    with torch.no_grad():
        layers = network(times)
    assert tuple(control) == AREAS
    equal(control, dict(zip(AREAS, [times, *layers], strict=True)))
    for area in AREAS[:-1]:
        assert 0 < np.isinf(control[area]).mean() < 0.8
    decided = np.isfinite(control["output"]).any(axis=1)
    assert decided.mean() > 0.5


@pytest.mark.parametrize("words", [
    "jitter layer_1 sd=0", "delay all by=0", "drop layer_2 p=0", "stretch all by=1",
    "weights all noise=0", "jitter all sd=0w"])
def test_no_dose_is_the_control_bit_for_bit(perturb, control, words):
    equal(perturb(words), control)


def test_an_operation_on_no_unit_is_the_control(network, reference, control):
    none = ActedOn({"layer_1": np.zeros(0, dtype=int)})
    for operation in ("silence", "jitter sd=1.5", *SYNAPSES):
        equal(perturbed_responses(network, parse_perturbation(worded(operation, "layer_1")), none,
                                  control, reference, np.random.default_rng(0)), control)


@pytest.mark.parametrize("area, depth", [("input", 0), ("layer_1", 1), ("layer_2", 2)])
def test_silenced_units_are_units_without_synapses(network, times, control, perturb, area, depth):
    def change(weights):
        weights[depth][[0, 3, 7]] = 0

    changed = perturb(f"silence {area} units=0,3,7")
    expected = control_responses(reweighted(network, change), times)
    for downstream in AREAS[depth + 1:]:
        np.testing.assert_allclose(changed[downstream], expected[downstream], rtol=1e-12)
        assert differ(changed, control, downstream)
    assert np.isinf(changed[area][:, [0, 3, 7]]).all()
    others = np.setdiff1d(np.arange(control[area].shape[1]), [0, 3, 7])
    np.testing.assert_array_equal(changed[area][:, others], control[area][:, others])


def test_cut_synapses_are_weights_of_zero(network, times, control, perturb):
    def all_onto(weights):
        weights[1][:, [2, 5]] = 0

    def some(weights):
        weights[1][np.ix_([0, 1, 14], [2, 5])] = 0

    def inhibition(weights):
        weights[1][12:] = 0
        weights[2][9:] = 0

    for words, change in (("cut onto layer_2 units=2,5", all_onto),
                          ("cut layer_1 units=0,1,14 onto layer_2 units=2,5", some),
                          ("cut inhibitory onto all", inhibition)):
        changed = perturb(words)
        equal(changed, control_responses(reweighted(network, change), times))
        assert differ(changed, control, "output")


def test_coarse_weights_are_those_of_each_pair_of_areas(network, times, perturb):
    def change(weights):
        for matrix in weights:
            step = np.abs(matrix).max() / 3  # 7 values
            matrix[:] = np.round(matrix / step) * step

    equal(perturb("weights bits=3"), control_responses(reweighted(network, change), times))


def test_delayed_input_delays_everything(control, perturb):
    """The equations do not know what time it is."""
    changed = perturb("delay input by=3")
    for area in AREAS:
        np.testing.assert_allclose(changed[area], control[area] + 3, rtol=1e-9)


def test_dropping_every_spike_is_silence(perturb):
    for target in ("layer_1", "layer_2 excitatory", "all", "input units=0-9"):
        equal(perturb(f"drop {target} p=1"), perturb(f"silence {target}"))


def test_synchronizing_is_stretching_by_nothing(perturb, control):
    for target in ("layer_1", "layer_2 excitatory", "all"):
        changed = perturb(f"synchronize {target}")
        equal(changed, perturb(f"stretch {target} by=0"))
        assert differ(changed, control, "output")


def test_the_packet_is_what_spikes_before_the_decision_of_the_control(control, perturb):
    decision = control["output"].min(axis=1)
    assert np.isfinite(decision).any()
    for words in ("shuffle layer_2", "synchronize layer_2", "stretch layer_2 by=2"):
        changed = perturb(words)["layer_2"]
        for after, before, at in zip(changed, control["layer_2"], decision, strict=True):
            packet = before < at
            np.testing.assert_array_equal(after[~packet], before[~packet])
            if words.startswith("shuffle"):
                np.testing.assert_array_equal(np.sort(after[packet]), np.sort(before[packet]))
            elif packet.any():
                np.testing.assert_allclose(np.median(after[packet]), np.median(before[packet]))


def test_without_a_decision_the_packet_is_all_that_spikes(network, control, reference):
    undecided = dict(control, output=np.full_like(control["output"], np.inf))
    operation = parse_perturbation("synchronize layer_1")
    ((_, acted_on, rng),) = find_conditions([operation], reference, 0)
    changed = perturbed_responses(network, operation, acted_on, undecided, reference, rng)
    for after, before in zip(changed["layer_1"], control["layer_1"], strict=True):
        spikes = before[np.isfinite(before)]
        np.testing.assert_allclose(after[np.isfinite(before)], np.median(spikes))


def test_widths_are_those_of_the_reference(perturb, reference):
    width = reference.packet_width("layer_1")
    equal(perturb("delay layer_1 by=2w"), perturb(f"delay layer_1 by={2 * width!r}"))


def test_driven_units_spike_and_are_heard(control, perturb):
    changed = perturb("drive layer_1 excitatory at=0.5")
    assert (changed["layer_1"][:, :12] <= 0.5).all()
    decided = np.isfinite(changed["output"]).any(axis=1)
    assert decided.all()
    assert (changed["output"].min(axis=1) < control["output"].min(axis=1)).mean() > 0.9


def test_spikes_after_everything_else_change_nothing(control, perturb):
    """But rounding, for units that were silent spike now."""
    changed = perturb("drive layer_1 at=1e4")
    for area in AREAS:
        early = np.isfinite(control[area])
        np.testing.assert_allclose(changed[area][early], control[area][early], rtol=1e-12)
    assert np.isfinite(changed["layer_1"]).all()


def test_in_all_areas_each_acts_on_what_the_one_before_gives(network, control, reference, perturb):
    """Delays of two layers add up where nothing else is random."""
    both, first = perturb("delay all by=1"), perturb("delay layer_1 by=1")
    np.testing.assert_array_equal(both["layer_1"], first["layer_1"])
    np.testing.assert_allclose(both["layer_2"], first["layer_2"] + 1, rtol=1e-12)
    np.testing.assert_allclose(both["output"], first["output"] + 1, rtol=1e-9)
    np.testing.assert_allclose(first["layer_2"], control["layer_2"] + 1, rtol=1e-9)


TARGETS = st.tuples(
    st.sampled_from(["input", "layer_1", "layer_2", "output"]),
    st.lists(st.integers(0, 2), min_size=1, unique=True).map(
        lambda units: "units=" + ",".join(map(str, sorted(units)))))


@settings(max_examples=60)
@given(operation=st.sampled_from(SPIKES + SYNAPSES), target=TARGETS, seed=st.integers(0, 3))
def test_lower_areas_and_units_outside_the_target_do_what_they_did(operation, target, seed, perturb,
                                                                  control):
    area, units = target
    if area == "input" and operation in SYNAPSES:
        return
    changed = perturb(worded(operation, f"{area} {units}"), seed)
    assert tuple(changed) == AREAS
    for lower in AREAS[:AREAS.index(area)]:
        assert changed[lower] is control[lower]  # given, not computed again
    chosen = [int(unit) for unit in units.removeprefix("units=").split(",")]
    others = np.setdiff1d(np.arange(control[area].shape[1]), chosen)
    np.testing.assert_array_equal(changed[area][:, others], control[area][:, others])
    again = perturb(worded(operation, f"{area} {units}"), seed)
    equal(changed, again)  # same seed, same bytes


def test_only_layers_above_are_computed(perturb, monkeypatch):
    computed = []
    compute = responses.first_spike_times
    monkeypatch.setattr(responses, "first_spike_times", lambda times, weights, lif: (
        computed.append(tuple(weights.shape)), compute(times, weights, lif))[1])
    for words, expected in {"silence layer_2": [(12, 3)], "cut onto output": [(12, 3)],
                            "jitter layer_1 sd=1": [(16, 12), (12, 3)], "drop output p=1": [],
                            "weights layer_2 bits=2": [(16, 12), (12, 3)]}.items():
        computed.clear()
        perturb(words)
        assert computed == expected, words


@pytest.mark.parametrize("operation", ["jitter layer_1 sd=1.5", "drop layer_1 p=0.4",
                                       "shuffle layer_1", "weights layer_1 noise=0.5",
                                       "silence layer_1 of=0.5"])
def test_other_seeds_give_other_responses(perturb, operation):
    assert differ(perturb(operation, 0), perturb(operation, 1), "layer_2")


def test_a_condition_does_not_depend_on_the_others(network, reference, control):
    words = ["jitter layer_1 sd=1", "drop layer_1 p=0.3", "silence layer_1 of=0.5"]

    def run(texts):
        return {operation.words: perturbed_responses(network, operation, acted_on, control,
                                                     reference, rng)
                for operation, acted_on, rng
                in find_conditions([parse_perturbation(text) for text in texts], reference, 5)}

    together, reverse = run(words), run(words[::-1])
    for text in words:
        equal(together[text], reverse[text])
        equal(together[text], run([text])[text])


def test_batches_do_not_matter(network, times, control, perturb, monkeypatch):
    whole = perturb("silence layer_1 units=0-3")
    monkeypatch.setattr(responses, "BATCH", 7)
    equal(perturb("silence layer_1 units=0-3"), whole)
