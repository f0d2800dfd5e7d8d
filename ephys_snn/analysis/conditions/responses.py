"""What areas and cell types do in every trial: how many units, how often, when and how close."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ephys_snn.pulse_packets import MIN_ACTIVE, equal_shortest_halves, pulse_packets
from ephys_snn.recording import DECISION_NOTE, Recording, Responses, ResponseWindows

MIN_DRAWS = 10_000  # of equally many units, over all trials of a condition
MIN_PACKETS = 5  # of each condition, or their sizes say nothing
TRIAL_MEASURES = ("active_fraction", "rate_hz", "active_units", "latency_ms")


class Group(NamedTuple):
    """Units of an area and cell type.

    Attributes
    ----------
    area, cell_type : str
    n_units : int
        All of them.
    units : (unit,) int
        Those that can respond: not those whose spike ends the window.
    """

    area: str
    cell_type: str
    n_units: int
    units: np.ndarray

    @property
    def note(self) -> str:
        """Why nothing of it can be computed, or ''."""
        return "" if len(self.units) else DECISION_NOTE


def groups_of(recording: Recording, windows: ResponseWindows) -> list[Group]:
    """Every area, all of its units and those of each cell type."""
    deciding, groups = recording.output_units(windows), []
    for area in recording.areas:
        for cell_type in recording.cell_types_in(area):
            members = recording.units_in(area, cell_type)
            groups.append(Group(area, cell_type, len(members), members[~deciding[members]]))
    return groups


def trial_values(responses: Responses, windows: ResponseWindows, group: Group) -> np.ndarray:
    """(trial, `TRIAL_MEASURES`) float, of all trials; nan where one has no window or no packet.

    A rate is spikes per unit over the length of the trial's own window.
    """
    latency, count = (of[:, group.units] for of in (responses.latency, responses.count))
    packets = pulse_packets(latency)
    seconds = windows.durations[responses.trial] / 1000
    seconds[seconds <= 0] = np.nan
    values = np.full((len(windows.used), len(TRIAL_MEASURES)), np.nan)
    values[responses.trial] = np.column_stack([
        packets.size / len(group.units), count.mean(axis=1) / seconds, packets.size,
        packets.latency])
    return values


def equal_widths(latency: np.ndarray, is_condition: np.ndarray, rng: np.random.Generator
                 ) -> tuple[np.ndarray, int]:
    """Shortest halves of equally many spikes in both conditions, or why there are none.

    As many as at least half of the packets of each condition have: the shortest half grows with
    the number of units, so that a condition with fewer of them would have narrower packets.

    Parameters
    ----------
    latency : (compared, unit) float, ms
        First spikes; inf = silent.
    is_condition : (compared,) bool

    Returns
    -------
    (compared,) float, ms
        nan in trials with fewer active units.
    n_spikes : int
        0 where a condition has fewer than `MIN_PACKETS` packets.
    """
    size = np.isfinite(latency).sum(axis=1)
    packets = [np.sort(size[of & (size >= MIN_ACTIVE)]) for of in (is_condition, ~is_condition)]
    width = np.full(len(latency), np.nan)
    if min(map(len, packets)) < MIN_PACKETS:
        return width, 0
    n_spikes = min(int(of[len(of) // 2]) for of in packets)
    width[size >= n_spikes] = equal_shortest_halves(
        latency, n_spikes, -(-MIN_DRAWS // len(latency)), rng)
    return width, n_spikes
