"""A recording against its control at equal numbers of trials of every class."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.information.areas import few_units, insert_q, mean_of, unit_values
from ephys_snn.analysis.information.contrasts import contrast
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.trial_subsets import keep_windows, match_trials
from ephys_snn.recording import Recording, ResponseWindows

# (recording, windows, number of its stream of random numbers) to the information of every unit
Measure = Callable[[Recording, ResponseWindows, int], UnitInformation]


class Comparison(NamedTuple):
    """A recording and its control at equal numbers of trials."""

    windows: ResponseWindows
    information: UnitInformation
    control: Recording
    control_windows: ResponseWindows
    control_information: UnitInformation


def measure_control(recording: Recording, windows: ResponseWindows, information: UnitInformation,
                    control: Recording, control_windows: ResponseWindows, seed: int,
                    measure: Measure) -> Comparison:
    """Measure the control, and the recording again where it has to give up trials."""
    ours, theirs = match_trials(recording.trials.label[windows.used],
                                control.trials.label[control_windows.used],
                                np.random.default_rng([seed, 3]))
    if len(ours) < windows.used.sum():
        windows = keep_windows(windows, ours)
        information = measure(recording, windows, 1)
    control_windows = keep_windows(control_windows, theirs)
    return Comparison(windows, information, control, control_windows,
                      measure(control, control_windows, 2))


def compare_areas(recording: Recording, information: UnitInformation, control: Recording,
                  control_information: UnitInformation) -> pd.DataFrame:
    """Corrected information gain of a recording against its control, by area and cell type.

    q-values are Benjamini-Hochberg over areas and cell types, as in `information_by_area`.
    """
    rows = []
    for area in recording.areas:
        for cell_type in recording.cell_types_in(area):
            values, others = (
                unit_values(each, found, "information_gain", area, cell_type).to_numpy()
                for each, found in ((recording, information), (control, control_information)))
            missing = [name for name, each in (("recording", values), ("control", others))
                       if not len(each)]
            note = f"not computable: no such unit with information gain in the {missing[0]}" \
                if missing else few_units(values, others)
            rows.append({"area": area, "cell_type": cell_type, "n_units_used": len(values),
                         "n_units_used_control": len(others),
                         "mean_corrected": mean_of(values),
                         "mean_corrected_control": mean_of(others),
                         **contrast(values, others)._asdict(),
                         "n_trials": information.n_trials,
                         "n_trials_control": control_information.n_trials, "note": note})
    table = pd.DataFrame(rows)
    insert_q(table, "p_value", "n_units_used", "n_units_used_control")
    return table
