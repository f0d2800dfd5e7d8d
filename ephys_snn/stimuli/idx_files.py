"""Images and labels in the IDX format of MNIST."""

import gzip
import math
from pathlib import Path

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.stimuli.data_set import SPLITS, DataSet, checked, index_labels

FILES = {  # and the number of dimensions of what they hold
    "train-images-idx3-ubyte": 3, "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3, "t10k-labels-idx1-ubyte": 1,
}


def read_idx_folder(folder: str | Path) -> DataSet:
    """Images and labels in MNIST's IDX format, packed with gzip or not.

    The last sixth of the training files, in file order, is for validation (MNIST: 50,000 images to
    train, 10,000 to validate).

    Parameters
    ----------
    folder : str or Path
        Holds the four `FILES`, each with or without .gz.

    Raises
    ------
    InputError
        If a file is missing, damaged or does not match its companion.
    """
    folder = Path(folder)
    images, labels, test_images, test_labels = (
        _read_idx(folder, name, n_dimensions) for name, n_dimensions in FILES.items())
    for prefix, n_images, n_labels in (("train", len(images), len(labels)),
                                       ("t10k", len(test_images), len(test_labels))):
        if n_images != n_labels:
            raise InputError(f"the {prefix} files of {folder} do not belong together: "
                             f"{n_images} images and {n_labels} labels")
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"the files of {folder} do not belong together: training images of shape "
            f"{images.shape[1:]} and test images of shape {test_images.shape[1:]}"
        )
    n_validation = len(images) // 6
    sizes = (len(images) - n_validation, n_validation, len(test_images))
    labels, classes = index_labels(np.concatenate([labels, test_labels]), folder)
    return checked(DataSet(
        name=folder.resolve().name,
        kind="images",
        values=np.concatenate([images, test_images]),
        labels=labels,
        classes=classes,
        split=np.repeat(SPLITS, sizes),
    ), folder)


def _read_idx(folder: Path, name: str, n_dimensions: int) -> np.ndarray:
    candidates = [path for path in (folder / f"{name}.gz", folder / name) if path.is_file()]
    if not candidates:
        raise InputError(
            f"{folder} has no file {name} or {name}.gz; a data folder needs the four files "
            f"{', '.join(FILES)}, each with or without .gz"
        )
    path = candidates[0]
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, gzip.zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; the file is damaged") from error
    header = 4 + 4 * n_dimensions
    # Two zero bytes, 8 for unsigned bytes, the number of dimensions, then their sizes.
    if len(content) < header or content[:4] != bytes([0, 0, 8, n_dimensions]):
        raise InputError(
            f"{path} is not an IDX file of unsigned bytes with {n_dimensions} dimension(s)"
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", n_dimensions, offset=4))
    if len(content) != header + math.prod(shape):
        raise InputError(
            f"{path} is damaged: its header promises {math.prod(shape)} values of shape {shape}, "
            f"and {len(content) - header} are there"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
