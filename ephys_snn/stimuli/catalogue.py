"""Every data set, by its name or path."""

from collections.abc import Callable
from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.stimuli.arrays import read_npz
from ephys_snn.stimuli.data_set import DataSet
from ephys_snn.stimuli.embedded import digits, yin_yang
from ephys_snn.stimuli.idx_files import read_idx_folder
from ephys_snn.stimuli.mnist import mnist

NAMED: dict[str, Callable[[], DataSet]] = {"digits": digits, "mnist": mnist, "yin-yang": yin_yang}


def load_data(data: str | Path) -> DataSet:
    """Load a data set by its name, or from an ``.npz`` file or a folder of IDX files.

    Raises
    ------
    InputError
        If there is no such data set, or the file or folder cannot be used.
    """
    if str(data) in NAMED:
        return NAMED[str(data)]()
    path = Path(data)
    if path.is_dir():
        return read_idx_folder(path)
    if path.suffix == ".npz":
        return read_npz(path)
    raise InputError(
        f"unknown data {str(data)!r}: it must be one of {', '.join(NAMED)}, an existing .npz file, "
        "or a folder with IDX files"
    )
