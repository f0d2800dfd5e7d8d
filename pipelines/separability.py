"""Can the class of a trial be told from each area, and from when on?

python pipelines/separability.py RECORDING [options]; --help lists them.
"""

from ephys_snn.analysis.separability.pipeline import main

if __name__ == "__main__":
    raise SystemExit(main())
