"""Do classes have units and connections of their own?"""

from ephys_snn.analysis.pathways.pipeline import PIPELINE

__all__ = ["PIPELINE"]
