"""Recordings and files that tests make up."""

import argparse
from pathlib import Path

import neo
import numpy as np
import quantities as pq

from ephys_snn.analysis import analysis_parser
from ephys_snn.recording import Recording, Trials, Units

CHECKOUT = Path(__file__).resolve().parent.parent
TAU = 10.0  # ms, of the reference networks
TRIAL_PERIOD, TRIAL_DURATION = 100.0, 90.0  # ms


def analysis_options(add_options, *words: str) -> argparse.Namespace:
    """The options of a pipeline as its command line parses them, without progress bars."""
    return analysis_parser("test", "", add_options).parse_args(["file.nix", "--quiet", *words])


def recording_of_layers(layers: dict[str, np.ndarray], labels: np.ndarray,
                        first_inhibitory: int | None = None,
                        decisions: np.ndarray | None = None, **fields) -> Recording:
    """A recording from first-spike times in tau, (trial, unit) per area, at most one per trial.

    Units of the areas between the first and the last are excitatory below index
    `first_inhibitory`, else inhibitory. `decisions` (trial, class) are the output neurons' times.
    """
    n_trials = len(labels)
    onset = TRIAL_PERIOD * np.arange(n_trials)
    spikes, unit_id, name, area, cell_type = [], [], [], [], []
    for layer, times in layers.items():
        absolute = onset[:, None] + TAU * times.astype(np.float64)
        for unit in range(times.shape[1]):
            inside = times[:, unit] * TAU < TRIAL_DURATION
            spikes.append(absolute[inside, unit])
            unit_id.append(unit)
            name.append(f"{layer}/{unit}")
            area.append(layer)
            hidden = layer not in ("input", "output")
            kind = "excitatory" if first_inhibitory is None or unit < first_inhibitory \
                else "inhibitory"
            cell_type.append(kind if hidden else layer)
    decision_time = np.full(n_trials, np.nan)
    decision_label = np.full(n_trials, "", dtype=object)
    if decisions is not None:
        first = decisions.astype(np.float64).min(axis=1)
        decided = first * TAU < TRIAL_DURATION
        decision_time[decided] = (onset + TAU * first)[decided]
        decision_label[decided] = decisions.argmin(axis=1).astype(str)[decided]
    units = Units(np.array(unit_id), np.array(name), np.array(area), np.array(cell_type))
    trials = Trials(onset, np.full(n_trials, TRIAL_DURATION), labels.astype(str),
                    decision_time, decision_label.astype(str))
    return Recording.from_spike_trains(spikes, units, trials, areas=tuple(layers),
                                       areas_ordered=True, **fields)


def make_recording(spikes, onset, duration=50.0, label=None, decision=None, area=None, **fields):
    """A recording of given spike trains, one area unless said otherwise."""
    n_units, onset = len(spikes), np.asarray(onset, dtype=float)
    n_trials = len(onset)
    units = Units(np.arange(n_units), np.array([f"u{i}" for i in range(n_units)], dtype=str),
                  np.array(area or ["A"] * n_units, dtype=str), np.full(n_units, "excitatory"))
    decision = np.full(n_trials, np.nan) if decision is None else np.asarray(decision, float)
    trials = Trials(onset, np.full(n_trials, duration),
                    np.array(label or ["a"] * n_trials, dtype=str), decision,
                    np.where(np.isnan(decision), "", "a"))
    return Recording.from_spike_trains(spikes, units, trials, **fields)


def recording_of(trains, onset=(0.0,), duration=1e6, **fields) -> Recording:
    n_units, onset = len(trains), np.asarray(onset, dtype=float)
    units = Units(np.arange(n_units), np.array([f"u{i}" for i in range(n_units)]),
                  np.full(n_units, "A"), np.full(n_units, ""))
    trials = Trials(onset, np.full(len(onset), float(duration)), np.full(len(onset), "x"),
                    np.full(len(onset), np.nan), np.full(len(onset), ""))
    return Recording.from_spike_trains(trains, units, trials, **fields)


def write_block(path: Path, epochs=(), events=(), areas=("A", "A", "B"), times=None,
                **annotations) -> Path:
    """A recording by NixIO, as an experimenter's conversion would write it."""
    block, segment = neo.Block(name="b"), neo.Segment(name="s")
    for unit, area in enumerate(areas):
        spikes = np.array([0.01, 0.11, 0.15]) if times is None else np.asarray(times)
        extra = {key: values[unit] for key, values in annotations.items()}
        if area is not None:
            extra["area"] = area
        segment.spiketrains.append(neo.SpikeTrain(
            spikes, units="s", t_start=-10.0, t_stop=10.0, name=f"u{unit}", **extra))
    segment.epochs.extend(epochs)
    segment.events.extend(events)
    block.segments.append(segment)
    with neo.io.NixIO(str(path), "ow") as file:
        file.write_block(block)
    return path


def epoch(name="trials", labels=("x", "y"), onset=(0.0, 0.1), duration=(0.05, 0.05), **arrays):
    return neo.Epoch(np.array(onset) * pq.s, np.array(duration) * pq.s, labels=list(labels),
                     name=name, array_annotations={k: np.array(v) for k, v in arrays.items()})


def planted(common_jitter, seed=0, n_trials=60, n_units=30, n_classes=3, decisions=False):
    """Units locked to the class, with private jitter (1 ms) and jitter common to all units."""
    rng = np.random.default_rng(seed)
    label = rng.integers(n_classes, size=n_trials)
    locked = rng.uniform(10, 20, size=(n_classes, n_units))
    latency = locked[label] + rng.normal(size=(n_trials, n_units)) \
        + common_jitter * rng.normal(size=(n_trials, 1))
    latency[rng.random(latency.shape) < 0.2] = np.nan
    onset = 100.0 * np.arange(n_trials)
    trains = [(onset + latency[:, u])[np.isfinite(latency[:, u])] for u in range(n_units)]
    decision = onset + rng.uniform(12, 22, n_trials) if decisions else np.full(n_trials, np.nan)
    names = np.arange(n_units).astype(str)
    return Recording.from_spike_trains(
        trains, Units(names, names, np.full(n_units, "A"), np.full(n_units, "")),
        Trials(onset, np.full(n_trials, 50.0), label.astype(str), decision,
               np.where(np.isfinite(decision), "0", "")))


def planted_pathways(rng, n_trials=400, n_units=60, n_classes=4, planted=8, gain=0.35,
                     coupling_strength=0.0, areas=("A", "B", "C")):
    """Areas with `planted` units per class that are more active for it; spikes in tau."""
    labels = rng.integers(n_classes, size=n_trials)
    shared_drive = rng.normal(size=(n_trials, n_classes))
    layers, truth = {}, {}
    for depth, area in enumerate(areas):
        probability = np.full((n_trials, n_units), 0.3)
        member = np.zeros((n_classes, n_units), dtype=bool)
        order = rng.permutation(n_units)
        for c in range(n_classes):
            chosen = order[c * planted:(c + 1) * planted]
            member[c, chosen] = True
            probability[np.ix_(labels == c, chosen)] += gain
            probability[:, chosen] += coupling_strength * shared_drive[:, [c]]
        active = rng.random((n_trials, n_units)) < probability
        times = 1.0 + depth + rng.random((n_trials, n_units))
        layers[area], truth[area] = np.where(active, times, np.inf), member
    return recording_of_layers(layers, labels), truth
