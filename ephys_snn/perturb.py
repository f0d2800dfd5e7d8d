"""Virtual experiments on networks: ``python -m ephys_snn.perturb model.pt --out DIR``.

A plan of perturbations is tried on each network and on its untrained twin, each perturbation beside
its controls. What was done when the command is stopped is kept.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from ephys_snn.analysis import (
    MODEL_PACKAGES,
    PipelineResult,
    add_result_options,
    provenance_of,
    results_folder,
    tell,
    write_files,
)
from ephys_snn.cli import Parser, Progress, command, number, progress_bar
from ephys_snn.errors import InputError
from ephys_snn.network import Network
from ephys_snn.perturbation import GRAMMAR, Reference, control_responses
from ephys_snn.perturbation.battery import (
    Experiment,
    Outcome,
    Subject,
    battery_figures,
    battery_findings,
    battery_limitations,
    battery_tables,
    default_plan,
    planned_trials,
    read_plan,
    retrained_outcomes,
    run_battery,
)
from ephys_snn.stimuli import Stimuli, reference_stimuli
from ephys_snn.training import load_own_stimuli

SPLIT = "test"


class _ShowPlan(argparse.Action):
    """Print the default plan, and no more."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(default_plan(), end="")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.perturb",
        description="Silence, jitter, cut and otherwise perturb parts of trained networks, each "
                    "perturbation beside its controls, and say what becomes of their decisions.",
        epilog=f"perturbations, for a plan:\n\n{GRAMMAR}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = options.add_argument
    add("models", type=Path, nargs="+", metavar="MODEL",
        help="files that ephys_snn.train wrote; several networks give intervals over networks")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add("--plan", type=Path, metavar="PLAN.yaml",
        help="what is tried (default: the plan that --show-plan prints)")
    add("--show-plan", action=_ShowPlan, nargs=0, help="print the default plan and stop")
    add("--trials", type=number(int, least=10), default=1000, metavar="N",
        help="how many test stimuli, the first in file order (default: %(default)s)")
    add("--data", metavar="DATA", help="where the data are, if not where they were in training")
    add("--retrain", type=number(int, least=1), metavar="EPOCHS",
        help="let networks learn again for so many epochs while the units of the plan's "
             "experiments with `retrain: true` stay silent")
    add("--no-untrained", action="store_true",
        help="leave out the untrained twins, which halves the time")
    add_result_options(options)
    return options


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Try a plan on networks as the command line says."""
    options = parser().parse_args(arguments)
    plan = read_plan(options.plan)
    networks = load_networks(options.models)
    stimuli = {name: load_own_stimuli(network, options.data, path) for (name, network), path
               in zip(networks.items(), options.models, strict=True)}
    results_folder(options.out)  # before the work, not after it
    subjects, notes = make_subjects(networks, stimuli, options)
    trials = [planned_trials(plan, subject) for subject in subjects]
    if not any(trials) and not options.retrain:
        raise InputError(f"--plan {options.plan} has experiments with `retrain: true` alone; say "
                         "with --retrain EPOCHS how long networks learn again")
    progress = progress_bar(options.quiet)
    outcomes, is_stopped = [], False
    try:
        for outcome in _all_outcomes(trials, subjects, plan, stimuli, options, progress):
            outcomes.append(outcome)
    except KeyboardInterrupt:
        if not outcomes:
            raise
        is_stopped = True
        notes.append(f"stopped after {len(outcomes)} outcomes: what would have followed is missing")
    _write(outcomes, plan, networks, subjects, notes, options)
    return 130 if is_stopped else 0


def load_networks(paths: Sequence[Path]) -> dict[str, Network]:
    """Networks by the names of their files, or by their paths where names are not unique.

    Raises
    ------
    InputError
        If one cannot be read, or is named twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("a model is named twice; name every network once")
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    return {name: Network.load(path) for name, path in zip(names, paths, strict=True)}


def make_subjects(networks: dict[str, Network], stimuli: dict[str, Stimuli],
                  options: argparse.Namespace) -> tuple[list[Subject], list[str]]:
    """Each network and its untrained twin, and why there is none, if so."""
    subjects, notes = [], []
    for name, network in networks.items():
        subjects.append(_subject(name, network, True, stimuli[name], options))
        if options.no_untrained:
            continue
        try:
            twin = network.untrained()
        except InputError as error:
            notes.append(f"{name}: {error}")
        else:
            subjects.append(_subject(name, twin, False, stimuli[name], options))
    return subjects, notes


def _subject(name: str, network: Network, is_trained: bool, stimuli: Stimuli,
             options: argparse.Namespace) -> Subject:
    times, labels = stimuli.part(SPLIT)
    others = reference_stimuli(stimuli, SPLIT)
    reference = Reference(network, others.times, others.labels, stimuli.classes)
    control = control_responses(network, times[:options.trials])
    return Subject(name, network, is_trained, reference, control, labels[:options.trials])


def _all_outcomes(trials: Sequence[list], subjects: Sequence[Subject], plan: Sequence[Experiment],
                  stimuli: dict[str, Stimuli], options: argparse.Namespace, progress: Progress
                  ) -> Iterator[Outcome]:
    """Of all perturbations, then of what networks learn again, which takes longest."""
    learned = [retrained_outcomes(plan, subject, stimuli[subject.name], options.retrain,
                                  options.seed, progress)
               for subject in subjects if subject.is_trained and options.retrain]
    tried = (outcome for of_subject, subject in zip(trials, subjects, strict=True)
             for outcome in run_battery(of_subject, subject, options.seed))
    yield from progress(tried, "perturbations", sum(map(len, trials)))
    for outcomes in learned:
        yield from outcomes


def _write(outcomes: Sequence[Outcome], plan: Sequence[Experiment], networks: dict[str, Network],
           subjects: Sequence[Subject], notes: list[str], options: argparse.Namespace) -> None:
    """Write tables and figures, and say what was found and what limits it."""
    tables = battery_tables(outcomes)
    areas = max((subject.reference.areas for subject in subjects), key=len)
    classes = list(dict.fromkeys(name for subject in subjects
                                 for name in subject.reference.classes))
    figures = battery_figures(tables, areas, classes, {one.name: one.question for one in plan})
    result = PipelineResult(
        "perturbations", tables, figures, _parameters(plan, options),
        battery_findings(tables, areas), [*notes, *battery_limitations(tables)])
    source = {"networks": {name: {"path": str(path.resolve()), "sha256": network.sha256()}
                           for (name, network), path in zip(networks.items(), options.models,
                                                            strict=True)}}
    about = provenance_of(result, source, versioned=MODEL_PACKAGES)
    written = write_files(result, about, options.out, options.format, options.dpi)
    tell(result.warnings, result.summary, written, options.quiet)


def _parameters(plan: Sequence[Experiment], options: argparse.Namespace) -> dict:
    return {
        "plan": {one.name: {"question": one.question, "perturb": list(one.perturb),
                            "draws": one.draws, "matched": one.matched, "retrain": one.retrain}
                 for one in plan},
        "trials": options.trials, "split": SPLIT, "seed": options.seed,
        "retrain_epochs": options.retrain, "data": options.data,
    }


if __name__ == "__main__":
    raise SystemExit(main())
