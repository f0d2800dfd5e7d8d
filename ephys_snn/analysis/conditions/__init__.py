"""What is different in trials of one condition from those of another?"""

from ephys_snn.analysis.conditions.pipeline import PIPELINE

__all__ = ["PIPELINE"]
