"""Read a NIX file and say nothing: what `ephys_snn.integrity` runs in a process of its own."""

import sys
from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.nix import is_nix, read_nix

if __name__ == "__main__":
    path = Path(sys.argv[1])
    try:
        if is_nix(path):
            read_nix(path)
    except InputError:
        pass  # the caller's own reading says it better
