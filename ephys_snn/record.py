"""Record a trained network as if it were a brain: ``python -m ephys_snn.record model.pt out.nix``.

Every layer becomes an area, every neuron a unit, every stimulus a trial of one continuous session:
a trial starts every `TRIAL_PERIOD` and lasts `TRIAL_DURATION`; spikes after that are dropped (their
number is said and stored), so that a spike belongs to one trial. The first output spike is the
decision of the trial. This is the only module that sees both networks and recordings.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

import ephys_snn
from ephys_snn.cli import Parser, command, number
from ephys_snn.errors import InputError
from ephys_snn.files import check_writable
from ephys_snn.network import Network
from ephys_snn.recording import Recording, Trials, Units
from ephys_snn.stimuli import (
    NAMED,
    SPLITS,
    LatencyCode,
    Stimuli,
    choose_classes,
    encode,
    jitter_times,
    load_data,
)

TRIAL_PERIOD = 100.0  # ms
TRIAL_DURATION = 90.0  # ms
BATCH = 250  # stimuli in one pass through the network


class Presentation(NamedTuple):
    """Stimuli in the order in which they are shown.

    Attributes
    ----------
    times : (trial, input) float, ms
    labels : (trial,) str
    stimulus : (trial,) int
        Index within the split.
    repeat : (trial,) int
        How often the same stimulus was shown before.
    """

    times: np.ndarray
    labels: np.ndarray
    stimulus: np.ndarray
    repeat: np.ndarray


def present(stimuli: Stimuli, split: str = "test", n_stimuli: int = 1000, repeats: int = 1,
            jitter: float = 0.0, seed: int = 0) -> Presentation:
    """The first stimuli of a split in file order, all of them `repeats` times.

    Parameters
    ----------
    n_stimuli : int
        All if there are fewer.
    repeats : int
        The whole series again, each time with fresh jitter.
    jitter : float, ms
        Standard deviation of every input spike's shift, reflected at 0.
    seed : int
        Of the jitter.

    Raises
    ------
    InputError
        If the split is empty.
    """
    times, labels = stimuli.part(split)
    if not len(labels):
        raise InputError(f"the data set {stimuli.name} has no stimuli in the split '{split}'")
    times, labels = times[:n_stimuli], labels[:n_stimuli]
    shown = np.tile(times, (repeats, 1))
    if jitter:
        shown = jitter_times(shown, jitter, np.random.default_rng(seed))
    index = np.arange(len(labels))
    return Presentation(shown, np.tile(np.array(stimuli.classes)[labels], repeats),
                        np.tile(index, repeats), np.repeat(np.arange(repeats), len(index)))


def respond(network: Network, times: np.ndarray, quiet: bool = False) -> dict[str, np.ndarray]:
    """First-spike times of every area, input included, in response to every stimulus.

    Returns
    -------
    dict of str to (trial, unit) float, ms
        Areas ``input``, ``layer_1`` ... ``output``, in this order; inf where silent.
    """
    batches = []
    with torch.no_grad():
        for start in tqdm(range(0, len(times), BATCH), desc="recording", unit="batch",
                          disable=quiet, dynamic_ncols=True):
            # What the network was given, in its own precision, is what is recorded.
            batch = torch.as_tensor(times[start:start + BATCH]).to(network.weights[0])
            batches.append([layer.numpy() for layer in (batch, *network(batch))])
    return {area: np.concatenate(layers)
            for area, layers in zip(network.areas, zip(*batches, strict=True), strict=True)}


def record_responses(responses: dict[str, np.ndarray], presentation: Presentation,
                     network: Network, classes: Sequence[str], annotations: dict) -> Recording:
    """Make a recording of a network's responses.

    Parameters
    ----------
    responses : dict of str to (trial, unit) float, ms
        As from `respond`.
    network : Network
        Whose cell types and weights go into the recording.
    classes : sequence of str
        Of the output neurons.
    annotations : dict
        What the recording shall say of itself beside areas, classes and dropped spikes.
    """
    n_trials = len(presentation.labels)
    onset = TRIAL_PERIOD * np.arange(n_trials)
    dropped = sum(int((np.isfinite(times) & (times >= TRIAL_DURATION)).sum())
                  for times in responses.values())
    spikes = [train for times in responses.values() for train in _spike_trains(times, onset)]
    trials = _describe_trials(presentation, onset, responses["output"], classes)
    areas = tuple(responses)
    weights = {pair: matrix.detach().numpy() for pair, matrix in zip(
        zip(areas[:-1], areas[1:], strict=True), network.weights, strict=True)}
    return Recording.from_spike_trains(
        spikes, _describe_units(responses, network), trials, areas=areas, areas_ordered=True,
        t_start=0.0, t_stop=TRIAL_PERIOD * n_trials, weights=weights,
        annotations={**annotations, "classes": list(classes), "dropped_spikes": dropped})


def _spike_trains(times: np.ndarray, onset: np.ndarray) -> Iterator[np.ndarray]:
    for unit_times in times.T.astype(np.float64):
        inside = unit_times < TRIAL_DURATION
        yield onset[inside] + unit_times[inside]


def _describe_units(responses: dict[str, np.ndarray], network: Network) -> Units:
    sizes = [times.shape[1] for times in responses.values()]
    cell_types = [np.full(sizes[0], "input"), *network.cell_types, np.full(sizes[-1], "output")]
    unit_id = np.concatenate([np.arange(size) for size in sizes])
    area = np.repeat(list(responses), sizes)
    name = np.array([f"{a}/{u}" for a, u in zip(area, unit_id, strict=True)])
    return Units(unit_id, name, area, np.concatenate(cell_types))


def _describe_trials(presentation: Presentation, onset: np.ndarray, output_times: np.ndarray,
                     classes: Sequence[str]) -> Trials:
    # The decision is the very output spike, so that both compare equal as stored.
    first = output_times.astype(np.float64).min(axis=1)
    decided = first < TRIAL_DURATION
    decision = Network.decision(output_times).numpy()
    return Trials(
        onset, np.full(len(onset), TRIAL_DURATION), presentation.labels,
        np.where(decided, onset + np.where(decided, first, 0.0), np.nan),
        np.where(decided, np.array(classes)[decision], ""),
        {"stimulus": presentation.stimulus, "repeat": presentation.repeat})


def check_fit(network: Network, stimuli: Stimuli) -> None:
    """Fail unless these are stimuli of the kind that the network was trained on."""
    n_inputs, n_classes = network.layer_sizes[0], network.layer_sizes[-1]
    if (n_inputs, n_classes) != (stimuli.n_inputs, len(stimuli.classes)):
        raise InputError(
            f"the data set {stimuli.name} has {stimuli.n_inputs} inputs and "
            f"{len(stimuli.classes)} classes, but the network has {n_inputs} inputs and "
            f"{n_classes} outputs; name the network's own data with --data")


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(
        prog="python -m ephys_snn.record",
        description="Show stimuli to a trained network and write what every neuron does as a "
                    "Neo recording in a NIX file, each layer an area.")
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
    add("--untrained", action="store_true",
        help="record the network as it was before training, as a control")
    add("--data", metavar="DATA",
        help="where the data are, if not where they were in training")
    add("--seed", type=number(int, least=0), default=0, metavar="N", help="seed of the jitter")
    add("--quiet", action="store_true", help="no progress bar and no summary")
    return options


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Record a network as the command line says."""
    options = parser().parse_args(arguments)
    check_writable(options.out)
    network = Network.load(options.model)
    stimuli = _load_data(network, options)
    check_fit(network, stimuli)
    if options.untrained:
        network = network.untrained()
    presentation = present(stimuli, options.split, options.trials, options.repeats,
                           options.jitter, options.seed)
    responses = respond(network, presentation.times, options.quiet)
    recording = record_responses(responses, presentation, network, stimuli.classes,
                                 _annotations(network, options))
    recording.write(options.out)
    if not options.quiet:
        print(_summary(recording, presentation, options))


def _load_data(network: Network, options: argparse.Namespace) -> Stimuli:
    """The data that the model names, or those of ``--data``, encoded as in training."""
    card = network.card
    source = options.data or (card.data and (card.data.path or card.data.source))
    if card.encoding is None:
        raise InputError(f"{options.model} does not say how its data were encoded; "
                         "train it with python -m ephys_snn.train")
    if source is None:
        raise InputError(f"{options.model} was trained on arrays that no file is known to hold; "
                         "name a file that holds them with --data")
    if not options.data and source not in NAMED and not Path(source).exists():
        raise InputError(f"the data that {options.model} was trained on are no longer at {source}; "
                         "say with --data where they are")
    data_set = load_data(source)
    classes = card.classes or data_set.classes
    if set(classes) <= set(data_set.classes):  # else `check_fit` says what does not fit
        data_set = choose_classes(data_set, classes)
    return encode(data_set, LatencyCode(**card.encoding), str(source))


def _annotations(network: Network, options: argparse.Namespace) -> dict:
    card = network.card.to_dictionary()
    return {
        "model_sha256": network.sha256(),
        "settings": {
            "trained": not options.untrained,
            "split": options.split,
            "repeats": options.repeats,
            "jitter_ms": options.jitter,
            "seed": options.seed,
            "trial_period_ms": TRIAL_PERIOD,
            "trial_duration_ms": TRIAL_DURATION,
            "lif": asdict(network.lif),
            **{key: card[key] for key in ("data", "encoding", "training", "seed") if key in card},
        },
        "versions": {**card.get("versions", {}), "recorded_with": ephys_snn.__version__},
    }


def _summary(recording: Recording, presentation: Presentation,
             options: argparse.Namespace) -> str:
    trials = recording.trials
    n_stimuli = len(presentation.labels) // options.repeats
    lines = []
    if n_stimuli < options.trials:
        lines.append(f"the {options.split} split has {n_stimuli} stimuli, not {options.trials}: "
                     "all are recorded")
    if options.repeats > 1 and not options.jitter:
        lines.append("the repeats are identical, since nothing varies; give --jitter MS")
    if (options.split == "validation" and not options.untrained
            and recording.annotations["settings"].get("training", {}).get("include_validation")):
        lines.append("the network was trained on the validation samples too, so they do not show "
                     "how well it does on new ones; the test samples do")
    if recording.annotations["dropped_spikes"]:
        lines.append(f"{recording.annotations['dropped_spikes']:,} spikes came later than "
                     f"{TRIAL_DURATION:g} ms after the onset and were dropped")
    decided = np.isfinite(trials.decision_time).mean()
    correct = (trials.decision_label == trials.label).mean()
    lines.append(f"wrote {options.out}: {len(recording.units):,} units in "
                 f"{len(recording.areas)} areas, {len(trials):,} trials, "
                 f"{len(recording.spike_times):,} spikes; decided in {decided:.1%} of the trials, "
                 f"correctly in {correct:.1%}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
