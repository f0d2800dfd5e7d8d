"""Pathways: planted and absent ones, input that does not fit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from builders import analysis_options, planted_pathways, recording_of_layers

from ephys_snn.analysis.pathways import pipeline
from ephys_snn.analysis.pathways.functional import functional_pathways
from ephys_snn.analysis.pathways.links import functional_links
from ephys_snn.analysis.pathways.members import PathwaySettings
from ephys_snn.analysis.pathways.pathways import choosing_half, measure_pathways
from ephys_snn.analysis.pathways.preference import ranking_auc
from ephys_snn.analysis.pathways.structural import output_classes, pathway_effects
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.errors import InputError
from ephys_snn.recording import decision_windows, epoch_windows, fixed_windows

COLUMNS = ["kind", "class", "area", "n_members", "activity_preferred", "activity_other",
           "preference", "p_value", "overlap"]
FAST = PathwaySettings(n_permutations=200)


# --- planted pathways ---------------------------------------------------------------------------


def functional(result):
    return next(pathways for pathways in result.kinds if pathways.kind == "functional")


def test_planted_pathways_are_found():
    recording, truth = planted_pathways(np.random.default_rng(0))
    result = measure_pathways(recording, epoch_windows(recording.trials), FAST)
    for area in functional(result).areas:
        planted = truth[area.area]
        auc = [ranking_auc(area.effect[c], planted[c]) for c in range(4)]
        assert min(auc) >= 0.95
        assert area.member[~planted].mean() < 0.02  # q < 0.05 of those found
        assert area.member[planted].mean() > 0.8
    assert (result.table["p_value"] < 0.05).all()
    assert (result.table["preference"] > 0.25).all()


def test_planted_pathways_rank_the_wiring():
    """With weights of the planted pathways, the AUC column says that activity finds them."""
    rng = np.random.default_rng(3)
    recording, truth = planted_pathways(rng, areas=("layer_1", "layer_2", "output"), n_units=40)
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
        recording, _ = planted_pathways(np.random.default_rng(seed), gain=0.0, n_trials=200)
        result = measure_pathways(recording, epoch_windows(recording.trials),
                                  replace(FAST, activity=activity, seed=seed))
        found += len(result.members) > 0
        n_links += result.area_links["n_linked"].sum()
        n_tested += result.area_links["n_pairs"].sum()
    assert found <= 3  # 10 recordings x 3 areas of false discovery rate 0.05
    assert n_links <= 1e-4 * n_tested


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
    pathways = functional_pathways(recording, recording.responses(windows), windows, chosen_by,
                                   FAST, rng)
    links, _ = functional_links(recording, windows, pathways, np.arange(400), chosen_by, 10.0,
                                FAST, rng)
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
    assert links["asymmetry"][0] > 0.8 and links["asymmetry_q_value"][0] < 0.05
    assert abs(links["asymmetry_shuffled"][0]) < 0.2


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


def drifting(rng, blocked):
    """Units whose activity drifts together along the session; labels in runs of 20 trials."""
    drift = np.sin(2 * np.pi * (np.arange(400) / 400 + rng.random()))[:, None]
    active = rng.random((400, 30)) < 0.4 + 0.3 * drift
    labels = np.repeat(rng.permutation(np.arange(20) % 2), 20)
    recording = recording_of_layers({"A": np.where(active, 1.0, np.inf)}, labels)
    settings = replace(FAST, n_permutations=100, relabelling=Relabelling(*blocked))
    return measure_pathways(recording, epoch_windows(recording.trials), settings).table


@pytest.mark.parametrize("relabelling", [(20, False), (1, True)])
def test_drift_with_labels_in_runs_makes_no_pathways(relabelling):
    """Neither members, nor members that prefer their class in the other half."""
    rng = np.random.default_rng(0)
    tables = [drifting(rng, relabelling) for _ in range(12)]
    assert sum((table["p_value"] < 0.05).sum() for table in tables) <= 2
    assert sum(table["n_members"].gt(0).any() for table in tables) <= 3


def test_shifted_labels_are_evaluated_in_one_stretch():
    chosen_by = choosing_half(np.zeros(21, dtype=int), Relabelling(1, True),
                              np.random.default_rng(0))
    np.testing.assert_array_equal(np.flatnonzero(~chosen_by), np.arange(5, 16))


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
    return analysis_options(pipeline.add_options, *words)


def test_pipeline_says_what_it_found(tmp_path):
    recording, _ = planted_pathways(np.random.default_rng(0), coupling_strength=0.15)
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
    recording, _ = planted_pathways(np.random.default_rng(0), n_units=20, planted=4)
    first, second = (measure(recording, seed=7) for _ in range(2))
    for field in ("table", "by_area", "trends", "members", "links", "area_links"):
        pd.testing.assert_frame_equal(getattr(first, field), getattr(second, field))


def test_figures_of_recordings_small_and_silent(tmp_path):
    rng = np.random.default_rng(0)
    two = np.where(rng.random((40, 2)) < 0.5, 1.0, np.inf)
    many = recording_of_layers({"A": two}, np.arange(40) % 2)
    silent = recording_of_layers({"A": np.full((40, 2), np.inf)}, np.arange(40) % 2)
    classes = relabel(planted_pathways(rng, n_trials=120)[0], np.arange(120) % 30)
    for number, recording in enumerate([many, silent, classes, small_network(rng)]):
        for areas_ordered in (True, False):
            result = pipeline.analyse(replace(recording, areas_ordered=areas_ordered),
                                      epoch_windows(recording.trials),
                                      options("--permutations", "20"))
            for stem, figure in result.figures.items():
                figure.savefig(tmp_path / f"{number}{areas_ordered}{stem}.png", dpi=40)
            assert_explained(result.tables["pathways"])


def test_unknown_class_to_highlight():
    recording, _ = planted_pathways(np.random.default_rng(0), n_units=20, planted=4)
    with pytest.raises(InputError, match="--highlight kiwi: no such class; there are 0, 1, 2, 3"):
        pipeline.analyse(recording, epoch_windows(recording.trials),
                         options("--highlight", "kiwi", "--permutations", "20"))


def test_trials_without_a_decision_are_left_out():
    rng = np.random.default_rng(0)
    recording = small_network(rng, decisions=np.where(np.arange(30)[:, None] < 24, 3.0,
                                                      np.full((30, 2), np.inf)))
    result = measure_pathways(recording, decision_windows(recording.trials), FAST)
    assert result.n_trials == 24
