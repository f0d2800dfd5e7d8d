"""The one error for what a user can mend, and how command lines say it."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn


class InputError(ValueError):
    """An argument, option or file that the user can mend.

    The message is one sentence that names the argument or file, what was required, what arrived
    and the way out.
    """


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
