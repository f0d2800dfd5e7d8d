"""Information of units about classes: planted and absent, published values, real recordings."""

import argparse

import numpy as np
import pandas as pd
import pytest
from builders import analysis_options, recording_of_layers
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.classes import class_sums
from ephys_snn.analysis.information import pipeline
from ephys_snn.analysis.information.unit_information import activity_in_halves, unit_information
from ephys_snn.analysis.runner import run
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, decision_windows, epoch_windows


def recording_of_activity(active, labels):
    """One excitatory area, units active or not 5 ms after the onset, no decisions."""
    return recording_of_layers({"area": np.where(active, 0.5, np.inf)}, np.asarray(labels))


def test_what_strata_differ_in_is_no_information_within_them():
    """A session with more of one class and with more spikes makes units look informative."""
    rng = np.random.default_rng(10)
    session = np.repeat([0, 1], 100)
    labels = (rng.random(200) < np.where(session == 0, 0.2, 0.8)).astype(int)
    active = rng.random((200, 100)) < np.where(session == 0, 0.2, 0.7)[:, None]
    recording = recording_of_activity(active, labels)
    recording.trials.annotations["session"] = session
    windows = epoch_windows(recording.trials)
    p_columns = ["p_value", "mutual_information_p_value", "spike_count_p_value"]
    together, within = (
        unit_information(recording, windows, np.random.default_rng(0), 300, within=each).units
        for each in (None, "session"))
    assert ((together[p_columns] < 0.05).mean() > 0.8).all()
    assert ((within[p_columns] < 0.05).mean() < 0.13).all()


def test_independent_labels_give_false_positives_at_their_rate():
    rng = np.random.default_rng(2)
    active = rng.random((200, 600)) < rng.uniform(0.1, 0.9, 600)
    recording = recording_of_activity(active, rng.integers(8, size=200))
    units = unit_information(recording, epoch_windows(recording.trials), rng, 1000).units
    # 99.9 % quantile of the binomial with 5 %, 600 units
    most = stats.binom(600, 0.05).ppf(0.999) / 600
    for p, q in (("p_value", "q_value"),
                 ("mutual_information_p_value", "mutual_information_q_value")):
        assert (units[p] < 0.05).mean() <= most
        assert (units[q] < 0.05).sum() <= 1
    assert abs(units["information_gain_corrected"].mean()) < 0.003
    assert units["information_gain"].mean() > 0.005  # the bias is there, and was taken out


def test_blocks_keep_slow_drift_from_looking_like_information():
    rng = np.random.default_rng(3)
    n_trials = 400
    drift = np.cumsum(rng.normal(size=(n_trials, 150)), axis=0)  # random walks, no information
    active = drift > np.median(drift, axis=0)
    labels = np.repeat(rng.integers(4, size=20), 20)  # blocks of one stimulus
    recording = recording_of_activity(active, labels)

    def positives(block_trials):
        units = unit_information(recording, epoch_windows(recording.trials),
                                 np.random.default_rng(0), 400, Relabelling(block_trials)).units
        return (units["p_value"] < 0.05).mean()

    assert positives(1) > 0.6
    assert positives(20) < 0.4 * positives(1)


# --- a recording --------------------------------------------------------------------------------

PUBLISHED = {  # area, units: number, mean information gain, fraction above 0.9
    ("input", "all"): (347, 0.219, 0.003),
    ("layer_1", "all"): (400, 0.111, 0), ("layer_1", "excitatory"): (300, 0.139, 0),
    ("layer_1", "inhibitory"): (100, 0.029, 0),
    ("layer_2", "all"): (195, 0.412, 0.154), ("layer_2", "excitatory"): (122, 0.565, 0.246),
    ("layer_2", "inhibitory"): (73, 0.157, 0),
    ("layer_3", "all"): (194, 0.804, 0.577), ("layer_3", "excitatory"): (148, 0.892, 0.743),
    ("layer_3", "inhibitory"): (46, 0.521, 0.043),
    ("layer_4", "all"): (265, 0.779, 0.491), ("layer_4", "excitatory"): (180, 0.897, 0.700),
    ("layer_4", "inhibitory"): (85, 0.529, 0.047),
}


def options(**changes):
    return argparse.Namespace(**{**vars(analysis_options(pipeline.add_options)),
                                 "permutations": 200, **changes})


@pytest.fixture(scope="module")
def reference_result(reference_recording):
    return pipeline.analyse(reference_recording, decision_windows(reference_recording.trials),
                            options())


def test_reference_network_has_the_reference_values(reference_result):
    table = reference_result.tables["information_gain_by_area"].set_index(["area", "cell_type"])
    for row, (n_units, mean, above) in PUBLISHED.items():
        found = table.loc[row]
        assert found["n_units_used"] == n_units
        assert found["mean"] == pytest.approx(mean, abs=0.005)
        assert found["fraction_above_0.9"] == pytest.approx(above, abs=0.005)
        assert found["mean_low"] < found["mean"] < found["mean_high"]


def test_tables_have_the_promised_columns(reference_result):
    tables = reference_result.tables
    assert list(tables["information_gain"].columns[:12]) == [
        "unit_id", "unit", "area", "cell_type", "n_active", "active_fraction", "preferred_class",
        "information_gain", "information_gain_corrected", "p_value", "q_value",
        "mutual_information_bits"]
    assert {"relative_information_gain", "uncertainty_coefficient"} <= set(
        tables["information_gain"])
    assert {"mean_relative", "mean_uncertainty_coefficient"} <= set(
        tables["information_gain_by_area"])
    assert list(tables["information_gain_by_area"].columns[:9]) == [
        "area", "cell_type", "n_units", "n_units_used", "mean", "median", "fraction_above_0.9",
        "mean_corrected", "fraction_significant"]


def test_statistics_are_missing_only_with_a_reason(reference_result):
    units = reference_result.tables["information_gain"]
    empty = units["information_gain"].isna()
    always = units["n_active"] > 145
    assert (units.loc[empty, "note"] != "").all()
    assert (units.loc[~empty & ~always, "note"] == "").all()
    assert units.loc[~empty & ~always].notna().all(axis=None)
    assert units.loc[always & ~empty, "note"].str.contains("silent in [0-4] of 150 trials").all()
    assert units.loc[always & ~empty, "uncertainty_coefficient"].isna().all()
    assert (units.loc[units["area"] == "output", "note"].str.contains("makes the decision")).all()
    assert (units.loc[~empty, "n_active"] >= 5).all()
    for name, table in reference_result.tables.items():
        missing = table.isna().any(axis=1)
        assert (table.loc[missing, "note"] != "").all(), name


def test_excitatory_units_of_the_reference_network_are_more_selective_beyond_the_first_layer(
        reference_result):
    contrast = reference_result.tables["information_gain_excitatory_inhibitory"]
    hidden = contrast[contrast["area"].str.startswith("layer")]
    gain = hidden[hidden["measure"] == "information_gain"]
    assert (gain["q_value"] < 1e-6).all() and (gain["auc"] > 0.7).all() and (gain["low"] > 0).all()
    # In the first layer, activity is all there is to it (published: absent or reversed).
    relative = hidden[hidden["measure"] != "information_gain"].set_index("area")
    deep = relative.drop("layer_1")
    assert (deep["q_value"] < 0.01).all() and (deep["auc"] > 0.7).all() and (deep["low"] > 0).all()
    assert (relative.loc["layer_1", "q_value"] > 0.05).all()
    depth = reference_result.tables["information_gain_depth"].set_index(["cell_type", "measure"])
    for measure in ("information_gain", "relative_information_gain", "uncertainty_coefficient"):
        row = depth.loc["excitatory", measure]
        assert row["difference_low"] > 0.65
        assert row[["first_area", "last_area"]].tolist() == ["layer_1", "layer_4"]


RELATIVE = {  # area: excitatory / inhibitory active, gain, gain over the most, MI over H(active)
    "layer_1": ((0.36, 0.14, 0.23, 0.26), (0.78, 0.03, 0.10, 0.34)),
    "layer_2": ((0.29, 0.30, 0.41, 0.43), (0.54, 0.08, 0.19, 0.30)),
    "layer_3": ((0.18, 0.81, 0.86, 0.86), (0.23, 0.40, 0.55, 0.53)),
    "layer_4": ((0.19, 0.75, 0.88, 0.90), (0.25, 0.49, 0.68, 0.69)),
}


def test_reference_network_has_the_reference_values_relative_to_activity(reference_result):
    units = reference_result.tables["information_gain"]
    units = units[(units["n_active"] >= 20) & (units["active_fraction"] < 0.98)]
    silent = 1 - units["active_fraction"]
    entropy = -units["active_fraction"] * np.log2(units["active_fraction"]) \
        - silent * np.log2(silent)
    units = units.assign(
        of_most=units["information_gain"] / units["information_gain_max"],
        explained=units["mutual_information_plugin_bits"] / entropy)
    has_one = units["uncertainty_coefficient"].notna()
    np.testing.assert_allclose(units["uncertainty_coefficient_plugin"][has_one],
                               units["explained"][has_one])
    np.testing.assert_allclose((units["uncertainty_coefficient"] * entropy)[has_one],
                               units["mutual_information_bits"][has_one])
    mean = units.groupby(["area", "cell_type"])[
        ["active_fraction", "information_gain", "of_most", "explained"]].mean()
    for area, rows in RELATIVE.items():
        for cell_type, published in zip(("excitatory", "inhibitory"), rows, strict=True):
            np.testing.assert_allclose(mean.loc[area, cell_type], published, atol=0.0055)


def test_untrained_network_has_no_information(untrained_reference_recording):
    recording = untrained_reference_recording
    result = pipeline.analyse(recording, decision_windows(recording.trials), options())
    table = result.tables["information_gain_by_area"]
    hidden = table[table["area"].str.startswith("layer")]
    assert (hidden["mean_corrected"].abs() < 0.02).all()
    contrast = result.tables["information_gain_excitatory_inhibitory"]
    assert not (contrast.loc[contrast["measure"] != "information_gain", "q_value"] < 0.01).any()


@given(st.integers(0, 2**32 - 1))
def test_order_of_trials_and_names_of_classes_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    active = rng.random((24, 5)) < 0.6
    labels = rng.permutation(np.repeat(["a", "b", "c"], 8))

    def statistics(active, labels):
        recording = recording_of_activity(active, labels)
        units = unit_information(recording, epoch_windows(recording.trials),
                                 np.random.default_rng(0), 5).units
        return units[["n_active", "information_gain", "mutual_information_plugin_bits"]]

    order = rng.permutation(24)
    renamed = np.array([{"a": "10", "b": "9", "c": "x"}[label] for label in labels])
    expected = statistics(active, labels)
    np.testing.assert_allclose(statistics(active[order], labels[order]), expected)
    np.testing.assert_allclose(statistics(active, renamed), expected)


def test_planted_units_are_found_and_no_others():
    rng = np.random.default_rng(6)
    labels = np.tile(np.arange(6), 25)
    active = rng.random((150, 100)) < 0.3
    for unit in range(30):
        active[:, unit] = rng.random(150) < np.where(labels == unit % 6, 0.7, 0.1)
    recording = recording_of_activity(active, labels)
    units = unit_information(recording, epoch_windows(recording.trials), rng).units
    assert (units["q_value"][:30] < 0.05).mean() > 0.95
    assert (units["q_value"][30:] < 0.05).sum() <= 3
    assert (units["preferred_class"][:30] == [str(unit % 6) for unit in range(30)]).all()


def test_halves_share_no_trial_and_no_selection():
    rng = np.random.default_rng(7)
    code = rng.permutation(np.repeat(np.arange(4), [10, 11, 1, 30]))
    active = rng.random((52, 2000)) < 0.3
    halves = activity_in_halves(active, code, rng)
    trials = np.array([10 // 2, 11 // 2, 0, 30 // 2])
    whole = class_sums(active, code, 4).T
    assert np.isnan(halves[0, :, 2]).all()
    np.testing.assert_allclose(np.nan_to_num(halves[0]) * trials
                               + halves[1] * (np.bincount(code) - trials), whole)
    # Units that are chosen for a class in one half are no more active for it in the other.
    best = np.nanargmax(halves[0][:, [0, 1, 3]], axis=1)
    other = halves[1][:, [0, 1, 3]][np.arange(2000), best]
    assert other.mean() == pytest.approx(0.3, abs=0.02)


# --- damaged and poor input ---------------------------------------------------------------------


@pytest.mark.parametrize("labels, block_trials, match", [
    (["x"] * 8, 1, "at least two classes; all 8 analysed trials are 'x'"),
    (["x", "y"] * 4, 5, "--block-trials must be at most half of the 8"),
])
def test_impossible_designs_are_refused(labels, block_trials, match):
    recording = recording_of_activity(np.ones((8, 2), dtype=bool), labels)
    with pytest.raises(InputError, match=match):
        unit_information(recording, epoch_windows(recording.trials), np.random.default_rng(0),
                         10, Relabelling(block_trials))


@pytest.mark.parametrize("active, labels, says", [
    (np.zeros((20, 2), dtype=bool), np.arange(20) % 2, "None of 2 units"),
    (np.ones((20, 1), dtype=bool), np.arange(20) % 2, "active in 100% of the trials"),
    (np.random.default_rng(0).random((21, 3)) < 0.5, [*(np.arange(20) % 2), 2], "'2' (1)"),
], ids=["no spikes", "one unit, always active", "a class with one trial"])
def test_poor_recordings_are_analysed_and_said_to_be_poor(active, labels, says):
    recording = recording_of_activity(active, labels)
    result = pipeline.analyse(recording, epoch_windows(recording.trials), options())
    assert says in "\n".join([*result.summary, *result.warnings])
    for name, table in result.tables.items():
        missing = table.isna().any(axis=1)
        assert (table.loc[missing, "note"] != "").all(), name


def test_comparison_uses_as_many_trials_of_each_class(tmp_path, monkeypatch):
    rng = np.random.default_rng(8)
    labels = np.tile(np.arange(4), 30)
    tuned = rng.random((120, 40)) < np.where(labels[:, None] == np.arange(40) % 4, 0.8, 0.1)
    recording = recording_of_activity(tuned, labels)
    control = recording_of_activity(rng.random((60, 40)) < 0.3, labels[:60])
    monkeypatch.setattr("ephys_snn.analysis.control.open_recording",
                        lambda args: (control, epoch_windows(control.trials)))
    result = pipeline.analyse(recording, epoch_windows(recording.trials),
                              options(compare=tmp_path / "control.nix"))
    row = result.tables["information_gain_comparison"].iloc[0]
    assert row["n_trials"] == row["n_trials_control"] == 60
    assert result.tables["information_gain_by_area"]["n_trials"].iloc[0] == 120
    assert row["low"] > 0.2 and row["auc"] > 0.95 and row["q_value"] < 0.001
    assert any("60 of 120 trials" in warning for warning in result.warnings)


# --- brains -------------------------------------------------------------------------------------


def analyse_file(tmp_path, path, *arguments):
    assert run(pipeline.PIPELINE, [str(path), "--out", str(tmp_path), "--quiet", *arguments]) == 0
    return pd.read_csv(tmp_path / "information_gain.csv")


def test_mouse_brain_is_informative_after_the_stimulus_came_and_not_at_once(shared, tmp_path):
    path = shared / "recordings" / "steinmetz2019_session1.nix"
    early = analyse_file(tmp_path, path, "--window", "0", "40", "--permutations", "2000")
    late = analyse_file(tmp_path, path, "--window", "50", "400", "--permutations", "6000")
    # A false discovery among 423 units is no surprise in mutual information.
    assert (early["q_value"] < 0.05).sum() == (early["spike_count_q_value"] < 0.05).sum() == 0
    assert (early["mutual_information_q_value"] < 0.05).sum() <= 2
    assert (late["q_value"] < 0.05).sum() >= 3
    assert (late["mutual_information_q_value"] < 0.05).sum() > 50
    assert (late["spike_count_q_value"] < 0.05).sum() > 100


def test_monkey_cortex_is_informative_about_the_object(shared, tmp_path):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    units = analyse_file(tmp_path, path)
    recording = Recording.read(path)
    count = recording.responses(epoch_windows(recording.trials)).count
    labels = recording.trials.label
    # The asymptotic test finds the same units: three of seven, in the whole trial.
    known = [stats.kruskal(*[count[labels == c, u] for c in np.unique(labels)]).pvalue
             for u in range(7)]
    found = units["spike_count_q_value"] < 0.05
    assert found.tolist() == (stats.false_discovery_control(known) < 0.05).tolist()
    assert found.sum() == 3


def test_most_units_of_monkey_cortex_are_informative_at_the_positions_of_the_object(
        shared, tmp_path):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    units = analyse_file(tmp_path, path, "--within", "position")
    recording = Recording.read(path)
    count = recording.responses(epoch_windows(recording.trials)).count
    labels, position = recording.trials.label, recording.trials.annotations["position"]
    # As the asymptotic distribution of the sum of three independent statistics has it.
    h = [sum(stats.kruskal(*[count[(labels == c) & (position == p), u] for c in np.unique(labels)]
                           ).statistic for p in np.unique(position)) for u in range(7)]
    known = stats.chi2.sf(h, 3 * 6)
    np.testing.assert_allclose(units["spike_count_p_value"], known, atol=0.03)
    assert ((units["spike_count_q_value"] < 0.05).sum()
            == (stats.false_discovery_control(known) < 0.05).sum() == 6)


def test_too_few_permutations_for_spike_counts_are_said(shared, tmp_path, capsys):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    units = analyse_file(tmp_path, path, "--permutations", "30")
    # Three units at the smallest p there is, 1/31, cannot be significant among seven.
    assert (units["spike_count_q_value"] > 0.05).all()
    assert "raise --permutations to 140" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, says", [
    (["--within", "depth"], "no such array annotation; there are: position"),
    (["--within", "position", "--block-trials", "100"], "at most half of the 139 trials"),
])
def test_strata_that_cannot_be_are_one_line(shared, tmp_path, capsys, arguments, says):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    assert run(pipeline.PIPELINE, [str(path), "--out", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and error.count("\n") == 1


def test_control_that_cannot_be_read_is_said_before_the_work(shared, tmp_path, capsys):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    arguments = [str(path), "--out", str(tmp_path), "--compare", str(tmp_path / "none.nix")]
    assert run(pipeline.PIPELINE, arguments) == 2
    assert capsys.readouterr().err.startswith("error: --compare")
    assert not list(tmp_path.iterdir())


def test_recording_against_itself_is_no_different(shared, tmp_path):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    analyse_file(tmp_path, path, "--compare", str(path), "--window", "100", "200",
                 "--permutations", "300")
    row = pd.read_csv(tmp_path / "information_gain_comparison.csv").iloc[0]
    assert row["n_trials"] == row["n_trials_control"] == 419
    assert row["difference"] == pytest.approx(0, abs=0.002) and row["p_value"] > 0.5


@pytest.mark.parametrize("arguments, says", [
    ([], "all against the labels permuted, q"),
    (["--within", "position", "--block-trials", "20"],
     "labels permuted in blocks of 20 within each position"),
    (["--within", "position", "--shift-labels"],
     "labels shifted along the session within each position"),
])
def test_what_labels_were_compared_with_is_said(shared, tmp_path, capsys, arguments, says):
    path = shared / "recordings" / "zhang_desimone_it_1006.nix"
    options = ["--out", str(tmp_path), "--permutations", "30", *arguments]
    assert run(pipeline.PIPELINE, [str(path), *options]) == 0
    assert says in capsys.readouterr().out
