"""What training shows: a progress bar, a table of the epochs, and curves in TensorBoard."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.training import distributed
from ephys_snn.training.evaluation import TrialCounts
from ephys_snn.training.run import Run
from ephys_snn.training.steps import EpochDone, StepDone

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SMOOTHING = 0.95  # weight of the past in the figures shown


class Monitor:
    """Shows a run, at its beginning or resumed, while it goes on; the first process does.

    `log` and `tensorboard` are those of `session.Files`.

    Raises
    ------
    InputError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, run: Run, log: Path | None = None, tensorboard: Path | None = None):
        self._run, self._log = run, log
        self._board = open_tensorboard(tensorboard, run.epoch + 1) \
            if tensorboard and distributed.is_rank0() else None
        self._bar = tqdm(total=run.settings.epochs * run.n_steps, unit="step",
                         initial=run.epoch * run.n_steps + run.step, dynamic_ncols=True,
                         disable=not distributed.is_rank0())
        self._recent: np.ndarray | None = None  # loss, accuracy, silence of every layer

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def show(self, event: StepDone | EpochDone) -> None:
        """Show that a step or an epoch is done.

        Raises
        ------
        InputError
            If the table cannot be written.
        """
        if isinstance(event, EpochDone):
            self._show_epoch(event.entry)
        else:
            self._show_step(event.counts)

    def _show_step(self, counts: TrialCounts) -> None:
        """Move the bar; loss, accuracy and silence are those of recent steps."""
        if counts.n_trials:
            evaluation = counts.evaluation()
            values = np.array([evaluation.loss, evaluation.accuracy, *evaluation.silent])
            past = values if self._recent is None else self._recent
            self._recent = SMOOTHING * past + (1 - SMOOTHING) * values
            loss, accuracy, *silent = self._recent
            silence = " ".join(f"{value:.2f}" for value in silent)
            self._bar.set_postfix_str(
                f"loss {loss:.3f}, accuracy {accuracy:.3f}, silent {silence}", refresh=False)
        self._bar.update()

    def _show_epoch(self, entry: dict) -> None:
        accuracy = entry.get("validation_accuracy")
        validated = "" if accuracy is None else f", validation {accuracy:.3f}"
        self._bar.set_description(
            f"epoch {entry['epoch']}/{self._run.settings.epochs}{validated}")
        if self._board is not None:
            write_curves(self._board, entry)
        if self._log is not None:
            distributed.broadcast_from_rank0(lambda: write_log(self._log, self._run.history))


def write_log(path: str | Path, history: list[dict]) -> None:
    """Write a row per epoch of a history to a CSV file, which is whole or what it was before.

    Written anew after every epoch, so that a run that was interrupted and resumed has every epoch
    once. Values by area become columns that end in its name. A cell is empty where a width could
    not be measured: no validation trial had five active neurons in that layer before the decision.
    If the validation samples are trained on too, they have no loss and no accuracies of their own;
    silence and widths are measured on them still.
    """
    import pandas as pd

    table = pd.json_normalize(history, sep="_")
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def open_tensorboard(folder: Path, first_epoch: int) -> "SummaryWriter":
    """A writer of curves; what its folder holds of `first_epoch` and later is superseded."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--tensorboard needs the package tensorboard, which is not installed: "
            "run pip install tensorboard, or use --log FILE.csv"
        ) from error
    return SummaryWriter(str(folder), purge_step=first_epoch)


def write_curves(board: "SummaryWriter", entry: dict) -> None:
    """Add an epoch of the history to the curves."""
    for name, value in entry.items():
        if isinstance(value, dict):
            for area, one in value.items():
                board.add_scalar(f"{name}/{area}", one, entry["epoch"])
        elif name != "epoch":
            board.add_scalar(f"run/{name}", value, entry["epoch"])
    board.flush()
