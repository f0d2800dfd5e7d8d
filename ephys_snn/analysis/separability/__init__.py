"""From when on can the class of a trial be decoded from each area?"""

from ephys_snn.analysis.separability.pipeline import PIPELINE

__all__ = ["PIPELINE"]
