"""Checkpoints: all that the future of a training run depends on, in one file.

A checkpoint is the file of a network, of the best weights so far, that also holds the run: the
current weights, the optimizer's moments, the state of the random numbers, the order of the samples
in an unfinished epoch. So it can be recorded like any model, and a run that goes on from it comes
to the same weights, bit for bit, as one that was never interrupted (on the same machine).
"""

from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields
from pathlib import Path

import torch

from ephys_snn.errors import InputError
from ephys_snn.network import ModelContent, load_model, save_model
from ephys_snn.training import distributed
from ephys_snn.training.run import Run, Settings, set_weights

# What may differ between a run and its continuation: where the data are, not what they are.
FREE = {"versions", "history", "trained", "data.name", "data.source", "data.path"}


def save(path: str | Path, run: Run) -> None:
    """Write a checkpoint, which is whole or what it was before; the first process does.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    network = run.network
    content = ModelContent(run.best, network.lif, network.cell_types, run.card, run={
        "weights": [weights.detach().cpu() for weights in network.weights],
        "optimizer": run.optimizer.state_dict(),
        "generator": run.rng.bit_generator.state,
        "epoch": run.epoch,
        "order": None if run.order is None else torch.from_numpy(run.order),
        "position": run.position,
        "counts": run.counts.sums,
        "last_t_stop": torch.from_numpy(run.last_t_stop),
        "unfinished": torch.from_numpy(run.unfinished),
    })
    distributed.broadcast_from_rank0(lambda: save_model(path, content))


def progress(path: str | Path) -> str:
    """How far the run of a checkpoint has come, in words; empty if it has only been begun."""
    content = load_model(path, "a checkpoint")
    if content.run is None or not (content.run["epoch"] or content.run["position"]):
        return ""
    return f"{content.run['epoch']} of {content.card.training['epochs']} epochs"


def restore(path: str | Path, run: Run) -> None:
    """Bring a run, as from `start`, to where a checkpoint of the same run left it, in place.

    Raises
    ------
    InputError
        If the file is no checkpoint, or one of another run.
    """
    content = distributed.broadcast_from_rank0(lambda: load_model(path, "a checkpoint"))
    if content.run is None:
        raise InputError(f"{path} is a model and no checkpoint; it cannot be trained further")
    _check_same(path, content, run)
    state = content.run
    set_weights(run.network, state["weights"])
    run.best = [weights.to(run.network.weights[0].device) for weights in content.weights]
    run.optimizer.load_state_dict(state["optimizer"])
    run.rng.bit_generator.state = state["generator"]
    run.epoch, run.position = state["epoch"], state["position"]
    run.order = None if state["order"] is None else state["order"].numpy()
    run.counts.sums = state["counts"]
    run.last_t_stop, run.unfinished = state["last_t_stop"].numpy(), state["unfinished"].numpy()
    run.history = list(content.card.history)


def _check_same(path: str | Path, content: ModelContent, run: Run) -> None:
    """Fail unless a checkpoint is of a run of the same network, data and settings."""
    network = run.network
    # What a file does not know was no choice when it was written, and is what it was then.
    defaults = {f"training.{one.name}": one.default for one in fields(Settings)
                if one.default is not MISSING}
    stored = defaults | _describe(content)
    wanted = _describe(ModelContent(network.weights, network.lif, network.cell_types, network.card))
    way_out = "give the options that run was started with, or another name to a new one"
    if stored.get("data.sha256") != wanted.get("data.sha256"):
        raise InputError(f"{path} is of a run on other data than {wanted['data.name']}; {way_out}")
    for name in dict.fromkeys([*wanted, *stored]):
        before, now = (values.get(name, "not set") for values in (stored, wanted))
        if before != now and not {name, name.split(".")[0]} & FREE:
            raise InputError(f"{path} is of a run with other settings: {name} was {before} and is "
                             f"now {now}; {way_out}")


def _describe(content: ModelContent) -> dict:
    """What a file of a network says of it, by dotted names."""
    layer_sizes = [len(content.weights[0]), *(weights.shape[1] for weights in content.weights)]
    return dict(_flat({"layer_sizes": layer_sizes, "lif": asdict(content.lif),
                       **content.card.to_dictionary()}))


def _flat(values: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Pairs of dotted name and value of all that is not a dictionary itself."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
