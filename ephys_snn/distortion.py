"""Small random distortions of images that are spike times: training sees no image twice.

Every image is rotated, scaled, sheared and shifted by amounts drawn evenly from
± strength · (`ROTATION`, `SCALE`, `SHEAR`, `SHIFT`), and interpolated between pixels.
"""

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

ROTATION = np.deg2rad(8.0)
SCALE, SHEAR = 0.08, 0.06
# Of the width and height of the image: one pixel of 28.
SHIFT = 1 / 28
# Ink below this fraction of the strongest intensity is no spike where the background is silent.
FAINTEST = 1 / 512


def distort(
    times: np.ndarray,
    shape: tuple[int, int],
    late: float,
    strength: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Distort images in the latency code.

    Parameters
    ----------
    times : numpy.ndarray of float32, shape (n, input)
        Spike times in ms; inf for pixels that are silent.
    shape : tuple (height, width)
        How the inputs make an image, row by row.
    late : float
        Spike time in ms of a pixel without intensity; what enters from outside the image is such.
    strength : float
        0 leaves the images as they are; 1 is what handwriting bears.
    generator : numpy.random.Generator
        Source of the distortions.

    Returns
    -------
    numpy.ndarray of float32, shape (n, input)
        Spike times in ms; if any of `times` are inf, pixels without intensity are.
    """
    if strength == 0:
        return times
    n, (height, width) = len(times), shape
    silent = np.isinf(times)
    ink = torch.from_numpy(np.where(silent, 0, late - times).reshape(n, 1, height, width))
    drawn = generator.uniform(-strength, strength, (6, n))
    grid = affine_grid(_transformations(*drawn), [n, 1, height, width], align_corners=False)
    moved = grid_sample(ink, grid, align_corners=False).reshape(n, -1).numpy()
    if silent.any():
        return np.where(moved < FAINTEST * late, np.inf, late - moved).astype(np.float32)
    return late - moved


def _transformations(rotation, scale_x, scale_y, shear, shift_x, shift_y) -> torch.Tensor:
    """Affine matrices (n, 2, 3) in coordinates from -1 to 1, from numbers in units of the most."""
    cosine, sine = np.cos(rotation * ROTATION), np.sin(rotation * ROTATION)
    x, y = 1 + scale_x * SCALE, 1 + scale_y * SCALE
    rows = [[cosine * x, shear * SHEAR - sine * y, shift_x * 2 * SHIFT],
            [sine * x, cosine * y, shift_y * 2 * SHIFT]]
    return torch.from_numpy(np.moveaxis(np.array(rows), 2, 0).astype(np.float32))
