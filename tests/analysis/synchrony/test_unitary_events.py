"""Unitary events: definition by brute force, Elephant, known theory and the published result."""

from math import prod

import numpy as np
import pytest
from builders import analysis_options
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ephys_snn.analysis.surrogates import shuffle_trials
from ephys_snn.analysis.synchrony.unitary_events import pipeline
from ephys_snn.analysis.synchrony.unitary_events.analysis import (
    UnitaryEventSettings,
    _ask_elephant,
    analyse_unitary_events,
    collect,
    equal_trials,
    why_not,
)
from ephys_snn.analysis.synchrony.unitary_events.coincidences import (
    bin_trials,
    coincidence_p_value,
    count_coincidences,
)
from ephys_snn.errors import InputError
from ephys_snn.recording import (
    Recording,
    Trials,
    Units,
    epoch_windows,
    find_units,
    fixed_windows,
    short_labels,
    unit_labels,
)


def poisson_recording(rng, n_trials=60, rates=(30.0, 20.0), duration=600.0, planted=None,
                      labels=None, durations=None, **fields) -> Recording:
    """Independent Poisson units; `planted` (start, stop, per trial) adds common spikes."""
    onset = 1000.0 * np.arange(n_trials)
    spikes = [np.concatenate([at + rng.uniform(0, duration, rng.poisson(rate * duration / 1000))
                              for at in onset]) for rate in rates]
    if planted is not None:
        start, stop, n = planted
        common = (onset[:, None] + rng.uniform(start, stop, (n_trials, n))).ravel()
        spikes = [np.concatenate([train, common]) for train in spikes]
    n_units = len(rates)
    units = Units(np.arange(n_units), np.array([f"u{i}" for i in range(n_units)]),
                  np.full(n_units, "V1"), np.full(n_units, ""))
    trials = Trials(onset, np.full(n_trials, duration) if durations is None else durations,
                    np.full(n_trials, "a") if labels is None else labels,
                    np.full(n_trials, np.nan), np.full(n_trials, ""))
    return Recording.from_spike_trains(spikes, units, trials, **fields)


def analyse(recording, chosen=None, **options):
    windows = epoch_windows(recording.trials)
    units = np.arange(len(recording.units))
    return analyse_unitary_events(recording, windows, units,
                                  np.arange(len(recording.trials)) if chosen is None else chosen,
                                  UnitaryEventSettings(**options))


def test_riehle_1997_has_its_unitary_events_at_the_expected_signals(shared):
    recording = Recording.read(shared / "recordings" / "riehle1997_winny131_23.nix")
    windows = epoch_windows(recording.trials)
    trial = equal_trials(recording, windows, 5.0)["delay4"]
    assert len(trial) == 36
    events = analyse_unitary_events(recording, windows, np.array([0, 1]), trial,
                                    UnitaryEventSettings(n_shuffles=0))
    centers = events.table.loc[events.table["significant"], "window_center_ms"].to_numpy()
    early, late = centers[centers < 1070], centers[centers > 1070]
    assert (early.min(), early.max()) == (860, 965)
    assert (late.min(), late.max()) == (1170, 1240)


binned_trials = st.tuples(st.integers(1, 3), st.integers(2, 3), st.integers(4, 9)).flatmap(
    lambda shape: st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)).map(
        lambda values: np.array(values).reshape(shape)))


@given(binned_trials, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_the_definition(binned, window, step):
    n_trials, n_units, n_bins = binned.shape
    patterns = [(0, 1)] if n_units == 2 else [(0, 1), (0, 2), (0, 1, 2)]
    counts = count_coincidences(binned, patterns, window, step)
    for row, pattern in enumerate(patterns):
        for column, begin in enumerate(range(0, n_bins - window + 1, step)):
            n_empirical, n_expected = 0, 0.0
            for i in range(n_trials):
                for b in range(begin, begin + window):
                    n_empirical += {u for u in range(n_units) if binned[i, u, b]} == set(pattern)
                p = [binned[i, u, begin:begin + window].mean() for u in range(n_units)]
                n_expected += window * np.prod(
                    [p[u] if u in pattern else 1 - p[u] for u in range(n_units)])
            assert counts.n_empirical[row, column] == n_empirical
            assert counts.n_expected[row, column] == pytest.approx(n_expected)
    assert counts.n_empirical.shape == (len(patterns), len(range(0, n_bins - window + 1, step)))


def test_elephant_counts_the_same():
    rng = np.random.default_rng(0)
    binned = rng.random((8, 3, 40)) < 0.3
    patterns = [(0, 1), (0, 2), (1, 2), (0, 1, 2)]
    ours = count_coincidences(binned, patterns, 10, 3)
    elephant, _ = _ask_elephant(binned, patterns, 10, 3)
    np.testing.assert_array_equal(elephant["n_emp"].T, ours.n_empirical)
    np.testing.assert_allclose(elephant["n_exp"].T, ours.n_expected)


@given(st.integers(0, 30), st.floats(0.01, 30))
def test_p_is_the_tail_of_the_poisson_distribution(n, expected):
    assert coincidence_p_value(n, expected) == pytest.approx(stats.poisson.sf(n - 1, expected))


def test_p_is_missing_where_nothing_is_expected():
    assert np.isnan(coincidence_p_value(0, 0.0))


def test_independent_units_are_significant_about_as_often_as_alpha():
    rng = np.random.default_rng(1)
    pair = [(0, 1)]
    passed, found_any = [], 0
    for _ in range(60):
        binned = rng.random((60, 2, 120)) < 0.08
        p = coincidence_p_value(*count_coincidences(binned, pair, 20, 5))[0]
        passed += (p <= 0.05).tolist()
        smallest = [np.nanmin(coincidence_p_value(*count_coincidences(
            shuffle_trials(binned, np.zeros(60, dtype=int), rng), pair, 20, 5)))
            for _ in range(39)]
        found_any += (1 + np.sum(smallest <= p.min() + 1e-12)) / 40 <= 0.05
    # Counts are whole numbers and vary less than Poisson ones, so a little less often than alpha.
    assert 0.01 < np.mean(passed) < 0.05
    assert found_any <= 8  # of 60, binomial at 0.05: more than 8 in 1 of 300 cases


def test_planted_coincidences_are_found_where_they_are():
    recording = poisson_recording(np.random.default_rng(2), n_trials=30,
                                  planted=(300.0, 400.0, 1))
    events = analyse(recording, step=25.0)
    table = collect([events])
    passed = table[table["p_value_corrected"] <= 0.05]
    reaches = (passed["window_start_ms"] < 400) & (passed["window_start_ms"] + 100 > 300)
    assert reaches.all() and 350.0 in passed["window_center_ms"].tolist()
    assert events.p_value <= 0.01
    row = table.set_index("window_center_ms").loc[350.0]
    assert row["n_empirical"] >= 25 and row["n_expected"] < 20


def test_rates_that_covary_from_trial_to_trial_are_no_coincidences():
    rng = np.random.default_rng(3)
    high = poisson_recording(rng, rates=(120.0, 120.0), n_trials=30)
    low = poisson_recording(rng, rates=(5.0, 5.0), n_trials=30)
    spikes = [np.concatenate([a, b + 30_000.0]) for a, b in
              ((high.spikes_of(u), low.spikes_of(u)) for u in (0, 1))]
    trials = poisson_recording(rng, n_trials=60).trials
    both = Recording.from_spike_trains(spikes, high.units, trials)
    table = analyse(both, step=100.0, n_shuffles=0).table
    assert not table["significant"].any()


def test_classes_are_corrected_together():
    rng = np.random.default_rng(4)
    recording = poisson_recording(rng, n_trials=20, planted=(300.0, 400.0, 1))
    one = analyse(recording, chosen=np.arange(10), step=50.0, n_shuffles=50)
    other = analyse(recording, chosen=np.arange(10, 20), step=50.0, n_shuffles=50)
    table = collect([one, other])
    smallest = np.minimum(one.null_smallest_p, other.null_smallest_p)
    for p, corrected in zip(table["p_value"], table["p_value_corrected"], strict=True):
        assert corrected == pytest.approx((1 + (smallest <= p + 1e-12).sum()) / 51)


def test_a_spike_at_the_border_lies_in_the_later_bin():
    binned = bin_trials([[np.array([0.1 * 3, 0.1 * 7])]], 0.1, 8)
    assert np.flatnonzero(binned[0, 0]).tolist() == [3, 7]


def test_trials_are_analysed_together_if_equally_long_else_by_class():
    rng = np.random.default_rng(6)
    labels = np.array(["a", "b"] * 10)
    equal = poisson_recording(rng, n_trials=20, labels=labels)
    assert list(equal_trials(equal, epoch_windows(equal.trials), 5.0)) == [None]
    durations = np.where(labels == "a", 300.0, 600.0)
    differing = poisson_recording(rng, n_trials=20, labels=labels, durations=durations)
    by_class = equal_trials(differing, epoch_windows(differing.trials), 5.0)
    assert {name: trial.tolist() for name, trial in by_class.items()} == {
        "a": list(range(0, 20, 2)), "b": list(range(1, 20, 2))}
    mixed = poisson_recording(rng, n_trials=20, durations=rng.uniform(300, 600, 20))
    with pytest.raises(InputError, match="--window START STOP"):
        equal_trials(mixed, epoch_windows(mixed.trials), 5.0)


@pytest.mark.parametrize(("fields", "options", "reason"), [
    ({"resolution": 10.0}, {}, "finer than the recording's time resolution of 10 ms"),
    ({"rates": (10.0,)}, {}, "need 2 units"),
    ({"n_trials": 4}, {}, "need 5 trials"),
    ({"duration": 80.0}, {}, "less than one sliding window of 100 ms"),
    ({}, {}, ""),
])
def test_what_cannot_be_asked_is_said(fields, options, reason):
    recording = poisson_recording(np.random.default_rng(7), **fields)
    found = why_not(recording, epoch_windows(recording.trials),
                    np.arange(len(recording.trials)), UnitaryEventSettings(**options))
    assert reason in found and bool(found) == bool(reason)


def run_part(recording, *arguments, windows=None):
    options = analysis_options(pipeline.add_options, "--unitary-events", *arguments)
    options.surrogates = 20
    return pipeline.analyse(recording, windows or epoch_windows(recording.trials), options)


def two_classes() -> Recording:
    labels = np.array(["short", "long"] * 5)
    return poisson_recording(np.random.default_rng(8), n_trials=10, labels=labels,
                             planted=(50.0, 150.0, 2), rates=(20.0, 20.0),
                             durations=np.where(labels == "short", 150.0, 200.0))


def test_the_pipeline_draws_and_tells_every_class():
    result = run_part(two_classes())
    assert list(result.figures) == ["unitary_events_1_long", "unitary_events_2_short"]
    assert set(result.tables["unitary_events"]["class"]) == {"long", "short"}
    assert sum("of class" in sentence for sentence in result.summary) == 2
    titles = [axis.get_title(loc="left") or axis.get_title()
              for axis in result.figures["unitary_events_1_long"].axes]
    assert any("unitary events (red squares)" in title for title in titles)


def test_the_pipeline_takes_classes_together_where_they_are_equally_long(monkeypatch):
    monkeypatch.setattr(
        "ephys_snn.analysis.synchrony.unitary_events.figure.plot_unitary_events", lambda *_: None)
    recording = two_classes()
    together = run_part(recording, windows=fixed_windows(recording.trials, 0.0, 150.0))
    assert list(together.figures) == ["unitary_events"]
    assert set(together.tables["unitary_events"]["class"]) == {"all"}
    refused = run_part(recording, "--ue-window", "160")
    assert "of class short: the response windows" in refused.warnings[0]
    assert list(refused.figures) == ["unitary_events"]
    assert "no unitary events" in run_part(recording, "--ue-window", "300").warnings[0]


def test_the_pipeline_says_what_is_wrong_with_its_options():
    recording = poisson_recording(np.random.default_rng(9), n_trials=6, rates=(20.0, 20.0, 20.0))
    for arguments, word in ((["--ue-units", "u0"], "2 to 3 units"),
                            (["--ue-units", "u0,u7"], "no such unit; choose from u0, u1, u2"),
                            (["--ue-units", "u0,u0"], "names a unit twice"),
                            (["--ue-window", "12"], "whole number of bins")):
        with pytest.raises(InputError, match=word):
            run_part(recording, *arguments)


def test_units_are_found_by_name_identity_or_area():
    rng = np.random.default_rng(10)
    recording = poisson_recording(rng, n_trials=2, rates=(5.0,) * 4)
    units = Units(np.array([0, 1, 0, 1]), np.array(["n", "n", "", "alone"]),
                  np.array(["A", "A", "B", "B"]), np.full(4, ""))
    recording = Recording.from_spike_trains([np.empty(0)] * 4, units, recording.trials)
    assert unit_labels(recording.units).tolist() == ["A/0", "A/1", "B/0", "alone"]
    assert find_units(recording.units, ["alone", "B/0"], "--x").tolist() == [3, 2]
    with pytest.raises(InputError, match="--x 0: several units are called so; choose from A/0, B"):
        find_units(recording.units, ["0"], "--x")


def test_long_names_are_shortened_to_what_tells_them_apart():
    assert short_labels(["u2", "u3"]) == ["u2", "u3"]
    assert short_labels(["cell_01A_raster", "cell_02A_raster"]) == ["…1…", "…2…"]
    assert max(map(len, short_labels(["x" * 40, "y" * 30]))) == 12
