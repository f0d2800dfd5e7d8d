"""Surrogates: data in which what is tested is gone, and all else is as it was.

=====================  ====================================  ===================================
function               what is exchanged or moved            what stays
=====================  ====================================  ===================================
`permute_labels`       labels, among trials                  every response; with blocks the
                                                             slowness of the labels, with strata
                                                             how many there are in each stratum
`shuffle_within`       trials of a class, all units of an    what these units share in a trial;
                       area alike                            how a unit follows the class
`shuffle_trials`       trials of a class, each unit for      how a unit follows the class and the
`shuffle_unit_trials`  itself: latencies, or binned trains   time in the trial
`dither_spikes`        spikes, each for itself               the response profile coarser than the
                                                             dither, the size of every packet
`random_sets`          units, for others of their area       how many they are
=====================  ====================================  ===================================

Whoever exchanges whole responses needs `exchangeable_groups` of trials, and responses that were
observed equally long (`exchange_windows`).

There are two ways to permute trials within groups. `permute_within` calls the generator for every
group and order, which is quick for few of them and keeps blocks; `sort_within` sorts once for any
number of orders, as every unit of an area needs one. They draw different numbers, so to put one in
the place of the other would change what a seed gives.
"""

from __future__ import annotations

import numpy as np

from ephys_snn.recording import Recording, ResponseWindows

# --- orders of trials that stay within groups ----------------------------------------------------


def permute_within(group: np.ndarray, rng: np.random.Generator, n_orders: int = 1,
                   block_trials: int = 1) -> np.ndarray:
    """Random orders of trials in which every trial stays in its group, drawn group by group.

    Parameters
    ----------
    group : (trial,) int
        Trials of equal value may change places; a negative one stays where it is.
    n_orders : int
        Independent of each other.
    block_trials : int
        Neighbouring trials of a group that stay together.

    Returns
    -------
    (order, trial) int
        For each trial the one that takes its place.
    """
    orders = np.tile(np.arange(len(group)), (n_orders, 1))
    for each in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == each)
        for order in orders:
            order[members] = _permute_blocks(members, rng, block_trials)
    return orders


def _permute_blocks(members: np.ndarray, rng: np.random.Generator, block_trials: int
                    ) -> np.ndarray:
    if block_trials <= 1:
        return rng.permutation(members)
    # A random rotation first, so that the borders of the blocks differ between permutations.
    rotated = np.roll(members, rng.integers(len(members)))
    blocks = np.split(rotated, np.arange(block_trials, len(members), block_trials))
    return np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])


def sort_within(group: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Random orders of trials in which every trial stays in its group, by one sort.

    Parameters
    ----------
    group : (trial,) int
    noise : (..., trial) float
        Uniform from 0 to 1.

    Returns
    -------
    (..., trial) int
        For each trial the one that takes its place.
    """
    orders = np.empty(noise.shape, dtype=np.intp)
    orders[..., np.argsort(group, kind="stable")] = np.argsort(group + noise, axis=-1)
    return orders


# --- labels --------------------------------------------------------------------------------------


def permute_labels(labels: np.ndarray, rng: np.random.Generator, block_trials: int = 1,
                   strata: np.ndarray | None = None) -> np.ndarray:
    """Labels in a new order, blocks of neighbouring trials kept together.

    Labels of real experiments are autocorrelated (blocks of one stimulus, biased random orders),
    and so are responses (drift). Moving whole blocks keeps the labels' autocorrelation up to
    the block length, so that the null is as smooth in time as the data.

    Parameters
    ----------
    labels : (trial,)
        In the order in which the trials took place.
    block_trials : int
        Neighbouring trials that stay together; 1 permutes single trials.
    strata : (trial,) int, optional
        From 0. Labels change places only among trials of equal value, a position, a session or a
        fold: what the strata differ in, labels and responses, the null then has, too.
    """
    strata = np.zeros(len(labels), dtype=int) if strata is None else strata
    return labels[permute_within(strata, rng, block_trials=block_trials)[0]]


# --- responses among trials ----------------------------------------------------------------------


def shuffle_within(code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each trial a trial of the same class, each used once; all units of an area alike.

    What the units of two areas share in a single trial is gone when the trials of one are
    exchanged so; what they share because they follow the class stays.

    Parameters
    ----------
    code : (trial,) int
        Class of each trial.

    Returns
    -------
    (trial,) int
    """
    return sort_within(code, rng.random(len(code)))


def shuffle_trials(latency: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each unit's responses to other trials of the same group, units independently.

    Parameters
    ----------
    latency : (trial, unit) float, ms
    group : (trial,) int
        Trials that may exchange responses, the class for example.

    Returns
    -------
    (trial, unit) float, ms
        Every column has the same values within every group as before.
    """
    by_group = np.argsort(group, kind="stable")
    noise = rng.random((latency.shape[1], len(group)))
    shuffled = np.empty_like(latency)
    shuffled[by_group] = np.take_along_axis(
        latency[by_group], sort_within(group[by_group], noise).T, axis=0)
    return shuffled


def shuffle_unit_trials(binned: np.ndarray, group: np.ndarray, rng: np.random.Generator
                        ) -> np.ndarray:
    """Give each unit's trials to other trials of the same group, units independently.

    Parameters
    ----------
    binned : (trial, unit, bin) bool
    group : (trial,) int
        Trials that may change places; negative: stays.
    """
    n_units = binned.shape[1]
    return binned[permute_within(group, rng, n_units).T, np.arange(n_units)]


def exchangeable_groups(label: np.ndarray, neighbours: int | None = None) -> np.ndarray:
    """Which trials may exchange responses: those of one class, or only neighbours among them.

    Parameters
    ----------
    label : (trial,) str
        In the order of the trials.
    neighbours : int, optional
        About so many successive trials of a class exchange responses (fewer than twice as many),
        which leaves slow drift in the null; all trials of the class by default.

    Returns
    -------
    (trial,) int
        -1 for trials that have nobody to exchange with.
    """
    group = np.full(len(label), -1)
    n_groups = 0
    for each in np.unique(label):
        members = np.flatnonzero(label == each)
        n_parts = 1 if neighbours is None else max(1, len(members) // neighbours)
        for part in np.array_split(members, n_parts):
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
    longest = np.full(len(windows.start), np.nan)
    for label in recording.trials.classes:
        members = windows.used & (recording.trials.label == label)
        longest[members] = windows.durations[members].max(initial=0.0)
    trial_stop = recording.trials.onset + recording.trials.duration
    limit = np.where(trial_stop > windows.stop, trial_stop, windows.stop)
    return windows._replace(stop=np.minimum(windows.start + longest, limit))


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


# --- units ---------------------------------------------------------------------------------------


def random_sets(n_units: int, size: int, n_sets: int, rng: np.random.Generator) -> np.ndarray:
    """(set, unit) bool, sets of `size` units drawn without replacement."""
    chosen = np.zeros((n_sets, n_units), dtype=bool)
    drawn = np.argpartition(rng.random((n_sets, n_units)), min(size, n_units - 1), axis=1)[:, :size]
    np.put_along_axis(chosen, drawn, True, axis=1)
    return chosen
