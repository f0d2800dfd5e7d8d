"""Many networks: do the claims hold, does training make the difference, and which ingredient does?

`claims` and `twins` judge one network. A study of networks, which ``pipelines/Networks`` runs, has
conditions and seeds (`network_config`), a row of effect sizes per network (`network_measures`,
`network_table`), and what conditions change against a base (`condition_effects`).
"""

from ephys_snn.study.claims import (
    Judgement,
    Verdict,
    judge_inhibition,
    judge_lesions,
    judge_pathways,
    judge_semantization,
    judge_synchronization,
)
from ephys_snn.study.network_config import NetworkStudy, read_network_study
from ephys_snn.study.network_results import write_network_study
from ephys_snn.study.network_table import STEPS, write_decisions
from ephys_snn.study.twins import (
    decision_accuracy,
    judge_differences,
    judge_learning,
    twin_differences,
)

__all__ = ["STEPS", "Judgement", "NetworkStudy", "Verdict", "decision_accuracy",
           "judge_differences", "judge_inhibition", "judge_learning", "judge_lesions",
           "judge_pathways", "judge_semantization", "judge_synchronization", "read_network_study",
           "twin_differences", "write_decisions", "write_network_study"]
