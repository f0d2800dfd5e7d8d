"""Units that appear or vanish while a recording goes on, and pairs that were never there together.

A unit is unstable if in the first or the last third of the trials it has far fewer spikes than
its rate in the other trials of the same classes predicts: fewer than a fifth, and fewer than
chance allows (binomial in the number of spikes, each weighted down by the Fano factor of the
unit's counts, p < 0.05 over all units and both thirds). Sorting that lost a unit, an electrode
that drifted and sessions that were joined all look so; a unit that merely prefers one class does
not, and neither does one that slows down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from ephys_snn.errors import InputError, listed
from ephys_snn.recording.recording import Recording
from ephys_snn.recording.response_windows import epoch_windows
from ephys_snn.recording.selection import keep_units
from ephys_snn.recording.units import unit_labels

FEW = 0.2  # of the expected spikes
LEVEL = 0.05  # of significance, over all units
MAX_TRIALS = 900  # that are looked at, spread over the recording
UNITS_NAMED = 6


class Stability(NamedTuple):
    """Which units were there from the first third of the trials to the last.

    Attributes
    ----------
    appears, vanishes : (unit,) bool
        Too few spikes in the first, in the last third.
    n_apart : int
        Pairs of a unit that vanishes and one that appears, after the other's last spike.
    """

    appears: np.ndarray
    vanishes: np.ndarray
    n_apart: int

    @property
    def stable(self) -> np.ndarray:
        """(unit,) bool"""
        return ~(self.appears | self.vanishes)


def unit_stability(recording: Recording) -> Stability:
    """Find units that appear or vanish, from their spikes within the trials."""
    n_trials = len(recording.trials)
    chosen = np.linspace(0, n_trials - 1, min(n_trials, MAX_TRIALS)).astype(int)
    trials = recording.trials[chosen]
    count = recording.select_trials(chosen).responses(epoch_windows(trials)).count
    third = np.arange(len(chosen)) * 3 // max(1, len(chosen))
    missing = [_missing(count, trials.duration, trials.label, third == part) for part in (0, 2)]
    return Stability(*missing, _pairs_apart(recording, *missing))


def keep_stable(recording: Recording, stability: Stability) -> Recording:
    """The recording without the units that appear or vanish, which its notes say."""
    if not stability.stable.any():
        raise InputError(f"--stable-units leaves none of {len(recording.units)} units: all appear "
                         "or vanish during the recording; choose a part of it with --trial-range")
    return keep_units(recording, stability.stable, "--stable-units")


def describe_instability(recording: Recording, stability: Stability) -> list[str]:
    """Which units are unstable, and which pairs were never there together, in words."""
    labels, limits = unit_labels(recording.units), []
    for mask, what, part in ((stability.appears, "appear", "first"),
                             (stability.vanishes, "vanish", "last")):
        if mask.any():
            names = listed(labels[mask], UNITS_NAMED)
            limits.append(f"{mask.sum()} of {len(labels)} units {what} during the recording, with "
                          f"less than a fifth of the expected spikes in the {part} third of the "
                          f"trials: {names}; --stable-units leaves them out")
    if stability.n_apart:
        limits.append(f"{stability.n_apart} pairs of units were never recorded at the same time: "
                      "what they share or do not share in a trial means nothing")
    return limits


def _missing(count: np.ndarray, duration: np.ndarray, label: np.ndarray, here: np.ndarray
             ) -> np.ndarray:
    """(unit,) bool, units with too few spikes in the trials `here`, given the others."""
    n_units = count.shape[1]
    found, elsewhere, expected = np.zeros((3, n_units))
    fano_spikes, fano_trials = np.zeros(n_units), 0
    for name in np.unique(label):
        inside, outside = here & (label == name), ~here & (label == name)
        if not inside.any() or not duration[outside].sum() > 0:
            continue
        found += count[inside].sum(axis=0)
        elsewhere += count[outside].sum(axis=0)
        expected += count[outside].sum(axis=0) * duration[inside].sum() / duration[outside].sum()
        fano_spikes += ((count[outside] - count[outside].mean(axis=0)) ** 2).sum(axis=0)
        fano_trials += outside.sum() - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        # The variance within classes over the mean, at least that of Poisson counts: a regular
        # unit is judged as a Poisson one, which errs towards stable.
        mean = elsewhere / max(1, fano_trials)
        fano = np.maximum(1.0, np.nan_to_num(fano_spikes / max(1, fano_trials) / mean, nan=1.0))
        share = np.nan_to_num(expected / (expected + elsewhere))
    # Given all spikes of a unit, those `here` are binomial as long as its rates by class stay.
    p = stats.binom.cdf(np.floor(found / fano), np.rint((found + elsewhere) / fano), share)
    return (found < FEW * expected) & (p < LEVEL / (2 * max(1, n_units)))


def _pairs_apart(recording: Recording, appears: np.ndarray, vanishes: np.ndarray) -> int:
    """Pairs of a unit that falls silent for good before the other, which appears, begins."""
    spiked = np.diff(recording.offsets) > 0
    first = np.sort(recording.spike_times[recording.offsets[:-1][appears & spiked]])
    last = recording.spike_times[recording.offsets[1:][vanishes & spiked] - 1]
    return int((len(first) - np.searchsorted(first, last, side="right")).sum())
