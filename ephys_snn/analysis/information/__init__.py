"""What does the activity of one unit say about the class of the trial?"""

from ephys_snn.analysis.information.permuted import permuted_information
from ephys_snn.analysis.information.pipeline import PIPELINE

__all__ = ["PIPELINE", "permuted_information"]
