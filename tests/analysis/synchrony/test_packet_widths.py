"""Pulse packets: published values, brute force over the definition, laws, nulls and controls."""

import math
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from builders import analysis_options, make_recording, planted, recording_of_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ephys_snn.analysis.results import write_results
from ephys_snn.analysis.runner import run
from ephys_snn.analysis.synchrony.packet_nulls import WIDTHS, DitheredSpikes
from ephys_snn.analysis.synchrony.packet_widths import NULLS, analyse_synchrony, equal_number
from ephys_snn.analysis.synchrony.pipeline import PIPELINE
from ephys_snn.pulse_packets import equal_shortest_halves, pulse_packets, shortest_halves
from ephys_snn.recording import Recording, Units, decision_windows, epoch_windows

# The authors' 4x400 network on 150 images: active units, latency, SD, IQR, shortest half (ms).
REFERENCE = {
    ("input", "all"): (79.15, 2.035, 1.502, 1.694, 0.382),
    ("layer_1", "all"): (187.59, 2.832, 1.151, 1.321, 0.865),
    ("layer_1", "excitatory"): (106.95, None, None, None, 0.991),
    ("layer_1", "inhibitory"): (80.63, None, None, None, 0.461),
    ("layer_2", "all"): (49.01, 5.726, 0.909, 1.309, 1.075),
    ("layer_2", "excitatory"): (20.37, None, None, None, 0.832),
    ("layer_2", "inhibitory"): (28.65, None, None, None, 1.008),
    ("layer_3", "all"): (24.71, 6.557, 0.398, 0.364, 0.281),
    ("layer_3", "excitatory"): (16.91, None, None, None, 0.249),
    ("layer_3", "inhibitory"): (7.80, None, None, None, 0.231),
    ("layer_4", "all"): (37.45, 6.877, 0.095, 0.142, 0.082),
    ("layer_4", "excitatory"): (21.72, None, None, None, 0.063),
    ("layer_4", "inhibitory"): (15.73, None, None, None, 0.048),
}
MEASURES = ("active_units", "latency_ms", "sd_ms", "iqr_ms", "shortest_half_ms")


@pytest.fixture(scope="module")
def reference_table(reference_recording):
    windows = decision_windows(reference_recording.trials)
    return analyse_synchrony(reference_recording, windows, n_surrogates=20,
                             max_null_trials=60).table.set_index(["area", "cell_type"])


@pytest.mark.parametrize(("area", "cell_type"), REFERENCE)
def test_published_network(reference_table, area, cell_type):
    for measure, value in zip(MEASURES, REFERENCE[area, cell_type], strict=True):
        if value is not None:
            # To 1 %, and to the last digit of what was published.
            assert reference_table.loc[(area, cell_type), measure] == \
                pytest.approx(value, rel=0.01, abs=0.0006), measure


def test_deep_packets_are_narrower_than_the_class_average_predicts(reference_table):
    ratio = reference_table.xs("all", level="cell_type")["shuffled_shortest_half_ratio"]
    assert ratio["layer_4"] < ratio["layer_3"] < ratio["layer_2"] < 1 < ratio["input"]


def test_units_that_decide_are_not_computable(reference_table):
    row = reference_table.loc[("output", "all")]
    assert row["note"].startswith("not computable: its units make the decision")
    assert row["n_units"] == 10 and row["n_trials"] == 0
    assert np.isnan(row["active_units"])


def test_untrained_network_relays_one_volley_that_only_narrows(untrained_reference_recording):
    windows = decision_windows(untrained_reference_recording.trials)
    table = analyse_synchrony(untrained_reference_recording, windows, n_surrogates=0).table
    width = table[table["cell_type"] == "all"].set_index("area")["shortest_half_ms"]
    hidden = width[["layer_1", "layer_2", "layer_3", "layer_4"]]
    assert hidden.is_monotonic_decreasing
    assert width["layer_4"] == pytest.approx(0.093, rel=0.01)


# The definitions, by brute force


def brute_force(latency):
    """(size, median, SD, IQR, shortest half) of one trial, one number at a time."""
    s = sorted(x for x in latency if math.isfinite(x))
    n = len(s)
    if n < 5:
        return (n,) + (math.nan,) * 4
    mean = sum(s) / n
    k = n // 2

    def quantile(q):
        position = q * (n - 1)
        low = math.floor(position)
        high = min(low + 1, n - 1)
        return s[low] + (position - low) * (s[high] - s[low])

    return (n, quantile(0.5), math.sqrt(sum((x - mean) ** 2 for x in s) / n),
            quantile(0.75) - quantile(0.25), min(s[i + k] - s[i] for i in range(n - k)))


times = st.one_of(st.just(math.inf), st.floats(-50, 50, width=32))
latencies = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
                       elements=times)


@given(latencies)
def test_packets_against_the_definition(latency):
    packets = np.array(pulse_packets(latency)).T
    expected = np.array([brute_force(row) for row in latency])
    np.testing.assert_allclose(packets, expected, atol=1e-9)


def test_chunks_make_no_difference(monkeypatch):
    rng = np.random.default_rng(0)
    latency = np.where(rng.random((50, 30)) < 0.3, rng.normal(size=(50, 30)), np.inf)
    whole = pulse_packets(latency)
    monkeypatch.setattr("ephys_snn.pulse_packets.CHUNK", 100)
    np.testing.assert_array_equal(np.array(pulse_packets(latency)), np.array(whole))


def test_widths_of_a_normal_packet():
    # SD 1; the shortest half of a normal distribution is its central half, like its IQR.
    packets = pulse_packets(np.random.default_rng(0).normal(size=(20, 20000)))
    assert packets.sd.mean() == pytest.approx(1, rel=0.01)
    assert packets.iqr.mean() == pytest.approx(1.349, rel=0.01)
    assert packets.shortest_half.mean() == pytest.approx(1.349, rel=0.02)


@given(latencies, st.floats(-100, 100), st.floats(0.01, 100))
def test_shift_and_scale(latency, shift, scale):
    before, after = pulse_packets(latency), pulse_packets(scale * latency + shift)
    np.testing.assert_array_equal(after.size, before.size)
    np.testing.assert_allclose(after.latency, scale * before.latency + shift, atol=1e-8)
    for width in ("sd", "iqr", "shortest_half"):
        np.testing.assert_allclose(getattr(after, width), scale * getattr(before, width),
                                   atol=1e-8)


@given(latencies, st.randoms(use_true_random=False), st.integers(0, 5))
def test_order_of_units_and_silent_units_change_nothing(latency, random, n_silent):
    order = random.sample(range(latency.shape[1]), latency.shape[1])
    padded = np.column_stack([latency[:, order], np.full((len(latency), n_silent), np.inf)])
    np.testing.assert_allclose(np.array(pulse_packets(padded)), np.array(pulse_packets(latency)),
                               atol=1e-12)


def test_silent_units_change_fractions_only(independent):
    more = with_silent_units(independent, 7)
    before, after = (analyse_synchrony(recording, epoch_windows(recording.trials),
                                       n_surrogates=0).table.iloc[0]
                     for recording in (independent, more))
    assert after["n_units"] == before["n_units"] + 7
    assert after["active_fraction"] * after["n_units"] == pytest.approx(before["active_units"])
    for measure in MEASURES:
        assert after[measure] == before[measure]


# At equal numbers


@given(hnp.arrays(np.float64, (3, 7), elements=times), st.integers(2, 7))
@settings(deadline=None)
def test_shortest_half_of_equally_many_is_the_mean_over_all_subsets(latency, n_spikes):
    found = equal_shortest_halves(latency, n_spikes, 300, np.random.default_rng(0))
    k, enough = n_spikes // 2, [row[np.isfinite(row)] for row in latency
                                if np.isfinite(row).sum() >= n_spikes]
    assert len(found) == len(enough)
    for width, row in zip(found, enough, strict=True):
        widths = [min(subset[i + k] - subset[i] for i in range(n_spikes - k))
                  for subset in combinations(sorted(row), n_spikes)]
        sem = np.std(widths) / np.sqrt(300)
        assert abs(width - np.mean(widths)) <= 5 * sem + 1e-9


@pytest.mark.parametrize("n_spikes", [5, 6])
def test_widths_of_one_distribution_are_equal_whatever_the_size(n_spikes):
    rng = np.random.default_rng(0)
    of_few, of_many = (rng.normal(size=(3000, n)) for n in (n_spikes, 200))
    # As they are, the second is 1.3 to 2 times wider.
    assert np.mean(shortest_halves(of_many)) > 1.25 * np.mean(shortest_halves(of_few))
    equal = [equal_shortest_halves(each, n_spikes, 3, rng).mean() for each in (of_few, of_many)]
    assert equal[0] == pytest.approx(equal[1], rel=0.03)


def test_areas_of_different_size_are_compared_at_the_same_number_of_units():
    rng = np.random.default_rng(1)
    layers = {name: rng.normal(3, 0.2, size=(200, n)) for name, n in (("A", 8), ("B", 120))}
    recording = recording_of_layers(layers, np.full(200, "a"))
    table = analyse_synchrony(recording, epoch_windows(recording.trials), n_surrogates=0).table
    rows = table[table["cell_type"] == "all"].set_index("area")
    assert (rows["n_equal_spikes"] == 8).all() and (rows["n_equal_trials"] == 200).all()
    difference = np.ptp(rows["shortest_half_equal_ms"])
    assert difference < 3 * np.hypot(*rows["shortest_half_equal_sem_ms"])
    assert rows.loc["B", "shortest_half_ms"] > 1.15 * rows.loc["A", "shortest_half_ms"]


def test_most_packets_have_as_many_units_as_are_drawn():
    packets = [np.array([0, 3] * 20 + [5, 9, 9, 12, 7] * 4), np.full(80, 30)]
    assert equal_number(packets) == 9  # 12 of the 20 packets of the first
    assert equal_number([np.array([5] * 9), np.full(80, 30)]) == 30  # too few to have a say
    assert equal_number([np.zeros(4, int)]) == 5


# The nulls


def with_silent_units(recording, number):
    units = recording.units
    silent = np.array([f"silent {i}" for i in range(number)])
    trains = [recording.spikes_of(unit) for unit in range(len(units))] + [np.empty(0)] * number
    return Recording.from_spike_trains(
        trains, Units(np.append(units.unit_id, silent), np.append(units.name, silent),
                      np.append(units.area, np.full(number, "A")),
                      np.append(units.cell_type, np.full(number, ""))), recording.trials)


@pytest.fixture
def independent():
    return planted(common_jitter=0.0)


def p_values(recording, null, windows=None, **options):
    windows = epoch_windows(recording.trials) if windows is None else windows
    row = analyse_synchrony(recording, windows, n_surrogates=19, **options).table.iloc[0]
    return [row[f"{null}_{width}_p_value"] for width in WIDTHS]


@pytest.mark.parametrize("decisions", [False, True])
def test_no_synchrony_beyond_locking_is_not_significant(decisions):
    """p is uniform on 1/20 ... 1, also where windows end at decisions of varying times."""
    p = []
    for seed in range(60):
        recording = planted(0.0, seed, decisions=decisions)
        windows = decision_windows(recording.trials) if decisions else None
        p.append(p_values(recording, "shuffled", windows))
    p = np.array(p)
    assert (p <= 0.05).mean(axis=0).max() <= 0.15  # 0.05 expected, SD 0.03
    np.testing.assert_allclose(p.mean(axis=0), 0.525, atol=0.12)  # SD 0.037


def test_jitter_common_to_the_units_of_a_trial_is_significant():
    for seed in range(5):
        assert p_values(planted(5.0, seed), "shuffled") == [0.05, 0.05]


def test_locking_that_differs_between_classes_is_not_taken_for_synchrony():
    # Were labels ignored, volleys at 10, 20 and 30 ms would look like common jitter.
    p = []
    for seed in range(10):
        recording = planted(0.0, seed)
        shift = np.array([0.0, 10.0, 20.0])[recording.trials.label.astype(int)]
        moved = moved_by_trial(recording, shift)
        p.append(p_values(moved, "shuffled"))
        unlabelled = replace(moved, trials=replace(moved.trials, label=np.full(60, "all")))
        assert p_values(unlabelled, "shuffled") == [0.05, 0.05]
    assert np.mean(p) > 0.25  # 0.525 expected


def moved_by_trial(recording, shift):
    """The recording with all spikes of a trial moved by one time, (trial,) ms."""
    trial = np.floor(recording.spike_times / 100).astype(int)
    return replace(recording, spike_times=recording.spike_times + shift[trial])


def test_stimuli_within_a_class_are_no_synchrony_if_they_are_known():
    """Units are independent given the stimulus, of which each class has four."""
    known, unknown = [], []
    for seed in range(40):
        rng = np.random.default_rng([seed, 2])
        stimulus = rng.integers(12, size=120)
        recording = moved_by_trial(planted(0.0, seed, n_trials=120, n_classes=1),
                                   rng.uniform(0, 10, 12)[stimulus])
        trials = replace(recording.trials, label=(stimulus // 4).astype(str))
        unknown.append(p_values(replace(recording, trials=trials), "shuffled"))
        trials = replace(trials, annotations={"stimulus": stimulus.astype(str)})
        assert trials.repeats.of == "stimulus"
        known.append(p_values(replace(recording, trials=trials), "shuffled"))
    assert (np.array(unknown) == 0.05).mean() > 0.9  # true of the class average, no more
    assert (np.array(known) <= 0.05).mean(axis=0).max() <= 0.15  # 0.05 expected, SD 0.035


def test_units_that_share_how_active_they_are_but_no_timing_are_no_synchrony():
    """A width depends on how many units it is of: shared gain must not look like narrowness."""
    p = []
    for seed in range(60):
        recording, rng = planted(0.0, seed), np.random.default_rng([seed, 1])
        gain = np.clip(0.6 * np.exp(rng.normal(0, 0.7, 60)), 0, 1)
        trial = np.floor(recording.spike_times / 100).astype(int)
        kept = rng.random(len(trial)) < gain[trial]
        trains = [recording.spike_times[a:b][kept[a:b]]
                  for a, b in pairwise(recording.offsets)]
        p.append(p_values(Recording.from_spike_trains(trains, recording.units, recording.trials),
                          "shuffled"))
    assert (np.array(p) <= 0.05).mean(axis=0).max() <= 0.15


def test_drift_is_no_synchrony_if_blocks_are_as_short_as_it():
    rng = np.random.default_rng(0)
    onset = 100.0 * np.arange(90)
    latency = 30 + rng.normal(size=(90, 30)) + np.linspace(-5, 5, 90)[:, None]
    recording = make_recording(list((onset[:, None] + latency).T), onset, 60.0)
    assert p_values(recording, "shuffled") == [0.05, 0.05]
    assert min(p_values(recording, "shuffled", block_trials=3)) > 0.05


def test_a_type_that_is_its_whole_area_is_no_second_test():
    rng = np.random.default_rng(0)
    layers = {name: 2 + rng.normal(0, 0.1, (60, 12)) + width * rng.normal(0, 0.1, (60, 1))
              for name, width in (("input", 0.5), ("B", 0.0))}
    recording = recording_of_layers(layers, np.full(60, "a"), first_inhibitory=6)
    table = analyse_synchrony(recording, epoch_windows(recording.trials), n_surrogates=99).table
    assert table["cell_type"].tolist() == ["all", "input", "all", "excitatory", "inhibitory"]
    for column in (f"{null}_{width}" for null in NULLS for width in WIDTHS):
        p, q = (table[f"{column}_{value}"].to_numpy() for value in ("p_value", "q_value"))
        tests = np.delete(np.arange(5), 1)
        np.testing.assert_allclose(q[tests], stats.false_discovery_control(p[tests]))
        assert q[1] == q[0] and p[1] == p[0]


def test_the_dither_is_5_ms_and_locking_alone_is_narrower():
    """As the sentence says: independent units, locked with an SD of 4 ms, pass."""
    passed = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        recording = recording_of_layers({"A": 3 + rng.normal(0, 0.4, (60, 30))},
                                        np.full(60, "a"))
        table = analyse_synchrony(recording, epoch_windows(recording.trials), n_surrogates=19)
        assert table.dither == 5.0
        passed.append(table.table["dithered_shortest_half_p_value"][0] == 0.05)
    assert np.mean(passed) >= 0.9


def test_dither_finds_what_is_finer_than_it_and_nothing_else():
    onset = 100.0 * np.arange(40)
    rng = np.random.default_rng(0)
    sharp, flat = (make_recording(list((onset[:, None] + latency).T), onset) for latency in (
        25 + rng.normal(scale=0.5, size=(40, 40)), rng.uniform(0, 50, size=(40, 40))))
    assert p_values(sharp, "dithered", dither=5.0) == [0.05, 0.05]
    assert min(p_values(flat, "dithered", dither=5.0)) > 0.05


def test_dithered_spikes_start_as_the_responses(reference_recording):
    units = reference_recording.units_in("layer_2")
    windows = decision_windows(reference_recording.trials)
    trials = np.array([3, 7, 20])
    latency = reference_recording.responses(windows, units).latency[trials]
    null = DitheredSpikes(reference_recording, windows, units, trials, 0.1)
    np.testing.assert_array_equal(null.observed, latency)
    moved = null.draw(np.random.default_rng(0))
    np.testing.assert_array_equal(np.isfinite(moved), np.isfinite(latency))
    active = np.isfinite(latency)
    assert (np.abs(moved[active] - latency[active]) <= 0.1 + 1e-9).all()


def test_trials_without_repetition_are_left_out_and_said():
    recording = planted(0.0, n_trials=12, n_classes=1)

    def row_of(labels):
        trials = replace(recording.trials, label=np.array(labels))
        return analyse_synchrony(replace(recording, trials=trials), epoch_windows(trials),
                                 n_surrogates=19).table.iloc[0]

    row = row_of(["x", *["y"] * 11])
    assert row["shuffled_n_trials"] == 11 and row["dithered_n_trials"] == 12
    assert "without 1 of 12 trials" in row["note"]
    row = row_of([str(trial) for trial in range(12)])
    assert np.isnan(row["shuffled_sd_p_value"]) and np.isfinite(row["dithered_sd_p_value"])
    assert "without 12 of 12 trials" in row["note"]


def test_what_limits_the_width_is_said():
    few = planted(0.0, n_units=3)
    note = analyse_synchrony(few, epoch_windows(few.trials)).table["note"][0]
    assert note == "not computable: 3 units, and a packet width needs 5"
    sharp = recording_of_layers({"A": np.random.default_rng(0).uniform(1, 1.1, (9, 20))},
                                np.array(["a"] * 9), resolution=10.0)
    result = analyse_synchrony(sharp, epoch_windows(sharp.trials), n_surrogates=0)
    assert "finer than the recording's time resolution of 10 ms" in result.table["note"][0]
    assert result.dither == 10.0


def test_the_same_seed_gives_the_same_table_and_another_gives_another(independent):
    def table(seed):
        return analyse_synchrony(independent, epoch_windows(independent.trials), n_surrogates=9,
                                 seed=seed).table

    assert table(1).equals(table(1))
    assert not table(1).equals(table(2))
    assert table(1)["sd_ms"].equals(table(2)["sd_ms"])


# The pipeline


def options(*argv):
    return analysis_options(
        PIPELINE.add_options, "--surrogates", "9", "--elephant-units", "8",
        "--elephant-trials", "20", "--elephant-shuffles", "2", *argv)


def test_pipeline_on_the_reference_network(reference_recording, tmp_path):
    windows = decision_windows(reference_recording.trials)
    result = PIPELINE.analyse(reference_recording, windows, options())
    assert result.summary[0] == (
        "The packet first spreads from 0.44 ms (input) to 0.74 ms (layer_2), then tightens to "
        "0.05 ms (layer_4): shortest half of 9 active units, drawn at random so that areas "
        "compare, mean over 150 trials.")
    assert "those of this recording" in result.summary[1]
    assert result.summary[2].startswith("Narrower than the class average predicts (latencies "
                                        "shuffled across neighbouring trials of a class, whose "
                                        "stimuli may differ): no area")  # q of 9 surrogates
    assert "locking to the stimulus is enough for that" in result.summary[3]
    assert any(warning.startswith("output: not computable") for warning in result.warnings)
    written = {path.name for path in write_results(result, reference_recording, tmp_path)}
    assert written == {"synchrony.png", "synchrony_elephant.png", "synchrony.csv",
                       "synchrony_elephant.csv", "synchrony.json"}
    header = (tmp_path / "synchrony.csv").read_text().splitlines()[0]
    assert header.startswith("area,cell_type,n_units,n_trials,active_units,active_fraction,"
                             "latency_ms,sd_ms,iqr_ms,shortest_half_ms,")
    for null in NULLS:
        assert f"{null}_shortest_half_q_value" in header


REAL = {
    "riehle1997_winny131_23.nix": ((), "2 units, and a packet width needs 5"),
    "zhang_desimone_it_1006.nix": ((), None),
    "locust20000421.nix": ((), "4 units, and a packet width needs 5"),
    "steinmetz2019_session1.nix": (("--trials", "stimulus", "--areas", "VISp,SUB"),
                                   "time resolution is 10 ms"),
    "File_spike2_1.smr": (("--one-area", "X", "--trials", "Stim", "--window", "0", "100"),
                          "no unit spikes in any response window"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_from_the_command_line(shared, tmp_path, capsys, name):
    argv, limit = REAL[name]
    path = str(shared / "recordings" / name)
    assert run(PIPELINE, [
        path, *argv, "--out", str(tmp_path), "--surrogates", "9", "--elephant-units", "6",
        "--elephant-trials", "10", "--elephant-shuffles", "2", "--quiet"]) == 0
    assert (tmp_path / "synchrony.png").stat().st_size > 10_000
    said = capsys.readouterr().err
    if limit is not None:
        assert limit in said


@pytest.mark.filterwarnings("error", "ignore::DeprecationWarning")
@pytest.mark.parametrize("area", ["", "_"])  # Matplotlib leaves such names out of a legend
def test_an_area_without_a_name_whose_units_fire_at_once_is_drawn(area):
    onset = 100.0 * np.arange(4)
    recording = make_recording([onset + 10.0] * 6, onset, area=[area] * 6)
    figures = PIPELINE.analyse(recording, epoch_windows(recording.trials), options()).figures
    legend = figures["synchrony_elephant"].axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [area]


@pytest.mark.parametrize("argv", [("--dither", "0"), ("--dither", "nan"), ("--surrogates", "0"),
                                  ("--block-trials", "0"), ("--bin", "-1"),
                                  ("--elephant-units", "1")])
def test_senseless_options_are_refused(argv, capsys):
    assert run(PIPELINE, ["recording.nix", *argv]) == 2
    assert argv[0] in capsys.readouterr().err


