"""How tight are pulse packets, and where do they spread or re-converge?

python pipelines/synchrony.py RECORDING [options]; --help lists them.
"""

import sys

from ephys_snn.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["synchrony", *sys.argv[1:]]))
