"""Surrogates: data in which what is tested is gone, and all else is as it was.

====================  ====================================  ====================================
function              what is exchanged or moved            what stays
====================  ====================================  ====================================
`relabel`             labels, among trials: single trials,  every response; with blocks or shifts
                      whole blocks, or all along the        the slowness of the labels, with
                      session                               strata how many there are in each
`ExchangeableSpikes`  responses, among neighbouring trials  what is locked to the stimulus; drift;
`shuffle_trials`      of a stimulus or class: all units     all units alike: what these units share
                      alike, or each for itself             in a trial
`exchange_latencies`  latencies, likewise, each unit for    also who responds in which trial
                      itself
`shift_in_windows`    all spikes of a unit in a trial, by   intervals between them, how many there
                      one time                              are in each trial
`dither_spikes`       spikes, each for itself               the response profile coarser than the
                                                            dither, the size of every packet
`random_sets`         units, for others of their area       how many they are
====================  ====================================  ====================================

Whoever exchanges whole responses needs `exchangeable_groups` of trials, and responses that were
observed equally long (`exchange_windows`), cut off where they come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows

NEIGHBOURS = 10  # successive repeats that exchange responses
FEW_BLOCKS = 20  # fewer can hardly be permuted

# --- orders of trials that stay within groups ----------------------------------------------------


def permute_within(group: np.ndarray, rng: np.random.Generator, n_orders: int = 1,
                   block_trials: int = 1) -> np.ndarray:
    """Random orders of trials in which every trial stays in its group.

    Parameters
    ----------
    group : (trial,) int
        Trials of equal value may change places; those of a negative one stay where they are.
    n_orders : int
        Independent of each other.
    block_trials : int
        Neighbouring trials of a group that stay together.

    Returns
    -------
    (order, trial) int
        For each trial the one that takes its place.
    """
    if block_trials > 1:
        orders = np.tile(np.arange(len(group)), (n_orders, 1))
        for each in np.unique(group[group >= 0]):
            members = np.flatnonzero(group == each)
            for order in orders:
                order[members] = _permute_blocks(members, rng, block_trials)
        return orders
    alone = np.where(group < 0, -1 - np.arange(len(group)), group)
    orders = np.empty((n_orders, len(group)), dtype=np.intp)
    orders[:, np.argsort(alone, kind="stable")] = np.argsort(alone + rng.random(orders.shape))
    return orders


def _permute_blocks(members: np.ndarray, rng: np.random.Generator, block_trials: int
                    ) -> np.ndarray:
    # Blocks as long as the runs of labels keep their borders, and so do the runs; a rest that is
    # shorter than a block stays where it is, or it would shift the borders of the others.
    whole = members[:len(members) // block_trials * block_trials].reshape(-1, block_trials)
    return np.concatenate([rng.permutation(whole).ravel(), members[whole.size:]])


# --- labels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relabelling:
    """How labels change places among trials under the null.

    Single trials by default: fair if every order of the labels was as likely as the one that was
    run. Labels of real experiments come in runs, and responses drift. Moving blocks keeps the
    labels as slow as they are up to the length of a block. Shifting all labels along the session,
    the last of them to its beginning, keeps how slow labels and responses are, at any length, and
    loses only how they lie to each other (Harris 2021, arXiv:2012.06862); n trials have n shifts.

    Attributes
    ----------
    block_trials : int
        Neighbouring trials that stay together; 1 moves single trials.
    shift : bool
        Shift the labels along the session instead of permuting them.
    """

    block_trials: int = 1
    shift: bool = False

    def check(self, n_trials: int) -> None:
        """Raise InputError unless so many trials can change places."""
        if self.block_trials > n_trials // 2 and self.block_trials > 1:
            raise InputError(f"--block-trials must be at most half of the {n_trials} analysed "
                             f"trials, else there is nothing to permute; got {self.block_trials}")

    def limits(self, n_trials: int) -> list[str]:
        """Why p cannot be small, in words."""
        if self.shift:
            return [f"labels of {n_trials} trials can be shifted in {n_trials} ways, so p is at "
                    f"least about {1 / n_trials:.2g}"]
        n_blocks = n_trials / self.block_trials
        return [f"{n_trials} trials make {n_blocks:.1f} blocks of {self.block_trials}: so few that "
                "p cannot be small; use shorter blocks"
                ] if self.block_trials > 1 and n_blocks < FEW_BLOCKS else []


SINGLE_TRIALS = Relabelling()


def relabel(labels: np.ndarray, rng: np.random.Generator, relabelling: Relabelling = SINGLE_TRIALS,
            strata: np.ndarray | None = None) -> np.ndarray:
    """Labels in a new order, one of those that are as likely as theirs under the null.

    Parameters
    ----------
    labels : (trial,)
        In the order in which the trials took place.
    relabelling : Relabelling
    strata : (trial,) int, optional
        From 0. Labels change places only among trials of equal value, a position, a session or a
        fold: what the strata differ in, labels and responses, the null then has, too.
    """
    strata = np.zeros(len(labels), dtype=int) if strata is None else strata
    if not relabelling.shift:
        return labels[permute_within(strata, rng, block_trials=relabelling.block_trials)[0]]
    shifted = labels.copy()
    for each in np.unique(strata):
        members = np.flatnonzero(strata == each)
        # The shift by 0 is among them: what was observed is one of the equally likely orders.
        shifted[members] = np.roll(labels[members], rng.integers(len(members)))
    return shifted


# --- responses among trials ----------------------------------------------------------------------


def shuffle_trials(responses: np.ndarray, group: np.ndarray, rng: np.random.Generator
                   ) -> np.ndarray:
    """Give each unit's responses to other trials of the same group, units independently.

    Parameters
    ----------
    responses : (trial, unit, ...)
        Latencies, or binned trains.
    group : (trial,) int
        From `exchangeable_groups`.

    Returns
    -------
    (trial, unit, ...)
        Every unit has the same responses within every group as before.
    """
    n_units = responses.shape[1]
    return responses[permute_within(group, rng, n_units).T, np.arange(n_units)]


def exchange_latencies(latency: np.ndarray, group: np.ndarray, rng: np.random.Generator
                       ) -> np.ndarray:
    """Give each unit's latencies to other trials of the group in which it responds, too.

    Who responds in which trial stays, so what units share in how active they are is in the null:
    a width depends on how many units it is of, and on which.

    Parameters
    ----------
    latency : (trial, unit) float, ms
        inf where a unit is silent.
    group : (trial,) int
        From `exchangeable_groups`, none negative.
    """
    stratum = 2 * group[:, None] + np.isinf(latency)
    place = np.argsort(stratum, axis=0, kind="stable")
    source = np.argsort(stratum + rng.random(latency.shape), axis=0)
    exchanged = np.empty_like(latency)
    np.put_along_axis(exchanged, place, np.take_along_axis(latency, source, axis=0), axis=0)
    return exchanged


def exchangeable_groups(repeats: np.ndarray, block_trials: int = 1) -> np.ndarray:
    """Which trials may exchange responses: neighbours among those that repeat each other.

    Only neighbours, so that what drifts along the recording, which units share without being
    synchronous, is in the null, too.

    Parameters
    ----------
    repeats : (trial,) str
        Trials of equal value repeat each other (`ephys_snn.recording.Repeats`), in their order.
    block_trials : int
        Above 1, groups reach over about so many successive trials of the recording, though every
        group has at least two trials; else they have `NEIGHBOURS` trials, or up to twice as many.

    Returns
    -------
    (trial,) int
        -1 for trials that have nobody to exchange with.
    """
    group = np.full(len(repeats), -1)
    n_groups = 0
    for each in np.unique(repeats):
        members = np.flatnonzero(repeats == each)
        wanted = len(members) // NEIGHBOURS
        if block_trials > 1:
            wanted = max(wanted, min(round(len(repeats) / block_trials), len(members) // 2))
        for part in np.array_split(members, max(1, wanted)):
            if len(part) > 1:
                group[part] = n_groups
                n_groups += 1
    return group


def exchange_windows(recording: Recording, windows: ResponseWindows) -> ResponseWindows:
    """Windows in which responses are observed before they change places among trials.

    Where windows end with the trial's own decision, a late response is cut off in a trial with an
    early decision, for all units alike; exchanged as they are, such responses would look as if
    the units had agreed. So responses are observed for as long as the longest window of their
    class (but not beyond their trial), exchanged, and then cut off at the end of the window of
    the trial that they came to.
    """
    of_class = pd.Series(windows.durations).groupby(recording.trials.label)
    longest = of_class.transform("max").to_numpy()
    trial_stop = recording.trials.onset + recording.trials.duration
    limit = np.where(trial_stop > windows.stop, trial_stop, windows.stop)
    return windows._replace(stop=np.minimum(windows.start + longest, limit))


class ExchangeableSpikes(NamedTuple):
    """Spikes of some units that may change places among trials before windows cut them off.

    Attributes
    ----------
    latency : (spike,) float, ms
        After the onset of the trial that the spike was recorded in.
    trial, unit : (spike,) int
        Positions among the chosen trials and units.
    stop : (trial,) float, ms
        End of each trial's own window, after its onset.
    group : (trial,) int
        From `exchangeable_groups`: trials of equal value may exchange responses; those of a
        negative one keep theirs.
    n_units : int
    """

    latency: np.ndarray
    trial: np.ndarray
    unit: np.ndarray
    stop: np.ndarray
    group: np.ndarray
    n_units: int

    @classmethod
    def observe(cls, recording: Recording, windows: ResponseWindows, units: np.ndarray,
                trials: np.ndarray, group: np.ndarray) -> ExchangeableSpikes:
        """The spikes of units (unit,) int in trials (trial,) int, in `exchange_windows`.

        `trials` are indices into ``recording.trials``, `group` is theirs.
        """
        seen, onset = exchange_windows(recording, windows), windows.onset[trials]
        spikes = recording.window_spikes(seen.start[trials], seen.stop[trials], units)
        return cls(spikes.time - onset[spikes.window], spikes.window, spikes.unit,
                   windows.stop[trials] - onset, group, len(units))

    def exchange(self, rng: np.random.Generator, together: bool) -> np.ndarray:
        """(spike,) int, the trial that each spike comes to, all units alike or each for itself."""
        # A random order and its inverse are equally likely: the place that a response comes to.
        trial = permute_within(self.group, rng, 1 if together else self.n_units)
        return trial[0, self.trial] if together else trial[self.unit, self.trial]

    def inside(self, trial: np.ndarray) -> np.ndarray:
        """(spike,) bool, which spikes have a place in the windows of these trials, (spike,) int."""
        return self.latency < self.stop[trial]

    def count(self, trial: np.ndarray) -> np.ndarray:
        """(trial, unit) int, spikes inside each trial's own window, were they in these trials."""
        inside = self.inside(trial)
        cell = trial[inside] * self.n_units + self.unit[inside]
        return np.bincount(cell, minlength=len(self.stop) * self.n_units).reshape(
            len(self.stop), self.n_units)


# --- spikes --------------------------------------------------------------------------------------


def dither_spikes(times: np.ndarray, start: np.ndarray, stop: np.ndarray, dither: float,
                  rng: np.random.Generator, resolution: float | None = None) -> np.ndarray:
    """Move every spike by a uniform time in +-dither, reflected at the borders of its window.

    Reflection keeps every spike in its window, so the packets keep their sizes, and a constant
    rate stays constant up to the border.

    Parameters
    ----------
    times, start, stop : (spike,) float, ms
        Spikes and the borders of their windows.
    dither : float, ms
    resolution : float, optional, ms
        Move by whole multiples of it, so that surrogates lie on the grid of the recording; on
        any finer one, fewer spikes would coincide in surrogates than the grid alone makes.
    """
    span = stop - start
    shift = rng.uniform(-dither, dither, len(times))
    if resolution:
        shift = resolution * np.rint(shift / resolution)
    moved = np.mod(times - start + shift, 2 * span)
    return start + np.minimum(moved, 2 * span - moved)


def shift_in_windows(times: np.ndarray, response: np.ndarray, start: np.ndarray,
                     stop: np.ndarray, largest: float, rng: np.random.Generator) -> np.ndarray:
    """Shift all spikes of a response by one uniform time in +-largest, around in its window.

    Where spikes move singly, two that fall into one bin are counted once, and surrogates have
    fewer coincidences than chance (Stella et al. 2022, doi:10.1523/ENEURO.0505-21.2022).

    Parameters
    ----------
    times, start, stop : (spike,) float, ms
        Spikes and the borders of their windows.
    response : (spike,) int
        Which response each belongs to, from 0.
    largest : float, ms
    """
    shift = rng.uniform(-largest, largest, 1 + response.max(initial=-1))
    return start + np.mod(times - start + shift[response], stop - start)


# --- units ---------------------------------------------------------------------------------------


def random_sets(n_units: int, size: int, n_sets: int, rng: np.random.Generator) -> np.ndarray:
    """(set, unit) bool, sets of `size` units drawn without replacement."""
    chosen = np.zeros((n_sets, n_units), dtype=bool)
    drawn = np.argpartition(rng.random((n_sets, n_units)), min(size, n_units - 1), axis=1)[:, :size]
    np.put_along_axis(chosen, drawn, True, axis=1)
    return chosen
