"""A network against its untrained twin: differences with intervals, not two verdicts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from study.claim_tables import pathway_tables, widths

from ephys_snn.study import twins
from ephys_snn.study.claims import Judgement


def test_accuracy_of_the_published_network(reference_recording):
    accuracy = twins.decision_accuracy(reference_recording)
    assert accuracy.fraction == pytest.approx(149 / 150)
    assert accuracy.low < accuracy.fraction < accuracy.high


def test_learning_is_a_difference_at_the_same_stimuli(
        reference_recording, untrained_reference_recording):
    verdict = twins.judge_learning(reference_recording, untrained_reference_recording)
    assert verdict.judgement is Judgement.HOLDS
    verdict = twins.judge_learning(reference_recording, reference_recording)
    assert verdict.judgement is Judgement.UNDECIDED and "0.0% [0.0%, 0.0%]" in verdict.value
    verdict = twins.judge_learning(untrained_reference_recording, reference_recording)
    assert verdict.judgement is Judgement.FAILS
    trials = reference_recording.trials
    other = replace(reference_recording, trials=replace(trials, label=trials.label[::-1]))
    verdict = twins.judge_learning(reference_recording, other)
    assert verdict.judgement is Judgement.NOT_COMPUTABLE


def test_learning_against_dales_law_is_none(reference_recording, untrained_reference_recording):
    weights = {("layer_1", "layer_2"): -np.ones((400, 400))}
    verdict = twins.judge_learning(replace(reference_recording, weights=weights),
                                   untrained_reference_recording)
    assert verdict.judgement is Judgement.FAILS and "120000 synapses" in verdict.value


def tables(gain, last_width, preference, seed=0):
    """Tables of the pipelines in which the excitatory units of layer 2 are drawn around a gain."""
    rng = np.random.default_rng(seed)
    units = pd.DataFrame({"area": ["layer_1"] * 30 + ["layer_2"] * 30 + ["output"] * 3,
                          "cell_type": ["excitatory", "inhibitory"] * 30 + ["output"] * 3})
    for column in twins.UNIT_COLUMNS.values():
        units[column] = gain + rng.normal(0, 0.05, len(units))
    units.loc[units["cell_type"] == "inhibitory", "information_gain_corrected"] = 9.0
    pathways, _ = pathway_tables([0.0, preference], [0.5, 0.001])
    pathways["preference"] += rng.normal(0, 0.01, len(pathways))
    return {"synchrony": widths(0.01, input=0.4, layer_1=1.0, layer_2=last_width),
            "information_gain": units, "pathways": pathways}


def test_training_makes_the_difference_or_not():
    trained, untrained = tables(0.6, 0.1, 0.7), tables(0.1, 0.9, 0.0, seed=1)
    differences = twins.twin_differences(trained, untrained)
    assert [each.name for each in differences] == [
        "margin of the widths (ms)", "information gain in layer_2",
        "relative information gain in layer_2", "uncertainty coefficient in layer_2",
        "preference in layer_2"]
    margin, gain, *_, preference = differences
    assert margin.value == pytest.approx(0.3 - (-0.5), abs=0.01)
    # Both margins are here that of the last width below the input: four independent means.
    assert margin.high - margin.low == pytest.approx(2 * 1.96 * 0.01 * np.sqrt(4), rel=0.05)
    values, others = (each["information_gain"].query(
        "area == 'layer_2' and cell_type == 'excitatory'")["information_gain_corrected"]
        for each in (trained, untrained))
    welch = stats.ttest_ind(values, others, equal_var=False).confidence_interval()
    assert (gain.low, gain.high) == pytest.approx((welch.low, welch.high))
    assert preference.low < 0.7 < preference.high and preference.value == pytest.approx(
        0.7, abs=0.02)
    assert twins.judge_differences(differences).judgement is Judgement.HOLDS

    same = twins.judge_differences(twins.twin_differences(trained, tables(0.6, 0.1, 0.7, seed=2)))
    assert same.judgement is Judgement.UNDECIDED
    reverse = twins.judge_differences(twins.twin_differences(untrained, trained))
    assert reverse.judgement is Judgement.FAILS


def test_what_is_missing_is_not_computable():
    trained = tables(0.6, 0.1, 0.7)
    silent = dict(trained, synchrony=widths(input=0.4, layer_1=np.nan, layer_2=np.nan))
    verdict = twins.judge_differences(twins.twin_differences(silent, tables(0.1, 0.9, 0.0)))
    assert verdict.judgement is Judgement.NOT_COMPUTABLE
    assert "margin of the widths (ms) not computable" in verdict.value
