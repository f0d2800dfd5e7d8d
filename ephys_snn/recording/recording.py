"""The recording: units, trials, areas and spikes, whether of a network or of a brain.

Everything the analyses know about an experiment stands here. Times are float64 milliseconds on
the recording's own clock; latencies are relative to the onset of their trial; a unit that stays
silent in a response window has the latency ``inf``. Response windows are half-open,
``[start, stop)``, so a spike at the very time of the decision is not part of the response.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ephys_snn.formats import (
    SEGMENT_START,
    SEGMENT_STOP,
    Session,
    block_of_session,
    session_of_blocks,
    sort_labels,
    write_nix,
)
from ephys_snn.recording import exchange
from ephys_snn.recording.response_windows import ResponseWindows
from ephys_snn.recording.trials import Trials
from ephys_snn.recording.units import CELL_TYPES, Units

if TYPE_CHECKING:
    import neo
    import pynapple

# Note of an area in tables.
DECISION_NOTE = "not computable: its units make the decision that ends the window"


class Responses(NamedTuple):
    """What every unit did in the response window of every trial that has one.

    Attributes
    ----------
    latency : (trial, unit) float, ms
        First spike in the window minus the trial's onset; inf where there is none.
    count : (trial, unit) int
        Spikes in the window.
    label : (trial,) str
        Class of these trials.
    trial : (trial,) int
        Index of these trials in ``recording.trials``.
    """

    latency: np.ndarray
    count: np.ndarray
    label: np.ndarray
    trial: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """(trial, unit) bool, at least one spike in the response window."""
        return self.count > 0


class WindowSpikes(NamedTuple):
    """Spikes of units in windows; by unit, then window, then time.

    Attributes
    ----------
    time : (spike,) float, ms
        On the recording's clock.
    window : (spike,) int
        Which of the windows.
    unit : (spike,) int
        Position among the units that were asked for.
    """

    time: np.ndarray
    window: np.ndarray
    unit: np.ndarray


@dataclass(frozen=True)
class Recording:
    """Spike trains of many units over many trials, with areas and, in a network, weights.

    Attributes
    ----------
    units : Units
    trials : Trials
    spike_times : (spike,) float, ms
        The spikes of the first unit in ascending order, then those of the second, and so on.
    offsets : (unit + 1,) int
        Unit u's spikes are ``spike_times[offsets[u]:offsets[u + 1]]``.
    areas : tuple of str
        In the order of processing if `areas_ordered`, else in alphabetic order.
    areas_ordered : bool
        Whether somebody stated the order of the areas; without it there is no depth.
    t_start, t_stop : float, ms
        Time range of the recording.
    weights : dict of (source area, target area) to (pre, post) float
        Synaptic weights, in the order of the units of each area; empty for a brain.
    resolution : float or None, ms
        Time resolution that the recording states; synchrony finer than it is an artefact.
    events : dict of str to (event,) float, ms
        Times of every named Event of the file.
    annotations : dict
        What the file says of itself.
    notes : tuple of str
        Choices that were made in reading, in words, for whoever reads the results.
    path : Path or None
        The file.
    sha256 : str or None
        Of the content of the file, in hexadecimal.
    """

    units: Units
    trials: Trials
    spike_times: np.ndarray
    offsets: np.ndarray
    areas: tuple[str, ...]
    areas_ordered: bool
    t_start: float
    t_stop: float
    weights: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    resolution: float | None = None
    events: Mapping[str, np.ndarray] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path: Path | None = None
    sha256: str | None = None

    @classmethod
    def read(cls, source: str | Path | Session, **options) -> Recording:
        """Read a recording from any file that Neo reads.

        The options are those of `ephys_snn.recording.reading.read_recording`.
        """
        from ephys_snn.recording.reading import read_recording  # reading builds on this module

        return read_recording(source, **options)

    @classmethod
    def from_neo(cls, block: neo.Block, **options) -> Recording:
        """Make a recording of a Neo Block in memory; the options are those of `read`.

        Raises
        ------
        InputError
            If it holds no spike trains, or a choice is missing or impossible.
        """
        return cls.read(session_of_blocks([block], f"the Block '{block.name or ''}'"), **options)

    @classmethod
    def from_pynapple(cls, units: pynapple.TsGroup, trials: pynapple.IntervalSet, **options
                      ) -> Recording:
        """Make a recording of pynapple's objects; the options are those of `read`.

        Parameters
        ----------
        units : pynapple.TsGroup
            Its metadata become annotations of the units, such as `area` and `cell_type`.
        trials : pynapple.IntervalSet
            Its metadata become array annotations of the trials; `label` is the class.
        """
        return cls.read(exchange.session_of_pynapple(units, trials), **options)

    def to_neo(self) -> neo.Block:
        """A Neo Block by the recording contract, of which `from_neo` makes this recording again.

        The weights are its annotation ``weights``, which lives in memory alone: Neo's writers lose
        it, `write` does not.
        """
        return block_of_session(exchange.session_of_recording(self),
                                self.path.stem if self.path else "recording")

    def to_pynapple(self) -> tuple[pynapple.TsGroup, pynapple.IntervalSet]:
        """The units and the trials, with what is known of them as metadata; times in s.

        Returns
        -------
        units : pynapple.TsGroup
            Keyed by the position of the unit; metadata `name`, `area`, `unit_id`, `cell_type` and
            the annotations of the units.
        trials : pynapple.IntervalSet
            Metadata `label`, the decision, where there are any, and the annotations of the trials.

        Raises
        ------
        InputError
            If pynapple is not installed, or trials overlap, which it does not allow.
        """
        return exchange.pynapple_of_recording(self)

    def write(self, path: str | Path) -> None:
        """Write the recording in NIX format, as `ephys_snn.formats.write_nix` does."""
        write_nix(path, exchange.session_of_recording(self), Path(self.path or path).stem)

    @classmethod
    def from_spike_trains(cls, spikes: Sequence[np.ndarray], units: Units, trials: Trials,
                          **fields) -> Recording:
        """Build a recording from one array of spike times (ms, any order) per unit."""
        spike_times, offsets = _concatenate([_ascending(train) for train in spikes])
        ends = trials.onset + trials.duration
        bounds = np.concatenate([trials.onset, ends[np.isfinite(ends)]])
        fields.setdefault("areas", sort_labels(units.area))
        fields.setdefault("areas_ordered", False)
        fields.setdefault("t_start", min(bounds.min(initial=0.0), spike_times.min(initial=0.0)))
        fields.setdefault("t_stop", max(bounds.max(initial=0.0), spike_times.max(initial=0.0)))
        return cls(units, trials, spike_times, offsets, **fields)

    def noted(self, *notes: str) -> Recording:
        """The recording with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def recorded_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Start and stop, (trial,) ms, of the recorded time around each trial."""
        known = self.trials.annotations
        start, stop = known.get(SEGMENT_START, self.t_start), known.get(SEGMENT_STOP, self.t_stop)
        return (np.broadcast_to(start, len(self.trials)), np.broadcast_to(stop, len(self.trials)))

    def spikes_of(self, unit: int) -> np.ndarray:
        """Spike times of one unit, ms, ascending (a view)."""
        return self.spike_times[self.offsets[unit]:self.offsets[unit + 1]]

    def units_in(self, area: str, cell_type: str = "all") -> np.ndarray:
        """Indices of the units of an area, of one cell type or of all."""
        inside = self.units.area == area
        if cell_type != "all":
            inside &= self.units.cell_type == cell_type
        return np.flatnonzero(inside)

    def cell_types_in(self, area: str) -> tuple[str, ...]:
        """'all', then each known cell type among the units of an area."""
        present = set(self.units.cell_type[self.units.area == area].tolist()) - {""}
        known = [cell_type for cell_type in CELL_TYPES if cell_type in present]
        return ("all", *known, *sorted(present - set(known)))

    def output_units(self, windows: ResponseWindows) -> np.ndarray:
        """(unit,) bool, units whose first spike is the decision that ends the response windows.

        They cannot respond before it. They are the units of cell type 'output' or, where no
        unit is of that type, those of the area 'output'; none where windows end otherwise.
        """
        output = self.units.cell_type == "output"
        if not output.any():
            output = self.units.area == "output"
        return output & windows.until_decision

    def spike_ranges(self, unit: int, start: np.ndarray, stop: np.ndarray
                     ) -> tuple[np.ndarray, np.ndarray]:
        """Where in `spike_times` the spikes of a unit lie that fall into each window.

        Parameters
        ----------
        start, stop : (window,) float, ms
            Half-open, on the recording's clock.

        Returns
        -------
        first, count : (window,) int
        """
        spikes = self.spikes_of(unit)
        first = np.searchsorted(spikes, start)
        count = np.maximum(np.searchsorted(spikes, stop) - first, 0)
        return self.offsets[unit] + first, count

    def window_spikes(self, start: np.ndarray, stop: np.ndarray,
                      units: Sequence[int] | np.ndarray) -> WindowSpikes:
        """All spikes of some units in some windows.

        Parameters
        ----------
        start, stop : (window,) float, ms
            Half-open, on the recording's clock.
        units : (unit,) int
        """
        shape = (len(units), len(start))
        ranges = [self.spike_ranges(unit, start, stop) for unit in units]
        first, count = (np.array(part, dtype=np.int64).reshape(shape).ravel()
                        for part in (zip(*ranges, strict=True) if ranges else ([], [])))
        # Every spike is counted on from the first one of its cell, which is a window of a unit.
        cell = np.repeat(np.arange(count.size), count)
        within = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count)
        unit, window = np.divmod(cell, max(1, len(start)))
        return WindowSpikes(self.spike_times[first[cell] + within], window, unit)

    def responses(self, windows: ResponseWindows, units: np.ndarray | None = None) -> Responses:
        """First spikes and spike counts of units in the response windows.

        Parameters
        ----------
        windows : ResponseWindows
            One per trial; trials without a window are left out.
        units : (unit,) int, optional
            Which units; all by default.
        """
        units = np.arange(len(self.units)) if units is None else np.asarray(units)
        trial = np.flatnonzero(windows.used)
        start, stop, onset = windows.start[trial], windows.stop[trial], windows.onset[trial]
        latency = np.full((len(units), len(trial)), np.inf)
        count = np.zeros((len(units), len(trial)), dtype=np.int32)
        for row, unit in enumerate(units):
            first, count[row] = self.spike_ranges(unit, start, stop)
            responded = count[row] > 0
            latency[row, responded] = self.spike_times[first[responded]] - onset[responded]
        return Responses(latency.T, count.T, self.trials.label[trial], trial)

    def select_units(self, index: np.ndarray) -> Recording:
        """The recording of some units only (indices or a mask); weights follow their units."""
        index = np.arange(len(self.units))[index]
        spike_times, offsets = _concatenate([self.spikes_of(unit) for unit in index])
        areas = tuple(area for area in self.areas if (self.units.area[index] == area).any())
        weights = {}
        for (source, target), matrix in self.weights.items():
            if source in areas and target in areas:
                pre = _positions(self.units_in(source), index)
                post = _positions(self.units_in(target), index)
                weights[source, target] = matrix[np.ix_(pre, post)]
        return replace(self, units=self.units[index], areas=areas, weights=weights,
                       spike_times=spike_times, offsets=offsets)

    def select_trials(self, index: np.ndarray) -> Recording:
        """The recording with some of its trials only (indices or a mask); spikes stay."""
        return replace(self, trials=self.trials[index])

    def spike_trains(self, units: Iterable[int] | None = None, start: float | None = None,
                     stop: float | None = None) -> list[neo.SpikeTrain]:
        """Spike trains for Elephant and Viziphant, between two times (ms) of the recording."""
        import neo  # heavy: only those who want its objects pay for it

        start = self.t_start if start is None else start
        stop = self.t_stop if stop is None else stop
        trains = []
        for unit in range(len(self.units)) if units is None else units:
            spikes = self.spikes_of(unit)
            spikes = spikes[np.searchsorted(spikes, start):np.searchsorted(spikes, stop)]
            trains.append(neo.SpikeTrain(
                spikes, units="ms", t_start=start, t_stop=stop, name=str(self.units.name[unit]),
                area=str(self.units.area[unit]), cell_type=str(self.units.cell_type[unit])))
        return trains


def _concatenate(trains: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The `spike_times` and `offsets` of a recording of these trains."""
    return (np.concatenate([np.empty(0), *trains]),
            np.cumsum([0, *map(len, trains)], dtype=np.int64))


def _ascending(spikes: np.ndarray) -> np.ndarray:
    """The same times in ascending order; most files hold them so, and looking is cheaper."""
    times = np.asarray(spikes, dtype=np.float64)
    return times if (times[1:] >= times[:-1]).all() else np.sort(times)


def _positions(members: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Positions within `members` (ascending) of those of `chosen` that are members."""
    return np.searchsorted(members, chosen[np.isin(chosen, members)])
