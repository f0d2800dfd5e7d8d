"""What a perturbation does: a record per operation, which changes spikes or synapses.

A *packet* is what the target's units of an area spike in a trial before the decision of the
unperturbed network; in a trial without a decision, all that they spike. Operations on a packet
leave later spikes alone; all others take every spike. `w` after a time makes the packet's width its
unit: ``jitter layer_3 sd=2w``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.perturbation.targets import Target, format_number


@dataclass(frozen=True)
class Time:
    """A time in ms, or in widths of the packet of the area where it is used.

    Parameters
    ----------
    value : float
    in_widths : bool
        Whether the unit is the area's median shortest half before the decision.
    """

    value: float
    in_widths: bool = False

    def ms(self, width: float) -> float:
        """In ms, for a packet of this width in ms."""
        return self.value * width if self.in_widths else self.value

    def __str__(self) -> str:
        return f"{format_number(self.value)}{'w' if self.in_widths else ''}"


@dataclass(frozen=True)
class Operation:
    """Something that is done to a target.

    Parameters
    ----------
    target : Target
    """

    target: Target
    name = ""
    units_of_dose = {"p": "probability", "at": "ms", "by": "factor", "noise": "fraction of weight",
                     "bits": "bits"}

    @property
    def parameters(self) -> dict[str, Time | float]:
        """What it is done with, beside the target, by the key of its word."""
        return {field.name: getattr(self, field.name) for field in fields(self)
                if field.name not in ("target", "source")}

    @property
    def words(self) -> str:
        """The perturbation as it is written."""
        values = (f" {key}={value if isinstance(value, Time) else format_number(value)}"
                  for key, value in self.parameters.items())
        return f"{self.name} {self.target.words}{''.join(values)}"

    @property
    def dose(self) -> tuple[float, str]:
        """How much, and its unit: the parameter, or which part of the target it is."""
        for key, value in self.parameters.items():
            if isinstance(value, Time):
                return value.value, "packet widths" if value.in_widths else "ms"
            return float(value), self.units_of_dose.get(key, "")
        if self.target.selective is not None and self.target.of is None:
            return sum(self.target.selective) / 2, "rank of selectivity"
        return 1.0 if self.target.of is None else self.target.of, "fraction of units"

    @property
    def in_widths(self) -> bool:
        """Whether the dose is in widths of the packet."""
        return self.dose[1] == "packet widths"


# --- spikes ---------------------------------------------------------------------------------------


class SpikeOperation(Operation):
    """An operation on the spikes that units send."""

    def spikes(self, times: np.ndarray, packet: np.ndarray, width: float,
               rng: np.random.Generator) -> np.ndarray:
        """What units send instead.

        Parameters
        ----------
        times : (trial, unit) float, ms
            First spikes of the target's units of one area; inf where silent.
        packet : (trial, unit) bool
            Which of them belong to the packet.
        width : float, ms
            Of the area's packets.
        rng : numpy.random.Generator
        """
        raise NotImplementedError


class Silence(SpikeOperation):
    """Units send nothing; they still receive."""

    name = "silence"

    def spikes(self, times, packet, width, rng):
        return np.full_like(times, np.inf)


@dataclass(frozen=True)
class Jitter(SpikeOperation):
    """Every spike moves by an independent normal time, reflected at the onset of the trial."""

    sd: Time
    name = "jitter"

    def __post_init__(self):
        _require(self, "sd", self.sd.value >= 0, "at least 0")

    def spikes(self, times, packet, width, rng):
        return np.abs(times + rng.normal(0, self.sd.ms(width), times.shape).astype(times.dtype))


@dataclass(frozen=True)
class Delay(SpikeOperation):
    """Every spike comes later; a negative delay lets it come earlier, from the onset on."""

    by: Time
    name = "delay"

    def spikes(self, times, packet, width, rng):
        return np.maximum(times + times.dtype.type(self.by.ms(width)), 0)


@dataclass(frozen=True)
class Drop(SpikeOperation):
    """Every spike is lost with a probability."""

    p: float
    name = "drop"

    def __post_init__(self):
        _require(self, "p", 0 <= self.p <= 1, "from 0 to 1")

    def spikes(self, times, packet, width, rng):
        return np.where(rng.random(times.shape) < self.p, np.inf, times).astype(times.dtype)


class Shuffle(SpikeOperation):
    """Spike times are exchanged among the units of the packet: who spikes stays, and when some do.

    What goes is which of them spikes when.
    """

    name = "shuffle"

    def spikes(self, times, packet, width, rng):
        order = np.argsort(np.where(packet, rng.random(times.shape), np.inf), axis=1)
        to = np.argsort(~packet, axis=1, kind="stable")  # the packet's units in their order
        shuffled = times.copy()
        rows, ranks = np.nonzero(np.arange(times.shape[1]) < packet.sum(axis=1, keepdims=True))
        shuffled[rows, to[rows, ranks]] = times[rows, order[rows, ranks]]
        return shuffled


class Synchronize(SpikeOperation):
    """All spikes of the packet come at its median."""

    name = "synchronize"

    def spikes(self, times, packet, width, rng):
        return np.where(packet, _median(times, packet), times).astype(times.dtype)


@dataclass(frozen=True)
class Stretch(SpikeOperation):
    """Distances of the packet's spikes from its median grow by a factor, times from the onset on.

    A factor below 1 makes the packet tighter.
    """

    by: float
    name = "stretch"

    def __post_init__(self):
        _require(self, "by", self.by >= 0, "at least 0")

    def spikes(self, times, packet, width, rng):
        median = _median(times, packet)
        with np.errstate(invalid="ignore"):  # of silent units
            # In this form a factor of 0 gives the very median, and 1 the very times.
            stretched = np.maximum(self.by * times + (1 - self.by) * median, 0)
        return np.where(packet, stretched, times).astype(times.dtype)


@dataclass(frozen=True)
class Drive(SpikeOperation):
    """Units spike at a time, unless they have spiked before, as under microstimulation."""

    at: float
    name = "drive"

    def __post_init__(self):
        _require(self, "at", self.at >= 0, "at least 0 ms after the onset of the trial")

    def spikes(self, times, packet, width, rng):
        return np.minimum(times, times.dtype.type(self.at))


def _median(times: np.ndarray, packet: np.ndarray) -> np.ndarray:
    """(trial, 1) float, median time of the packet; inf where it is empty."""
    ordered = np.sort(np.where(packet, times, np.inf), axis=1)
    size = packet.sum(axis=1)
    rows = np.arange(len(times))
    low, high = ordered[rows, np.maximum(size - 1, 0) // 2], ordered[rows, size // 2]
    return ((low.astype(float) + high) / 2)[:, None]


# --- synapses -------------------------------------------------------------------------------------


class SynapseOperation(Operation):
    """An operation on the synapses onto units."""

    def synapses(self, weights: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
        """What weights become.

        Parameters
        ----------
        weights : (pre, post) float
            From the source's units, or all of the area before, onto the target's units.
        scale : float
            The largest size of a weight between the two areas.
        rng : numpy.random.Generator
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Cut(SynapseOperation):
    """The synapses onto units are gone, all or those of some presynaptic units.

    Parameters
    ----------
    target : Target
        The postsynaptic units.
    source : Target, optional
        The presynaptic units, of the area before.
    """

    source: Target | None = None
    name = "cut"

    @property
    def words(self) -> str:
        source = f"{self.source.words} " if self.source else ""
        return f"cut {source}onto {self.target.words}"

    def synapses(self, weights, scale, rng):
        return np.zeros_like(weights)


@dataclass(frozen=True)
class WeightNoise(SynapseOperation):
    """Each weight w becomes w (1 + noise·z), z standard normal; none changes its sign."""

    noise: float
    name = "weights"

    def __post_init__(self):
        _require(self, "noise", self.noise >= 0, "at least 0, as a fraction of each weight")

    def synapses(self, weights, scale, rng):
        factor = np.maximum(1 + self.noise * rng.standard_normal(weights.shape), 0)
        return (weights * factor).astype(weights.dtype)


@dataclass(frozen=True)
class WeightBits(SynapseOperation):
    """Each weight becomes the nearest of 2^N - 1 equidistant ones around 0.

    The outermost ones are the largest size of a weight between the two areas.
    """

    bits: int
    name = "weights"

    def __post_init__(self):
        _require(self, "bits", 2 <= self.bits <= 24 and self.bits == int(self.bits),
                 "a whole number from 2 to 24")

    def synapses(self, weights, scale, rng):
        step = scale / (2 ** (int(self.bits) - 1) - 1)
        return (np.round(weights / step) * step).astype(weights.dtype) if step else weights


def _require(operation: Operation, key: str, holds: bool, what: str) -> None:
    if not holds:
        raise InputError(f"{key}={operation.parameters[key]} must be {what}")
