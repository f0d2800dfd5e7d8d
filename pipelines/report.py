"""All that the pipelines find, on one page: python pipelines/report.py RECORDING [options]."""

import sys

from ephys_snn.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(["report", *sys.argv[1:]]))
