"""Pulse packets of a recording, network or brain: `python pipelines/synchrony.py RECORDING`."""

from ephys_snn.analysis.synchrony.pipeline import main

if __name__ == "__main__":
    raise SystemExit(main())
