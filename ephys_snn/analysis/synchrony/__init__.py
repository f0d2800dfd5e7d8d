"""How tight are pulse packets, and where do they spread or re-converge?"""

from ephys_snn.analysis.synchrony.pipeline import PIPELINE

__all__ = ["PIPELINE"]
