"""The options of how to read a recording, and what they make of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ephys_snn.cli import names, number
from ephys_snn.errors import InputError
from ephys_snn.formats import DECISION_EVENT, SEGMENT_START
from ephys_snn.recording.limits.labels import describe_order, describe_perturbations
from ephys_snn.recording.limits.resolution import with_resolution
from ephys_snn.recording.limits.stability import describe_instability, keep_stable, unit_stability
from ephys_snn.recording.limits.windows import is_recorded, keep_clean, limits_of
from ephys_snn.recording.reading import read_recording
from ephys_snn.recording.recording import Recording
from ephys_snn.recording.response_windows import (
    ResponseWindows,
    decision_windows,
    epoch_windows,
    event_windows,
    fixed_windows,
)
from ephys_snn.recording.selection import select


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Add the file and how to read it: areas, trials, labels, response window."""
    parser.add_argument("recording", type=Path, metavar="RECORDING",
                        help="a NIX or NWB file, or any other that Neo reads")
    group = parser.add_argument_group("how to read the recording")
    areas = group.add_mutually_exclusive_group()
    areas.add_argument("--area", metavar="KEY", default="area",
                       help="annotation of the spike trains that names their area, or 'group' "
                            "or 'channel_view' (default: %(default)s)")
    areas.add_argument("--one-area", metavar="NAME",
                       help="treat all units as one area of this name")
    group.add_argument("--areas", metavar="A,B,...", type=names,
                       help="which areas, in the order of processing")
    group.add_argument("--trials", metavar="NAME",
                       help="the Epoch of the trials, or an Event (then with --window); "
                            "NAME=LABEL,LABEL for those with these labels only")
    group.add_argument("--from", metavar="EVENT", dest="from_event",
                       help="trials begin with this Event, or EVENT=LABEL,LABEL, ...")
    group.add_argument("--to", metavar="EVENT", dest="to_event",
                       help="... and end with the first such Event before the next trial")
    group.add_argument("--label", metavar="KEY",
                       help="array annotation of the trials that holds the class, "
                            "instead of the labels")
    group.add_argument("--stimulus", metavar="KEY",
                       help="array annotation of the trials that names the stimulus (default: "
                            "'stimulus'); where stimuli are shown again, responses change places "
                            "among trials of one stimulus, not of one class")
    group.add_argument("--units-table", metavar="FILE.csv", type=Path,
                       help="a row per unit, told by a column index, unit_id or name; the other "
                            "columns become annotations, for --area and --units-where")
    group.add_argument("--trials-table", metavar="FILE.csv", type=Path,
                       help="a row per trial in the order of onsets; the columns become array "
                            "annotations, for --label; with columns onset and duration (ms) it "
                            "says what the trials are")
    window = group.add_mutually_exclusive_group()
    window.add_argument("--until", metavar="EVENT",
                        help="the response ends at this Event (default: at the decision where "
                             "there is one, else with the trial)")
    window.add_argument("--window", metavar=("START", "STOP"), nargs=2, type=float,
                        help="the response is [START, STOP) in ms after the onset")
    group.add_argument("--resolution", metavar="MS", type=number(float, above=0),
                       help="time resolution of the recording (default: as the file states, or "
                            "the grid that its spikes lie on); synchrony finer than it is refused")
    _add_selection_options(parser.add_argument_group("which trials and units"))


def _add_selection_options(group) -> None:
    group.add_argument("--trial-range", metavar=("START", "STOP"), nargs=2, type=int,
                       help="trials START to STOP in the order of onsets, from 0, without STOP")
    group.add_argument("--correct-only", action="store_true",
                       help="only trials whose decision is the class of the trial")
    group.add_argument("--classes", metavar="A,B,...", type=names,
                       help="only trials of these classes")
    group.add_argument("--trials-where", metavar="KEY=VALUE", action="append", default=[],
                       help="only trials with this array annotation, or label; VALUE,VALUE for "
                            "any of them; repeat it for trials that fit all")
    group.add_argument("--units-where", metavar="KEY=VALUE", action="append", default=[],
                       help="only units with this area, cell_type, name, unit_id or annotation "
                            "of the spike trains; VALUE,VALUE for any of them; repeat it for "
                            "units that fit all")
    group.add_argument("--stable-units", action="store_true",
                       help="only units that neither appear nor vanish during the recording")
    group.add_argument("--clean-trials", action="store_true",
                       help="only trials whose response window lies within the recorded time and "
                            "begins after that of the trial before has ended")
    group.add_argument("--min-rate", metavar="HZ", type=number(float, least=0, unit=" spikes/s"),
                       help="only units with at least HZ spikes/s within these trials")


def open_recording(args: argparse.Namespace) -> tuple[Recording, ResponseWindows]:
    """Read the recording that the options name and choose its response windows."""
    recording = read_recording(
        args.recording, area=args.area, one_area=args.one_area, areas=args.areas,
        trials=args.trials, from_event=args.from_event, to_event=args.to_event, label=args.label,
        stimulus=args.stimulus, units_table=args.units_table, trials_table=args.trials_table,
        trial_duration=None if args.window is None else args.window[1])
    recording = select(
        recording, trial_range=args.trial_range, correct_only=args.correct_only,
        classes=args.classes, trials_where=args.trials_where, units_where=args.units_where,
        min_rate=args.min_rate)
    recording = with_resolution(recording, args.resolution)
    stability = unit_stability(recording)
    if not args.stable_units:
        recording = recording.noted(*describe_instability(recording, stability))
    elif not stability.stable.all():
        recording = keep_stable(recording, stability)
    windows = choose_windows(recording, args.until, args.window)
    if args.clean_trials:
        recording = keep_clean(recording, windows)
        windows = choose_windows(recording, args.until, args.window)
    return recording.noted(*describe_perturbations(recording.trials),
                           *describe_order(windows, recording),
                           *limits_of(windows, recording)), windows


def choose_windows(recording: Recording, until: str | None = None,
                   window: tuple[float, float] | None = None) -> ResponseWindows:
    """Response windows: as asked, else until the decision, else the whole trial.

    Raises
    ------
    InputError
        If there is no such event, or no trial is left with a window.
    """
    trials = recording.trials
    if window is not None:
        windows = fixed_windows(trials, *window)
    elif until is None and trials.has_decisions or until == DECISION_EVENT:
        windows = decision_windows(trials)
    elif until is None:
        windows = epoch_windows(trials)
    elif until in recording.events:
        windows = event_windows(trials, recording.events[until], until)
    else:
        raise InputError(f"--until {until}: {recording.path} has no such Event; "
                         f"it has {', '.join(recording.events) or 'none'}")
    if not windows.used.any():
        raise InputError(f"no trial has a response window ({windows.description}); "
                         "choose one with --window START STOP")
    if not windows.durations[windows.used].max() > 0:
        raise InputError(f"all response windows ({windows.description}) last 0 ms; choose one with "
                         "--window START STOP")
    if not is_recorded(windows, recording).any():
        where = " of their Segments" if SEGMENT_START in trials.annotations else \
            f", {recording.t_start:g} to {recording.t_stop:g} ms"
        raise InputError(f"the response windows ({windows.description}) lie outside the recorded "
                         f"time{where}; choose another --window")
    return windows
