"""Everything about a recording on one page: python pipelines/report.py RECORDING."""

from ephys_snn.report.page import main

if __name__ == "__main__":
    raise SystemExit(main())
