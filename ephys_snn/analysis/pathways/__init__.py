"""Do classes have units and connections of their own?"""

from ephys_snn.analysis.pathways.functional import functional_members
from ephys_snn.analysis.pathways.pipeline import PIPELINE
from ephys_snn.analysis.pathways.structural import pathway_effects

__all__ = ["PIPELINE", "functional_members", "pathway_effects"]
