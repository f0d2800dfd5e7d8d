"""Where widths come from, and whether jitter travels so: by brute force and by theory."""

import numpy as np
import pytest
import torch

from ephys_snn.lif import LIF
from ephys_snn.network import Network
from ephys_snn.perturbation import control_responses
from ephys_snn.perturbation.mechanism import jitter_table, mechanism_table, trial_measures


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.draw([30, 24, 20, 3], seed=1).double()


@pytest.fixture(scope="module")
def responses(network):
    return control_responses(network, np.random.default_rng(0).uniform(0, 20, (12, 30)))


def test_the_parts_of_the_variance_are_the_variance(network, responses):
    measures = trial_measures(network, responses)
    assert set(measures) == {(f"layer_{depth}", cell_type) for depth in (1, 2)
                             for cell_type in ("all", "excitatory", "inhibitory")}
    for each in measures.values():
        variance = (each["sd_means"]**2 + each["sd_delays"]**2
                    + 2 * each["correlation"] * each["sd_means"] * each["sd_delays"])
        known = np.isfinite(each["sd_out"])
        np.testing.assert_allclose(variance[known], each["sd_out"][known]**2, atol=1e-9)


def test_measures_of_a_trial_by_its_definition(network, responses):
    measured = trial_measures(network, responses)["layer_2", "excitatory"]
    times, inputs = responses["layer_2"], responses["layer_1"]
    excitatory = network.cell_types[1] == "excitatory"
    weights = network.weights[1].detach()
    checked = 0
    for trial in range(12):
        decision = responses["output"][trial].min()
        active = np.flatnonzero(excitatory & (times[trial] < decision))
        given = torch.from_numpy(inputs[trial:trial + 1]).requires_grad_()
        gains, means = [], []
        for unit in active:
            given.grad = None
            network.layers[1](given)[0, unit].backward()
            shares = torch.nan_to_num(given.grad[0]).numpy()
            gains.append(np.sqrt((shares**2).sum()))
            means.append((shares * np.where(np.isfinite(inputs[trial]), inputs[trial], 0)).sum())
        if len(active) < 5 or measured["grazing"][trial]:
            continue
        assert measured["averaging_gain"][trial] == pytest.approx(np.mean(gains), rel=1e-6)
        assert measured["sd_means"][trial] == pytest.approx(np.std(means), rel=1e-6)
        assert measured["sd_out"][trial] == pytest.approx(times[trial, active].std())
        before = inputs[trial]
        assert measured["sd_in"][trial] == pytest.approx(before[before < decision].std())
        checked += 1
    assert checked >= 3 and weights.shape == (24, 20)


def test_small_jitter_travels_as_predicted_and_large_does_not(network, responses):
    table = jitter_table(network, responses, sds=(1e-4, 5.0), n_draws=30).set_index(
        ["area", "sd_ms"])
    for area in ("layer_1", "layer_2"):
        small, large = table.loc[(area, 1e-4)], table.loc[(area, 5.0)]
        assert small.ratio == pytest.approx(1, abs=1e-3)
        # By the gain alone, whatever the draws: the prediction of the theory.
        assert small.measured_ms == pytest.approx(small.predicted_ms, rel=0.15)
        assert small.ratio_q75 - small.ratio_q25 < 1e-3 < 0.1 < large.ratio_q75 - large.ratio_q25


def test_the_table_compares_the_same_trials(network, responses):
    twin = Network.draw([30, 24, 20, 3], seed=2).double()
    trained = trial_measures(network, responses)
    untrained = trial_measures(twin, control_responses(twin, responses["input"]))
    row = mechanism_table(trained, untrained).query(
        "area == 'layer_1' and cell_type == 'all' and measure == 'sd_out'").iloc[0]
    one, other = (each["layer_1", "all"]["sd_out"] for each in (trained, untrained))
    both = np.isfinite(one) & np.isfinite(other)
    assert row["change"] == pytest.approx((one - other)[both].mean())
    assert row["n_trials_paired"] == both.sum()
    alone = mechanism_table(trained, None)
    assert alone["untrained"].isna().all() and alone["value"].notna().any()


def test_a_layer_without_spikes_says_so():
    network = Network([torch.full((3, 8), 0.1), torch.ones(8, 2)], LIF(),
                      [np.repeat("excitatory", 8)]).double()
    responses = control_responses(network, np.zeros((6, 3)))
    table = mechanism_table(trial_measures(network, responses), None)
    assert table["value"].isna().all() and table["note"].str.startswith("not computable").all()
    assert (jitter_table(network, responses)["n_spikes"] == 0).all()
