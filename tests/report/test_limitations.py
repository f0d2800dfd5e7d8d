"""Limitations: what a recording cannot be asked is said, with its reason."""

from dataclasses import replace

import numpy as np
from builders import recording_of_layers

from ephys_snn.recording import decision_windows, epoch_windows
from ephys_snn.report.limitations import limitations


def test_what_cannot_be_asked_is_said_with_its_reason():
    times, labels = np.ones((4, 2)), np.arange(4) % 2
    layers = {"layer_1": times, "output": times}
    recording = recording_of_layers(layers, labels, first_inhibitory=1, decisions=times,
                                    weights={("layer_1", "output"): np.ones((2, 2))})
    assert limitations(recording, epoch_windows(recording.trials)) == ""
    said = limitations(recording, decision_windows(recording.trials))
    assert said.startswith("Could not be asked: what output does")

    units = replace(recording.units, cell_type=np.full(4, ""))
    brain = replace(recording, units=units, areas_ordered=False, weights={})
    said = limitations(brain, epoch_windows(brain.trials))
    assert all(word in said for word in ("no weights", "cell types", "order of the areas"))
    one = replace(recording, trials=replace(recording.trials, label=np.full(4, "a")))
    assert "all trials have the same one" in limitations(one, epoch_windows(one.trials))
