"""One page about a recording, and one table across many (`ephys_snn.report.study`)."""

from ephys_snn.report.command import main, parser, write_report
from ephys_snn.report.sections import Section

__all__ = ["Section", "main", "parser", "write_report"]
