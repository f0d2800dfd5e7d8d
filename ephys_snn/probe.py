"""Read a NIX file into a flat one: what `ephys_snn.integrity` runs in a process of its own."""

import sys
from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.flat import save_contents
from ephys_snn.nix import is_nix, read_nix

if __name__ == "__main__":
    path, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        if is_nix(path):
            save_contents(out, read_nix(path))
    except (InputError, OSError, TypeError):
        out.write_bytes(b"")  # the caller's own reading says it better, or needs no file
