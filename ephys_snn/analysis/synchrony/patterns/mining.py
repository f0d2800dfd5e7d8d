"""SPADE: patterns of spikes with fixed lags that recur more often than chance makes them.

The response windows of the trials are cut into bins and laid end to end, with a gap of one pattern
window between them, so that no pattern reaches from one trial into the next. Elephant mines all
closed patterns of at least `MIN_UNITS` units that occur at least `MIN_OCCURRENCES` times (Quaglio
et al. 2017, doi:10.3389/fncom.2017.00041). With z the spikes of a pattern and c how often it
occurs,

    M_z       = max c over all patterns of z or more spikes
    p(z, c)   = (1 + #{surrogates with M_z >= c}) / (1 + N)

so that p counts all patterns of that size. The sizes of all areas are corrected for false
discovery, and patterns that are explained by significant ones with which they share spikes are
dropped (Elephant's pattern set reduction).

Two surrogates, because each leaves what the other ends: responses *shuffled* among neighbouring
trials that repeat each other, each unit for itself (keeps locking, ends what units share in a
trial, how active they are included), and responses *shifted* within their window by up to
`SHIFT_BINS` bins, each for itself (keeps how active each unit is in each trial, and rates coarser
than that). p is the larger of the two.
"""

from __future__ import annotations

import contextlib
import io
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.analysis.surrogates import ExchangeableSpikes, shift_in_windows

MIN_UNITS = 3  # pairs are what unitary events and correlograms are for
MIN_OCCURRENCES = 5
SHIFT_BINS = 5
MAX_UNITS = 10  # mining takes exponentially longer with the spikes in a pattern window
MAX_SPIKES_PER_WINDOW = 6.0  # on average
MAX_REDUCED = 100  # significant patterns, those of most spikes, that are compared pair by pair


class Pattern(NamedTuple):
    """A pattern and where it occurs.

    Attributes
    ----------
    unit : (spike,) int
        Positions among the mined units.
    lag : (spike,) int
        Bins after the first spike, ascending.
    start : (occurrence,) int
        Bin of the first spike, trials end to end.
    """

    unit: np.ndarray
    lag: np.ndarray
    start: np.ndarray


class BinnedResponses(NamedTuple):
    """Responses of some units in some trials, ready to be mined.

    Attributes
    ----------
    spikes : ExchangeableSpikes
    start : (trial,) float, ms
        Start of each trial's window, after its onset.
    bin_width : float, ms
    window_bins : int
        The longest that a pattern may last.
    """

    spikes: ExchangeableSpikes
    start: np.ndarray
    bin_width: float
    window_bins: int

    @property
    def slot_bins(self) -> int:
        """Bins of the longest window and the gap behind it."""
        longest = (self.spikes.stop - self.start).max()
        return int(np.ceil(longest / self.bin_width - 1e-6)) + self.window_bins

    def observed(self) -> np.ndarray:
        """(unit, bin) bool, as recorded."""
        return self._in_trials(self.spikes.trial)

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """(unit, bin) bool, responses exchanged among trials."""
        return self._in_trials(self.spikes.exchange(rng, together=False))

    def shifted(self, rng: np.random.Generator) -> np.ndarray:
        """(unit, bin) bool, responses shifted around in their windows."""
        spikes, inside = self.spikes, self.spikes.inside(self.spikes.trial)
        trial, unit = spikes.trial[inside], spikes.unit[inside]
        moved = shift_in_windows(spikes.latency[inside], unit * len(self.start) + trial,
                                 self.start[trial], spikes.stop[trial],
                                 SHIFT_BINS * self.bin_width, rng)
        return self._lay_out(moved, trial, unit)

    def _in_trials(self, trial: np.ndarray) -> np.ndarray:
        spikes, inside = self.spikes, self.spikes.inside(trial)
        return self._lay_out(spikes.latency[inside], trial[inside], spikes.unit[inside])

    def _lay_out(self, latency: np.ndarray, trial: np.ndarray, unit: np.ndarray) -> np.ndarray:
        binned = np.zeros((self.spikes.n_units, self.slot_bins * len(self.start)), dtype=bool)
        place = np.floor((latency - self.start[trial]) / self.bin_width + 1e-6).astype(int)
        binned[unit, trial * self.slot_bins + place] = True
        return binned


def choose_units(count: np.ndarray, n_windows: float, rng: np.random.Generator) -> np.ndarray:
    """A random sample of units that is small enough to be mined.

    Parameters
    ----------
    count : (unit,) int
        Spikes of each unit.
    n_windows : float
        Pattern windows without overlap that the trials make.

    Returns
    -------
    (chosen unit,) int
        Ascending; of units that spike at least `MIN_OCCURRENCES` times at most `MAX_UNITS`, and
        only so many that a window holds no more than `MAX_SPIKES_PER_WINDOW` on average.
    """
    drawn = rng.permutation(np.flatnonzero(count >= MIN_OCCURRENCES))[:MAX_UNITS]
    return np.sort(drawn[np.cumsum(count[drawn]) <= MAX_SPIKES_PER_WINDOW * n_windows])


def mine(binned: np.ndarray, window_bins: int) -> list[Pattern]:
    """All closed patterns of enough units that occur often enough, by Elephant.

    Parameters
    ----------
    binned : (unit, bin) bool
    window_bins : int
    """
    return [Pattern(*_spikes_of(intent, window_bins), np.array(extent))
            for intent, extent in _concepts(binned, window_bins, "a")]


def largest_counts(binned: np.ndarray, window_bins: int, n_sizes: int) -> np.ndarray:
    """(size,) int, M_z from z = 0 to `n_sizes` - 1 spikes; larger patterns count as that size."""
    largest = np.zeros(n_sizes, dtype=int)
    for size, occurrences, _ in _concepts(binned, window_bins, "#"):
        size = min(int(size), n_sizes - 1)
        largest[size] = max(largest[size], occurrences)
    return np.maximum.accumulate(largest[::-1])[::-1]


def surrogate_counts(responses: BinnedResponses, n_sizes: int, rng: np.random.Generator
                     ) -> np.ndarray:
    """(kind, size) int, M_z of one surrogate of each kind: shuffled, shifted."""
    return np.array([largest_counts(draw(rng), responses.window_bins, n_sizes)
                     for draw in (responses.shuffled, responses.shifted)])


def pattern_p_values(size: np.ndarray, n_occurrences: np.ndarray, null: np.ndarray) -> np.ndarray:
    """p(z, c), the larger of those against both surrogates.

    Parameters
    ----------
    size, n_occurrences : (pattern,) int
    null : (surrogate, kind, size) int
        M_z of every surrogate.

    Returns
    -------
    (pattern,) float
    """
    return np.max([permutation_p_value(n_occurrences, null[:, kind, size])
                   for kind in range(null.shape[1])], axis=0)


def reduce_patterns(patterns: list[Pattern], significant: np.ndarray, window_bins: int
                    ) -> list[Pattern]:
    """Patterns that those with which they share spikes do not explain, by Elephant.

    Parameters
    ----------
    patterns : list of Pattern
        Significant ones.
    significant : (size, count) bool
        Whether a pattern of that size and number of occurrences is.
    """
    from elephant.spade import pattern_set_reduction

    concepts = [(tuple(pattern.unit * window_bins + pattern.lag), tuple(pattern.start))
                for pattern in patterns]
    by_chance = {tuple(each) for each in np.argwhere(~significant).tolist()}
    kept = {intent for intent, _ in pattern_set_reduction(
        concepts, by_chance, window_bins, "#", min_spikes=MIN_UNITS, min_occ=MIN_OCCURRENCES)}
    return [pattern for pattern, (intent, _) in zip(patterns, concepts, strict=True)
            if intent in kept]


def _concepts(binned: np.ndarray, window_bins: int, report: str) -> list:
    """What Elephant mines: patterns with their windows, or a count for each size and support."""
    import neo
    import quantities as pq
    from elephant.spade import concepts_mining

    if binned.any(axis=1).sum() < MIN_UNITS:
        return []
    trains = [neo.SpikeTrain(np.flatnonzero(row) + 0.5, units="ms", t_stop=binned.shape[1])
              for row in binned]
    with contextlib.redirect_stdout(io.StringIO()):
        found, _ = concepts_mining(trains, bin_size=1 * pq.ms, winlen=window_bins,
                                   min_spikes=MIN_UNITS, min_occ=MIN_OCCURRENCES,
                                   min_neu=MIN_UNITS, report=report)
    return list(found)


def _spikes_of(intent: tuple[int, ...], window_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit and lag of every spike of a pattern, by lag and then unit."""
    unit, lag = np.divmod(np.array(intent), window_bins)
    order = np.lexsort((unit, lag))
    return unit[order], lag[order]
