"""Networks that learn again: the lesioned units are gone, and nothing else is different."""

import copy

import numpy as np
import pytest
import torch

from ephys_snn.errors import InputError
from ephys_snn.network import INHIBITORY, ModelCard, Network
from ephys_snn.perturbation import control_responses, parse_perturbation
from ephys_snn.perturbation.battery import Experiment, retrained_outcomes
from ephys_snn.perturbation.battery.retraining import learned_responses, network_of
from ephys_snn.perturbation.battery.tables import COLUMNS, battery_tables
from ephys_snn.perturbation.responses import ActedOn, perturbed_responses

LESION = {"layer_1": np.array([0, 3, 13]), "layer_2": np.array([1, 10])}


def experiment(*words, **options):
    return Experiment("learning", "Can it do without?", words, retrain=True, **options)


def outcomes(subject, stimuli, *words, epochs=2, **options):
    return list(retrained_outcomes([experiment(*words, **options)], subject, stimuli, epochs))


def left_of(subject, lesion):
    return {area: np.setdiff1d(np.arange(times.shape[1]), lesion.get(area, []))
            for area, times in subject.control.items()}


def with_other_weights_of(subject, make_subject, stimuli, lesion):
    """The same network but for all weights onto and from some units, which obey Dale's law."""
    other = copy.deepcopy(subject.network)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for index, area in enumerate(subject.reference.areas[1:-1]):
            for unit in lesion.get(area, []):
                onto, from_ = other.layers[index].weight, other.layers[index + 1].weight
                onto[:, unit] = 5 * torch.rand(len(onto), generator=generator)
                from_[unit] = 5 * torch.rand(from_.shape[1], generator=generator)
        other.apply_dale_()
    return make_subject(other, stimuli)


def test_units_that_are_gone_are_silenced_units(subject):
    silenced = perturbed_responses(subject.network, parse_perturbation("silence"),
                                   ActedOn(LESION), subject.control, subject.reference,
                                   np.random.default_rng(0))
    left = left_of(subject, LESION)
    small = control_responses(network_of(subject.network, left), subject.control["input"])
    for area, units in left.items():
        np.testing.assert_allclose(small[area], silenced[area][:, units], rtol=1e-12)


def test_nothing_of_lesioned_units_reaches_what_is_learned(subject, make_subject, thirds):
    other = with_other_weights_of(subject, make_subject, thirds, LESION)
    assert not np.array_equal(other.control["layer_2"], subject.control["layer_2"])
    learned = [learned_responses(one, LESION, thirds, 2, seed=1) for one in (subject, other)]
    for area, times in learned[0].items():
        np.testing.assert_array_equal(times, learned[1][area])
        assert np.isinf(times[:, LESION.get(area, [])]).all()
    before = perturbed_responses(subject.network, parse_perturbation("silence"), ActedOn(LESION),
                                 subject.control, subject.reference, None)
    assert not np.allclose(learned[0]["output"], before["output"])  # it did learn


def test_the_network_itself_stays_as_it_is(subject, thirds):
    before, card = subject.network.sha256(), subject.network.card
    learned_responses(subject, {}, thirds, 1, seed=1)
    assert subject.network.sha256() == before and subject.network.card == card


def test_rows_are_those_of_the_battery_and_the_seed_makes_them_again(subject, thirds):
    words = ("silence layer_1 inhibitory", "silence layer_2 of=0.5")
    found = outcomes(subject, thirds, *words, draws=2)
    rows = [one.row for one in found]
    assert [(row["perturbation"], row["control"], row["replicate"]) for row in rows] == [
        ("control", "retrained_intact", 0), (words[0], "none", 0), (words[0], "retrained", 0),
        *((words[1], control, draw) for draw in (0, 1) for control in ("none", "retrained"))]
    assert all(set(row) <= set(COLUMNS) and not row["note"] for row in rows)
    for acute, learned in zip(rows[1::2], rows[2::2], strict=True):
        same = ("n_units", "activity", "outgoing_weight", "n_trials", "dose", "area", "cell_type")
        assert [acute[name] for name in same] == [learned[name] for name in same]
    by_area = battery_tables(found)["perturbations_by_area"]
    inhibitory = by_area[(by_area["perturbation"] == words[0]) & (by_area["area"] == "layer_1")
                         & (by_area["cell_type"] == INHIBITORY)].set_index("control")
    assert inhibitory.loc["retrained", "active_fraction"] == 0
    other = next(retrained_outcomes([experiment(*words)], subject, thirds, 2, seed=5))
    assert other.row["decision_ms"] != found[0].row["decision_ms"]
    again = outcomes(subject, thirds, *reversed(words), draws=2)
    key = ("perturbation", "control", "replicate")
    assert {tuple(one.row[name] for name in key): one.row["decision_ms"] for one in found} \
        == {tuple(one.row[name] for name in key): one.row["decision_ms"] for one in again}


def test_what_was_lost_is_learned_again(subject, thirds):
    intact, acute, learned = outcomes(subject, thirds, "silence layer_2 excitatory of=0.5",
                                      epochs=5)
    assert acute.row["accuracy"] < 0.7 and acute.row["change"] < -0.3
    assert learned.row["accuracy"] > 0.95 < intact.row["accuracy"]


def test_without_excitation_nothing_can_be_learned(subject, thirds):
    _, acute, learned = outcomes(subject, thirds, "silence layer_2 excitatory")
    assert acute.row["undecided"] == 1
    assert "no excitatory unit of layer_2 is left" in learned.row["note"]
    assert learned.row["control"] == "retrained" and "accuracy" not in learned.row


def test_targets_without_units_say_so_once(subject, thirds):
    _, alone = outcomes(subject, thirds, "silence layer_2 pathway=a k=9")
    assert "no unit of layer_2" in alone.row["note"]


def test_whoever_stops_has_what_was_done(subject, thirds):
    seen = []

    def stop_at_second(items, what, total=None):
        seen.append(what)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return items
    done = []
    with pytest.raises(KeyboardInterrupt):
        for outcome in retrained_outcomes([experiment("silence layer_1 inhibitory")], subject,
                                          thirds, 1, 0, stop_at_second):
            done.append(outcome.row["control"])
    assert done == ["retrained_intact", "none"]
    assert seen == ["learning on, intact", "learning without layer_1"]


def test_progress_counts_steps(subject, thirds):
    counts = []

    def count(items, what, total=None):
        items = list(items)
        counts.append((len(items), total))
        return items
    list(retrained_outcomes([experiment("silence layer_1 inhibitory")], subject, thirds, 3, 0,
                            count))
    assert counts == [(15, 15)] * 2  # 80 samples in batches of 20: 4 steps and an epoch's end


@pytest.mark.parametrize(("words", "message"), [
    ("jitter layer_1 sd=1", "learns again after units of hidden layers were silenced"),
    ("silence input units=1", "learns again after units of hidden layers were silenced"),
    ("silence output units=1", "learns again after units of hidden layers were silenced"),
])
def test_mistakes_show_before_the_work(subject, thirds, words, message):
    with pytest.raises(InputError, match=message):
        retrained_outcomes([experiment(words)], subject, thirds, 1)


def test_a_network_of_unknown_training_cannot_learn_again(subject, make_subject, thirds):
    network = Network([weights.detach() for weights in subject.network.weights],
                      subject.network.lif, subject.network.cell_types, ModelCard())
    with pytest.raises(InputError, match="does not say how it was trained"):
        retrained_outcomes([experiment("silence layer_1")], make_subject(network, thirds), thirds,
                           1)


def test_plans_without_retraining_give_nothing(subject, thirds):
    other = Experiment("acute", "What do they do?", ("silence layer_1",))
    assert list(retrained_outcomes([other], subject, thirds, 1)) == []
