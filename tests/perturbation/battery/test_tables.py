"""Tables of the battery: against planted effects, and against other routes to the same numbers."""

import numpy as np
import pandas as pd
import pytest
from perturbation.battery.made_up import made_up_tables
from scipy import stats

from ephys_snn.perturbation import parse_perturbation
from ephys_snn.perturbation.battery import (
    Experiment,
    battery_tables,
    planned_trials,
    run_battery,
)
from ephys_snn.perturbation.battery.outcome import Decisions
from ephys_snn.perturbation.battery.tables import over_networks, pathway_lesions
from ephys_snn.perturbation.responses import condition_rng, find_units, perturbed_responses

HIDDEN, CLASSES = ("layer_1", "layer_2"), tuple("abcdefgh")
LESIONS = Experiment("lesions", "?", ("silence {hidden} pathway={class}",), matched=3)
GROUPS = Experiment("groups", "?", ("silence layer_1 selective={0-0.2,0.2-0.4,0.4-0.6,0.6-0.8,"
                                    "0.8-1}",), matched=1)


def lesions_of(own, matched_own=lambda c, draw: 0.0, classes=CLASSES):
    """The table of pathways where the own class changes by planted functions of it."""
    def effect(operation, is_trained, is_matched, draw):
        c = classes.index(operation.target.pathway)
        changed = matched_own(c, draw) if is_matched else own(c)
        return {"own": changed if is_trained else 0.0, "change": 0.01}

    table = made_up_tables([LESIONS], HIDDEN, classes, effect)["perturbations_pathways"]
    return table[table["trained"]].iloc[0], table[~table["trained"]].iloc[0]


def test_planted_damage_of_every_class_has_the_smallest_p():
    trained, twin = lesions_of(lambda c: -0.1 * (1 + c), lambda c, draw: 0.02 * (draw - 1))
    assert trained["own"] == pytest.approx(-0.45) and trained["others"] == pytest.approx(0.01)
    assert trained["matched_own"] == pytest.approx(0) == trained["excess"] - trained["own"]
    assert trained["p_value"] == 2**-8 and twin["p_value"] == 1
    assert trained[["excess_low", "excess_high"]].tolist() == pytest.approx(
        stats.t.interval(0.95, 7, -0.45, stats.sem(0.1 * np.arange(1, 9))))


def test_p_is_how_often_exchange_class_by_class_gives_as_much():
    own = np.random.default_rng(4).normal(-0.03, 0.1, 8)
    matched = np.random.default_rng(5).normal(0, 0.1, (8, 3))
    trained, _ = lesions_of(lambda c: own[c], lambda c, draw: matched[c, draw])
    excess = own - matched.mean(axis=1)
    signs = 1 - 2 * (np.arange(2**8)[:, None] >> np.arange(8) & 1)
    expected = ((signs * excess).mean(axis=1) <= excess.mean() + 1e-12).mean()
    assert 0.01 < expected < 0.99 and trained["p_value"] == pytest.approx(expected)


def test_classes_whose_pathway_has_no_set_do_not_count():
    plan = [LESIONS]
    tables = made_up_tables(plan, HIDDEN, CLASSES, lambda *_: {"own": -0.5})
    rows = tables["perturbations"]
    rows.loc[(rows["target_class"] == "a") & (rows["control"] == "random"),
             "change_own_class"] = np.nan
    found = pathway_lesions(rows).iloc[0]
    assert found["n_classes"] == 8 and found["p_value"] == 1 and found["excess"] == 0


def test_wrong_classes_are_tested_under_the_lesions_of_others(subject):
    plan = [Experiment("lesions", "?", ("silence layer_2 pathway={class}",))]
    outcomes = run_battery(planned_trials(plan, subject), subject)
    rows = battery_tables(list(outcomes))["perturbations"]
    wrong = rows[rows["control"] == "wrong_class"]
    assert len(wrong) == 3 * 2
    before = Decisions.of(subject.control, subject.labels).correct
    for row in wrong.itertuples():
        operation = parse_perturbation(row.perturbation)
        assert operation.target.pathway != row.target_class
        rng = condition_rng(0, operation.words)
        responses = perturbed_responses(
            subject.network, operation, find_units(operation, subject.reference, rng),
            subject.control, subject.reference, rng)
        tested = subject.labels == subject.reference.classes.index(row.target_class)
        after = Decisions.of(responses, subject.labels).correct
        assert row.change_own_class == pytest.approx(
            after[tested].mean() - before[tested].mean())
    assert sorted(zip(wrong["target_class"], wrong["replicate"], strict=True)) \
        == [(name, lesion) for name in "abc" for lesion in (0, 1)]


def test_correlation_is_of_selectivity_and_loss_beside_that_of_matched_sets():
    loss = {0: 0.1, 0.2: 0.3, 0.4: 0.05, 0.6: 0.04, 0.8: 0.02}

    def effect(operation, is_trained, is_matched, draw):
        first = operation.target.selective[0]
        return {"change": -first if is_matched else -loss[first]}

    table = made_up_tables([GROUPS], HIDDEN, CLASSES, effect)["perturbations_selectivity"]
    row = table[table["trained"]].iloc[0]
    # Made-up selectivity falls with the rank of the group.
    assert row["rho"] == pytest.approx(stats.spearmanr([5, 4, 3, 2, 1], [*loss.values()])[0])
    assert row["rho_matched"] == pytest.approx(-1) and row["n_groups"] == 5


def test_equal_losses_have_no_correlation():
    table = made_up_tables([GROUPS], HIDDEN, CLASSES)["perturbations_selectivity"]
    assert table[["rho", "rho_matched"]].isna().all(axis=None)


@pytest.mark.parametrize("n_networks", [2, 5, 8])
def test_networks_are_the_sample_of_their_means(n_networks):
    rng = np.random.default_rng(n_networks)
    tables = [made_up_tables([Experiment("x", "?", ("drop layer_1 p=0.1",), draws=3)], HIDDEN,
                             CLASSES, lambda *_: {"change": rng.normal(-0.2, 0.1)}, [f"n{i}"],
                             twin=False)["perturbations"] for i in range(n_networks)]
    found, = over_networks(pd.concat(tables)).itertuples()
    means = np.array([table["accuracy"].mean() for table in tables])
    assert found.n_networks == n_networks and found.accuracy == pytest.approx(means.mean())
    interval = (found.accuracy_low, found.accuracy_high)
    if n_networks < 5:
        assert np.isnan(interval).all()
    else:
        assert interval == pytest.approx(tuple(
            stats.ttest_1samp(means, 0).confidence_interval(0.95)))


def test_networks_that_learned_again_have_means_too():
    tables = made_up_tables([Experiment("x", "?", ("silence layer_1",))], HIDDEN, CLASSES,
                            networks=["v", "w"], twin=False)
    rows = tables["perturbations"].assign(control="retrained_intact", dose=np.nan, area="")
    found, = over_networks(rows).itertuples()
    assert found.n_networks == 2 and found.accuracy == pytest.approx(0.9)
