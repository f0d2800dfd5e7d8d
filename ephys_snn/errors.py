"""The one error for what a user can mend, and how its message lists things."""

from collections.abc import Sequence


class InputError(ValueError):
    """An argument, option or file that the user can mend.

    The message is one sentence that names the argument or file, what was required, what arrived
    and the way out.
    """


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in a message, the first of them if there are many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
