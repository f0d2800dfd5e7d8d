"""Many networks: do the claims hold, and does training make the difference?"""

from ephys_snn.study.claims import (
    INFORMATION_MEASURES,
    Judgement,
    Verdict,
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

__all__ = ["INFORMATION_MEASURES", "Judgement", "Verdict", "decision_accuracy",
           "judge_differences", "judge_learning", "judge_pathways", "judge_semantization",
           "judge_synchronization", "twin_differences"]
