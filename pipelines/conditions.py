"""What is different in trials of one condition from those of another?

python pipelines/conditions.py RECORDING [--condition KEY --control VALUE] [options]; --help lists
them.
"""

import sys

from ephys_snn.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["conditions", *sys.argv[1:]]))
