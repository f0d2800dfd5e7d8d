"""Many networks: do the claims hold, and does training make the difference?"""

from ephys_snn.study.claims import (
    Judgement,
    Verdict,
    judge_inhibition,
    judge_lesions,
    judge_pathways,
    judge_semantization,
    judge_synchronization,
)
from ephys_snn.study.twins import (
    decision_accuracy,
    judge_differences,
    judge_learning,
    twin_differences,
)

__all__ = ["Judgement", "Verdict", "decision_accuracy", "judge_differences", "judge_inhibition",
           "judge_learning", "judge_lesions", "judge_pathways", "judge_semantization",
           "judge_synchronization", "twin_differences"]
