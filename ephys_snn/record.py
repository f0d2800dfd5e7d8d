"""Record a trained network as if it were a brain: ``python -m ephys_snn.record model.pt out.nix``.

Every layer becomes an area, every neuron a unit, every stimulus a trial of one continuous session:
a trial starts every `TRIAL_PERIOD` and lasts `TRIAL_DURATION`; spikes after that are dropped (their
number is said and stored), so that a spike belongs to one trial. The first output spike is the
decision of the trial. With perturbations, every stimulus is shown in every condition, in an order
drawn at random: no condition comes earlier than another. This is the only module that sees both
networks and recordings.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

import ephys_snn
from ephys_snn.cli import Parser, Progress, command, no_progress, number, progress_bar
from ephys_snn.files import check_writable
from ephys_snn.network import Network
from ephys_snn.perturbation import (
    CONTROL,
    GRAMMAR,
    Condition,
    Reference,
    Responses,
    control_responses,
    find_conditions,
    parse_perturbations,
    perturbed_responses,
)
from ephys_snn.recording import Recording, Trials, Units
from ephys_snn.stimuli import (
    SPLITS,
    Presentation,
    ReferenceStimuli,
    present,
    reference_stimuli,
)
from ephys_snn.training import load_own_stimuli

TRIAL_PERIOD = 100.0  # ms
TRIAL_DURATION = 90.0  # ms


class TrialResponses(NamedTuple):
    """What was shown in trials, in their order, and what the network did.

    Attributes
    ----------
    labels : (trial,) str
    annotations : dict of (trial,) arrays
        What else there is to say of each trial.
    responses : dict of str to (trial, unit) float, ms
        First-spike times of every area; inf where silent.
    """

    labels: np.ndarray
    annotations: Mapping[str, np.ndarray]
    responses: Responses


def show(presentation: Presentation, network: Network, progress: Progress = no_progress
         ) -> TrialResponses:
    """Show stimuli to a network, in their order."""
    return TrialResponses(presentation.labels, {"stimulus": presentation.stimulus,
                                                "repeat": presentation.repeat},
                          control_responses(network, presentation.times, progress))


def show_in_conditions(control: TrialResponses, conditions: Sequence[Condition],
                       reference: Reference, seed: int, progress: Progress = no_progress
                       ) -> TrialResponses:
    """Show the same stimuli in the control and in all other conditions, interleaved.

    Parameters
    ----------
    control : TrialResponses
    conditions : sequence of Condition
    reference : Reference
        Of the network.
    seed : int
        Of the order of all pairs of trial and condition.

    Returns
    -------
    TrialResponses
        Whose trials have the annotation ``perturbation``: ``control`` or the words.
    """
    responses = [control.responses, *(
        perturbed_responses(reference.network, operation, acted_on, control.responses, reference,
                            rng)
        for operation, acted_on, rng in progress(conditions, "perturbing"))]
    n_trials = len(control.labels)
    # Other random numbers than those of the jitter, whose seed is the same.
    order = np.random.default_rng([seed, 1]).permutation(n_trials * len(responses))
    condition, trial = np.divmod(order, n_trials)
    annotations = {key: values[trial] for key, values in control.annotations.items()}
    return TrialResponses(
        control.labels[trial],
        {**annotations, "perturbation": np.array(_condition_names(conditions))[condition]},
        {area: np.concatenate([one[area] for one in responses])[order] for area in responses[0]})


def _condition_names(conditions: Sequence[Condition]) -> list[str]:
    """The control, then the perturbations in their words."""
    return [CONTROL, *(condition.operation.words for condition in conditions)]


def record_responses(shown: TrialResponses, network: Network, classes: Sequence[str],
                     annotations: dict) -> Recording:
    """Make a recording of what a network did.

    Parameters
    ----------
    network : Network
        Whose cell types and weights go into the recording.
    classes : sequence of str
        Of the output neurons.
    annotations : dict
        What the recording shall say of itself beside areas, classes and dropped spikes.
    """
    responses, n_trials = shown.responses, len(shown.labels)
    onset = TRIAL_PERIOD * np.arange(n_trials)
    dropped = sum(int((np.isfinite(times) & (times >= TRIAL_DURATION)).sum())
                  for times in responses.values())
    spikes = [train for times in responses.values() for train in _spike_trains(times, onset)]
    areas = tuple(responses)
    weights = {pair: matrix.detach().numpy() for pair, matrix in zip(
        zip(areas[:-1], areas[1:], strict=True), network.weights, strict=True)}
    return Recording.from_spike_trains(
        spikes, _describe_units(responses, network), _describe_trials(shown, onset, classes),
        areas=areas, areas_ordered=True, t_start=0.0, t_stop=TRIAL_PERIOD * n_trials,
        weights=weights,
        annotations={**annotations, "classes": list(classes), "dropped_spikes": dropped})


def _spike_trains(times: np.ndarray, onset: np.ndarray) -> Iterator[np.ndarray]:
    for unit_times in times.T.astype(np.float64):
        inside = unit_times < TRIAL_DURATION
        yield onset[inside] + unit_times[inside]


def _describe_units(responses: Responses, network: Network) -> Units:
    sizes = [times.shape[1] for times in responses.values()]
    cell_types = [np.full(sizes[0], "input"), *network.cell_types, np.full(sizes[-1], "output")]
    unit_id = np.concatenate([np.arange(size) for size in sizes])
    area = np.repeat(list(responses), sizes)
    name = np.array([f"{a}/{u}" for a, u in zip(area, unit_id, strict=True)])
    return Units(unit_id, name, area, np.concatenate(cell_types))


def _describe_trials(shown: TrialResponses, onset: np.ndarray, classes: Sequence[str]) -> Trials:
    # The decision is the very output spike, so that both compare equal as stored.
    output_times = shown.responses["output"]
    first = output_times.astype(np.float64).min(axis=1)
    decided = first < TRIAL_DURATION
    decision = Network.decision(output_times).numpy()
    return Trials(
        onset, np.full(len(onset), TRIAL_DURATION), shown.labels,
        np.where(decided, onset + np.where(decided, first, 0.0), np.nan),
        np.where(decided, np.array(classes)[decision], ""), shown.annotations)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.record",
        description="Show stimuli to a trained network and write what every neuron does as a "
                    "Neo recording in a NIX file, each layer an area.",
        epilog=f"perturbations, for --perturb:\n\n{GRAMMAR}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = options.add_argument
    add("model", type=Path, metavar="MODEL", help="a file that ephys_snn.train wrote")
    add("out", type=Path, metavar="OUT.nix", help="the recording to write")
    add("--trials", type=number(int, least=1), default=1000, metavar="N",
        help="how many stimuli, the first of the split in file order (default: %(default)s)")
    add("--split", choices=SPLITS, default="test",
        help="which stimuli (default: %(default)s)")
    add("--repeats", type=number(int, least=1), default=1, metavar="R",
        help="show all of them R times (default: %(default)s)")
    add("--jitter", type=number(float, least=0), default=0.0, metavar="MS",
        help="standard deviation of the input spikes' jitter in ms (default: %(default)s)")
    add("--perturb", action="append", default=[], metavar="WORDS",
        help="show every stimulus in the control and under this perturbation too, in an order that "
             "the seed draws, as in --perturb 'silence layer_2 inhibitory'; may be given several "
             "times, see below")
    add("--untrained", action="store_true",
        help="record the network as it was before training, as a control")
    add("--data", metavar="DATA",
        help="where the data are, if not where they were in training")
    add("--seed", type=number(int, least=0), default=0, metavar="N",
        help="seed of the jitter, of perturbations and of the order of conditions")
    add("--quiet", action="store_true", help="no progress bar and no summary")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Record a network as the command line says."""
    options = parser().parse_args(arguments)
    operations = parse_perturbations(options.perturb)
    check_writable(options.out)
    network = Network.load(options.model)
    stimuli = load_own_stimuli(network, options.data, options.model)
    if options.untrained:
        network = network.untrained()
    presentation = present(stimuli, options.split, options.trials, options.repeats,
                           options.jitter, options.seed)
    others = reference_stimuli(stimuli, options.split)
    reference = Reference(network, others.times, others.labels, stimuli.classes)
    conditions = find_conditions(operations, reference, options.seed)
    progress = progress_bar(options.quiet)
    shown = show(presentation, network, progress)
    if conditions:
        shown = show_in_conditions(shown, conditions, reference, options.seed, progress)
    recording = record_responses(shown, network, stimuli.classes,
                                 _annotations(network, options, conditions, others))
    recording.write(options.out)
    if not options.quiet:
        print(_summary(recording, presentation, options))


def _annotations(network: Network, options: argparse.Namespace, conditions: Sequence[Condition],
                 others: ReferenceStimuli) -> dict:
    card = network.card.to_dictionary()
    return {
        **({"perturbations": _condition_names(conditions)} if conditions else {}),
        "model_sha256": network.sha256(),
        "settings": {
            "trained": not options.untrained,
            "split": options.split,
            "repeats": options.repeats,
            "jitter_ms": options.jitter,
            "seed": options.seed,
            **(_describe_conditions(conditions, others) if conditions else {}),
            "trial_period_ms": TRIAL_PERIOD,
            "trial_duration_ms": TRIAL_DURATION,
            "lif": asdict(network.lif),
            **{key: card[key] for key in ("data", "encoding", "training") if key in card},
            **({"network_seed": card["seed"]} if "seed" in card else {}),
        },
        "versions": {**card.get("versions", {}), "recorded_with": ephys_snn.__version__},
    }


def _describe_conditions(conditions: Sequence[Condition], others: ReferenceStimuli) -> dict:
    """Which units perturbations act on, and which stimuli they were chosen by."""
    def listed(units: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
        return {area: numbers.tolist() for area, numbers in units.items()}

    acted_on = {one.operation.words: {
        "units": listed(one.acted_on.units),
        **({} if one.acted_on.sources is None else {"sources": listed(one.acted_on.sources)})}
        for one in conditions}
    return {"perturbations": acted_on,
            "reference": {"split": others.split, "n_stimuli": len(others.labels)}}


def _summary(recording: Recording, presentation: Presentation,
             options: argparse.Namespace) -> str:
    trials = recording.trials
    n_stimuli = len(presentation.labels) // options.repeats
    lines = []
    if n_stimuli < options.trials:
        lines.append(f"the {options.split} split has {n_stimuli} stimuli, not {options.trials}: "
                     "all are recorded")
    if options.repeats > 1 and not options.jitter:
        of = " of the control" if options.perturb else ""
        lines.append(f"the repeats{of} are identical, since nothing varies; give --jitter MS")
    if (options.split == "validation" and not options.untrained
            and recording.annotations["settings"].get("training", {}).get("include_validation")):
        lines.append("the network was trained on the validation samples too, so they do not show "
                     "how well it does on new ones; the test samples do")
    if recording.annotations["dropped_spikes"]:
        lines.append(f"{recording.annotations['dropped_spikes']:,} spikes came later than "
                     f"{TRIAL_DURATION:g} ms after the onset and were dropped")
    written = (f"wrote {options.out}: {len(recording.units):,} units in {len(recording.areas)} "
               f"areas, {len(trials):,} trials, {len(recording.spike_times):,} spikes")
    if not options.perturb:
        return "\n".join([*lines, f"{written}; {_decisions(trials)}"])
    condition = trials.annotations["perturbation"]
    return "\n".join([*lines, written, *(f"{name}: {_decisions(trials[condition == name])}"
                                         for name in recording.annotations["perturbations"])])


def _decisions(trials: Trials) -> str:
    decided = np.isfinite(trials.decision_time).mean()
    correct = (trials.decision_label == trials.label).mean()
    return f"decided in {decided:.1%} of the trials, correctly in {correct:.1%}"


if __name__ == "__main__":
    raise SystemExit(main())
