"""Response latency: when spikes first come faster than the baseline predicts.

With k spikes in all baselines, which last T together, at least n spikes in a time t of all N trials
have the probability

    P = I_x(n, k + 1),     x = N t / (N t + T)

if the rate is the baseline's: the Poisson probability of Chase & Young 2007
(doi:10.1073/pnas.0610368104), with the baseline estimated rather than known, which makes it an
incomplete beta function I (two Poisson rates: Przyborowski & Wilenski 1940,
doi:10.1093/biomet/31.3-4.313). They count from the onset on and ask when P first falls below
1e-6; a response that follows a pause or a slow start is lost so. Here counts begin at any of 64
times, and the first end of any count with P below a level shows that there is a response. It
began with the spike from which on the spikes until then are least probable, as a burst does by its
Poisson surprise (Legendy & Salcman 1985, doi:10.1152/jn.1985.53.4.926). All trials together are
asked, and those of the class in which the unit spikes most, at a level divided by the number of
classes, each where the unit responds there (`responsiveness`); the earlier latency counts. Trial
by trial, the first spike from then on is the first that the baseline does not predict.

Spikes of a bursting unit are no Poisson process, and the smallest P of any 2,080 counts is small
by chance. The level is what chance shows: pseudo-onsets are put into the baseline of every trial,
`N_PSEUDO` times, and the level is such that 5 % of these pseudo-responses have a smaller P (but
no larger than 1e-6).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from ephys_snn.analysis.single_units.baseline import ROUNDING, Baseline
from ephys_snn.recording import Recording, Responses, ResponseWindows

SURPRISING = 1e-6  # Chase & Young's level
N_PSEUDO = 59
PSEUDO_LEVEL = 0.05  # share of the pseudo-responses that would have a latency
PSEUDO_PARTS = 3  # pseudo-responses are no longer than this part of the baseline
STEPS = 64  # of a response; counts begin and end at them
MAX_CANDIDATES = 4096  # spikes with which the response may have begun


class ResponseLatencies(NamedTuple):
    """Latency of every unit.

    Attributes
    ----------
    latency : (unit,) float, ms
        After the onset; nan where there is none.
    of_class : (unit,) str
        The class whose trials have it, 'all' where all trials together do, '' where there is none.
    first : (trial, unit) float, ms
        First spike from then on in each of these trials, after the onset; inf where there is none.
    """

    latency: np.ndarray
    of_class: np.ndarray
    first: np.ndarray


class Observed(NamedTuple):
    """When spikes count, ms: in responses, and after pseudo-onsets in the baselines.

    Attributes
    ----------
    begin, pseudo_begin : (trial,) float, (pseudo-onset, trial) float
    length, pseudo_length : float
        The same in all trials.
    """

    begin: np.ndarray
    length: float
    pseudo_begin: np.ndarray
    pseudo_length: float


def response_latencies(recording: Recording, response: ResponseWindows, before: np.ndarray,
                       after: Responses, baseline: Baseline, asked: tuple[np.ndarray, np.ndarray],
                       rng: np.random.Generator) -> ResponseLatencies:
    """Latencies of the units of a recording that are asked for.

    Parameters
    ----------
    response : ResponseWindows
        Of the trials that have a baseline.
    before : (trial, unit) int
        Spikes in the baselines of these trials.
    after : Responses
        In these windows.
    baseline : Baseline
    asked : (unit,) bool, (unit,) bool
        Units that spike more in all trials, and in those of some class: only these are searched.
    rng : numpy.random.Generator
        Draws the pseudo-onsets.
    """
    used = response.used
    onset, stop = response.onset[used], response.stop[used]
    observed = _observe(np.maximum(response.start[used], onset), stop, baseline,
                        baseline.windows.start[used], rng)
    extent = baseline.stop - baseline.start
    classes = np.unique(after.label)
    n_units = len(recording.units)
    found = ResponseLatencies(np.full(n_units, np.nan), np.full(n_units, "", dtype=object),
                              np.full((len(onset), n_units), np.inf))
    for unit in np.flatnonzero(np.logical_or(*asked)):
        trials, name = np.arange(len(onset)), "all"
        latency = _search(recording, unit, trials, observed, before, extent, 1) \
            if asked[0][unit] else np.nan
        if asked[1][unit] and len(classes) > 1:
            preferred, of_preferred = _preferred_class(after, unit, classes)
            earlier = _search(recording, unit, of_preferred, observed, before, extent, len(classes))
            if earlier < latency or np.isnan(latency):
                trials, name, latency = of_preferred, preferred, earlier
        if np.isfinite(latency):
            found.latency[unit] = latency + (observed.begin - onset).min()
            found.of_class[unit] = name
            first, count = recording.spike_ranges(
                unit, observed.begin[trials] + latency - ROUNDING, stop[trials])
            there = trials[count > 0]
            found.first[there, unit] = recording.spike_times[first[count > 0]] - onset[there]
    return found


def _observe(begin: np.ndarray, stop: np.ndarray, baseline: Baseline, baseline_start: np.ndarray,
             rng: np.random.Generator) -> Observed:
    """Spikes count until the shortest window ends, so that all trials are there all the time."""
    length, extent = (stop - begin).min(), baseline.stop - baseline.start
    pseudo_length = min(length, extent / PSEUDO_PARTS)
    pseudo_begin = baseline_start + rng.uniform(0, extent - pseudo_length, (N_PSEUDO, len(begin)))
    return Observed(begin, length, pseudo_begin, pseudo_length)


def _search(recording: Recording, unit: int, trials: np.ndarray, observed: Observed,
            before: np.ndarray, extent: float, n_searches: int) -> float:
    """Latency of a unit in some trials, at the level that pseudo-responses give, ms."""
    known = (len(trials), int(before[trials, unit].sum()), len(trials) * extent,
             recording.resolution or 0.0)

    def since(start: np.ndarray, duration: float) -> np.ndarray:
        spikes = recording.window_spikes(start[trials], start[trials] + duration, [unit])
        return spikes.time - start[trials][spikes.window]

    _, length, pseudo_begin, pseudo_length = observed
    chance = [smallest_surprise(since(start, pseudo_length), pseudo_length, *known)
              for start in pseudo_begin]
    level = min(SURPRISING, np.quantile(chance, PSEUDO_LEVEL, method="lower")
                * pseudo_length / length) / n_searches
    return response_latency(since(observed.begin, length), length, *known, level)


def _preferred_class(responses: Responses, unit: int, classes: np.ndarray
                     ) -> tuple[str, np.ndarray]:
    """The class in which a unit spikes most, and its trials."""
    mean = [responses.count[responses.label == each, unit].mean() for each in classes]
    preferred = str(classes[np.argmax(mean)])
    return preferred, np.flatnonzero(responses.label == preferred)


def response_latency(times: np.ndarray, length: float, n_trials: int, baseline_spikes: int,
                     baseline_duration: float, resolution: float = 0.0,
                     level: float = SURPRISING) -> float:
    """When the pooled spikes of many trials first exceed what the baseline predicts.

    Parameters
    ----------
    times : (spike,) float, ms
        Spikes of all trials since their onsets, from 0 to `length`, in any order.
    length : float, ms
        How long every trial was observed.
    n_trials : int
    baseline_spikes : int
        In all baselines.
    baseline_duration : float, ms
        Of all baselines together.
    resolution : float, ms
        Steps are whole multiples of it, so that each has as much of the grid of the recording.
    level : float
        Probability below which spikes are too many for the baseline.

    Returns
    -------
    float, ms
        nan where nothing exceeds it.
    """
    times = np.sort(times)
    edges, end, p, before = _counts(times, length, n_trials, baseline_spikes, baseline_duration,
                                    resolution)
    if not (p < level).any():
        return np.nan
    first = end[p < level].min()
    start = np.append(0.0, times[:before[first]])
    start = np.unique(start[::max(1, len(start) // MAX_CANDIDATES)])
    n_after = before[first] - np.searchsorted(times, start, side="right")
    n_after[0] = before[first]
    p = _surprise(n_after, n_trials * (edges[first] - start), baseline_spikes, baseline_duration)
    return float(max(start[np.argmin(p)], times[0]))


def smallest_surprise(times: np.ndarray, length: float, n_trials: int, baseline_spikes: int,
                      baseline_duration: float, resolution: float = 0.0) -> float:
    """Smallest P of all counts; arguments as in `response_latency`."""
    return float(_counts(np.sort(times), length, n_trials, baseline_spikes, baseline_duration,
                         resolution)[2].min(initial=1.0))


def _counts(times: np.ndarray, length: float, n_trials: int, baseline_spikes: int,
            baseline_duration: float, resolution: float
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Edges (ms), the edge that each count ends at, its P, and spikes before each edge."""
    step = length / STEPS
    if resolution:
        step = resolution * np.ceil(step / resolution - ROUNDING)
    n_steps = int(length / step + ROUNDING) if step > 0 else 0
    edges = step * np.arange(n_steps + 1)
    before = np.searchsorted(times, edges - ROUNDING)
    begin, end = np.triu_indices(len(edges), k=1)
    p = _surprise(before[end] - before[begin], n_trials * (edges[end] - edges[begin]),
                  baseline_spikes, baseline_duration)
    return edges, end, p, before


def _surprise(n: np.ndarray, duration: np.ndarray, baseline_spikes: int, baseline_duration: float
              ) -> np.ndarray:
    """P(at least n spikes in a duration), given the spikes of the baseline."""
    p = betainc(np.maximum(n, 1), baseline_spikes + 1, duration / (duration + baseline_duration))
    return np.where(n > 0, p, 1.0)
