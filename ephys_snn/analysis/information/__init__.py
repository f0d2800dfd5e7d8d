"""What does the activity of one unit say about the class of the trial?"""

from ephys_snn.analysis.information.pipeline import PIPELINE

__all__ = ["PIPELINE"]
