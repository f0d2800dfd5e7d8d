"""Many independent steps on all processors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from ephys_snn.cli import Progress

Step, Result = TypeVar("Step"), TypeVar("Result")


def map_steps(function: Callable[[Step], Result], steps: Sequence[Step], progress: Progress,
              what: str) -> list[Result]:
    """The function of every step, on all processors.

    A thread per processor and one processor per matrix product: faster than the other way round
    for matrices of this size, and the same bytes on any number of processors.
    """
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return [result for _, result in zip(progress(steps, what), pool.map(function, steps),
                                            strict=True)]
