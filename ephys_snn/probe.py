"""Read a NIX or NWB file into a flat one: what `ephys_snn.integrity` runs in another process."""

import sys
from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.flat import save_contents
from ephys_snn.hdf5_files import read_nix_or_nwb

if __name__ == "__main__":
    path, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        contents = read_nix_or_nwb(path)
        if contents is not None:
            save_contents(out, contents)
    except (InputError, OSError, TypeError):
        out.write_bytes(b"")  # the caller's own reading says it better, or needs no file
