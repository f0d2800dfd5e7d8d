"""Training networks by exact first-spike times.

`train` does all of it; `start` and `training_steps` leave the loop to the caller. A session
(`keep_training`) drives them so that nothing is lost: it shows progress, writes checkpoints and
logs, and stops when it is asked to. `evaluate` measures how well a network does;
`load_own_stimuli` finds again what it was trained on. Several processes may train together
(`process_group`).
"""

from ephys_snn.training.distributed import (
    broadcast_from_rank0,
    is_distributed,
    is_rank0,
    n_processes,
    process_group,
)
from ephys_snn.training.dry_run import describe_network, describe_time
from ephys_snn.training.evaluation import Evaluation, TrialCounts, evaluate
from ephys_snn.training.loss import first_spike_loss
from ephys_snn.training.own_stimuli import load_own_stimuli
from ephys_snn.training.run import (
    FULL_STEP_DEPTH,
    Run,
    Settings,
    learning_rate,
    restore_best,
    start,
)
from ephys_snn.training.session import Files, keep_training, open_checkpoint
from ephys_snn.training.steps import (
    Diverged,
    EpochDone,
    StepDone,
    step,
    train,
    training_steps,
)
from ephys_snn.training.trial_end import find_t_stop, largest_t_stop

__all__ = ["FULL_STEP_DEPTH", "Diverged", "EpochDone", "Evaluation", "Files", "Run", "Settings",
           "StepDone", "TrialCounts", "broadcast_from_rank0", "describe_network", "describe_time",
           "evaluate", "find_t_stop", "first_spike_loss", "is_distributed", "is_rank0",
           "keep_training", "largest_t_stop", "learning_rate", "load_own_stimuli", "n_processes",
           "open_checkpoint", "process_group", "restore_best", "start", "step", "train",
           "training_steps"]
