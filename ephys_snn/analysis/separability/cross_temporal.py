"""Does the code for the class stay the same over time? Decoders trained at one time, tested at
another (King & Dehaene 2014, doi:10.1016/j.tics.2014.01.002).

The response window is cut into bins that do not overlap. In each of them the spikes of every unit
are counted; decoders are trained in one bin and tested in every bin, on trials that they were not
trained on. A code that lasts is decodable in all bins by the decoders of one; a code that moves
on, from unit to unit, only by those of the same bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.decoding import balanced_accuracy, decode_elsewhere, map_steps
from ephys_snn.analysis.separability.design import Design, SeparabilitySettings, plan
from ephys_snn.analysis.statistics import permutation_p_value
from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows

MAY_END_EARLY = 0.1  # share of the trials whose windows may end before the last bin does
ROUNDING = 1e-6  # ms; windows of one length differ by less
COLUMNS = ("area", "code", "train_start_ms", "train_stop_ms", "test_start_ms", "test_stop_ms",
           "n_units", "n_trials", "accuracy", "chance", "p_value", "p_value_corrected", "note")


class CrossTemporal(NamedTuple):
    """Decoding across time.

    Attributes
    ----------
    table : DataFrame
        A row per area, bin of training and bin of test: ``separability_cross_temporal.csv``. An
        area that is not decoded has one row with the reason.
    notes : list of str
        What was left out, and why.
    """

    table: pd.DataFrame
    notes: list[str]


def decode_across_time(recording: Recording, design: Design,
                       draws: Mapping[str, list[np.ndarray] | str],
                       settings: SeparabilitySettings, progress: Progress = no_progress
                       ) -> CrossTemporal:
    """Train decoders of every area in each bin, and test them in all bins.

    Parameters
    ----------
    recording : Recording
    design : Design
        Its trials are decoded, without those whose windows end before the last bin.
    draws : dict of area to list of (unit,) int, or str
        Units of every area, of which the first draw is decoded, or why none can be.
    settings : SeparabilitySettings
    progress : Progress
        Of the areas and bins of training.
    """
    common, notes = common_windows(design.windows)
    edges = bin_edges(common, settings.n_bins, recording.resolution)
    if len(edges) < 3:
        return _not_computable(recording, "the common response window is no longer than one step "
                               "of the recording's resolution")
    try:
        shared = plan(recording, common, replace(settings, n_repeats=1))
    except InputError as error:
        return _not_computable(recording, f"among trials whose windows last so long: {error}")
    areas = [area for area in recording.areas if not isinstance(draws[area], str)]
    counts = {area: binned_counts(recording, shared.windows, edges, draws[area][0])
              for area in areas}
    steps = [(area, place) for area in areas for place in range(len(edges) - 1)]
    accuracy = map_steps(lambda step: balanced_accuracy(
        decode_elsewhere(counts[step[0]][step[1]], counts[step[0]], shared.labellings,
                         shared.folds[0]), shared.labellings), steps, progress, "across time")
    # The same permutations everywhere make the largest of all areas and pairs one statistic.
    largest = np.max([each[:, 1:].max(axis=0) for each in accuracy], axis=0, initial=0) \
        if areas else np.ones(1)
    rows = [row for step, each in zip(steps, accuracy, strict=True)
            for row in _rows(*step, each, edges, largest)]
    rows += [{"area": area, "note": draws[area]} for area in recording.areas if area not in areas]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(code="count", n_trials=len(
        shared.labellings[0]))
    table["n_units"] = table["area"].map(lambda area: 0 if isinstance(draws[area], str)
                                         else len(draws[area][0]))
    return CrossTemporal(table, notes)


def _not_computable(recording: Recording, reason: str) -> CrossTemporal:
    note = f"not computable: {reason}"
    table = pd.DataFrame([{"area": area, "code": "count", "note": note}
                          for area in recording.areas], columns=list(COLUMNS))
    return CrossTemporal(table, [f"decoding across time is {note}"])


def _rows(area: str, place: int, accuracy: np.ndarray, edges: np.ndarray, largest: np.ndarray
          ) -> list[dict]:
    """What ``separability_cross_temporal.csv`` says of an area and a bin of training."""
    return [{"area": area, "train_start_ms": edges[place], "train_stop_ms": edges[place + 1],
             "test_start_ms": start, "test_stop_ms": stop, "accuracy": float(values[0]),
             "chance": float(values[1:].mean()),
             "p_value": float(permutation_p_value(values[0], values[1:])),
             "p_value_corrected": float(permutation_p_value(values[0], largest)), "note": ""}
            for values, start, stop in zip(accuracy, edges[:-1], edges[1:], strict=True)]


def common_windows(windows: ResponseWindows) -> tuple[ResponseWindows, list[str]]:
    """Windows over the same times after the onset, in the trials that were observed so long.

    They begin when the last window has begun and end when 90 % of the windows have not yet ended;
    trials whose windows end earlier are left out. Binned as they are, windows would make how long
    a trial lasted decodable from its late bins.
    """
    start, stop = windows.start - windows.onset, windows.stop - windows.onset
    begin = start[windows.used].max()
    end = np.quantile(stop[windows.used], MAY_END_EARLY, method="lower")
    long_enough = windows.used & (stop > end - ROUNDING)
    n_short = int(windows.used.sum() - long_enough.sum())
    common = windows._replace(start=np.where(long_enough, windows.onset + begin, np.nan),
                              stop=windows.onset + end)
    return common, [f"across time, {n_short} of {windows.used.sum()} trials whose windows end "
                    f"before {end:.3g} ms are left out, so that all bins are observed in all "
                    "trials"] if n_short else []


def bin_edges(windows: ResponseWindows, n_bins: int, resolution: float | None = None
              ) -> np.ndarray:
    """(edge,) float, ms after the onset: `n_bins` equal bins, none finer than the resolution."""
    trial = np.flatnonzero(windows.used)[0]
    begin, end = (windows.start - windows.onset)[trial], (windows.stop - windows.onset)[trial]
    if resolution:
        n_bins = int(np.clip((end - begin) / resolution + 1e-9, 1, n_bins))
    return np.linspace(begin, end, n_bins + 1) if end > begin else np.array([begin])


def binned_counts(recording: Recording, windows: ResponseWindows, edges: np.ndarray,
                  units: np.ndarray) -> np.ndarray:
    """(bin, trial, unit) float, spikes in each bin of the trials that have a window."""
    return np.array([recording.responses(windows._replace(
        start=np.where(windows.used, windows.onset + start, np.nan), stop=windows.onset + stop),
        units).count for start, stop in zip(edges[:-1], edges[1:], strict=True)], dtype=float)
