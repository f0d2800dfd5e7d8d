"""Pathways of the published and the reference networks, and none in untrained ones."""

import gzip
import itertools

import numpy as np
import pytest
from builders import recording_of_layers

from ephys_snn.analysis.pathways.members import PathwaySettings
from ephys_snn.analysis.pathways.pathways import measure_pathways
from ephys_snn.recording import decision_windows

# First 3,000 MNIST test images on the authors' 8x100 network (arXiv:2508.12975), by layer.
PUBLISHED = {
    1.0: [0.17, 0.26, 0.36, 0.52, 0.57, 0.64, 0.59, 0.68],
    2.0: [0.15, 0.33, 0.41, 0.48, 0.60, 0.66, 0.68, 0.74],
}
PUBLISHED_OVERLAP = [0.14, 0.17, 0.14, 0.10, 0.09, 0.08, 0.10, 0.07]
HIDDEN = [f"layer_{depth}" for depth in range(1, 9)]
FAST = PathwaySettings(n_permutations=200)


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
        assert trend["spearman_rho"] > 0.9 and trend["p_value"] < 0.01 and trend["rise"] > 0.3


def test_random_sets_have_no_preference_on_average(published_result):
    rows = by_area(published_result, "structural").loc[HIDDEN]
    # The index is a ratio: sets of few, rarely active units are skewed to just below 0.
    random = rows["random_sets_mean"].abs()
    assert (random < 0.2).all() and (random[:3] < 0.06).all()
    assert (rows["preference"] > rows["random_sets_mean"] + rows["random_sets_sd"]).all()
    assert (rows["null_mean"].abs() < 0.05).all()


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
    beyond_other_sets = rows["random_sets_mean"] + 2 * rows["random_sets_sd"]
    assert not (rows["preference"] > beyond_other_sets).any()
    for trend in result.trends.itertuples():
        assert not trend.p_value < 0.05
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
