"""Many networks: do the claims hold?"""

from ephys_snn.study.claims import (
    Verdict,
    decision_accuracy,
    judge_learning,
    judge_pathways,
    judge_semantization,
    judge_synchronization,
)

__all__ = ["Verdict", "decision_accuracy", "judge_learning", "judge_pathways",
           "judge_semantization", "judge_synchronization"]
