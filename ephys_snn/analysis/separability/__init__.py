"""Can the class of a trial be decoded from each area, and from when on?"""

from ephys_snn.analysis.separability.pipeline import PIPELINE

__all__ = ["PIPELINE"]
