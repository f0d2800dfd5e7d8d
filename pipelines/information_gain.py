"""What does the activity of one unit say about the class of the trial?

python pipelines/information_gain.py RECORDING [options]; --help lists them.
"""

import sys

from ephys_snn.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["information-gain", *sys.argv[1:]]))
