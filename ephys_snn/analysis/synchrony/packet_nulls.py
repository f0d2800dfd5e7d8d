"""The two nulls of packet widths: latencies shuffled across trials, and dithered spikes.

Each is prepared once for an area, then drawn from as often as needed, by many threads at a time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ephys_snn.analysis.surrogates import (
    dither_spikes,
    exchange_latencies,
    exchange_windows,
)
from ephys_snn.pulse_packets import MIN_ACTIVE, pulse_packets
from ephys_snn.recording import Recording, ResponseWindows

WIDTHS = ("shortest_half", "sd")  # the widths that are tested


def mean_widths(latency: np.ndarray, members: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean shortest half and SD over the trials.

    Parameters
    ----------
    latency : (trial, unit) float, ms
    members : dict of cell type to (unit,) bool

    Returns
    -------
    (cell type, width) float, ms
        In the order of `WIDTHS`; nan where no trial has any.
    """
    means = np.full((len(members), len(WIDTHS)), np.nan)
    for row, mask in enumerate(members.values()):
        packets = pulse_packets(latency if mask.all() else latency[:, mask])
        if (packets.size >= MIN_ACTIVE).any():
            means[row] = [np.nanmean(getattr(packets, width)) for width in WIDTHS]
    return means


class ShuffledLatencies:
    """Latencies of one area that change places among trials that repeat each other.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
    units : (unit,) int
    trials : (trial,) int
        Positions among the trials that have a window.
    group : (trial,) int
        Of these, from `ephys_snn.analysis.surrogates.exchangeable_groups`.

    Attributes
    ----------
    left_out : str
        Why the null has fewer trials; '' where it has all.
    """

    def __init__(self, recording: Recording, windows: ResponseWindows, units: np.ndarray,
                 trials: np.ndarray, group: np.ndarray):
        paired = group >= 0
        seen = exchange_windows(recording, windows)
        self._latency = recording.responses(seen, units).latency[trials[paired]]
        self._group = group[paired]
        self._end = (windows.stop - windows.onset)[windows.used][trials[paired], None]
        n_single = int((~paired).sum())
        self.left_out = "" if not n_single else (
            f"shuffled null without {n_single} of {len(trials)} trials, the only ones of their "
            f"{recording.trials.repeats.of}")

    @property
    def observed(self) -> np.ndarray:
        """(trial, unit) float, ms, latencies as recorded."""
        return self._censor(self._latency)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """(trial, unit) float, ms, latencies of a surrogate."""
        return self._censor(exchange_latencies(self._latency, self._group, rng))

    def _censor(self, latency: np.ndarray) -> np.ndarray:
        """What comes after the end of the trial's own window is silence."""
        return np.where(latency < self._end, latency, np.inf)


class DitheredSpikes:
    """Responses of one area whose spikes move by an independent time each.

    Parameters
    ----------
    recording, windows, units, trials
        As of `ShuffledLatencies`.
    dither : float, ms
    """

    def __init__(self, recording: Recording, windows: ResponseWindows, units: np.ndarray,
                 trials: np.ndarray, dither: float):
        kept = np.flatnonzero(windows.used)[trials]
        onset, start, stop = windows.onset[kept], windows.start[kept], windows.stop[kept]
        spikes = recording.window_spikes(start, stop, units)
        self._trial, self._unit = spikes.window, spikes.unit
        self._times = spikes.time - onset[self._trial]
        self._start, self._stop = (start - onset)[self._trial], (stop - onset)[self._trial]
        self._dither, self._resolution = dither, recording.resolution
        # Spikes come by unit and trial, so each response is one stretch of them.
        response = self._unit * len(trials) + self._trial
        self._first = np.flatnonzero(np.diff(response, prepend=-1))
        self._shape = (len(trials), len(units))

    @property
    def observed(self) -> np.ndarray:
        """(trial, unit) float, ms, latencies as recorded."""
        return self._latencies(self._times)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """(trial, unit) float, ms, latencies of a surrogate."""
        return self._latencies(dither_spikes(self._times, self._start, self._stop, self._dither,
                                             rng, self._resolution))

    def _latencies(self, times: np.ndarray) -> np.ndarray:
        latency = np.full(self._shape, np.inf)
        if len(times):
            latency[self._trial[self._first], self._unit[self._first]] = \
                np.minimum.reduceat(times, self._first)
        return latency
