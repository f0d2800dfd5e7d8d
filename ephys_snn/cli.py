"""What all command lines share: parsers, exit statuses, types of options, progress bars."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import NoReturn, Protocol, TypeVar

from ephys_snn.errors import InputError

Item = TypeVar("Item")


class Parser(argparse.ArgumentParser):
    """The options of a command line; a wrong one is an `InputError`."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; {self.prog} --help tells the options")


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Make `main` a command line: `InputError` becomes one line on stderr and exit status 2."""

    @wraps(main)
    def run(*arguments, **keywords) -> int:
        try:
            return main(*arguments, **keywords) or 0
        except InputError as error:
            print("error:", " ".join(str(error).split()), file=sys.stderr)
            return 2
        except BrokenPipeError:  # `head` or another reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return run


# --- types of options ----------------------------------------------------------------------------


def number(kind: type, *, least: float | None = None, above: float | None = None,
           below: float | None = None, unit: str = "") -> Callable[[str], float]:
    """Type of an option that is a finite number within bounds, which messages give in `unit`.

    >>> number(int, least=2)("3")
    3
    """
    bounds = [f"{word} {bound:g}{unit}" for word, bound in (
        ("at least", least), ("above", above), ("below", below)) if bound is not None]

    def parse(text: str) -> float:
        value = kind(text)
        inside = (abs(value) < float("inf") and (least is None or value >= least)
                  and (above is None or value > above) and (below is None or value < below))
        if not inside:
            raise argparse.ArgumentTypeError(f"must be {' and '.join(bounds)}; got {text}")
        return value

    parse.__name__ = kind.__name__  # argparse names it where the text is no number at all
    return parse


def names(text: str) -> list[str]:
    """Type of an option that is a list: ``A,B,...``."""
    return [part.strip() for part in text.split(",") if part.strip()]


# --- progress ------------------------------------------------------------------------------------


class Progress(Protocol):
    """Passes items on and shows how far they are."""

    def __call__(self, items: Iterable[Item], what: str, total: int | None = None
                 ) -> Iterable[Item]:
        """The items, of which there are `total` (by default as many as they say)."""


def no_progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """The items as they are, nothing shown."""
    return items


def progress_bar(quiet: bool = False) -> Progress:
    """A bar on stderr while items are passed on, gone when they are; nothing if `quiet`."""

    def show(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
        from tqdm import tqdm

        return tqdm(items, desc=what, total=total, disable=quiet, leave=False)

    return show
