"""Many recordings: a report on each, one table across them, and what differs between groups.

The steps of the workflow ``pipelines/Snakefile``, which knows what is done already and where to
run the rest. A recording that cannot be analysed has its reason in the table and does not stop
the others.
"""

from ephys_snn.report.study.comparison_table import compare_recordings, summarize_comparison
from ephys_snn.report.study.config import Study, read_study
from ephys_snn.report.study.measures import study_values
from ephys_snn.report.study.one_recording import STATUS, analyse
from ephys_snn.report.study.table import broken, collect, summarize

__all__ = ["STATUS", "Study", "analyse", "broken", "collect", "compare_recordings", "read_study",
           "study_values", "summarize", "summarize_comparison"]
