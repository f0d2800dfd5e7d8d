"""What single units do, beside any analysis: against a baseline, and by class over time."""

from ephys_snn.analysis.single_units.pipeline import ADDITIONS

__all__ = ["ADDITIONS"]
