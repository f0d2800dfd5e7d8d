"""Units that appear, vanish or were never there together: planted ones are found, others not."""

import numpy as np
import pytest
from builders import make_recording, recording_of

from ephys_snn.errors import InputError
from ephys_snn.recording import choose_windows, fixed_windows
from ephys_snn.recording.limits.stability import describe_instability, keep_stable, unit_stability
from ephys_snn.recording.limits.windows import decision_times, is_separate, keep_clean, limits_of

N_TRIALS, PERIOD, DURATION = 90, 500.0, 300.0


def session(rng, rates) -> tuple:
    """Poisson trains within trials from (unit, trial) rates in spikes/s, and the onsets."""
    onset = PERIOD * np.arange(N_TRIALS)
    trains = [np.concatenate([at + rng.uniform(0, DURATION, rng.poisson(rate * DURATION / 1000))
                              for at, rate in zip(onset, of_unit, strict=True)])
              for of_unit in rates]
    return trains, onset


def found(rng, rates, label=None):
    trains, onset = session(rng, rates)
    recording = recording_of(trains, onset, DURATION)
    if label is not None:
        recording.trials.label[:] = label
    return recording, unit_stability(recording)


def test_units_that_appear_or_vanish_are_found():
    position = np.arange(N_TRIALS)
    rates = [20.0 * (position >= 45), 20.0 * (position < 40), np.full(N_TRIALS, 20.0),
             20.0 * (position < 85), np.linspace(25, 8, N_TRIALS), np.full(N_TRIALS, 0.02)]
    recording, stability = found(np.random.default_rng(0), rates)
    assert stability.appears.tolist() == [True, False, False, False, False, False]
    assert stability.vanishes.tolist() == [False, True, False, False, False, False]
    assert stability.n_apart == 1
    said = describe_instability(recording, stability)
    assert "1 of 6 units appear during" in said[0] and ": u0;" in said[0]
    assert "1 of 6 units vanish during" in said[1] and ": u1;" in said[1]
    assert "1 pairs of units were never recorded at the same time" in said[2]
    kept = keep_stable(recording, stability)
    assert kept.units.name.tolist() == ["u2", "u3", "u4", "u5"]
    assert kept.notes[-1] == "--stable-units leaves 4 of 6 units"


def test_stable_units_are_seldom_called_unstable():
    rng = np.random.default_rng(1)
    n_units = 60
    gain = rng.gamma(4.0, 0.25, (n_units, N_TRIALS))  # counts vary more than Poisson ones
    rates = rng.lognormal(1.0, 1.5, n_units)[:, None] * gain
    assert found(rng, rates)[1].stable.all()


def test_rare_bursts_are_no_instability():
    rng = np.random.default_rng(7)
    rates = 50.0 * (rng.random((40, N_TRIALS)) < 0.05)
    assert found(rng, rates)[1].stable.all()


def test_a_class_that_comes_late_does_not_make_its_units_appear():
    position = np.arange(N_TRIALS)
    label = np.where(position < 60, "early", "late")
    rates = [20.0 * (position >= 60), 20.0 * (position < 60)]
    assert found(np.random.default_rng(2), rates, label)[1].stable.all()
    assert not found(np.random.default_rng(2), rates)[1].stable.any()


def test_nothing_left_is_an_error():
    position = np.arange(N_TRIALS)
    recording, stability = found(np.random.default_rng(3), [20.0 * (position > 45)])
    with pytest.raises(InputError, match="--stable-units leaves none of 1 units"):
        keep_stable(recording, stability)


def test_no_trials_and_no_spikes_are_no_instability():
    silent = recording_of([np.empty(0), np.empty(0)], [0.0, 500.0], 300.0)
    assert unit_stability(silent).stable.all() and unit_stability(silent).n_apart == 0


def test_overlapping_and_cut_trials_are_left_out_on_request():
    recording = make_recording([[1.0]], [0.0, 100.0, 200.0, 300.0], t_stop=390.0)
    windows = fixed_windows(recording.trials, 0, 120)
    assert is_separate(windows).tolist() == [True, False, True, False]
    kept = keep_clean(recording, windows)
    assert kept.trials.onset.tolist() == [0.0, 200.0]
    assert kept.notes[-1] == "--clean-trials leaves 2 of 4 trials"
    assert not any("response windows reach" in line for line in
                   limits_of(fixed_windows(kept.trials, 0, 120), kept))
    # A trial that is left out because it is cut does not stand in the way of another.
    short = fixed_windows(make_recording([[1.0]], [-50.0, 0.0], t_stop=390.0).trials, 0, 60)
    assert keep_clean(make_recording([[1.0]], [-50.0, 0.0], t_stop=390.0, t_start=0.0),
                      short).trials.onset.tolist() == [0.0]
    with pytest.raises(InputError, match="--clean-trials leaves no trial"):
        keep_clean(recording, fixed_windows(recording.trials, 0, 1000))


def test_unequal_trials_are_said_with_the_window_that_fits_all():
    recording = make_recording([[99.0]], [0.0, 100.0, 200.0], t_stop=400.0)
    recording.trials.duration[:] = [30.0, 60.0, 40.0]
    limits = limits_of(choose_windows(recording), recording)
    assert "differ in length (30 to 60 ms)" in limits[0] and "(0 30 fits" in limits[0]


def test_only_decisions_that_differ_between_classes_are_said():
    recording = make_recording([[999.0]], np.arange(40) * 100.0, t_stop=4200.0)
    recording.trials.duration[:] = 30.0 + np.tile([0, 1], 20)
    windows = choose_windows(recording)._replace(until_decision=True)
    recording.trials.label[:] = np.tile(["a", "b"], 20)
    warning, = decision_times(windows, recording)
    assert "(medians 30 to 31 ms)" in warning and warning in limits_of(windows, recording)
    recording.trials.label[:] = np.repeat(["a", "b"], 20)
    assert decision_times(windows, recording) == []
