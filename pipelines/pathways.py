"""Which units route the activity of a class, and do they prefer it more with depth?

python pipelines/pathways.py RECORDING [options]; --help lists them.
"""

from ephys_snn.analysis.pathways.pipeline import main

if __name__ == "__main__":
    raise SystemExit(main())
