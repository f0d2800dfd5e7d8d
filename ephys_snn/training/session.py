"""A training that is never lost: a checkpoint after every epoch and before every stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ephys_snn.errors import InputError
from ephys_snn.files import remove_stale
from ephys_snn.stimuli import Stimuli
from ephys_snn.training import checkpoint, distributed
from ephys_snn.training.monitor import Monitor
from ephys_snn.training.run import Run, restore_best
from ephys_snn.training.steps import Diverged, EpochDone, training_steps

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Files(NamedTuple):
    """Where a training writes: the network, a table of the epochs, a folder for TensorBoard."""

    model: Path
    log: Path | None = None
    tensorboard: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The run as far as it has come; beside the model, and gone when that is written."""
        return self.model.with_name(f"{self.model.name}.checkpoint")


@dataclass
class StopRequest:
    """Number of the signal that asked to stop; 0 before any."""

    signal: int = 0


@contextmanager
def noted_signals() -> Iterator[StopRequest]:
    """Note the first signal to stop instead of obeying it; a second one acts at once.

    So Ctrl-C, or the SIGTERM of a system that shuts down, waits until a good moment to act on it.
    Signals can be noted in the main thread only; elsewhere none ever is.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    # A process in the background of a script, or under nohup, ignores them on purpose.
    before = {number: old for number in SIGNALS
              if (old := signal.getsignal(number)) is not signal.SIG_IGN}

    def note(number: int, frame: object) -> None:
        request.signal = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()


def open_checkpoint(run: Run, files: Files, resume: bool) -> None:
    """Bring a run to where its checkpoint left it, or begin one without harm to another's.

    Parameters
    ----------
    run : Run
        As from `start`; changes in place.
    resume : bool
        Whether to go on from the checkpoint, if there is one.

    Raises
    ------
    InputError
        If there is an unfinished run that would be lost, or only a finished one to resume.
    """
    path = files.checkpoint
    is_there, model_is_there = distributed.broadcast_from_rank0(
        lambda: (path.exists(), files.model.exists()))
    if resume and is_there:
        checkpoint.restore(path, run)
        further = f", with step {run.step:,} of the next" if run.step else ""
        print(f"resumed after epoch {run.epoch} of {run.settings.epochs}{further}")
    elif resume and model_is_there:
        raise InputError(f"there is nothing to resume: {files.model} is there and no checkpoint "
                         "beside it, so that run is finished; leave out --resume to train anew")
    elif resume:
        print(f"there is no checkpoint {path} yet: starting from the beginning")
    elif is_there and (done := distributed.broadcast_from_rank0(lambda: checkpoint.progress(path))):
        raise InputError(f"{path} holds an unfinished run ({done}): add --resume to go on with it, "
                         "or delete it to start anew")
    if distributed.is_rank0():
        for file in filter(None, (path, files.model, files.log)):
            remove_stale(file)


def keep_training(run: Run, stimuli: Stimuli, files: Files, how_to_resume: str) -> int:
    """Train to the end, or until a signal asks to stop.

    Parameters
    ----------
    run : Run
        As `open_checkpoint` left it; changes in place.
    how_to_resume : str
        The command to name if it is stopped.

    Returns
    -------
    int
        Number of the signal that stopped it; 0 if it came to its end.

    Raises
    ------
    InputError
        If it diverged, or a file cannot be written.
    """
    try:
        with noted_signals() as request, Monitor(run, files.log, files.tensorboard) as monitor:
            number = _train(run, stimuli, files.checkpoint, monitor, request)
    except Diverged as error:
        raise InputError(f"{error}; the best weights so far, of epoch {run.best_epoch}, are in "
                         f"{files.checkpoint}, which can be used as a model") from error
    except KeyboardInterrupt:
        number = signal.SIGINT
        where = "stopped at once; what came after the last checkpoint is lost"
    else:
        where = f"stopped and saved in epoch {run.epoch + 1}, after step {run.step:,}"
    restore_best(run)
    if number and distributed.is_rank0():
        print(f"{where}; go on from {files.checkpoint} with\n  {how_to_resume}", file=sys.stderr)
    return number


def _train(run: Run, stimuli: Stimuli, path: Path, monitor: Monitor, request: StopRequest) -> int:
    """Take the steps of a run; returns the number of the signal that stopped it, 0 at its end."""
    checkpoint.save(path, run)  # a full disk shows before the first epoch
    for event in training_steps(run, stimuli):
        monitor.show(event)
        if isinstance(event, EpochDone):
            # After the log, so that no epoch can be missing in it; what comes twice is superseded.
            checkpoint.save(path, run)
        elif distributed.any_of(request.signal != 0):
            checkpoint.save(path, run)
            return request.signal or signal.SIGINT
    return 0
