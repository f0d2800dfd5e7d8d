"""What training shows: a progress bar, a table of the epochs, and curves in TensorBoard."""

import csv
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.training import distributed
from ephys_snn.training.evaluation import TrialCounts
from ephys_snn.training.run import Run
from ephys_snn.training.steps import EpochDone, StepDone

SMOOTHING = 0.95  # weight of the past in the figures shown


class Monitor:
    """Shows a run while it goes on: the first process does, wherever it was asked to.

    Parameters
    ----------
    run : Run
        The run, at its beginning or resumed.
    log : Path, optional
        A table of the epochs.
    tensorboard : Path, optional
        A folder for TensorBoard.

    Raises
    ------
    InputError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, run: Run, log: Path | None = None, tensorboard: Path | None = None):
        self._run, self._log = run, log
        self._board = TensorBoard(tensorboard, run.epoch + 1) \
            if tensorboard and distributed.is_rank0() else None
        self._bar = tqdm(total=run.settings.epochs * run.n_steps, unit="step",
                         initial=run.epoch * run.n_steps + run.step, dynamic_ncols=True,
                         disable=not distributed.is_rank0())
        self._recent: dict[str, float] = {}

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
            values = {"loss": evaluation.loss, "accuracy": evaluation.accuracy}
            values |= {f"silent {layer}": value for layer, value in enumerate(evaluation.silent, 1)}
            for name, value in values.items():
                past = self._recent.get(name, value)
                self._recent[name] = SMOOTHING * past + (1 - SMOOTHING) * value
            silent = " ".join(f"{value:.2f}" for name, value in self._recent.items()
                              if name.startswith("silent"))
            self._bar.set_postfix_str(
                f"loss {self._recent['loss']:.3f}, accuracy {self._recent['accuracy']:.3f}, "
                f"silent {silent}", refresh=False)
        self._bar.update()

    def _show_epoch(self, entry: dict) -> None:
        accuracy = entry.get("validation_accuracy")
        validated = "" if accuracy is None else f", validation {accuracy:.3f}"
        self._bar.set_description(
            f"epoch {entry['epoch']}/{self._run.settings.epochs}{validated}")
        if self._board is not None:
            self._board.write(entry)
        if self._log is not None:
            distributed.broadcast_from_rank0(lambda: write_log(self._log, self._run.history))


def row(entry: dict) -> dict[str, float]:
    """An epoch of a network's history as columns: values by area get the area's name.

    Examples
    --------
    >>> row({"epoch": 1, "silent_fraction": {"layer_1": 0.25, "output": 0.0}})
    {'epoch': 1, 'silent_fraction_layer_1': 0.25, 'silent_fraction_output': 0.0}
    """
    return dict(_columns(entry))


def _columns(entry: dict) -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from ((f"{name}_{area}", one) for area, one in value.items())
        else:
            yield name, value


def write_log(path: str | Path, history: list[dict]) -> None:
    """Write a row per epoch; the file is whole or what it was before.

    Written anew after every epoch, so that a run that was interrupted and resumed has every epoch
    once. A cell is empty where a width could not be measured: no validation trial had five active
    neurons in that layer before the decision. If the validation samples are trained on too, they
    have no loss and no accuracies of their own; silence and widths are measured on them still.

    Parameters
    ----------
    path : str or Path
        The CSV file.
    history : list of dict
        Of a `Run` or a `ModelCard`.
    """
    rows = [row(entry) for entry in history]
    # A layer without packets in one epoch may have some in another.
    names = list(dict.fromkeys(name for one in rows for name in one))
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in one.items()} for one in rows)


class TensorBoard:
    """Curves of a run in a folder for TensorBoard.

    Parameters
    ----------
    folder : Path
        The folder.
    first_epoch : int
        What the folder holds of this and later epochs, from before an interruption, is superseded.

    Raises
    ------
    InputError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: Path, first_epoch: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "--tensorboard needs the package tensorboard, which is not installed: "
                "run pip install tensorboard, or use --log FILE.csv"
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def write(self, entry: dict) -> None:
        """Add an epoch of a network's history to the curves."""
        for name, value in entry.items():
            if isinstance(value, dict):
                for area, one in value.items():
                    self._writer.add_scalar(f"{name}/{area}", one, entry["epoch"])
            elif name != "epoch":
                self._writer.add_scalar(f"run/{name}", value, entry["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
