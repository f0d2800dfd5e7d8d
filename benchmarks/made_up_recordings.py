"""Recordings whose truth is known, for `calibration.py`.

Trials follow each other at a constant period; units are Poisson, and what is added to that is
named by the function. Names of units say what is true of them: ``A/plain3``, ``A/tuned4``.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ephys_snn.recording import Recording, Trials, Units

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EPHYS_SNN_SHARED", CHECKOUT.parent / "shared")) / "recordings"
LATENCY = 30.0  # ms, of the responses of `responsive`
LAG = 5.0  # ms, of `linked_pairs`


class Spikes(NamedTuple):
    """Spikes of many units: whose, (spike,) int, and when, (spike,) float, ms."""

    unit: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class Design:
    """Who is recorded and how often; times in ms, `before` is recorded before every onset."""

    areas: tuple[str, ...] = ("A", "B", "C")
    n_excitatory: int = 8
    n_inhibitory: int = 4
    n_trials: int = 120
    n_classes: int = 4
    before: float = 100.0
    duration: float = 100.0
    period: float = 250.0

    @property
    def shape(self) -> tuple[int, int]:
        """Trials, units."""
        return self.n_trials, len(self.areas) * (self.n_excitatory + self.n_inhibitory)

    @property
    def onset(self) -> np.ndarray:
        """(trial,) float, ms."""
        return self.before + self.period * np.arange(self.n_trials)

    @property
    def area_index(self) -> np.ndarray:
        """(unit,) int, the position of its area."""
        return np.repeat(np.arange(len(self.areas)), self.n_excitatory + self.n_inhibitory)

    @property
    def cell_type(self) -> np.ndarray:
        """(unit,) str."""
        return np.tile(np.repeat(["excitatory", "inhibitory"],
                                 [self.n_excitatory, self.n_inhibitory]), len(self.areas))

    def labels(self, rng: np.random.Generator, block: int = 1) -> np.ndarray:
        """(trial,) int, balanced and in random order, blocks of equal labels."""
        order = rng.permutation(np.arange(-(-self.n_trials // block)) % self.n_classes)
        return np.repeat(order, block)[:self.n_trials]


DESIGN = Design()


# --- spikes --------------------------------------------------------------------------------------


def poisson(design: Design, rate_hz: np.ndarray, rng: np.random.Generator) -> Spikes:
    """Spikes at a rate, (trial, unit) or less, that is constant from before a trial to the next."""
    count = rng.poisson(np.broadcast_to(rate_hz, design.shape) * design.period / 1000)
    trial, unit = _cells(count)
    begin = design.onset[trial] - design.before
    return Spikes(unit, begin + rng.uniform(0, design.period, len(trial)))


def responses(design: Design, count: np.ndarray, latency: np.ndarray, sd: float,
              rng: np.random.Generator) -> Spikes:
    """So many spikes, (trial, unit) int, at normal times around latencies, (trial, unit), ms."""
    trial, unit = _cells(count)
    mean = np.broadcast_to(latency, design.shape)[trial, unit]
    return Spikes(unit, design.onset[trial] + rng.normal(mean, sd))


def _cells(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.divmod(np.repeat(np.arange(count.size), count.ravel()), count.shape[1])


def in_bursts(spikes: Spikes, size: int, interval: float = 4.0) -> list[Spikes]:
    """Bursts of so many spikes, ms apart, instead of single ones."""
    return [Spikes(spikes.unit, spikes.time + interval * k) for k in range(size)]


def unit_rates(design: Design, rng: np.random.Generator, spread: float = 0.5) -> np.ndarray:
    """(unit,) float, spikes/s, log-normal around 12."""
    return 12.0 * np.exp(spread * rng.normal(size=design.shape[1]))


def record(design: Design, spikes: Sequence[Spikes], label: np.ndarray, *,
           tuned: np.ndarray | None = None, decision: np.ndarray | None = None,
           stimulus: np.ndarray | None = None,
           weights: Mapping[tuple[str, str], np.ndarray] | None = None) -> Recording:
    """The recording of spikes, (trial,) labels and what else is known of trials and units.

    Parameters
    ----------
    tuned : (unit,) bool, optional
        Units of which something is true; their names say so.
    decision : (trial,) float, optional, ms
        After the onset; the class decided for is that of the trial.
    stimulus : (trial,) int, optional
        Becomes the annotation of this name.
    weights : dict, optional
        Adds an area `output` with a silent unit per class.
    """
    n_trials, n_units = design.shape
    area = np.array(design.areas)[design.area_index]
    number = np.tile(np.arange(n_units // len(design.areas)), len(design.areas))
    kind = np.where(np.zeros(n_units, dtype=bool) if tuned is None else tuned, "tuned", "plain")
    units = [(i, f"{a}/{k}{i}", a, c) for a, k, i, c in
             zip(area, kind, number, design.cell_type, strict=True)]
    unit, time = (np.concatenate(parts) for parts in zip(*spikes, strict=True))
    trains = [time[unit == u] for u in range(n_units)]
    areas = design.areas
    if weights is not None:
        areas = (*areas, "output")
        units += [(c, f"output/plain{c}", "output", "output") for c in range(design.n_classes)]
        trains += [np.empty(0)] * design.n_classes
    decided = np.full(n_trials, np.nan) if decision is None else design.onset + decision
    trials = Trials(design.onset, np.full(n_trials, design.duration), label.astype(str), decided,
                    np.where(np.isnan(decided), "", label.astype(str)),
                    {} if stimulus is None else {"stimulus": stimulus.astype(str)})
    return Recording.from_spike_trains(
        trains, Units(*map(np.array, zip(*units, strict=True))), trials, areas=areas,
        areas_ordered=True, weights=weights or {}, t_start=0.0,
        t_stop=design.before + design.period * n_trials)


# --- without an effect ---------------------------------------------------------------------------


def independent(rng: np.random.Generator, spread: float = 0.5) -> Recording:
    """Units at constant rates; with a large spread sparse and dense ones side by side."""
    rate = unit_rates(DESIGN, rng, spread)
    return record(DESIGN, [poisson(DESIGN, rate, rng)], DESIGN.labels(rng))


def random_decisions(rng: np.random.Generator, by_class: bool = False) -> Recording:
    """Independent units, and decisions that they do not make; later ones for later classes."""
    design = replace(DESIGN, n_trials=200)
    label = design.labels(rng)
    decision = 20 + 15 * label + rng.uniform(0, 30, len(label)) if by_class else \
        rng.uniform(10, 95, len(label))
    return record(design, [poisson(design, 4 * unit_rates(design, rng), rng)], label,
                  decision=decision)


def drift(rng: np.random.Generator, block: int = 1) -> Recording:
    """All rates rise and fall together during the session."""
    phase = np.arange(DESIGN.n_trials) / DESIGN.n_trials * rng.uniform(0.5, 2) + rng.uniform()
    rate = np.exp(np.sin(2 * np.pi * phase))[:, None] * unit_rates(DESIGN, rng)
    return record(DESIGN, [poisson(DESIGN, rate, rng)], DESIGN.labels(rng, block))


def bursts(rng: np.random.Generator) -> Recording:
    """Independent units that always spike three times, 4 ms apart."""
    spikes = poisson(DESIGN, unit_rates(DESIGN, rng) / 3, rng)
    return record(DESIGN, in_bursts(spikes, 3), DESIGN.labels(rng))


def locked(rng: np.random.Generator, per_class: int, sd: float) -> Recording:
    """Units whose spikes follow each stimulus, independent of each other given it.

    Every stimulus has its own latency, and every unit its own after that.
    """
    label = DESIGN.labels(rng)
    stimulus = label * per_class + rng.integers(per_class, size=len(label))
    latency = rng.uniform(30, 70, (DESIGN.n_classes * per_class, 1))[stimulus] \
        + rng.normal(0, 3, DESIGN.shape[1])
    spikes = responses(DESIGN, rng.poisson(0.8, DESIGN.shape), latency, sd, rng)
    return record(DESIGN, [spikes], label, stimulus=stimulus)


def unresponsive(rng: np.random.Generator, burst: int = 1) -> Recording:
    """40 units at 1 and at 5 spikes or bursts per second, 20 trials, half a second before each."""
    design = Design(("A",), 20, 20, 20, 2, before=550.0, duration=200.0, period=800.0)
    rate = np.where(design.cell_type == "excitatory", 1.0, 5.0)
    return record(design, in_bursts(poisson(design, rate, rng), burst), design.labels(rng))


def gain(rng: np.random.Generator) -> Recording:
    """Broad responses whose gain all units share in a trial."""
    mean = np.exp(rng.normal(size=(DESIGN.n_trials, 1)) - 0.5) * np.ones(DESIGN.shape)
    return record(DESIGN, [responses(DESIGN, rng.poisson(mean), 50.0, 25.0, rng)],
                  DESIGN.labels(rng))


def gain_of_tuned_units(rng: np.random.Generator) -> Recording:
    """The same with selective units, and sharp responses that are later in later areas."""
    design = replace(DESIGN, n_trials=240)
    label = design.labels(rng)
    own = label[:, None] == np.arange(design.shape[1]) % design.n_classes
    mean = np.exp(rng.normal(size=(len(label), 1)) - 0.5) * np.where(own, 3.0, 0.4)
    latency = 35.0 + 10.0 * design.area_index
    return record(design, [responses(design, rng.poisson(mean), latency, 8.0, rng)], label,
                  tuned=np.full(design.shape[1], True))


def areas_with_levels(rng: np.random.Generator, levels: np.ndarray) -> Recording:
    """Areas whose units are selective to a degree, (area,) from 0 to 1, that units scatter about.

    All units are active in equally many trials.
    """
    design = Design(tuple("ABCDEF"[:len(levels)]), 12, 4, n_trials=240)
    label = design.labels(rng)
    level = np.clip(levels[design.area_index] + 0.1 * rng.normal(size=design.shape[1]), 0, 1)
    own = label[:, None] == rng.integers(design.n_classes, size=design.shape[1])
    active = rng.random(design.shape) < 0.25 + level * np.where(own, 0.6, -0.2)
    return record(design, [responses(design, active.astype(int), 50.0, 10.0, rng)], label,
                  tuned=np.full(design.shape[1], True))


def trendless_areas(rng: np.random.Generator) -> Recording:
    """Five areas that differ at random in how selective their units are."""
    return areas_with_levels(rng, rng.uniform(0, 0.8, 5))


def network(rng: np.random.Generator, driven_by: str) -> Recording:
    """Weights of one pathway per class, whose units share a drive.

    Parameters
    ----------
    driven_by : {'trial', 'class'}
        In every trial a drive of each pathway at random, or the pathway of the trial's class.
    """
    design = replace(DESIGN, n_excitatory=12, n_inhibitory=4, n_trials=160)
    label, pathway = design.labels(rng), np.arange(design.shape[1]) % design.n_classes
    drive = rng.random((design.n_trials, design.n_classes)) if driven_by == "trial" else \
        0.5 + 0.25 * (label[:, None] == np.arange(design.n_classes))
    spikes = responses(design, rng.poisson(1.2 * drive[:, pathway]), 30.0 + 15 * design.area_index,
                       8.0, rng)
    n = design.n_excitatory + design.n_inhibitory
    sign = np.where(design.cell_type[:n] == "excitatory", 1.0, -1.0)[:, None]
    ends = np.arange(n) % design.n_classes
    weights = {}
    for source, target in zip(design.areas, (*design.areas[1:], "output"), strict=True):
        post = np.arange(design.n_classes) if target == "output" else ends
        weights[source, target] = sign * (0.1 * rng.random((n, len(post)))
                                          + (ends[:, None] == post))
    return record(design, [spikes], label, weights=weights)


# --- with an effect ------------------------------------------------------------------------------


def selective(rng: np.random.Generator) -> Recording:
    """Half of the units of B and C spike more for one class, none of A."""
    design = replace(DESIGN, n_excitatory=16, n_trials=160)
    label, unit = design.labels(rng), np.arange(design.shape[1])
    tuned = (unit % 2 == 0) & (design.area_index > 0)
    own = (label[:, None] == unit // 2 % design.n_classes) & tuned
    mean = np.where(own, 1.8, np.where(tuned, 0.4, 0.75))
    return record(design, [responses(design, rng.poisson(mean), 50.0, 15.0, rng)], label,
                  tuned=tuned)


def synchronous(rng: np.random.Generator) -> Recording:
    """Packets that are early or late as a whole: jitter of 4 ms is common, of 2 ms private."""
    latency = 50.0 + 4.0 * rng.normal(size=(DESIGN.n_trials, 1))
    spikes = responses(DESIGN, (rng.random(DESIGN.shape) < 0.8).astype(int), latency, 2.0, rng)
    return record(DESIGN, [spikes], DESIGN.labels(rng))


def linked_pairs(rng: np.random.Generator) -> Recording:
    """Tuned units of A whose partners in B repeat most of their spikes 5 ms later."""
    design = Design(("A", "B"), 8, 4, n_trials=240)
    label, unit = design.labels(rng), np.arange(design.shape[1])
    tuned = design.cell_type == "excitatory"
    own = (label[:, None] == unit % design.n_classes) & tuned
    mean = np.where(own, 2.5, 0.6) * np.where(design.area_index == 0, 1.0, 0.3)
    first = responses(design, rng.poisson(mean), 45.0, 15.0, rng)
    repeated = tuned[first.unit] & (first.unit < design.shape[1] // 2) \
        & (rng.random(len(first.unit)) < 0.7)
    second = Spikes(first.unit[repeated] + design.shape[1] // 2,
                    first.time[repeated] + rng.normal(LAG, 1.0, repeated.sum()))
    return record(design, [first, second], label, tuned=tuned)


def responsive(rng: np.random.Generator) -> Recording:
    """Half of the units spike 8 times as fast from 30 to 60 ms after the onset."""
    unit = np.arange(DESIGN.shape[1])
    trial, who = _cells(rng.poisson(np.where(unit % 2 == 0, 1.8, 0.0), DESIGN.shape))
    evoked = Spikes(who, DESIGN.onset[trial] + LATENCY + rng.uniform(0, 30, len(trial)))
    return record(DESIGN, [poisson(DESIGN, 8.0, rng), evoked], DESIGN.labels(rng),
                  tuned=unit % 2 == 0)


def selective_excitatory(rng: np.random.Generator) -> Recording:
    """Excitatory units are selective, inhibitory ones are not, and all are equally active."""
    label, unit = DESIGN.labels(rng), np.arange(DESIGN.shape[1])
    own = label[:, None] == unit % DESIGN.n_classes
    chance = np.where(DESIGN.cell_type == "excitatory", np.where(own, 0.8, 0.2), 0.35)
    active = (rng.random(DESIGN.shape) < chance).astype(int)
    return record(DESIGN, [responses(DESIGN, active, 50.0, 15.0, rng)], label,
                  tuned=DESIGN.cell_type == "excitatory")


def growing_selectivity(rng: np.random.Generator) -> Recording:
    """Six areas, each more selective than the one before."""
    return areas_with_levels(rng, np.linspace(0.1, 1.0, 6))


# --- conditions of trials ------------------------------------------------------------------------


def in_conditions(rng: np.random.Generator, make: Callable[[np.random.Generator], Recording],
                  share: float = 0.5, by_class: bool = False) -> Recording:
    """A recording whose trials are named laser or control at random.

    Parameters
    ----------
    share : float
        Of laser.
    by_class : bool
        Laser is rare in the first class and frequent in the last, instead.
    """
    recording = make(rng)
    trials = recording.trials
    code = np.searchsorted(trials.classes, trials.label)
    chance = np.linspace(0.2, 0.8, len(trials.classes))[code] if by_class else share
    return _named(recording, rng.random(len(trials)) < chance)


def _named(recording: Recording, is_laser: np.ndarray) -> Recording:
    trials = recording.trials
    condition = np.where(is_laser, "laser", "control")
    return replace(recording, trials=replace(
        trials, annotations={**trials.annotations, "perturbation": condition}))


def undecided(rng: np.random.Generator) -> Recording:
    """Decisions later for later classes, of which a tenth is missing and a fifth wrong."""
    recording = random_decisions(rng, by_class=True)
    trials = recording.trials
    none, wrong = rng.random((2, len(trials))) < [[0.1], [0.2]]
    said = np.where(none, "", np.where(wrong, "0", trials.label))
    return replace(recording, trials=replace(
        trials, decision_time=np.where(none, np.nan, trials.decision_time), decision_label=said))


def stimuli_in_conditions(rng: np.random.Generator, per_class: int, repeats: int) -> Recording:
    """Units locked to each stimulus in how much and when they respond, shown in both conditions."""
    n_stimuli = per_class * DESIGN.n_classes
    design = replace(DESIGN, n_trials=2 * repeats * n_stimuli)
    shown = rng.permutation(np.arange(design.n_trials))
    stimulus, is_laser = shown % n_stimuli, shown // n_stimuli % 2 == 0
    mean = np.exp(rng.normal(size=(n_stimuli, design.shape[1])) - 0.5)[stimulus]
    latency = rng.uniform(30, 70, (n_stimuli, 1))[stimulus]
    spikes = responses(design, rng.poisson(mean), latency, 5.0, rng)
    return _named(record(design, [spikes], stimulus // per_class, stimulus=stimulus), is_laser)


def laser(rng: np.random.Generator) -> Recording:
    """Selective units whose rate the laser halves in B, and nowhere else; half of its decisions
    are wrong."""
    design = replace(DESIGN, n_trials=240)
    label, is_laser = design.labels(rng), rng.permutation(design.n_trials) % 2 == 0
    own = label[:, None] == np.arange(design.shape[1]) % design.n_classes
    # The same units in every recording, so that the change that intervals are to hold is one.
    rate = 3 * unit_rates(design, np.random.default_rng(0)) * np.where(own, 2.0, 0.7)
    rate = rate * np.where(is_laser[:, None] & (design.area_index == 1), 0.5, 1.0)
    recording = record(design, [poisson(design, rate, rng)], label,
                       decision=rng.uniform(80, 95, design.n_trials))
    trials, wrong = recording.trials, is_laser & (rng.random(design.n_trials) < 0.5)
    return _named(replace(recording, trials=replace(
        trials, decision_label=np.where(wrong, "none", trials.label))), is_laser)


# --- recordings that exist -----------------------------------------------------------------------


def relabelled(rng: np.random.Generator, path: Path, n_trials: int = 200) -> Recording:
    """A recording some of whose trials have changed labels at random."""
    recording = Recording.read(path)
    kept = np.sort(rng.permutation(len(recording.trials))[:n_trials])
    trials = recording.trials[kept]
    return replace(recording, trials=replace(trials, label=rng.permutation(trials.label)))


def pseudo_onsets(rng: np.random.Generator, path: Path, n_trials: int = 100,
                  gap: float = 500.0) -> Recording:
    """A recording with trials of two classes that begin at any time, `gap` ms or more apart."""
    recording = Recording.read(path)
    free = recording.t_stop - recording.t_start - gap * (n_trials + 1)
    onset = recording.t_start + gap * np.arange(1, n_trials + 1) + np.sort(
        rng.uniform(0, free, n_trials))
    nothing = np.full(n_trials, np.nan)
    return replace(recording, trials=Trials(
        onset, np.full(n_trials, gap / 2), rng.permutation(np.arange(n_trials) % 2).astype(str),
        nothing, np.full(n_trials, "")))
