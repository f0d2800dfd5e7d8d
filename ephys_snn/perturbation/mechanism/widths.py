"""Where the width of a volley comes from, by layer and cell type: means of input times, or delays.

Of the units of an area that spike before the decision in a trial, the spike times T = M + c are
weighted means M of input times plus delays c (`averages`), so

    Var(T) = Var(M) + Var(c) + 2 Cov(M, c)

over the units of one trial. All measures are taken trial by trial; intervals are over trials of one
network.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ephys_snn.analysis import mean_interval
from ephys_snn.network import Network
from ephys_snn.perturbation.mechanism.averages import SpikeAverages, spike_averages
from ephys_snn.pulse_packets import MIN_ACTIVE

MEASURES = {
    "averaging_gain": "",
    "negative_mass": "",
    "sd_in": "ms",
    "sd_out": "ms",
    "sd_means": "ms",
    "sd_delays": "ms",
    "correlation": "",
}
COLUMNS = ("area", "cell_type", "measure", "unit", "value", "low", "high", "untrained",
           "untrained_low", "untrained_high", "change", "change_low", "change_high", "n_trials",
           "n_trials_paired", "grazing_fraction", "note")


def trial_measures(network: Network, responses: Mapping[str, np.ndarray]
                   ) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Every measure of every hidden area and cell type, trial by trial.

    Parameters
    ----------
    network : Network
    responses : dict of str to (trial, unit) float64, ms
        First-spike times of every area, in their order, of the same precision as the weights.

    Returns
    -------
    dict of (area, cell type) to dict of measure to (trial,) float
        nan in trials with fewer than `MIN_ACTIVE` such units before the decision. Beside the
        measures, `grazing`: the fraction of the spikes that graze threshold.
    """
    areas = list(responses)
    decision = responses[areas[-1]].min(axis=1, keepdims=True)
    found = {}
    for before, area, weights, types in zip(areas[:-2], areas[1:-1], network.weights[:-1],
                                            network.cell_types, strict=True):
        times, inputs = responses[area], responses[before]
        averages = spike_averages(inputs, weights.detach().double().numpy(), times, network.lif)
        active = (times < decision) & np.isfinite(decision)
        width_in = _sd(np.where(inputs < decision, inputs, np.nan))
        for cell_type in ("all", *np.unique(types)):
            units = np.ones(len(types), bool) if cell_type == "all" else types == cell_type
            of_type = SpikeAverages(*(values[:, units] for values in averages))
            found[area, cell_type] = _measures(times[:, units], active[:, units], of_type,
                                               width_in)
    return found


def _measures(times: np.ndarray, active: np.ndarray, averages: SpikeAverages, width_in: np.ndarray
              ) -> dict[str, np.ndarray]:
    crosses = np.isfinite(averages.gain)
    used = active & crosses
    enough = used.sum(axis=1) >= MIN_ACTIVE
    gain, negative, means, delays, out = (
        np.where(used, values, np.nan)[enough] for values in (*averages, times))
    sd_means, sd_delays = _sd(means), _sd(delays)
    covariance = np.nanmean((means - np.nanmean(means, axis=1, keepdims=True))
                            * (delays - np.nanmean(delays, axis=1, keepdims=True)), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        grazing = 1 - used.sum(axis=1) / active.sum(axis=1)
        correlation = covariance / (sd_means * sd_delays)
    values = {"averaging_gain": np.nanmean(gain, axis=1),
              "negative_mass": np.nanmean(negative, axis=1), "sd_in": width_in[enough],
              "sd_out": _sd(out), "sd_means": sd_means, "sd_delays": sd_delays,
              "correlation": correlation, "grazing": grazing[enough]}
    full = {name: np.full(len(times), np.nan) for name in values}
    for name, measured in values.items():
        full[name][enough] = measured
    return full


def _sd(values: np.ndarray) -> np.ndarray:
    """(trial,) float, SD (ddof 0) of what is not nan; nan where nothing is left."""
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, values, 0).sum(axis=1) / n
    squares = np.where(known, values - mean[:, None], 0) ** 2
    return np.where(known.any(axis=1), np.sqrt(squares.sum(axis=1) / n), np.nan)


def mechanism_table(trained: Mapping[tuple[str, str], Mapping[str, np.ndarray]],
                    untrained: Mapping[tuple[str, str], Mapping[str, np.ndarray]] | None
                    ) -> pd.DataFrame:
    """Means over trials with 95 % intervals, and trained minus untrained in the same trials.

    Parameters
    ----------
    trained, untrained : dict as from `trial_measures`
        Of the same stimuli in the same order; `untrained` is None where there is no twin.

    Returns
    -------
    DataFrame
        A row per area, cell type and measure: ``mechanism.csv``. Student's intervals over trials;
        those of the change over the trials in which both have a value.
    """
    rows = []
    for (area, cell_type), measures in trained.items():
        twin = {} if untrained is None else untrained[area, cell_type]
        for measure, unit in MEASURES.items():
            values = measures[measure]
            others = twin.get(measure, np.full_like(values, np.nan))
            both = np.isfinite(values) & np.isfinite(others)
            row = {"area": area, "cell_type": cell_type, "measure": measure, "unit": unit,
                   "n_trials": int(np.isfinite(values).sum()), "n_trials_paired": int(both.sum()),
                   "grazing_fraction": _mean(measures["grazing"]),
                   "note": "" if np.isfinite(values).any() else
                   f"not computable: no trial has {MIN_ACTIVE} such units before the decision"}
            for name, sample in (("value", values), ("untrained", others),
                                 ("change", (values - others)[both])):
                known = sample[np.isfinite(sample)]
                prefix = "" if name == "value" else f"{name}_"
                row[name] = _mean(known)
                row[f"{prefix}low"], row[f"{prefix}high"] = mean_interval(known)
            rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
