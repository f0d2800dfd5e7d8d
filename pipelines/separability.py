"""Can the class of a trial be decoded from each area, and from when on?

python pipelines/separability.py RECORDING [options]; --help lists them.
"""

import sys

from ephys_snn.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["separability", *sys.argv[1:]]))
