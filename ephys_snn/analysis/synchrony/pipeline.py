"""Synchrony: pulse packets by area and cell type, their nulls, and Elephant's own measures."""

import argparse
from collections.abc import Iterable
from functools import partial

import pandas as pd

from ephys_snn.analysis.pipeline import Pipeline, run
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.synchrony import unitary_events_pipeline as unitary_events
from ephys_snn.analysis.synchrony.elephant_measures import analyse_with_elephant
from ephys_snn.analysis.synchrony.packet_widths import analyse_synchrony
from ephys_snn.cli import number
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows

ALPHA = 0.05


def add_options(parser) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--surrogates", type=number(int, least=1), default=200, metavar="N",
                        help="surrogates of each null (default: %(default)s)")
    parser.add_argument("--null-trials", type=number(int, least=1), default=200, metavar="N",
                        help="the nulls use at most so many trials (default: %(default)s)")
    parser.add_argument("--shuffle-neighbours", type=number(int, least=2), metavar="N",
                        help="shuffle responses only among N successive trials of a class, which "
                             "leaves slow drift in the null (default: among all)")
    parser.add_argument("--dither", type=number(float, above=0), metavar="MS",
                        help="half-width of the dither (default: the median over areas of the "
                             "shortest half, but no less than the recording's resolution)")
    parser.add_argument("--bin", type=number(float, above=0), metavar="MS",
                        help="bin width of Elephant's measures (default: near 1/100 of the "
                             "longest window, but no less than the recording's resolution)")
    parser.add_argument("--elephant-units", type=number(int, least=1), default=50, metavar="N",
                        help="Elephant's measures use at most so many units of an area "
                             "(default: %(default)s)")
    parser.add_argument("--elephant-trials", type=number(int, least=1), default=100, metavar="N",
                        help="and at most so many trials (default: %(default)s)")
    parser.add_argument("--elephant-shuffles", type=number(int, least=1), default=10, metavar="N",
                        help="surrogates of their control (default: %(default)s)")
    unitary_events.add_options(parser)


def analyse(recording: Recording, windows: ResponseWindows,
            args: argparse.Namespace) -> PipelineResult:
    """Pulse packets and Elephant's measures of a recording."""
    from ephys_snn.analysis.synchrony.figures import plot_elephant, plot_synchrony

    for option, value in (("--dither", args.dither), ("--bin", args.bin)):
        _refuse_finer(recording, option, value)
    # First, because it may ask for a choice before the long work.
    coincident = unitary_events.analyse(recording, windows, args)
    packets = analyse_synchrony(
        recording, windows, n_surrogates=args.surrogates, max_null_trials=args.null_trials,
        dither=args.dither, neighbours=args.shuffle_neighbours, seed=args.seed,
        progress=partial(_show_progress, "nulls", args.quiet))
    elephant = analyse_with_elephant(
        recording, windows, bin_width=args.bin, max_units=args.elephant_units,
        max_trials=args.elephant_trials, n_shuffles=args.elephant_shuffles, seed=args.seed,
        progress=partial(_show_progress, "Elephant", args.quiet))
    n_trials = int(windows.used.sum())
    name = "recording" if recording.path is None else recording.path.name
    title = f"{name}: responses in {n_trials} trials, {windows.description}"
    if recording.resolution is not None:
        title += f", at a time resolution of {recording.resolution:.4g} ms"
    sample = elephant.table[["area", "n_units_used", "n_trials_used"]]
    return PipelineResult(
        name="synchrony",
        tables={"synchrony": packets.table, "synchrony_elephant": elephant.table,
                **coincident.tables},
        figures={"synchrony": plot_synchrony(recording, windows, packets.table, title),
                 "synchrony_elephant": plot_elephant(
                     elephant.curves, elephant.table,
                     f"Elephant's measures of {title}\n(b to d: on a random sample of at "
                     f"most {args.elephant_units} units of an area; all: on at most "
                     f"{args.elephant_trials} trials)"),
                 **coincident.figures},
        parameters={
            "window": windows.description, "n_trials": n_trials, "seed": args.seed,
            "surrogates": args.surrogates, "null_trials": packets.n_null_trials,
            "shuffle_neighbours": args.shuffle_neighbours, "dither_ms": packets.dither,
            "elephant": {"bin_ms": elephant.bin_width, "shuffles": args.elephant_shuffles,
                         "sample": sample.to_dict("records")},
            **coincident.parameters},
        summary=[*_summarise(recording, packets.table, n_trials, windows), *coincident.summary],
        warnings=[*_warnings(recording, windows, [packets.table, elephant.table]),
                  *coincident.warnings])


PIPELINE = Pipeline("synchrony", "Pulse packets by area and cell type, tested against shuffled "
                    "trials and dithered spikes, with Elephant's own measures beside them.",
                    add_options, analyse)
main = partial(run, PIPELINE)


def _refuse_finer(recording: Recording, option: str, value: float | None) -> None:
    if None not in (value, recording.resolution) and value < recording.resolution * (1 - 1e-6):
        raise InputError(
            f"{option} {value:g} is finer than the recording's time resolution of "
            f"{recording.resolution:.4g} ms, where synchrony is an artefact; choose at least that, "
            "or say with --resolution MS what the resolution is")


def _summarise(recording: Recording, table: pd.DataFrame, n_trials: int,
               windows: ResponseWindows) -> list[str]:
    """What was found, in words."""
    rows = table[table["cell_type"] == "all"].set_index("area")
    rows = rows.loc[[area for area in recording.areas if rows.loc[area, "n_trials"] > 0]]
    if not len(rows):
        return [f"No packet width in any area: none has enough active units in any of {n_trials} "
                f"trials ({windows.description})."]
    width = rows["shortest_half_ms"]
    course = recording.areas_ordered and len(rows) > 1
    found = [_course(width, n_trials, recording.resolution) if course else
             "Packet width (shortest half): "
             + ", ".join(f"{_resolved(recording.resolution, width[area])} ({area})"
                         for area in rows.index)
             + f"; {n_trials} trials."]
    tested = rows[rows["shuffled_shortest_half_q_value"].notna()]
    if len(tested):
        found.append(_compare(
            tested, "shuffled", "Narrower than stimulus locking alone (responses shuffled across "
            "the trials of a class)"))
    if rows["dithered_shortest_half_q_value"].notna().any():
        found.append(_compare(
            rows, "dithered", "Timed more finely than the dither of "
            f"±{_ms(rows['dither_ms'].dropna().iloc[0])}"))
    return found


def _course(width: pd.Series, n_trials: int, resolution: float | None) -> str:
    """How the width goes from the first area to the last, in words."""
    _ms = partial(_resolved, resolution)
    first, last, widest = width.index[0], width.index[-1], width.idxmax()
    if widest == first:
        course = f"narrows from {_ms(width[first])} ({first}) to {_ms(width[last])} ({last})"
    elif widest == last:
        course = f"spreads from {_ms(width[first])} ({first}) to {_ms(width[last])} ({last})"
    else:
        course = (f"first spreads from {_ms(width[first])} ({first}) to {_ms(width[widest])} "
                  f"({widest}), then tightens to {_ms(width[last])} ({last})")
    return f"The packet {course}: shortest half, mean over {n_trials} trials."


def _compare(rows: pd.DataFrame, null: str, claim: str) -> str:
    """Which areas pass a null, with effect sizes."""
    def named(these: pd.DataFrame) -> str:
        return ", ".join(f"{area} ({row[f'{null}_shortest_half_ratio']:.2f} times the null's "
                         f"width, q = {row[f'{null}_shortest_half_q_value']:.3g})"
                         for area, row in these.iterrows())

    passed = rows[f"{null}_shortest_half_q_value"] < ALPHA
    tested = rows[f"{null}_shortest_half_q_value"].notna()
    parts = [f"{claim}: {named(rows[passed]) or 'no area'}"]
    if (tested & ~passed).any() and passed.any():
        parts.append(f"not: {named(rows[tested & ~passed])}")
    return "; ".join(parts) + "."


def _warnings(recording: Recording, windows: ResponseWindows,
              tables: list[pd.DataFrame]) -> list[str]:
    """What limits the results."""
    limits = []
    left_out = int((~windows.used).sum())
    if left_out:
        limits.append(f"{left_out} of {len(windows.used)} trials have no response window "
                      f"({windows.description}) and are left out")
    who = {}  # whom each note concerns, in the order of the tables
    for table in tables:
        for row in table.assign(cell_type=table.get("cell_type", "all")).itertuples():
            of_area = who.setdefault(row.note, {})
            if row.cell_type == "all":
                of_area[row.area] = row.area
            elif row.area not in of_area:  # else the area's own row has said it
                of_area[row.area, row.cell_type] = f"{row.area} {row.cell_type}"
    limits += [f"{', '.join(names.values())}: {note}" for note, names in who.items() if note]
    if recording.resolution is not None:
        limits.append(f"synchrony finer than {recording.resolution:.4g} ms, the recording's time "
                      "resolution, is an artefact and not tested")
    if not recording.areas_ordered and len(recording.areas) > 1:
        limits.append("nobody stated the order of the areas (--areas A,B,...), so there is no "
                      "trend with depth")
    return limits


def _show_progress(what: str, quiet: bool, items: Iterable, total: int, area: str) -> Iterable:
    from tqdm import tqdm

    return tqdm(items, total=total, desc=f"{what}, {area}", disable=quiet, leave=False)


def _resolved(resolution: float | None, value: float) -> str:
    """A width in words, as far as the recording resolves it."""
    if resolution is not None and value < resolution * (1 - 1e-6):
        return f"less than the resolution of {_ms(resolution)}"
    return _ms(value)


def _ms(value: float) -> str:
    digits = ".2g" if value < 0.01 else ".2f" if value < 10 else ".0f"
    return f"{value:{digits}} ms"
