"""Separability: what is planted is found, what is not is not, and the reference networks differ."""


import numpy as np
import pandas as pd
import pytest
from builders import analysis_options, recording_of_layers

from ephys_snn.analysis.decoding import encode
from ephys_snn.analysis.runner import run
from ephys_snn.analysis.separability.design import SeparabilitySettings, draw_units, plan
from ephys_snn.analysis.separability.over_time import follow_decoding
from ephys_snn.analysis.separability.pipeline import PIPELINE, add_options, analyse
from ephys_snn.analysis.separability.separability import SINGLE_SPIKES, measure_separability
from ephys_snn.analysis.separability.words import findings, limits, summarise
from ephys_snn.analysis.statistics import false_discovery_q
from ephys_snn.errors import InputError
from ephys_snn.recording import Responses, decision_windows, epoch_windows, fixed_windows

QUICK = SeparabilitySettings(n_permutations=39, n_steps=4)


def recording_of(times: dict[str, np.ndarray], labels: np.ndarray, **fields):
    """Times in tau (10 ms)."""
    return recording_of_layers(times, labels, **fields)


@pytest.fixture(scope="module")
def planted():
    """Five areas whose relation to the class is known: 3 classes x 30 trials."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(["a", "b", "c"], 30))
    index = np.unique(labels, return_inverse=True)[1]
    preferred = np.arange(12) % 3
    match = preferred == index[:, None]
    late = 1 + rng.random((90, 12))
    return recording_of({
        "who": np.where(rng.random((90, 12)) < np.where(match, 0.8, 0.2), late, np.inf),
        "when": np.where(match, 1.0, 2.0) + 0.3 * rng.random((90, 12)),
        "nothing": np.where(rng.random((90, 12)) < 0.5, late, np.inf),
        "silent": np.full((90, 4), np.inf),
        "one": np.where(match[:, :1], 1.5, np.inf)}, labels)


@pytest.fixture(scope="module")
def found(planted):
    return measure_separability(planted, epoch_windows(planted.trials), QUICK)


def rows_of(table, area):
    return table[table["area"] == area].set_index("code")


def test_what_is_planted_is_found_and_in_the_right_code(found):
    who, when = rows_of(found.table, "who"), rows_of(found.table, "when")
    assert who.loc["active", "accuracy"] > 0.85
    assert (who["p_value"] <= 1 / 40).all()
    assert when.loc["latency", "accuracy"] > 0.95
    assert when.loc["latency", "distance_ratio"] > 1.3
    assert "every trial is the same" in when.loc["active", "note"]
    assert np.isnan(when.loc["active", "accuracy"])


def test_single_spikes_are_one_test_in_two_codes(found):
    computed = found.table[found.table["accuracy"].notna()]
    active, count = (computed[computed["code"] == code].set_index("area")
                     for code in ("active", "count"))
    assert (count["note"] == SINGLE_SPIKES).all() and len(count) == 3
    columns = ["accuracy", "q_value", "distance_ratio", "distance_q_value"]
    pd.testing.assert_frame_equal(active[columns], count[columns])
    tests = computed[computed["code"] != "count"]
    for name in ("", "distance_"):
        np.testing.assert_allclose(tests[f"{name}q_value"],
                                   false_discovery_q(tests[f"{name}p_value"]))


def test_confusions_are_of_the_code_over_time(found):
    confusion = found.confusion
    assert (confusion["code"] == "latency").all() and len(confusion) == 4 * 9
    right = confusion[confusion["class"] == confusion["decoded_class"]]
    accuracy = rows_of(found.table[found.table["code"] == "latency"], "when")["accuracy"]
    assert right.loc[right["area"] == "when", "fraction"].mean() == pytest.approx(accuracy.item())
    one = confusion[confusion["area"] == "one"].pivot(
        index="class", columns="decoded_class", values="fraction")
    assert one.loc["a", "a"] == 1 and one.loc["b", "c"] + one.loc["c", "b"] > 0.5
    assert (confusion["n_trials"] == 30).all()


def test_what_is_not_planted_is_not_found(found):
    nothing = rows_of(found.table, "nothing")
    assert (nothing["q_value"] > 0.05).all()
    assert (nothing["accuracy"] - 1 / 3).abs().max() < 0.2
    assert (nothing["distance_ratio"] - 1).abs().max() < 0.05
    assert np.isnan(found.latencies.set_index("area").loc["nothing", "latency_ms"])


def test_area_without_spikes_and_area_of_one_unit(found):
    silent, one = rows_of(found.table, "silent"), rows_of(found.table, "one")
    assert (silent["note"] == "not computable: no spikes in the response window").all()
    assert silent["accuracy"].isna().all()
    assert one.loc["active", "accuracy"] == pytest.approx(2 / 3)  # its own class and one more
    assert one.loc["active", "n_units"] == 1


def test_no_statistic_is_missing_without_a_word(found):
    statistics = found.table.drop(columns="note").isna().any(axis=1)
    assert (found.table.loc[statistics, "note"] != "").all()
    missing = found.latencies[["latency_ms", "latency_high_ms"]].isna().any(axis=1)
    assert (found.latencies.loc[missing, "note"] != "").all()
    assert found.over_time.notna().all(axis=None)


def test_threshold_over_time_holds_for_all_areas_and_times(found):
    assert (found.over_time["chance_95"] <= found.threshold).all()
    assert (found.over_time["p_value_corrected"] >= found.over_time["p_value"]).all()
    rng = np.random.default_rng(5)
    false_alarms = 0
    for seed in range(40):
        times = {area: np.where(rng.random((40, 5)) < 0.5, rng.random((40, 5)), np.inf)
                 for area in "abc"}
        recording = recording_of(times, rng.permutation(np.repeat(["x", "y"], 20)))
        settings = SeparabilitySettings(n_permutations=39, n_steps=4, seed=seed)
        design = plan(recording, fixed_windows(recording.trials, 0, 10), settings)
        draws = draw_units(recording, design, settings, matched=False)
        table = follow_decoding(recording, design, draws, settings).table
        false_alarms += (table["p_value_corrected"] <= 0.05).any()
    assert false_alarms <= 6  # 2 expected


def test_seed_determines_everything(planted, found):
    again = measure_separability(planted, epoch_windows(planted.trials), QUICK)
    pd.testing.assert_frame_equal(found.table, again.table)
    pd.testing.assert_frame_equal(found.over_time, again.over_time)
    pd.testing.assert_frame_equal(found.latencies, again.latencies)


def test_the_decoding_latency_is_when_the_class_is_planted():
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat(["x", "y"], 40))
    match = (np.arange(10) % 2 == 0) == (labels == "x")[:, None]
    uninformed = np.where(rng.random((80, 10)) < 0.3, 0.5 * rng.random((80, 10)), np.inf)
    informed = np.where(rng.random((80, 10)) < np.where(match, 0.9, 0.1), 1, np.inf)
    early = np.minimum(uninformed, informed * 2.05)  # 20.5 ms
    late = np.minimum(uninformed, informed * 6.05)  # 60.5 ms
    recording = recording_of({"early": early, "late": late}, labels)
    result = measure_separability(
        recording, fixed_windows(recording.trials, 0, 80),
        SeparabilitySettings(n_permutations=99, n_steps=16, time_code="active"))
    latencies = result.latencies.set_index("area")
    assert latencies.loc["early", "latency_ms"] == pytest.approx(25)  # the first end after 20.5
    assert latencies.loc["late", "latency_ms"] == pytest.approx(65)
    early = latencies.loc["early"]
    assert early["latency_low_ms"] <= 25 <= early["latency_high_ms"]
    assert latencies.loc["early", "step_ms"] == pytest.approx(5)
    last = result.over_time.groupby("area")["p_value"].last()
    whole = result.table[result.table["code"] == "active"].set_index("area")["p_value"]
    pd.testing.assert_series_equal(last, whole, check_names=False)


def test_silence_is_the_latest_latency_whatever_the_trials_duration():
    latency = np.array([[3.0, np.inf], [np.inf, np.inf]])
    responses = Responses(latency, np.isfinite(latency).astype(int), np.array(["a", "b"]),
                          np.arange(2))
    np.testing.assert_array_equal(encode(responses, "latency", 40.0), [[3, 40], [40, 40]])
    # Silent units in trials whose class sets the duration: nothing may be decoded from them.
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat(["short", "long"], 40))
    times = np.where(rng.random((80, 8)) < 0.3, rng.random((80, 8)), np.inf)
    decisions = np.where(labels == "short", 2.0, 4.0)[:, None] + np.array([[0.0, 1.0]])
    recording = recording_of({"hidden": times, "output": decisions}, labels, decisions=decisions)
    result = measure_separability(recording, decision_windows(recording.trials), QUICK)
    assert rows_of(result.table, "hidden").loc["latency", "p_value"] > 0.05
    # And the control says the danger.
    assert result.table["duration_accuracy"].min() == pytest.approx(1)
    assert (result.table["duration_p_value"] < 0.05).all()
    told = [*findings({"separability": result.table, "separability_latency": result.latencies,
                       "separability_between_areas": result.between_areas}, True).split("; "),
            *summarise(result), *limits(result, QUICK, decision_windows(recording.trials))]
    assert sum("durations of the response windows alone give 100%" in line for line in told) == 3
    assert rows_of(result.table, "output")["note"].str.contains("make the decision").all()


def test_match_units_draws_the_same_number_from_every_area(planted):
    windows = epoch_windows(planted.trials)
    settings = SeparabilitySettings(n_permutations=19, n_steps=2, match_units=0, n_draws=3)
    table = measure_separability(planted, windows, settings).table
    assert set(table.loc[table["accuracy"].notna(), "n_units_used"]) == {12}
    assert rows_of(table, "one")["note"].str.contains("fewer units than the 12").all()
    few = SeparabilitySettings(n_permutations=19, n_steps=2, match_units=2, n_draws=8)
    table = measure_separability(planted, windows, few).table
    assert set(table.loc[table["accuracy"].notna(), "n_units_used"]) == {2}
    accuracy = rows_of(table, "who").loc["active", "accuracy"]
    assert 0.4 < accuracy < 0.8  # 2 of 12 units are less informative than 12
    with pytest.raises(InputError, match="--match-units 50: no area has so many units"):
        measure_separability(planted, windows, SeparabilitySettings(match_units=50))


def test_rare_classes_and_too_many_trials_are_said(planted):
    labels = planted.trials.label.astype(object)
    labels[0] = "rare"
    recording = recording_of({"area": np.random.default_rng(0).random((90, 3))},
                             labels.astype(str))
    result = measure_separability(recording, epoch_windows(recording.trials),
                                  SeparabilitySettings(n_permutations=9, n_steps=2, max_trials=30))
    assert "rare" not in result.classes
    assert any("'rare' (1)" in note for note in result.notes)
    assert any("30 of 89 trials" in note for note in result.notes)
    assert result.n_trials == 30


def test_one_class_is_an_error(planted):
    recording = recording_of({"area": np.ones((20, 3))}, np.full(20, ""))
    with pytest.raises(InputError, match=r"at least two classes .* got 1 class,"):
        measure_separability(recording, epoch_windows(recording.trials), QUICK)


def test_reference_network_untangles_the_classes_and_its_untrained_twin_does_not(
        reference_recording, untrained_reference_recording):
    settings = SeparabilitySettings(n_permutations=39, n_steps=2)
    trained, untrained = (
        measure_separability(recording, decision_windows(recording.trials), settings).table
        .set_index(["code", "area"]) for recording in
        (reference_recording, untrained_reference_recording))
    layers = [f"layer_{depth}" for depth in range(1, 5)]
    accuracy = trained.loc["active"].loc[["input", *layers], "accuracy"]
    assert accuracy["layer_4"] > 0.97 > accuracy["layer_1"] > accuracy["input"]
    assert (trained.loc["active"].loc[layers, "q_value"] < 0.05).all()
    ratio = trained.loc["active"].loc[layers, "distance_ratio"]
    assert ratio.is_monotonic_increasing and ratio["layer_4"] > 4
    assert (untrained.loc["active"].loc[layers, "accuracy"] < 0.2).all()
    # Untrained, latencies carry the image, and every layer loses some of it.
    latency = untrained.loc["latency"].loc[["input", *layers], "accuracy"]
    assert latency["input"] > 0.6 and latency["layer_4"] < 0.35


def options(*argv):
    return analysis_options(add_options, *argv, "--permutations", "19", "--steps", "3")


def test_pipeline_says_what_was_found_and_what_limits_it(planted):
    result = analyse(planted, epoch_windows(planted.trials), options("--cross-temporal", "4"))
    assert set(result.tables) == {
        "separability", *(f"separability_{table}" for table in (
            "over_time", "latency", "between_areas", "confusion", "cross_temporal"))}
    assert set(result.figures) == {"separability", "separability_confusion",
                                   "separability_cross_temporal"}
    assert any("from which units are active: who" in line for line in result.summary)
    assert any("not comparable between areas" in line for line in result.warnings)
    assert any(line.startswith("silent: not computable") for line in result.warnings)


def test_where_every_area_decides_nothing_is_computable():
    decisions = 1.0 + np.random.default_rng(6).random((20, 2))
    recording = recording_of({"output": decisions}, np.tile(["a", "b"], 10), decisions=decisions)
    result = measure_separability(recording, decision_windows(recording.trials), QUICK)
    assert result.table["note"].str.contains("make the decision").all()
    assert result.between_areas.empty and result.confusion.empty


def test_pipeline_without_any_spikes_says_so(planted):
    result = analyse(planted, fixed_windows(planted.trials, 80, 85), options())
    assert not result.figures
    assert result.summary == ["The class could be decoded from no area; the notes say why."]
    assert ("who, when, nothing, silent, one: not computable: no spikes in the response window"
            in result.warnings)


def test_steinmetz_at_chance_before_and_above_after_the_response(shared, tmp_path, capsys):
    path = shared / "recordings" / "steinmetz2019_session1.nix"
    tables = {}
    for window in (("0", "40"), ("50", "400")):
        status = run(PIPELINE, [str(path), "--window", *window, "--out", str(tmp_path / window[0]),
                       "--steps", "2", "--permutations", "59", "--repeats", "2", "--quiet"])
        assert status == 0
        tables[window] = pd.read_csv(tmp_path / window[0] / "separability.csv")
    assert (tables["0", "40"]["q_value"] > 0.05).all()
    assert (tables["50", "400"]["q_value"] < 0.05).mean() > 0.6
    assert (tmp_path / "50" / "separability.png").stat().st_size > 10_000


@pytest.mark.parametrize(("argv", "words"), [
    (["--match-units", "1000"], "no area has so many units"),
    (["--block-trials", "200"], "makes 3 blocks of 419 trials, fewer than the 5 folds")])
def test_users_mistakes_are_one_line(shared, tmp_path, capsys, argv, words):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    assert run(PIPELINE, [str(path), *argv, "--out", str(tmp_path), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
