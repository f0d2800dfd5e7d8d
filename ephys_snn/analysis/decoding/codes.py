"""What of the responses is decoded: who is active, when, or how often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ephys_snn.recording import Recording, Responses, ResponseWindows

CODES = {"active": "which units are active", "latency": "first-spike latencies",
         "count": "spike counts"}  # with their names in words


def main_code(recording: Recording, windows: ResponseWindows) -> str:
    """The code that says most of a recording in one number per unit.

    Latency where no unit spikes twice in a window, because once all units have spiked, their
    counts say nothing any more; else count.
    """
    return "count" if recording.responses(windows).count.max(initial=0) > 1 else "latency"


def encode(responses: Responses, code: str, silent_latency: float) -> np.ndarray:
    """Responses as numbers that a decoder can take.

    Parameters
    ----------
    responses : Responses
    code : str
        One of `CODES`.
    silent_latency : float, ms
        The latency of a silent unit.

    Returns
    -------
    (trial, unit) float
    """
    if code == "active":
        return responses.active.astype(float)
    if code == "latency":
        return np.where(responses.active, responses.latency, silent_latency)
    return responses.count.astype(float)


def encode_draws(recording: Recording, windows: ResponseWindows, draws: Sequence[np.ndarray],
                 code: str) -> list[np.ndarray]:
    """(trial, unit) float for every draw of units; see `encode`."""
    silent_latency = (windows.stop - windows.onset)[windows.used].max()
    return [encode(recording.responses(windows, units), code, silent_latency) for units in draws]
