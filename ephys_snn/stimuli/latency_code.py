r"""The latency code: the stronger the intensity p ∈ [0, 1] of an input, the earlier it spikes,

.. math::

    t = t_\text{early} + (1 - p)\,(t_\text{late} - t_\text{early}) .

8-bit pixels v have the intensity p = v / 256. Points (x, y) of the plane become five times: those
of x, y, 1 − x, 1 − y, each early + coordinate (late − early), and that of a bias neuron, `BIAS`
times `late`.

References
----------
Göltz et al., Fast and energy-efficient neuromorphic deep learning with first-spike times,
Nat. Mach. Intell. 3, 823 (2021), doi:10.1038/s42256-021-00388-x.
"""

from dataclasses import dataclass

import numpy as np

from ephys_snn.errors import InputError

# The bias neuron of Göltz et al. spikes at 0.9 τ where the latest input spikes at 2 τ.
BIAS = 0.45
BACKGROUNDS = ("late", "silent")


@dataclass(frozen=True)
class LatencyCode:
    """Spike times of the strongest and of the weakest intensity.

    Parameters
    ----------
    early, late : float
        Time in ms of intensity 1 and of intensity 0.
    background : str
        Whether inputs of intensity 0 spike 'late' or are 'silent'.

    Raises
    ------
    InputError
        Unless 0 <= early < late < inf, or if there is no such background.
    """

    early: float = 1.5
    late: float = 20.0
    background: str = "late"

    def __post_init__(self):
        if self.background not in BACKGROUNDS:
            raise InputError(f"`background` must be one of {', '.join(BACKGROUNDS)}; "
                             f"got {self.background!r}")
        if not 0 <= self.early < self.late < np.inf:
            raise InputError(
                "the latency code needs 0 <= early < late (ms); "
                f"got early = {self.early:g} and late = {self.late:g}"
            )

    def times(self, intensity) -> np.ndarray:
        """Spike times in ms of intensities in [0, 1], of any shape; 8-bit integers count 1/256.

        Those of 8-bit integers are float32, since networks are and large data are many.
        """
        intensity = np.asarray(intensity)
        if intensity.dtype == np.uint8:
            return self.times(np.arange(256) / 256).astype(np.float32)[intensity]
        times = self.early + (1 - intensity) * (self.late - self.early)
        return np.where(intensity > 0, times, np.inf) if self.background == "silent" else times

    def image_times(self, images: np.ndarray) -> np.ndarray:
        """Spike times (n, height * width) in ms of images (n, height, width)."""
        return self.times(images.reshape(len(images), -1))

    def point_times(self, points: np.ndarray) -> np.ndarray:
        """Spike times (n, 5) in ms of points (n, 2) of the plane."""
        coordinates = np.concatenate([points, 1 - points], axis=1)
        bias = np.full((len(points), 1), BIAS * self.late)
        return np.concatenate([self.times(1 - coordinates), bias], axis=1)
