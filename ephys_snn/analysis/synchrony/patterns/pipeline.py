"""Patterns as a part of the synchrony pipeline: options, sentences, table and figure."""

from __future__ import annotations

import argparse

import pandas as pd

from ephys_snn.analysis.pipeline import Options
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.synchrony.patterns.analysis import (
    AreaPatterns,
    PatternSettings,
    analyse_patterns,
    pattern_table,
)
from ephys_snn.analysis.synchrony.patterns.mining import SHIFT_BINS
from ephys_snn.analysis.synchrony.words import NEIGHBOURS
from ephys_snn.analysis.words import name_of
from ephys_snn.cli import number, progress_bar
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows

NOTHING = PipelineResult("patterns", {}, {}, {})
BIN = 5.0  # ms, as Stella et al. 2022, doi:10.1523/ENEURO.0505-21.2022
BINS_PER_RESPONSE = 20  # at least, where windows are shorter than 100 ms
WINDOW_BINS = 12
MIN_SURROGATES = 39  # 19 allow no q below 0.05


def add_options(parser: Options) -> None:
    """Add the options of patterns."""
    parser.add_argument("--patterns", action="store_true",
                        help="also look for spikes of three or more units of an area that recur "
                             "with the same lags (SPADE), in a sample of units and trials")
    parser.add_argument("--pattern-bin", type=number(float, above=0), metavar="MS",
                        help=f"precision of the lags (default: {BIN:g} ms, or "
                             f"1/{BINS_PER_RESPONSE} of windows shorter than "
                             f"{BIN * BINS_PER_RESPONSE:g} ms, but no less than the recording's "
                             "resolution)")
    parser.add_argument("--pattern-window", type=number(float, above=0), metavar="MS",
                        help=f"longest duration of a pattern (default: {WINDOW_BINS} bins)")
    parser.add_argument("--pattern-surrogates", type=number(int, least=MIN_SURROGATES),
                        default=100, metavar="N",
                        help="surrogates of each kind (default: %(default)s)")


def analyse(recording: Recording, windows: ResponseWindows,
            args: argparse.Namespace) -> PipelineResult:
    """Patterns as the options ask; nothing where they do not ask."""
    if not args.patterns:
        return NOTHING
    settings = _settings(recording, windows, args)
    found, largest_p = analyse_patterns(
        recording, windows, settings, block_trials=args.block_trials, seed=args.seed,
        progress=progress_bar(args.quiet))
    table = pattern_table(recording, found, largest_p, settings)
    return PipelineResult(
        "patterns", {"patterns": table}, _draw(recording, found, table, settings),
        {"patterns": {"bin_ms": settings.bin_width,
                      "window_ms": settings.window_bins * settings.bin_width,
                      "surrogates": settings.n_surrogates, "largest_p": largest_p}},
        _summarise(table, settings, recording.trials.repeats.of), _limits(table, settings))


def _settings(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
              ) -> PatternSettings:
    bin_width = args.pattern_bin
    if bin_width is None:
        longest = windows.durations[windows.used].max()
        bin_width = max(min(BIN, float(f"{longest / BINS_PER_RESPONSE:.1g}")),
                        recording.resolution or 0.0)
    if args.pattern_window is None:
        return PatternSettings(bin_width, WINDOW_BINS, args.pattern_surrogates)
    if args.pattern_window < bin_width:
        raise InputError(f"--pattern-window must be at least one bin of {bin_width:g} ms; got "
                         f"{args.pattern_window:g} ms")
    return PatternSettings(bin_width, round(args.pattern_window / bin_width),
                           args.pattern_surrogates)


def _draw(recording: Recording, found: list[AreaPatterns], table: pd.DataFrame,
          settings: PatternSettings) -> dict:
    """The most significant patterns, if there are any."""
    from ephys_snn.analysis.synchrony.patterns.figure import plot_patterns

    if not table["significant"].any():
        return {}
    return {"patterns": plot_patterns(recording, found, table, settings, name_of(recording))}


def _summarise(table: pd.DataFrame, settings: PatternSettings, repeats_of: str) -> list[str]:
    """What was found, in words."""
    mined = table[table["n_units_mined"] > 0]
    if mined.empty:
        return []
    passed = mined[mined["significant"]]
    by_area = ", ".join(
        f"{area} {len(rows)} (most spikes: {best.units} at {best.lags_ms} ms, "
        f"{best.n_occurrences:.0f} times, p = {best.p_value:.2g})"
        for area, rows in passed.groupby("area", sort=False) for best in [next(rows.itertuples())])
    none = ", ".join(area for area in mined["area"].unique() if area not in set(passed["area"]))
    return [f"Patterns of spikes ({settings.bin_width:g} ms bins, at most "
            f"{settings.window_bins * settings.bin_width:g} ms long) that recur more often "
            f"than where each unit's responses are shuffled across {NEIGHBOURS[repeats_of]}, and "
            "than where they are shifted within their window by up to "
            f"±{SHIFT_BINS * settings.bin_width:g} ms: {by_area or 'no area'}"
            + (f"; not: {none}." if none and by_area else ".")]


def _limits(table: pd.DataFrame, settings: PatternSettings) -> list[str]:
    """What limits the result."""
    mined = table[table["n_units_mined"] > 0].drop_duplicates("area")
    samples = ", ".join(f"{row.area} {row.n_units_mined}" for row in mined.itertuples())
    said = [f"patterns: mined in {mined['n_trials_mined'].max():.0f} trials and a random sample of "
            f"units ({samples}), because mining takes exponentially longer with more"
            ] if len(mined) else []
    notes = table[table["note"] != ""].groupby("note", sort=False)["area"].unique()
    return said + [f"patterns: {', '.join(areas)}: {note}" for note, areas in notes.items()]
