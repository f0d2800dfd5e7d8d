"""Which units tell the class of a trial, and more so in deeper areas?

python pipelines/information_gain.py RECORDING [options]; --help lists them.
"""

from ephys_snn.analysis.information.pipeline import main

if __name__ == "__main__":
    raise SystemExit(main())
