"""Why volleys narrow: each spike time is a weighted mean of input times, plus a delay.

`averages` derives it and measures the weights, `widths` says how much of a volley's width comes
from the means and how much from the delays, `jitter` whether jitter travels as it predicts.
``python -m ephys_snn.mechanism MODEL`` does all of it, trained against untrained.
"""

from ephys_snn.perturbation.mechanism.averages import SpikeAverages, input_shares, spike_averages
from ephys_snn.perturbation.mechanism.figure import mechanism_figure
from ephys_snn.perturbation.mechanism.findings import mechanism_findings, mechanism_limitations
from ephys_snn.perturbation.mechanism.jitter import jitter_table
from ephys_snn.perturbation.mechanism.widths import mechanism_table, trial_measures

__all__ = ["SpikeAverages", "input_shares", "jitter_table", "mechanism_figure",
           "mechanism_findings", "mechanism_limitations", "mechanism_table", "spike_averages",
           "trial_measures"]
