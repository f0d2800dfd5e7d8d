"""Peristimulus time histograms of single units, by class, and the spikes that they are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.recording import Recording, ResponseWindows, sort_labels, unit_labels

BINS = 50  # in the time that is shown, unless the recording is coarser
ROUND_WIDTHS = np.array([1.0, 2.0, 5.0, 10.0])


class Psth(NamedTuple):
    """Spikes of one unit around the onsets, and their rate by class.

    Attributes
    ----------
    unit : str
    classes : tuple of str
    spikes : list of list of (spike,) float, ms
        By class and trial, relative to the onset.
    edges : (bin + 1,) float, ms
        Relative to the onset.
    rate, sem : (class, bin) float, spikes/s
        Mean and its standard error over the trials that last until the end of the bin; nan where
        there are none (two for the error).
    n_trials : (class, bin) int
    """

    unit: str
    classes: tuple[str, ...]
    spikes: list[list[np.ndarray]]
    edges: np.ndarray
    rate: np.ndarray
    sem: np.ndarray
    n_trials: np.ndarray


def bin_edges(start: float, stop: float, resolution: float | None) -> np.ndarray:
    """Edges of bins that cover `start` to `stop` ms, one of them at 0 (the onset).

    Their width is a round number near 1/50 of the time, and a whole multiple of the resolution,
    so that no bin has more grid points than another.
    """
    wanted = (stop - start) / BINS
    decade = 10.0 ** np.floor(np.log10(wanted))
    bin_width = decade * ROUND_WIDTHS[np.argmin(np.abs(ROUND_WIDTHS * decade - wanted))]
    if resolution:
        bin_width = resolution * max(1, round(bin_width / resolution))
    first, last = np.floor(start / bin_width + 1e-6), np.ceil(stop / bin_width - 1e-6)
    return bin_width * np.arange(first, last + 1)


def measure_psth(recording: Recording, windows: ResponseWindows, unit: int, edges: np.ndarray
                 ) -> Psth:
    """The PSTH of one unit in the trials that have a response window.

    A trial counts until its Epoch and its response window have both ended.
    """
    used = np.flatnonzero(windows.used)
    onset, label = windows.onset[used], recording.trials.label[used]
    end = np.maximum(windows.stop[used] - onset, recording.trials.duration[used])
    found = recording.window_spikes(onset + edges[0], onset + np.minimum(edges[-1], end), [unit])
    count = np.bincount(found.window, minlength=len(used))
    spikes = np.split(found.time - onset[found.window], np.cumsum(count)[:-1])
    # Grid points that rounding puts a hair before an edge lie behind it.
    rates = np.array([np.histogram(trial + 1e-6, edges)[0] for trial in spikes]) \
        / (np.diff(edges) / 1000)
    lasts = edges[1:] <= end[:, None] + 1e-6
    classes = sort_labels(label)
    members = [np.flatnonzero(label == name) for name in classes]
    rate, sem, n_trials = (np.array(each) for each in zip(
        *(_mean_and_error(rates[trials], lasts[trials]) for trials in members), strict=True))
    return Psth(str(unit_labels(recording.units)[unit]), classes,
                [[spikes[trial] for trial in trials] for trials in members], edges, rate, sem,
                n_trials)


def _mean_and_error(values: np.ndarray, counted: np.ndarray
                    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the trials that count, its standard error, and their number, (bin,) each."""
    chosen = np.ma.array(values, mask=~counted)
    n = chosen.count(axis=0)
    error = np.sqrt(chosen.var(axis=0, ddof=1) / n)
    return chosen.mean(axis=0).filled(np.nan), error.filled(np.nan), n


def tabulate(psths: list[Psth]) -> pd.DataFrame:
    """The rows of ``psth.csv``: a row per unit, class and bin."""
    rows = [pd.DataFrame({
        "unit": psth.unit, "class": name, "bin_start_ms": psth.edges[:-1],
        "bin_stop_ms": psth.edges[1:], "n_trials": psth.n_trials[index],
        "rate_hz": psth.rate[index], "sem_hz": psth.sem[index],
        "note": np.where(psth.n_trials[index] > 1, "", np.where(
            psth.n_trials[index] == 1, "no standard error: a single trial",
            "not computable: no trial of this class lasts so long"))})
        for psth in psths for index, name in enumerate(psth.classes)]
    return pd.concat(rows, ignore_index=True)
