"""Ctrl-C, or the SIGTERM of a system that shuts down, noted until a good moment to act on it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Request:
    """Whether a stop was asked for.

    Attributes
    ----------
    signal : int
        Number of the signal that asked; 0 before any.
    """

    signal: int = 0

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def noted() -> Iterator[Request]:
    """Note the first signal to stop instead of obeying it; a second one acts at once.

    Signals can be noted in the main thread only; elsewhere none ever is.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # A process in the background of a script, or under nohup, ignores them on purpose.
    before = {number: old for number, old in before.items() if old is not signal.SIG_IGN}

    def note(number: int, frame: object) -> None:
        request.signal = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
