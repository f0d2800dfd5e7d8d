"""Several processes train one network: each takes its share of the trials of every batch.

``torchrun --nproc-per-node N -m ephys_snn.train ...`` starts them, on one machine or several. What
training needs of a batch (gradients, how many trials each neuron spikes in) are sums over its
trials, so the sums of all shares give what one process would have computed. A process that nobody
else joined has the whole batch as its share, and nothing is sent.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TypeVar

import torch
import torch.distributed as dist

from ephys_snn.errors import InputError

Value = TypeVar("Value")


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, if it did; only the first of them prints.

    NCCL connects CUDA devices, Gloo processors.
    """
    started = "MASTER_ADDR" in os.environ and "WORLD_SIZE" in os.environ
    if is_distributed() or not started:  # a user's own script may have joined them already
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        with nullcontext() if is_rank0() else _muted():
            yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _muted() -> Iterator[None]:
    """Print nothing, and leave errors to the first process of the machine."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        try:
            yield
        except InputError:
            if os.environ.get("LOCAL_RANK") == "0":
                raise
            sys.exit(2)


def is_distributed() -> bool:
    """Whether this process has been joined with others."""
    return dist.is_available() and dist.is_initialized()


def n_processes() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if is_distributed() else 1


def is_rank0() -> bool:
    """Whether this is the process that prints and writes."""
    return not is_distributed() or dist.get_rank() == 0


def own_trials(n_trials: int) -> slice:
    """The trials of a joint batch that are this process's; none at all if there are too few."""
    rank = dist.get_rank() if is_distributed() else 0
    return slice(rank * n_trials // n_processes(), (rank + 1) * n_trials // n_processes())


def sum_(*tensors: torch.Tensor) -> None:
    """Replace tensors of one type by their sums over all processes, the same bits in each."""
    if not is_distributed():
        return
    joint = torch.cat([tensor.reshape(-1) for tensor in tensors])
    if dist.get_backend() == "nccl":
        joint = joint.cuda()
    dist.all_reduce(joint)
    parts = joint.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    count = torch.tensor([float(flag)])
    sum_(count)
    return bool(count > 0)


def broadcast_from_rank0(action: Callable[[], Value]) -> Value:
    """What `action` returns in the first process, in all of them.

    Raises
    ------
    InputError
        In all processes if it was raised in the first, so that none waits for another for ever.
    """
    if not is_distributed():
        return action()
    outcome: list = [None, None]
    if is_rank0():
        try:
            outcome[0] = action()
        except InputError as error:
            outcome[1] = str(error)
    dist.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise InputError(outcome[1])
    return outcome[0]
