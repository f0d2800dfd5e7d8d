"""Stimuli varied at random, so that training sees none of them twice.

*Distortion* of images: every image is rotated, scaled, sheared and shifted by amounts drawn evenly
from ± strength · (`ROTATION`, `SCALE`, `SHEAR`, `SHIFT`), and bent (an elastic distortion):
displaced by a smooth random field, which is normally distributed with the standard deviation
strength · `BEND` at `BENDS` x `BENDS` points and interpolated between them (Simard et al. 2003
smooth a finer one).

*Jitter* of spikes: each is shifted by a normally distributed time, whose standard deviation is
drawn for every trial. Without jitter inputs of one intensity spike simultaneously, and so they do
when the network is used; a network that only ever saw full jitter has not learned that.

References
----------
Simard, Steinkraus, Platt, Best practices for convolutional neural networks applied to visual
document analysis, ICDAR 2003, doi:10.1109/ICDAR.2003.1227801.
"""

from functools import lru_cache

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate

from ephys_snn.errors import InputError
from ephys_snn.stimuli.stimuli import Stimuli

ROTATION = np.deg2rad(6.0)
SCALE, SHEAR = 0.06, 0.04
# Of the width and height of the image: 0.75 and 0.8 pixels of 28.
SHIFT, BEND = 0.75 / 28, 0.8 / 28
BENDS = 5
# Ink below this fraction of the strongest intensity is no spike where the background is silent.
FAINTEST = 1 / 512


def augment(
    times: np.ndarray, stimuli: Stimuli, jitter: float, distortion: float, rng: np.random.Generator
) -> np.ndarray:
    """Distort images, and jitter the spikes of every trial.

    Parameters
    ----------
    times : numpy.ndarray of float32, shape (trial, input)
        Spike times in ms of some of the stimuli.
    stimuli : Stimuli
        What they are: only images can be distorted.
    jitter : float
        Largest standard deviation in ms of a trial's jitter, which is drawn evenly from 0 on.
    distortion : float
        Strength of the distortion, see `distort`.

    Returns
    -------
    numpy.ndarray of float32, shape (trial, input)
        Spike times in ms.
    """
    if stimuli.shape is not None:
        times = distort(times, stimuli.shape, stimuli.code.late, distortion, rng)
    return jitter_times(times, jitter * rng.random((len(times), 1)), rng)


def distort(
    times: np.ndarray,
    shape: tuple[int, int],
    late: float,
    strength: float,
    rng: np.random.Generator,
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
    drawn = rng.uniform(-strength, strength, (6, n))
    grid = affine_grid(_transformations(*drawn), [n, 1, height, width], align_corners=False)
    bends = rng.standard_normal((n, 2, BENDS, BENDS), dtype=np.float32)
    grid = grid + _bending(strength * bends, height, width)
    moved = grid_sample(ink, grid, align_corners=False).reshape(n, -1).numpy()
    if silent.any():
        return np.where(moved < FAINTEST * late, np.inf, late - moved).astype(np.float32)
    return late - moved


def _transformations(rotation, scale_x, scale_y, shear, shift_x, shift_y) -> torch.Tensor:
    """Affine matrices (n, 2, 3) in coordinates from -1 to 1, from fractions of the largest ones."""
    cosine, sine = np.cos(rotation * ROTATION), np.sin(rotation * ROTATION)
    x, y = 1 + scale_x * SCALE, 1 + scale_y * SCALE
    rows = [[cosine * x, shear * SHEAR - sine * y, shift_x * 2 * SHIFT],
            [sine * x, cosine * y, shift_y * 2 * SHIFT]]
    return torch.from_numpy(np.moveaxis(np.array(rows), 2, 0).astype(np.float32))


def _bending(bends: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Displacements (n, height, width, 2) in coordinates from -1 to 1, from bends in `BEND`."""
    return torch.einsum("hi,nkij,wj->nhwk", _between(height), torch.from_numpy(bends),
                        2 * BEND * _between(width))


@lru_cache
def _between(size: int) -> torch.Tensor:
    """Bicubic interpolation along one axis, as a matrix (size, BENDS): a product is quicker."""
    points = torch.eye(BENDS)[None, None]
    return interpolate(points, (size, BENDS), mode="bicubic", align_corners=True)[0, 0]


def jitter_times(times: np.ndarray, sd: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift every spike by a normally distributed time, reflected at 0.

    Parameters
    ----------
    times : numpy.ndarray of float32 or float64
        Spike times in ms, of any shape; inf stays inf.
    sd : float or numpy.ndarray
        Standard deviation in ms, the same for all or in a shape that fits that of `times`; 0
        leaves times as they are.

    Returns
    -------
    numpy.ndarray
        Spike times in ms, in the shape and type of `times`.

    Raises
    ------
    InputError
        If `sd` is negative or not finite.
    """
    sd = np.asarray(sd, times.dtype)
    impossible = sd[~((sd >= 0) & (sd < np.inf))]
    if impossible.size:
        raise InputError("the jitter's standard deviation must be at least 0 ms; "
                         f"got {impossible[0]:g}")
    if not sd.any():
        return times
    return np.abs(times + sd * rng.standard_normal(times.shape, dtype=times.dtype))
