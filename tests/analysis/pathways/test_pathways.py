"""Pathways: published values, planted and absent ones, brute force, known theory, bad input."""

import argparse
import gzip
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import recording_of_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.pathways import coupling, pipeline
from ephys_snn.analysis.pathways.connectivity import area_chain, output_classes, pathway_effects
from ephys_snn.analysis.pathways.links import binned_spikes, functional_links
from ephys_snn.analysis.pathways.members import (
    AreaPathways,
    PathwaySettings,
    block_p_values,
    class_activity,
    fisher_p_values,
    functional_pathways,
    rank_sum_p_values,
    split_halves,
)
from ephys_snn.analysis.pathways.preference import (
    depth_trend,
    measure_pathways,
    member_preference,
    overlap_with_others,
    preference_index,
    random_sets,
    ranking_auc,
)
from ephys_snn.errors import InputError
from ephys_snn.recording import Trials, decision_windows, epoch_windows, fixed_windows

COLUMNS = ["kind", "class", "area", "n_members", "activity_preferred", "activity_other",
           "preference", "p_value", "overlap"]
# First 3,000 MNIST test images on the authors' 8x100 network (arXiv:2508.12975), by layer.
PUBLISHED = {
    1.0: [0.17, 0.26, 0.36, 0.52, 0.57, 0.64, 0.59, 0.68],
    2.0: [0.15, 0.33, 0.41, 0.48, 0.60, 0.66, 0.68, 0.74],
}
PUBLISHED_OVERLAP = [0.14, 0.17, 0.14, 0.10, 0.09, 0.08, 0.10, 0.07]
HIDDEN = [f"layer_{depth}" for depth in range(1, 9)]
FAST = PathwaySettings(n_permutations=200)


# --- the published network ----------------------------------------------------------------------


def respond(weights, n_images, shared):
    """A recording of an 8x100 network on the first test images."""
    torch = pytest.importorskip("torch")
    from ephys_snn.lif import LIF
    from ephys_snn.spike_time import first_spike_times

    folder = shared / "data" / "mnist"
    pixels, labels = (
        np.frombuffer(gzip.decompress((folder / f"t10k-{name}-ubyte.gz").read_bytes())[header:],
                      np.uint8) for name, header in (("images-idx3", 16), ("labels-idx1", 8)))
    pixels, labels = pixels.reshape(-1, 784)[:n_images], labels[:n_images]
    layers = {"input": 0.15 + (1 - pixels / 256) * (2 - 0.15)}
    times = torch.as_tensor(10 * layers["input"])
    names = [*HIDDEN, "output"]
    for name, matrix in zip(names, weights, strict=True):
        times = first_spike_times(times, torch.as_tensor(matrix.astype(float)), LIF())
        layers[name] = times.numpy() / 10
    pairs = itertools.pairwise(["input", *names])
    return recording_of_layers(layers, labels, first_inhibitory=75, decisions=layers["output"],
                               weights=dict(zip(pairs, weights, strict=True)))


@pytest.fixture(scope="module")
def published_weights(shared):
    with np.load(shared / "reference" / "mnist_dale_8x100_weights.npz") as arrays:
        return [arrays[f"w{depth}"] for depth in range(9)]


@pytest.fixture(scope="module")
def published(published_weights, shared):
    return respond(published_weights, 3000, shared)


@pytest.fixture(scope="module")
def published_result(published):
    return measure_pathways(published, decision_windows(published.trials))


def by_area(result, kind):
    return result.by_area[result.by_area["kind"] == kind].set_index("area")


def test_structural_pathways_of_the_published_network(published, published_result):
    rows = by_area(published_result, "structural").loc[HIDDEN]
    np.testing.assert_allclose(rows["preference"], PUBLISHED[1.0], atol=0.01)
    np.testing.assert_allclose(rows["overlap"], PUBLISHED_OVERLAP, atol=0.01)
    assert rows["n_members"].between(8, 12).all()
    two = measure_pathways(published, decision_windows(published.trials),
                           PathwaySettings(k=2.0, n_permutations=20))
    rows = by_area(two, "structural").loc[HIDDEN]
    np.testing.assert_allclose(rows["preference"], PUBLISHED[2.0], atol=0.01)
    assert rows["n_members"].between(3.5, 6).all()


def test_trained_preference_grows_with_depth_and_beats_chance(published_result):
    for kind in ("structural", "functional"):
        rows = by_area(published_result, kind).loc[HIDDEN]
        assert (rows["p_value"][1:] < 0.01).all() and (rows["q_value"][1:] < 0.01).all()
        trend = published_result.trends.set_index("kind").loc[kind]
        assert trend["spearman"] > 0.9 and trend["p_value"] < 0.01 and trend["rise_low"] > 0.3


def test_random_sets_have_no_preference_on_average(published_result):
    rows = by_area(published_result, "structural").loc[HIDDEN]
    # The index is a ratio: sets of few, rarely active units are skewed to just below 0.
    assert (rows["null_mean"].abs() < 0.2).all() and (rows["null_mean"][:3].abs() < 0.06).all()
    assert (rows["preference"] > rows["null_mean"] + 3 * rows["null_sd"]).all()


def test_activity_finds_the_published_wiring(published_result):
    rows = by_area(published_result, "functional").loc[HIDDEN]
    assert (rows["auc"] > 0.7).all() and (rows["auc"][-4:] > 0.85).all()


def test_links_join_members_of_one_class_more_than_of_others(published_result):
    deep = published_result.area_links.iloc[-2:]
    assert (deep["fraction_linked_same_class"] > 2 * deep["fraction_linked_other_class"]).all()


def random_weights(weights, rng):
    """Weights drawn from a normal distribution, clamped for Dale's law, of the net weight 10."""
    drawn = [rng.normal(0, 0.8, weights[0].shape) + 10 / 784]
    for matrix in weights[1:]:
        normal = rng.normal(0.1, 1.0, matrix.shape)
        normal[:75], normal[75:] = np.maximum(normal[:75], 0), np.minimum(normal[75:], 0)
        net = normal.sum(axis=0).mean()
        drawn.append(10 * normal / net)
    return drawn


def shuffled_weights(weights, rng):
    """The trained weights, exchanged among the synapses of each cell type."""
    hidden = [np.concatenate([rng.permuted(part.ravel()).reshape(part.shape)
                              for part in (matrix[:75], matrix[75:])]) for matrix in weights[1:]]
    return [rng.permuted(weights[0].ravel()).reshape(weights[0].shape), *hidden]


@pytest.mark.parametrize("untrained_weights", [random_weights, shuffled_weights])
def test_untrained_network_has_no_pathways(untrained_weights, published_weights, shared):
    weights = untrained_weights(published_weights, np.random.default_rng(1))
    recording = respond(weights, 600, shared)
    result = measure_pathways(recording, decision_windows(recording.trials))
    rows = by_area(result, "structural").loc[HIDDEN]
    assert rows["n_members"].gt(5).all() and rows["preference"].notna().sum() >= 4
    assert (rows["preference"].abs().dropna() < 0.05).all()
    assert not (rows["q_value"] < 0.05).any()
    for trend in result.trends.itertuples():
        assert not trend.rise_low > 0
    assert not by_area(result, "functional").loc[HIDDEN[3:], "n_members"].any()


def test_functional_pathways_of_the_reference_recordings(reference_recording,
                                                         untrained_reference_recording):
    trained = by_area(measure_pathways(
        reference_recording, decision_windows(reference_recording.trials), FAST), "functional")
    assert trained.loc["layer_4", "preference"] > trained.loc["layer_1", "preference"] + 0.2
    assert (trained.loc["layer_1":"layer_4", "p_value"] < 0.01).all()
    untrained = measure_pathways(
        untrained_reference_recording, decision_windows(untrained_reference_recording.trials),
        FAST)
    trend = untrained.trends.set_index("kind").loc["functional"]
    assert not trend["rise"] > 0
    assert len(untrained.members) < 5


# --- planted pathways ---------------------------------------------------------------------------


def planted_recording(rng, n_trials=400, n_units=60, n_classes=4, planted=8, gain=0.35,
                      coupling_strength=0.0, areas=("A", "B", "C")):
    """Areas with `planted` units per class that are more active for it; spikes in tau."""
    labels = rng.integers(n_classes, size=n_trials)
    shared_drive = rng.normal(size=(n_trials, n_classes))
    layers, truth = {}, {}
    for depth, area in enumerate(areas):
        probability = np.full((n_trials, n_units), 0.3)
        member = np.zeros((n_classes, n_units), dtype=bool)
        order = rng.permutation(n_units)
        for c in range(n_classes):
            chosen = order[c * planted:(c + 1) * planted]
            member[c, chosen] = True
            probability[np.ix_(labels == c, chosen)] += gain
            probability[:, chosen] += coupling_strength * shared_drive[:, [c]]
        active = rng.random((n_trials, n_units)) < probability
        times = 1.0 + depth + rng.random((n_trials, n_units))
        layers[area], truth[area] = np.where(active, times, np.inf), member
    return recording_of_layers(layers, labels), truth


def functional(result):
    return next(pathways for pathways in result.kinds if pathways.kind == "functional")


def test_planted_pathways_are_found():
    recording, truth = planted_recording(np.random.default_rng(0))
    result = measure_pathways(recording, epoch_windows(recording.trials), FAST)
    for area in functional(result).areas:
        planted = truth[area.area]
        auc = [ranking_auc(area.effect[c], planted[c])[0] for c in range(4)]
        assert min(auc) >= 0.95
        assert area.member[~planted].mean() < 0.02  # q < 0.05 of those found
        assert area.member[planted].mean() > 0.8
    assert (result.table["p_value"] < 0.05).all()
    assert (result.table["preference"] > 0.25).all()


def test_planted_pathways_rank_the_wiring():
    """With weights of the planted pathways, the AUC column says that activity finds them."""
    rng = np.random.default_rng(3)
    recording, truth = planted_recording(rng, areas=("layer_1", "layer_2", "output"), n_units=40)
    output = np.flatnonzero(recording.units.area == "output")[4:]
    recording = recording.select_units(np.setdiff1d(np.arange(len(recording.units)), output))
    onto_output = truth["layer_2"].T.astype(float)
    between = np.zeros((40, 40))
    for c in range(4):
        between[np.ix_(truth["layer_1"][c], truth["layer_2"][c])] = 1.0
    recording = replace(recording, weights={("layer_1", "layer_2"): between,
                                            ("layer_2", "output"): onto_output})
    result = measure_pathways(recording, epoch_windows(recording.trials), FAST)
    structural = result.kinds[0]
    assert structural.kind == "structural" and structural.classes == ("0", "1", "2", "3")
    np.testing.assert_array_equal(structural.areas[1].member, truth["layer_2"])
    auc = result.table["auc"].dropna()
    assert len(auc) == 8 and auc.min() >= 0.95


@pytest.mark.parametrize("activity", ["active", "count"])
def test_nothing_is_found_where_nothing_was_planted(activity):
    found, n_links, n_tested = 0, 0, 0
    for seed in range(10):
        recording, _ = planted_recording(np.random.default_rng(seed), gain=0.0, n_trials=200)
        result = measure_pathways(recording, epoch_windows(recording.trials),
                                  replace(FAST, activity=activity, seed=seed))
        found += len(result.members) > 0
        n_links += result.area_links["n_linked"].sum()
        n_tested += result.area_links["n_pairs"].sum()
    assert found <= 3  # 10 recordings x 3 areas of false discovery rate 0.05
    assert n_links <= 1e-4 * n_tested


def test_held_out_preference_of_chance_members_is_not_significant():
    """Members that chance chose in one half do not prefer their class in the other."""
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(60):
        code = rng.integers(2, size=60)
        active = rng.random((60, 30)) < 0.3
        chosen_by = split_halves(code, rng)
        own, other = class_activity(active[chosen_by], code[chosen_by], 2)
        member = own - other > np.quantile(own - other, 0.8, axis=1, keepdims=True)
        held_out = class_activity(active[~chosen_by], code[~chosen_by], 2)
        area = AreaPathways("A", "all", np.arange(30), own - other, member, *held_out, ("", ""))
        p_values.extend(member_preference(area, 200, rng).p_value[:1])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) < 0.05) < 0.15


def test_members_are_evaluated_in_the_trials_that_did_not_choose_them():
    """A unit that tells the class in the choosing half only is a member without preference."""
    rng = np.random.default_rng(0)
    labels, chosen_by = np.arange(80) % 2, np.arange(80) < 40
    times = np.where(rng.random((80, 6)) < 0.5, 1.0, np.inf)
    times[:, 0] = np.where((labels == 0) == chosen_by, 1.0, np.inf)
    recording = recording_of_layers({"A": times}, labels)
    windows = epoch_windows(recording.trials)
    area = functional_pathways(recording, recording.responses(windows), windows, chosen_by, FAST,
                               rng).areas[0]
    assert area.member[0, 0] and area.effect[0, 0] == 1.0
    assert area.own[0, 0] == 0.0 and area.other[0, 0] == 1.0
    assert member_preference(area, 20, rng).index[0] == -1.0


@pytest.mark.parametrize("coupled_half", ["choosing", "held out"])
def test_links_come_from_the_trials_that_did_not_choose_members(coupled_half):
    rng = np.random.default_rng(0)
    labels, chosen_by = np.arange(400) % 2, np.arange(400) // 2 % 2 == 0
    coupled = chosen_by if coupled_half == "choosing" else ~chosen_by
    active = [rng.random((400, 6)) < np.where(labels == 0, 0.7, 0.2)[:, None] for _ in "AB"]
    active[1][coupled, 0] = active[0][coupled, 0]
    recording = recording_of_layers(
        {area: np.where(on, 1.0, np.inf) for area, on in zip("AB", active, strict=True)}, labels)
    windows = epoch_windows(recording.trials)
    responses = recording.responses(windows)
    pathways = functional_pathways(recording, responses, windows, chosen_by, FAST, rng)
    links, _ = functional_links(recording, responses, windows, pathways, labels, chosen_by, 10.0,
                                FAST, rng, lambda steps, what: steps)
    assert len(links) == (coupled_half == "held out")


def test_coupled_areas_are_linked_and_the_earlier_leads():
    rng = np.random.default_rng(2)
    n_trials = 400
    labels = rng.integers(2, size=n_trials)
    source = np.where(rng.random((n_trials, 12)) < 0.3 + 0.4 * (labels == 0)[:, None],
                      1 + 4 * rng.random((n_trials, 12)), np.inf)
    target = np.where(rng.random((n_trials, 12)) < 0.3 + 0.4 * (labels == 0)[:, None],
                      1 + 4 * rng.random((n_trials, 12)), np.inf)
    follows = rng.random(n_trials) < 0.9
    target[:, 0] = np.where(follows, source[:, 0] + 0.3, target[:, 0])
    recording = recording_of_layers({"A": source, "B": target}, labels)
    result = measure_pathways(recording, epoch_windows(recording.trials),
                              replace(FAST, max_lag=10.0))
    links = result.links
    assert len(links) == 1 and links["source_unit"][0] == "A/0" and links["target_unit"][0] == "B/0"
    assert links["lead_index"][0] > 0.8 and links["lead_q_value"][0] < 0.05
    assert abs(links["lead_shuffled"][0]) < 0.2


# --- brute force over the definitions -----------------------------------------------------------


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


def test_only_excitatory_weights_count():
    rng = np.random.default_rng(0)
    weights = [np.abs(rng.normal(size=(6, 6))), np.abs(rng.normal(size=(6, 2)))]
    for matrix in weights:
        matrix[4:] *= -1
    times = np.where(rng.random((40, 6)) < 0.5, 1.0, np.inf)
    recording = recording_of_layers(
        {"input": times[:, :1], "layer_1": times, "layer_2": times, "output": times[:, :2]},
        rng.integers(2, size=40), first_inhibitory=4,
        weights={("layer_1", "layer_2"): weights[0], ("layer_2", "output"): weights[1],
                 ("input", "layer_1"): np.ones((1, 6))})
    structural = measure_pathways(recording, epoch_windows(recording.trials), FAST).kinds[0]
    expected = pathway_effects([weights[0][:4, :4], weights[1][:4]])
    for area, effects in zip(structural.areas[1:3], expected, strict=True):
        np.testing.assert_array_equal(area.member, effects.member)
        np.testing.assert_allclose(area.effect, effects.effect)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_p_values_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=25), [0, 1, 2])
    counts = rng.poisson(0.8, size=(28, 4))
    counts[:, 3] = 1
    fisher, ranks = fisher_p_values(counts > 0, code, 3), rank_sum_p_values(counts, code, 3)
    for c, unit in itertools.product(range(3), range(4)):
        own, other = counts[code == c, unit], counts[code != c, unit]
        table = [[(own > 0).sum(), (own == 0).sum()], [(other > 0).sum(), (other == 0).sum()]]
        assert fisher[c, unit] == pytest.approx(
            stats.fisher_exact(table, alternative="greater").pvalue)
        if np.ptp(counts[:, unit]):
            assert ranks[c, unit] == pytest.approx(stats.mannwhitneyu(
                own, other, alternative="greater", method="asymptotic").pvalue)
    assert (ranks[:, 3] == 1).all()


def test_block_p_values_keep_runs_of_labels_together():
    """Slow drift and labels in runs: single trials seem to differ, blocks do not."""
    rng = np.random.default_rng(0)
    single, blocked = [], []
    for _ in range(20):
        drift = np.repeat(rng.random((20, 5)), 20, axis=0)
        active = rng.random((400, 5)) < drift
        code = np.repeat(rng.integers(2, size=20), 20)
        single.append(fisher_p_values(active, code, 2))
        blocked.append(block_p_values(active, code, 2, 100, 20, rng))
    assert np.mean(np.array(single) < 0.05) > 0.2 > 0.1 > np.mean(np.array(blocked) < 0.05)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_preference_pools_members_and_trials(seed):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=20), [0, 1, 2])
    active = rng.random((23, 6)) < 0.5
    member = rng.random((3, 6)) < 0.5
    member[:, 0] = True
    area = AreaPathways("A", "all", np.arange(6), member * 1.0, member,
                        *class_activity(active, code, 3), ("", "", ""))
    preference = member_preference(area, 500, rng)
    for c in range(3):
        own = active[code == c][:, member[c]].ravel().mean()
        other = active[code != c][:, member[c]].ravel().mean()
        assert preference.own[c] == pytest.approx(own)
        assert preference.other[c] == pytest.approx(other)
        if own + other:
            assert preference.index[c] == pytest.approx((own - other) / (own + other))
        # Random sets: p over all sets of that size, within sampling error.
        sets = [list(s) for s in itertools.combinations(range(6), int(member[c].sum()))]
        index = np.array([preference_index(active[code == c][:, s].mean(),
                                           active[code != c][:, s].mean()) for s in sets])
        if np.isfinite(index).all():
            exact = np.mean(index >= preference.index[c] - 1e-12)
            assert preference.p_value[c] == pytest.approx(exact, abs=0.1)


def test_random_sets_have_their_size_and_are_uniform():
    sets = random_sets(6, 2, 6000, np.random.default_rng(0))
    assert (sets.sum(axis=1) == 2).all()
    _, counts = np.unique(sets, axis=0, return_counts=True)
    assert len(counts) == 15 and stats.chisquare(counts).pvalue > 1e-3
    assert random_sets(4, 4, 3, np.random.default_rng(0)).all()


def test_overlap_is_the_mean_jaccard_index():
    member = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], dtype=bool)
    np.testing.assert_allclose(overlap_with_others(member), [(1 / 3 + 0) / 2, (1 / 3) / 2, 0])
    assert np.isnan(overlap_with_others(np.zeros((2, 3), dtype=bool))).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
@settings(max_examples=30, deadline=None)
def test_halves_split_every_class(seed, n_trials):
    rng = np.random.default_rng(seed)
    code = np.append(rng.integers(3, size=n_trials), [0, 0, 1, 1, 2, 2])
    half = split_halves(code, rng)
    for c in range(3):
        assert abs((half & (code == c)).sum() - (~half & (code == c)).sum()) <= 1
    blocks = split_halves(code, rng, 3)
    for first in range(0, len(code), 3):
        assert len(set(blocks[first:first + 3])) == 1


def test_trend_agrees_with_scipy_over_all_orders():
    rng = np.random.default_rng(0)
    preference = rng.normal(size=(4, 5)) + 0.3 * np.arange(5)
    trend = depth_trend(preference, rng)
    mean = preference.mean(axis=0)
    assert trend.spearman == pytest.approx(stats.spearmanr(np.arange(5), mean).statistic)
    rho = [stats.spearmanr(np.arange(5), order).statistic for order in itertools.permutations(mean)]
    assert trend.p_value == pytest.approx(np.mean(np.array(rho) >= trend.spearman - 1e-9))
    assert trend.rise == pytest.approx((preference[:, -1] - preference[:, 0]).mean())


def test_trend_needs_areas():
    rng = np.random.default_rng(0)
    assert "fewer than two" in depth_trend(np.full((2, 1), 0.5), rng).note
    assert "three areas" in depth_trend(np.array([[0.1, 0.2], [0.1, 0.3]]), rng).note
    assert depth_trend(np.full((3, 4), 0.5), rng).note


# --- coupling -----------------------------------------------------------------------------------


def test_shuffle_variance_is_that_over_all_shuffles():
    rng = np.random.default_rng(0)
    code = np.array([0, 0, 0, 1, 1, 1, 2])
    x, y = (coupling.class_residuals(rng.poisson(1.0, (7, n)), code) for n in (3, 2))
    sums = [x[[*first, *(3 + np.array(second)), 6]].T @ y
            for first in itertools.permutations(range(3))
            for second in itertools.permutations(range(3))]
    np.testing.assert_allclose(np.mean(sums, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.var(sums, axis=0), coupling.shuffle_variance(x, y, code),
                               rtol=1e-5)


def test_noise_correlation_is_pearson_within_classes():
    rng = np.random.default_rng(0)
    code = np.repeat([0, 1, 2], 50)
    common = rng.poisson(1.0, 150)
    source = rng.poisson(1.0, (150, 4)) + 5 * code[:, None]  # the class is not coupling
    target = rng.poisson(1.0, (150, 3)) + 5 * code[:, None]
    source[:, 0] += common
    target[:, 0] += common
    found = coupling.noise_correlation(source, target, code, rng, 200)
    residuals = [values - np.array([values[code == c].mean(axis=0) for c in range(3)])[code]
                 for values in (source, target)]
    expected = np.corrcoef(*(r.T for r in residuals))[:4, 4:]
    np.testing.assert_allclose(found.correlation, expected, atol=1e-5)
    assert found.p_value[0, 0] < 1e-3
    assert np.delete(found.p_value.ravel(), 0).min() > 1e-3


def test_p_of_uncoupled_units_is_uniform():
    rng = np.random.default_rng(1)
    code = rng.integers(4, size=200)
    active = [(rng.random((200, 30)) < 0.1 + 0.2 * code[:, None]).astype(int) for _ in range(2)]
    p = coupling.noise_correlation(*active, code, rng, 1000).p_value.ravel()
    assert abs(np.mean(p < 0.05) - 0.05) < 0.03
    assert p.min() > 1e-5


def test_shuffles_stay_within_classes():
    rng = np.random.default_rng(0)
    code = rng.integers(3, size=30)
    shuffled = coupling.shuffle_within(code, rng)
    np.testing.assert_array_equal(code[shuffled], code)
    assert sorted(shuffled) == list(range(30))


def test_lead_is_the_asymmetry_of_elephants_histogram():
    """Over trials far apart, Elephant's cross-correlation histogram of the whole recording."""
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import cross_correlation_histogram

    rng = np.random.default_rng(5)
    recording, _ = planted_recording(rng, n_trials=100, n_units=4, areas=("A",), planted=1)
    windows = epoch_windows(recording.trials)
    source, target = (binned_spikes(recording, windows, unit, np.arange(100), 1.0)
                      for unit in (0, 1))
    code = (recording.trials.label == "0").astype(int)
    pairs = coupling.trial_pairs(code, 50, rng)
    found = coupling.lead(source, target, pairs, 20)
    binned = [BinnedSpikeTrain(train, bin_size=1 * pq.ms)
              for train in recording.spike_trains([0, 1], 0.0, 10000.0)]
    histogram, lags = cross_correlation_histogram(*binned, window=[-20, 20])
    counts = histogram.magnitude.ravel()
    after, before = counts[lags > 0].sum(), counts[lags < 0].sum()
    assert min(after, before) > 2 and after != before
    assert found.index == pytest.approx((after - before) / (after + before))


def test_lead_predictor_is_the_mean_over_all_shuffles():
    rng = np.random.default_rng(6)
    code = np.array([0, 0, 0, 1, 1])
    source, target = rng.integers(0, 2, (2, 5, 8)).astype(np.float32)

    def before_and_after(order):
        pairs = [(i, j) for t, u in enumerate(order) for i in np.flatnonzero(source[t])
                 for j in np.flatnonzero(target[u]) if 0 < abs(i - j) <= 3]
        return np.array([sum(j > i for i, j in pairs), sum(j < i for i, j in pairs)])

    counts = np.mean([before_and_after([*first, *second])
                      for first in itertools.permutations(range(3))
                      for second in itertools.permutations((3, 4))], axis=0)
    found = coupling.lead(source, target, coupling.trial_pairs(code, 10, rng), 3)
    after, before = before_and_after(range(5))
    assert found.index == pytest.approx((after - before) / (after + before))
    assert found.shuffled == pytest.approx((counts[0] - counts[1]) / counts.sum())


# --- input that does not fit --------------------------------------------------------------------


def small_network(rng, **fields):
    times = {"input": (30, 3), "layer_1": (30, 8), "output": (30, 2)}
    layers = {area: np.where(rng.random(shape) < 0.7, 1 + rng.random(shape), np.inf)
              for area, shape in times.items()}
    weights = {("input", "layer_1"): rng.random((3, 8)), ("layer_1", "output"): rng.random((8, 2))}
    return recording_of_layers(layers, np.arange(30) % 2, first_inhibitory=6,
                               **{"weights": weights} | fields)


def measure(recording, **settings):
    return measure_pathways(recording, epoch_windows(recording.trials), replace(FAST, **settings))


def relabel(recording, labels):
    return replace(recording, trials=replace(recording.trials, label=np.asarray(labels, str)))


def assert_explained(table):
    """No empty statistic without a word."""
    assert list(table)[:len(COLUMNS)] == COLUMNS
    empty = table["preference"].isna() | table["p_value"].isna()
    assert (table.loc[empty, "note"] != "").all()


def test_one_class_is_an_error():
    recording = relabel(small_network(np.random.default_rng(0)), ["a"] * 30)
    with pytest.raises(InputError, match="at least two classes; all 30 trials .* 'a'.*--label"):
        measure(recording)


def test_a_class_with_one_trial_is_explained():
    recording = relabel(small_network(np.random.default_rng(0)), ["0"] * 15 + ["1"] * 14 + ["2"])
    result = measure(recording)
    assert_explained(result.table)
    rows = result.table[(result.table["kind"] == "functional") & (result.table["class"] == "2")]
    assert rows["note"].str.contains("too few trials").all()


def test_areas_with_one_unit_are_explained():
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    one = np.where((labels == 0) | (rng.random(100) < 0.1), 1.0, np.inf)[:, None]
    result = measure(recording_of_layers({"A": one, "B": one}, labels))
    assert_explained(result.table)
    rows = result.table[result.table["class"] == "0"]
    assert (rows["preference"] > 0.5).all() and rows["note"].str.contains("one unit").all()


def test_no_excitatory_units_is_explained():
    recording = small_network(np.random.default_rng(0))
    units = replace(recording.units, cell_type=np.full(len(recording.units), ""))
    result = measure(replace(recording, units=units))
    assert_explained(result.table)
    assert "excitatory" in result.reasons["structural"]
    assert (result.table["kind"] == "functional").any()


def test_no_spikes_in_the_window_is_explained():
    recording = small_network(np.random.default_rng(0))
    result = measure_pathways(recording, fixed_windows(recording.trials, 60.0, 80.0), FAST)
    assert_explained(result.table)
    assert result.table["preference"].isna().all() and result.links["kind"].ne("functional").all()


def test_weights_that_do_not_fit_are_explained():
    rng = np.random.default_rng(0)
    recording = small_network(rng)
    for weights, reason in [
            ({("layer_1", "output"): np.ones((7, 2))}, r"shape \(7, 2\).*\(8, 2\)"),
            ({("layer_1", "output"): np.full((8, 2), np.nan)}, "not all finite"),
            ({("input", "layer_1"): np.ones((3, 8)), ("input", "output"): np.ones((3, 2))},
             "one feedforward chain"),
            ({("input", "layer_1"): np.ones((3, 8))}, "'layer_1', the last area.*--areas")]:
        result = measure(replace(recording, weights=weights))
        assert_explained(result.table)
        assert len(result.kinds) == 1
        with pytest.raises(InputError, match=reason):
            raise InputError(result.reasons["structural"])


def test_output_units_are_explained():
    rng = np.random.default_rng(0)
    output = 3 + rng.random((30, 2))
    recording = small_network(rng, decisions=output)
    result = measure_pathways(recording, decision_windows(recording.trials), FAST)
    rows = result.table[(result.table["kind"] == "functional") & (result.table["area"] == "output")]
    assert rows["note"].str.contains("make the decision").all()
    assert_explained(result.table)


def test_area_chains():
    ones = np.ones((1, 1))
    assert area_chain({("b", "c"): ones, ("a", "b"): ones}) == ("a", "b", "c")
    for broken in ({("a", "b"): ones, ("c", "d"): ones}, {("a", "b"): ones, ("b", "a"): ones},
                   {("a", "a"): ones}, {("a", "c"): ones, ("b", "c"): ones}):
        with pytest.raises(InputError, match="one feedforward chain"):
            area_chain(broken)


def test_classes_of_output_units():
    recording = small_network(np.random.default_rng(0))
    assert output_classes(recording, "output") == ("0", "1")
    only_one = relabel(recording, ["1"] * 30)  # an index, even where a class does not occur
    assert output_classes(only_one, "output") == ("0", "1")
    named = replace(recording, annotations={"classes": ["cat", "dog"]})
    assert output_classes(named, "output") == ("cat", "dog")
    with pytest.raises(InputError, match="names 3 classes.*2 units"):
        output_classes(replace(recording, annotations={"classes": ["a", "b", "c"]}), "output")
    with pytest.raises(InputError, match="2 units.*3 labels"):
        output_classes(relabel(recording, ["x", "y", "z"] * 10), "output")


# --- the pipeline -------------------------------------------------------------------------------


def options(*words):
    parser = argparse.ArgumentParser()
    pipeline.add_options(parser)
    args = parser.parse_args(words)
    args.seed, args.quiet = 0, True
    return args


def test_pipeline_says_what_it_found(tmp_path):
    recording, _ = planted_recording(np.random.default_rng(0), coupling_strength=0.15)
    result = pipeline.analyse(recording, epoch_windows(recording.trials),
                              options("--permutations", "200"))
    assert list(result.tables) == ["pathways", "pathways_by_area", "pathways_trend",
                                   "pathway_members", "pathway_links", "pathway_area_links"]
    assert_explained(result.tables["pathways"])
    assert any("functional pathways" in sentence and "A 0." in sentence
               for sentence in result.summary)
    assert any("no structural pathways: the recording has no weights" in warning
               for warning in result.warnings)
    assert not any("nan" in text for text in [*result.summary, *result.warnings])
    for stem, figure in result.figures.items():
        figure.savefig(tmp_path / f"{stem}.png")


def test_same_seed_same_tables():
    recording, _ = planted_recording(np.random.default_rng(0), n_units=20, planted=4)
    first, second = (measure(recording, seed=7) for _ in range(2))
    for field in ("table", "by_area", "trends", "members", "links", "area_links"):
        pd.testing.assert_frame_equal(getattr(first, field), getattr(second, field))


def test_figures_of_recordings_small_and_silent(tmp_path):
    rng = np.random.default_rng(0)
    two = np.where(rng.random((40, 2)) < 0.5, 1.0, np.inf)
    many = recording_of_layers({"A": two}, np.arange(40) % 2)
    silent = recording_of_layers({"A": np.full((40, 2), np.inf)}, np.arange(40) % 2)
    classes = relabel(planted_recording(rng, n_trials=120)[0], np.arange(120) % 30)
    for number, recording in enumerate([many, silent, classes, small_network(rng)]):
        for areas_ordered in (True, False):
            result = pipeline.analyse(replace(recording, areas_ordered=areas_ordered),
                                      epoch_windows(recording.trials),
                                      options("--permutations", "20"))
            for stem, figure in result.figures.items():
                figure.savefig(tmp_path / f"{number}{areas_ordered}{stem}.png", dpi=40)
            assert_explained(result.tables["pathways"])


def test_unknown_class_to_highlight():
    recording, _ = planted_recording(np.random.default_rng(0), n_units=20, planted=4)
    with pytest.raises(InputError, match="--highlight kiwi: no such class; there are 0, 1, 2, 3"):
        pipeline.analyse(recording, epoch_windows(recording.trials),
                         options("--highlight", "kiwi", "--permutations", "20"))


def test_trials_without_a_decision_are_left_out():
    rng = np.random.default_rng(0)
    recording = small_network(rng, decisions=np.where(np.arange(30)[:, None] < 24, 3.0,
                                                      np.full((30, 2), np.inf)))
    assert isinstance(recording.trials, Trials)
    result = measure_pathways(recording, decision_windows(recording.trials), FAST)
    assert result.n_trials == 24
