"""Does jitter travel as averaging predicts? Measured by jittering a layer and looking at the next.

Shifts δ_i of the spikes of an area move a spike of the next by Σ J_i δ_i, to first order, and
independent jitter of SD σ by √Σ J² σ (`averages`). Here jitter is put there: what a spike moves,
as a root mean square over draws, is compared with Σ J_i δ_i of the same draws. Their ratio is 1
where first order holds; jitter that lets other inputs come first ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from ephys_snn.cli import Progress, no_progress
from ephys_snn.network import FirstSpikeLayer, Network
from ephys_snn.perturbation.mechanism.averages import input_shares, spike_averages

SDS = (0.003, 0.03, 0.1, 0.3, 1.0)  # ms
N_DRAWS = 20


def jitter_table(network: Network, responses: Mapping[str, np.ndarray],
                 sds: Sequence[float] = SDS, n_draws: int = N_DRAWS, seed: int = 0,
                 progress: Progress = no_progress) -> pd.DataFrame:
    """Measured and predicted jitter of every hidden layer whose input is jittered.

    Parameters
    ----------
    network : Network
        In double precision, in which small jitter is not lost.
    responses : dict of str to (trial, unit) float64, ms
        First-spike times of every area, in their order.
    sds : sequence of float, ms
        Standard deviations of the jitter.
    n_draws : int
        Over which the root mean square is taken.
    seed : int
    progress : Progress
        Of areas and standard deviations.

    Returns
    -------
    DataFrame
        A row per area and SD, over the spikes before the decision that do not graze threshold:
        medians of √Σ J² σ (`predicted_ms`) and of what spikes move (`measured_ms`); median and
        quartiles of the ratio of what they move to what the same draws predict; the fraction of
        spikes `lost` in a draw; numbers of spikes and draws.
    """
    areas = list(responses)
    decision = responses[areas[-1]].min(axis=1, keepdims=True)
    layers = list(zip(areas[:-2], areas[1:-1], list(network.layers)[:-1], strict=True))
    rows = []
    for before, area, layer in progress(layers, "jitter"):
        inputs, times = responses[before], responses[area]
        weights = layer.weight.detach().numpy()
        shares, _ = input_shares(inputs, weights, times, network.lif)
        gain = spike_averages(inputs, weights, times, network.lif).gain
        used = (times < decision) & np.isfinite(gain)
        for sd in sds:
            rng = np.random.default_rng([seed, areas.index(area)])
            moved, predicted, lost = _moves(layer, inputs, times, shares, sd, n_draws, rng)
            rows.append({"area": area, "jittered_area": before, "sd_ms": sd,
                         **_compare(moved[used], predicted[used], sd * gain[used]),
                         "lost": float(lost[used].mean()) if used.any() else np.nan,
                         "n_draws": n_draws})
    return pd.DataFrame(rows)


def _moves(layer: FirstSpikeLayer, inputs: np.ndarray, times: np.ndarray, shares: np.ndarray,
           sd: float, n_draws: int, rng: np.random.Generator
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(trial, unit) root mean squares in ms of what spikes move and should, fraction of lost ones.

    A draw in which the spike is lost counts in neither.
    """
    moved, predicted, kept = np.zeros((3, *times.shape))
    for _ in range(n_draws):
        delta = rng.normal(0, sd, inputs.shape)
        with torch.no_grad(), np.errstate(invalid="ignore"):
            shift = layer(torch.from_numpy(inputs + delta)).numpy() - times
        is_there = np.isfinite(shift)
        first_order = np.einsum("tij,ti->tj", shares, delta)
        moved += np.where(is_there, shift, 0) ** 2
        predicted += np.where(is_there, first_order, 0) ** 2
        kept += is_there
    with np.errstate(invalid="ignore"):
        return np.sqrt(moved / kept), np.sqrt(predicted / kept), 1 - kept / n_draws


def _compare(measured: np.ndarray, predicted: np.ndarray, expected: np.ndarray
             ) -> dict[str, float]:
    known = np.isfinite(measured) & (predicted > 0)
    if not known.any():
        return dict.fromkeys(("predicted_ms", "measured_ms", "ratio", "ratio_q25", "ratio_q75"),
                             np.nan) | {"n_spikes": 0}
    low, median, high = np.quantile(measured[known] / predicted[known], [0.25, 0.5, 0.75])
    return {"predicted_ms": float(np.median(expected[known])),
            "measured_ms": float(np.median(measured[known])), "ratio": float(median),
            "ratio_q25": float(low), "ratio_q75": float(high), "n_spikes": int(known.sum())}
