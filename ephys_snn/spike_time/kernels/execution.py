"""How loops on processors are compiled, how a user hears of it, and how threads share them."""

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path

import torch
from numba import njit
from numba.core import event
from numba.core.caching import FunctionCache

SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()


class _Cache(FunctionCache):
    """Compiled functions on disk, for as long as none of the kernels' modules changes.

    Numba itself asks only whether a function's own file did, not those of the functions it calls.
    """

    def _index_key(self, signature, codegen):
        return *super()._index_key(signature, codegen), SOURCES


def _compiler(**options):
    """A decorator that compiles for all threads at once and keeps the result on disk."""

    def compiled(function):
        dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
        dispatcher._cache = _Cache(function)
        return dispatcher

    return compiled


kernel = _compiler()
"""Compiles a function."""

borrowing_kernel = _compiler(_nrt=False, forceinline=True)
"""Compiles a function that makes no arrays into its callers. It does not count who holds the arrays
it is given, which would take longer than what an inner loop does with them."""

reordering_kernel = _compiler(fastmath={"reassoc", "contract", "nsz"}, forceinline=True)
"""Compiles a function whose sums may be taken in any order, or vector instructions could not take
them. The order is fixed with the machine code, of which there must be one: a function beside its
callers exists twice, and the process that compiles runs the one copy, later ones the other."""


def in_parallel(function, n_items, *arguments):
    """[function(start, stop, …)] over as many parts of the items as PyTorch uses threads."""
    n_parts = max(1, min(torch.get_num_threads(), n_items))
    bounds = [n_items * part // n_parts for part in range(n_parts + 1)]
    others = [
        _workers(os.getpid()).submit(function, start, stop, *arguments)
        for start, stop in zip(bounds[1:-1], bounds[2:], strict=True)
    ]
    return [function(0, bounds[1], *arguments), *(other.result() for other in others)]


@lru_cache(maxsize=1)
def _workers(process):
    """Threads of this process; a forked process has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ephys_snn")


class _Announcement(event.Listener):
    """Lets the user know, once per process, that Numba compiles; the result is cached on disk."""

    def __init__(self):
        self.made = False

    def on_start(self, event):
        """Numba found nothing in its cache."""
        if not self.made:
            self.made = True
            print("compiling the spike-time kernels, once for this machine: about half a minute …",
                  file=sys.stderr, flush=True)

    def on_end(self, event):
        """Nothing to say."""


def announcing_compilation(part, dtype):
    """A context that says so where a part's first call takes its time to compile."""
    if (part, dtype) in _called:
        return nullcontext()
    _called.add((part, dtype))
    return event.install_listener("numba:compile", _announcement)


_called, _announcement = set(), _Announcement()
