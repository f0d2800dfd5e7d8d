"""The recording: units, trials, areas and spikes, whether of a network or of a brain.

Everything the analyses know about an experiment stands here. Times are float64 milliseconds on
the recording's own clock; latencies are relative to the onset of their trial; a unit that stays
silent in a response window has the latency ``inf``. Response windows are half-open,
``[start, stop)``, so a spike at the very time of the decision is not part of the response.

Symbols: n_units, n_trials, n_spikes; arrays of responses have the axes ``(trial, unit)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ephys_snn.errors import InputError

if TYPE_CHECKING:
    import neo

CELL_TYPES = ("excitatory", "inhibitory", "input", "output")
DECIDES = "not computable: its units make the decision that ends the window"  # of an area
# Array annotations of trials whose Segment is less than the whole recording: its borders, ms.
SEGMENT_START, SEGMENT_STOP = "segment_start", "segment_stop"


@dataclass(frozen=True)
class Units:
    """Who was recorded, one entry per unit.

    Attributes
    ----------
    unit_id : (unit,) int or str
        Unique within its area.
    name : (unit,) str
        Name of the spike train in the file; need not be unique.
    area : (unit,) str
    cell_type : (unit,) str
        One of `CELL_TYPES`, another word of the experimenter's, or '' where unknown.
    annotations : dict of (unit,) arrays
        What else the file says of each unit; None where it says nothing of one.
    """

    unit_id: np.ndarray
    name: np.ndarray
    area: np.ndarray
    cell_type: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.area)

    def __getitem__(self, index) -> Units:
        arrays = (self.unit_id, self.name, self.area, self.cell_type)
        annotations = {key: values[index] for key, values in self.annotations.items()}
        return Units(*(values[index] for values in arrays), annotations)


@dataclass(frozen=True)
class Trials:
    """What happened when, one entry per trial in the order of their onsets.

    Attributes
    ----------
    onset, duration : (trial,) float, ms
    label : (trial,) str
        The class of the trial.
    decision_time : (trial,) float, ms
        On the recording's clock; nan where the trial has no decision.
    decision_label : (trial,) str
        The class decided for; '' where the trial has no decision.
    annotations : dict of (trial,) arrays
        What else the file says of each trial.
    """

    onset: np.ndarray
    duration: np.ndarray
    label: np.ndarray
    decision_time: np.ndarray
    decision_label: np.ndarray
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.onset)

    def __getitem__(self, index) -> Trials:
        arrays = (self.onset, self.duration, self.label, self.decision_time, self.decision_label)
        annotations = {key: values[index] for key, values in self.annotations.items()}
        return Trials(*(values[index] for values in arrays), annotations)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes present, numbers in numeric order, other labels in alphabetic order."""
        return sort_labels(self.label)

    @property
    def has_decisions(self) -> bool:
        """Whether any trial has a decision."""
        return bool(np.isfinite(self.decision_time).any())


class ResponseWindows(NamedTuple):
    """The part of each trial in which a spike counts as a response.

    Attributes
    ----------
    onset : (trial,) float, ms
        What latencies are measured from.
    start, stop : (trial,) float, ms
        Half-open window on the recording's clock; nan in trials that have none.
    until_decision : bool
        Whether windows end at the decision: units that make the decision cannot respond then.
    description : str
        In words, for figures and tables.
    """

    onset: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    until_decision: bool
    description: str

    @property
    def used(self) -> np.ndarray:
        """(trial,) bool, whether the trial has a window."""
        return np.isfinite(self.start) & np.isfinite(self.stop)

    @property
    def durations(self) -> np.ndarray:
        """(trial,) float, ms."""
        return self.stop - self.start


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

    @classmethod
    def read(cls, path: str | Path, **options) -> Recording:
        """Read a recording from any file that Neo reads.

        The options are those of `ephys_snn.reading.read_recording`.
        """
        from ephys_snn.reading import read_recording  # reading builds on this module

        return read_recording(path, **options)

    @classmethod
    def from_spike_trains(cls, spikes: Sequence[np.ndarray], units: Units, trials: Trials,
                          **fields) -> Recording:
        """Build a recording from one array of spike times (ms, any order) per unit."""
        offsets = np.concatenate([[0], np.cumsum([len(train) for train in spikes])])
        spike_times = np.concatenate([np.empty(0), *map(_ascending, spikes)])
        ends = trials.onset + trials.duration
        bounds = np.concatenate([trials.onset, ends[np.isfinite(ends)]])
        fields.setdefault("areas", sort_labels(units.area))
        fields.setdefault("areas_ordered", False)
        fields.setdefault("t_start", min(bounds.min(initial=0.0), spike_times.min(initial=0.0)))
        fields.setdefault("t_stop", max(bounds.max(initial=0.0), spike_times.max(initial=0.0)))
        return cls(units, trials, spike_times, offsets.astype(np.int64), **fields)

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

    def decision_makers(self, windows: ResponseWindows) -> np.ndarray:
        """(unit,) bool, units whose first spike is the decision that ends the response windows.

        They cannot respond before it. They are the units of cell type 'output' or, where no
        unit is of that type, those of the area 'output'; none where windows end otherwise.
        """
        output = self.units.cell_type == "output"
        if not output.any():
            output = self.units.area == "output"
        return output & windows.until_decision

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
            spikes = self.spikes_of(unit)
            first = np.searchsorted(spikes, start)
            count[row] = np.maximum(np.searchsorted(spikes, stop) - first, 0)
            responded = count[row] > 0
            latency[row, responded] = spikes[first[responded]] - onset[responded]
        return Responses(latency.T, count.T, self.trials.label[trial], trial)

    def select_units(self, index: np.ndarray) -> Recording:
        """The recording of some units only (indices or a mask); weights follow their units."""
        index = np.arange(len(self.units))[index]
        trains = [self.spikes_of(unit) for unit in index]
        areas = tuple(area for area in self.areas if (self.units.area[index] == area).any())
        weights = {}
        for (source, target), matrix in self.weights.items():
            if source in areas and target in areas:
                pre = _positions(self.units_in(source), index)
                post = _positions(self.units_in(target), index)
                weights[source, target] = matrix[np.ix_(pre, post)]
        offsets = np.concatenate([[0], np.cumsum([len(train) for train in trains])])
        return replace(self, units=self.units[index], areas=areas, weights=weights,
                       spike_times=np.concatenate([np.empty(0), *trains]),
                       offsets=offsets.astype(np.int64))

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


def _ascending(spikes: np.ndarray) -> np.ndarray:
    """The same times in ascending order; most files hold them so, and looking is cheaper."""
    times = np.asarray(spikes, dtype=np.float64)
    return times if (times[1:] >= times[:-1]).all() else np.sort(times)


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels, numbers first and in numeric order, the others in alphabetic order.

    >>> sort_labels(["10", "9", "kiwi", "9"])
    ('9', '10', 'kiwi')
    """
    def key(label: str) -> tuple:
        try:
            return (0, float(label), label)
        except ValueError:
            return (1, 0.0, label)

    return tuple(sorted({str(label) for label in labels}, key=key))


def format_label(value: Any) -> str:
    """A value of an annotation as the label of a class: numbers without needless digits.

    >>> format_label(0.5), format_label(1.0), format_label(None)
    ('0.5', '1', '')
    """
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def epoch_windows(trials: Trials) -> ResponseWindows:
    """Response windows that last as long as the trials' epochs."""
    return ResponseWindows(trials.onset, trials.onset, trials.onset + trials.duration, False,
                           "the whole trial")


def decision_windows(trials: Trials) -> ResponseWindows:
    """Response windows from the onset until the decision; trials without one are left out."""
    if not trials.has_decisions:
        raise InputError("the response window cannot end at the decision: the recording has no "
                         "decisions; choose one with --window START STOP")
    return ResponseWindows(trials.onset, trials.onset, trials.decision_time, True,
                           "onset until the decision")


def fixed_windows(trials: Trials, start: float, stop: float) -> ResponseWindows:
    """Response windows ``[start, stop)`` in ms after each onset."""
    if not -np.inf < start < stop < np.inf:
        raise InputError(f"--window must start before it stops; got {start:g} {stop:g} ms")
    return ResponseWindows(trials.onset, trials.onset + start, trials.onset + stop, False,
                           f"{start:g} to {stop:g} ms after onset")


def event_windows(trials: Trials, times: np.ndarray, name: str) -> ResponseWindows:
    """Response windows from the onset until the first event inside each trial.

    Parameters
    ----------
    times : (event,) float, ms
    name : str
        Name of the event, for the description.
    """
    times = np.sort(times)
    stop = np.append(times, np.nan)[np.searchsorted(times, trials.onset)]
    stop[~(stop < trials.onset + trials.duration)] = np.nan
    return ResponseWindows(trials.onset, trials.onset, stop, False, f"onset until '{name}'")


def _positions(members: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Positions within `members` (ascending) of those of `chosen` that are members."""
    return np.searchsorted(members, chosen[np.isin(chosen, members)])
