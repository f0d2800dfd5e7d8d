"""The analysis of pathways: which units route a class, and do they prefer it more with depth?"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ephys_snn.analysis.pathways.members import ACTIVITIES, PathwaySettings
from ephys_snn.analysis.pathways.pathways import DEFAULTS, measure_pathways
from ephys_snn.analysis.pathways.words import CAPTIONS, findings, limits, summarise
from ephys_snn.analysis.pipeline import Options, Pipeline, StudyColumns
from ephys_snn.analysis.results import PipelineResult
from ephys_snn.analysis.statistics import SIGNIFICANT_Q
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.cli import number, progress_bar
from ephys_snn.errors import InputError, listed
from ephys_snn.recording import Recording, ResponseWindows


def add_options(parser: Options) -> None:
    """Add the options of this pipeline."""
    parser.add_argument("--k", type=number(float, least=0), default=DEFAULTS.k, metavar="K",
                        help="an effect of the weights is strong if it exceeds the mean of its "
                        "area by K standard deviations (default: %(default)g)")
    parser.add_argument("--permutations", type=number(int, least=1), metavar="N",
                        default=DEFAULTS.n_permutations,
                        help="permutations of labels and exchanges of responses, for chance, and "
                        "random sets of units; the smallest p of a preference is 1 / (N + 1) "
                        "(default: %(default)s)")
    parser.add_argument("--activity", choices=ACTIVITIES, default=DEFAULTS.activity,
                        help="fraction of trials in which a unit is active, or its mean spike "
                        "count, which differs more where units are active in nearly every trial "
                        "(default: %(default)s)")
    parser.add_argument("--links", type=number(int, least=1), default=DEFAULTS.max_links,
                        metavar="N", help="keep the N strongest links per class and pair of areas "
                        "(default: %(default)s)")
    parser.add_argument("--max-lag", type=number(float, above=0), metavar="MS",
                        help="largest lag in the asymmetry of correlograms (default: half of "
                        "the median response window, at most 50 ms)")
    parser.add_argument("--highlight", metavar="CLASS",
                        help="the class that the figure shows in full (default: the first that "
                        "has members in most areas)")


def analyse(recording: Recording, windows: ResponseWindows, args: argparse.Namespace
            ) -> PipelineResult:
    """Pathways in weights and in activity, and how much they prefer their class."""
    from ephys_snn.analysis.pathways.figures.area_columns import plot_pathways
    from ephys_snn.analysis.pathways.figures.preference import plot_preference

    settings = PathwaySettings(
        k=args.k, n_permutations=args.permutations,
        relabelling=Relabelling(args.block_trials, args.shift_labels),
        activity=args.activity, max_links=args.links, max_lag=args.max_lag, seed=args.seed)
    result = measure_pathways(recording, windows, settings, progress_bar(args.quiet))
    classes = list(dict.fromkeys(label for kind in result.kinds for label in kind.classes))
    if args.highlight is not None and args.highlight not in classes:
        raise InputError(f"--highlight {args.highlight}: no such class; there are "
                         f"{listed(classes, 20)}")
    return PipelineResult(
        name="pathways",
        tables={
            "pathways": result.table, "pathways_by_area": result.by_area,
            "pathways_trend": result.trends, "pathway_members": result.members,
            "pathway_links": result.links, "pathway_area_links": result.area_links},
        figures={
            "pathways": plot_pathways(recording, result, windows.description, args.activity,
                                      args.highlight),
            "pathways_preference": plot_preference(recording, result, windows.description)},
        parameters=asdict(settings) | {
            "window": windows.description, "n_trials": result.n_trials, "classes": classes,
            "max_lag_used": result.max_lag, "significant_q": SIGNIFICANT_Q,
            "not_computed": result.reasons},
        summary=summarise(result),
        warnings=limits(result, settings))


PIPELINE = Pipeline(
    name="pathways",
    title="Class-specific pathways",
    question="Do classes have units and connections of their own?",
    description="Find the units that route the activity of each class, from the weights and from "
                "activity, and ask whether they prefer their class, more so with depth.",
    measure="preference index of members",
    null="permuted labels with the members fixed; responses exchanged between neighbouring "
         "repeats; members chosen and tested on different halves",
    add_options=add_options, analyse=analyse, captions=CAPTIONS, findings=findings,
    study=StudyColumns("pathways_by_area", {
        "preference": "pathway_preference", "q_value": "pathway_q_value"}, by=("kind",)))
