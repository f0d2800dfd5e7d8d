"""Do classes have units and connections of their own?

python pipelines/pathways.py RECORDING [options]; --help lists them.
"""

import sys

from ephys_snn.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["pathways", *sys.argv[1:]]))
