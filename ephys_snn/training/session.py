"""A training that is never lost: a checkpoint after every epoch and before every stop."""

import signal
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

from ephys_snn.errors import InputError
from ephys_snn.files import remove_stale
from ephys_snn.stimuli.stimuli import Stimuli
from ephys_snn.training import checkpoint, distributed, interruption
from ephys_snn.training.evaluation import Evaluation
from ephys_snn.training.log import TensorBoard, write_log
from ephys_snn.training.progress import Progress
from ephys_snn.training.training import Diverged, Run, complete


class Files(NamedTuple):
    """Where a training writes.

    Attributes
    ----------
    model : Path
        The trained network.
    log : Path or None
        A table of the epochs.
    tensorboard : Path or None
        A folder for TensorBoard.
    """

    model: Path
    log: Path | None = None
    tensorboard: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The run as far as it has come; beside the model, and gone when that is written."""
        return self.model.with_name(f"{self.model.name}.checkpoint")


class Stopped(Exception):
    """The run was asked to stop by a signal of some number, and is saved."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def open_checkpoint(run: Run, files: Files, resume: bool) -> None:
    """Bring a run to where its checkpoint left it, or begin one without harm to another's.

    Parameters
    ----------
    run : Run
        As from `training.start`.
    files : Files
        Where it writes.
    resume : bool
        Whether to go on from the checkpoint, if there is one.

    Raises
    ------
    InputError
        If there is an unfinished run that would be lost, or only a finished one to resume.
    """
    path = files.checkpoint
    is_there, model_is_there = distributed.from_first(
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
    elif is_there and (done := distributed.from_first(lambda: checkpoint.progress(path))):
        raise InputError(f"{path} holds an unfinished run ({done}): add --resume to go on with it, "
                         "or delete it to start anew")
    if distributed.is_first():
        for file in filter(None, (path, files.model, files.log)):
            remove_stale(file)


def keep_training(run: Run, stimuli: Stimuli, files: Files, how_to_resume: str) -> int:
    """Train to the end, or until a signal asks to stop.

    Parameters
    ----------
    run : Run
        As `open_checkpoint` left it.
    stimuli : Stimuli
        What it is trained on.
    files : Files
        Where it writes.
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
    is_first = distributed.is_first()
    board = TensorBoard(files.tensorboard, run.epoch + 1) if files.tensorboard and is_first \
        else None
    checkpoint.save(files.checkpoint, run)  # a full disk shows before the first epoch
    try:
        with (interruption.noted() as request, closing(board) if board else nullcontext(),
              Progress(run, quiet=not is_first) as progress):
            complete(run, stimuli, _after_step(run, files, request, progress),
                     _after_epoch(files, board, progress))
    except Diverged as error:
        raise InputError(f"{error}; the best weights so far, of epoch {run.best_epoch}, are in "
                         f"{files.checkpoint}, which can be used as a model") from error
    except Stopped as stopped:
        number = stopped.number
        where = f"stopped and saved in epoch {run.epoch + 1}, after step {run.step:,}"
    except KeyboardInterrupt:
        number = signal.SIGINT
        where = "stopped at once; what came after the last checkpoint is lost"
    else:
        return 0
    if is_first:
        print(f"{where}; go on from {files.checkpoint} with\n  {how_to_resume}", file=sys.stderr)
    return number


def _after_step(run: Run, files: Files, request: interruption.Request, progress: Progress
                ) -> Callable[[Evaluation], None]:
    """Show the step; if any process was asked to stop, save the run and stop all."""

    def after_step(evaluation: Evaluation) -> None:
        progress.step(evaluation)
        if distributed.any_of(bool(request)):
            checkpoint.save(files.checkpoint, run)
            raise Stopped(request.signal or signal.SIGINT)

    return after_step


def _after_epoch(files: Files, board: TensorBoard | None, progress: Progress
                 ) -> Callable[[Run], None]:
    """Show the epoch, save the run, log it."""

    def after_epoch(run: Run) -> None:
        progress.epoch(run)
        # Before the checkpoint, so that no epoch can be missing; what comes twice is superseded.
        if board is not None:
            board.write(run.history[-1])
        if files.log is not None:
            distributed.from_first(lambda: write_log(files.log, run.history))
        checkpoint.save(files.checkpoint, run)

    return after_epoch
