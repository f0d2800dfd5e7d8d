"""What became of a network in every epoch: a table, and curves in TensorBoard."""

import csv
from collections.abc import Iterator
from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write


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
        From a network's metadata.
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
