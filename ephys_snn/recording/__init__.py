"""The recording: units, trials, areas and spikes of a network or a brain, and how it is read.

`Recording` is the seam between models and analyses; `open_recording` reads what the options of a
command line name.
"""

from ephys_snn.formats import counted, sort_labels
from ephys_snn.recording.limits.labels import label_order
from ephys_snn.recording.limits.windows import is_recorded
from ephys_snn.recording.options import add_recording_options, choose_windows, open_recording
from ephys_snn.recording.recording import DECISION_NOTE, Recording, Responses
from ephys_snn.recording.response_windows import (
    ResponseWindows,
    decision_windows,
    epoch_windows,
    event_windows,
    fixed_windows,
)
from ephys_snn.recording.trials import CONTROL, PERTURBATION, Trials
from ephys_snn.recording.units import CELL_TYPES, Units, find_units, short_labels, unit_labels

__all__ = ["CELL_TYPES", "CONTROL", "DECISION_NOTE", "PERTURBATION", "Recording", "Responses",
           "ResponseWindows", "Trials", "Units", "add_recording_options", "choose_windows",
           "counted", "decision_windows", "epoch_windows", "event_windows", "find_units",
           "fixed_windows", "is_recorded", "label_order", "open_recording", "short_labels",
           "sort_labels", "unit_labels"]
