"""Labels that came in runs, or some early and others late, are said; those in random order not."""

import numpy as np
from builders import make_recording

from ephys_snn.recording import epoch_windows
from ephys_snn.recording.limits.labels import LEVEL, describe_order


def said(label):
    recording = make_recording([[1.0]], np.arange(len(label)) * 100.0, t_stop=1e5)
    recording.trials.label[:] = label
    return describe_order(epoch_windows(recording.trials), recording)


def test_runs_of_labels_are_said():
    (line,) = said(np.repeat(["a", "b"], 10))
    assert "95% of the trials repeat" in line and "47% would by chance" in line
    assert "--block-trials" in line and "--shift-labels" in line


def test_classes_that_come_early_and_late_are_said():
    (line,) = said((["a", "b", "a"] * 14)[:40] + (["b", "a", "b"] * 14)[:40])
    assert "earlier" in line


def test_random_orders_are_seldom_said_to_be_none():
    rng = np.random.default_rng(0)
    n = sum(bool(said(rng.choice(list("abc"), 60))) for _ in range(400))
    assert n <= 400 * 4 * LEVEL


def test_one_class_or_one_trial_has_no_order():
    assert said(["a"] * 9) == [] and said(["a"]) == []
