"""``python -m ephys_snn.report RECORDING``."""

from ephys_snn.report.command import main

if __name__ == "__main__":
    raise SystemExit(main())
