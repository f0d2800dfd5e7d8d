"""The battery: a plan of virtual experiments on networks, each beside its controls.

A plan (`plan`) names perturbations in words; `trials` tries each of them on a network, and on
matched sets of units (`matched_sets`); `retraining` lets networks learn again after a lesion, which
takes their stimuli too: `retrained_outcomes(plan, subject, stimuli, epochs, seed, progress)`
yields what `run_battery` does. `outcome` says what became of decisions and areas, `tables` what
follows; `findings` and `limitations` say it in words, `figures` draw it.
"""

from ephys_snn.perturbation.battery.figures import battery_figures
from ephys_snn.perturbation.battery.findings import battery_findings
from ephys_snn.perturbation.battery.limitations import battery_limitations
from ephys_snn.perturbation.battery.plan import Experiment, default_plan, read_plan
from ephys_snn.perturbation.battery.retraining import retrained_outcomes
from ephys_snn.perturbation.battery.tables import battery_tables
from ephys_snn.perturbation.battery.trials import (
    Outcome,
    Subject,
    planned_trials,
    run_battery,
)

__all__ = ["Experiment", "Outcome", "Subject", "battery_figures", "battery_findings",
           "battery_limitations", "battery_tables", "default_plan", "planned_trials", "read_plan",
           "retrained_outcomes", "run_battery"]
