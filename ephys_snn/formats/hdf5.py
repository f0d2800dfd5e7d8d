"""NIX and NWB files, read in whichever process this is.

``python -m ephys_snn.formats.hdf5 FILE OUT`` is what `ephys_snn.formats.guard` runs in another one.
"""

import sys
from pathlib import Path

from ephys_snn.errors import InputError
from ephys_snn.formats.nix_reader import is_nix, read_nix
from ephys_snn.formats.nwb import is_nwb, read_nwb
from ephys_snn.formats.serialization import save_session
from ephys_snn.formats.session import Session


def read_hdf5(path: Path) -> Session | None:
    """The session of a NIX or NWB file; None if it is HDF5 of another kind."""
    if is_nix(path):
        return read_nix(path)
    return read_nwb(path) if is_nwb(path) else None


if __name__ == "__main__":
    file, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        session = read_hdf5(file)
        if session is not None:
            save_session(out, session)
    except (InputError, OSError, TypeError):
        out.write_bytes(b"")  # the caller's own reading says it better, or needs no file
