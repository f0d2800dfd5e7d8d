"""Published lesions of the shipped network, through the battery."""

import pandas as pd
from builders import CHECKOUT

from ephys_snn.network import Network
from ephys_snn.perturbation import Reference, control_responses
from ephys_snn.perturbation.battery import Experiment, Subject, planned_trials, run_battery
from ephys_snn.perturbation.battery.tables import COLUMNS, pathway_lesions
from ephys_snn.stimuli import reference_stimuli
from ephys_snn.training import load_own_stimuli


def test_pathways_of_the_last_layer_decide_their_class_and_matched_sets_nothing(shared):
    network = Network.load(CHECKOUT / "examples" / "models" / "mnist_dale_4x400.pt")
    stimuli = load_own_stimuli(network, str(shared / "data" / "mnist"))
    times, labels = (values[:1000] for values in stimuli.part("test"))
    others = reference_stimuli(stimuli, "test")
    subject = Subject("shipped", network, True,
                      Reference(network, others.times, others.labels, stimuli.classes),
                      control_responses(network, times), labels)
    plan = [Experiment("pathways", "Do they decide?", ("silence layer_4 pathway={class}",),
                       matched=2)]
    outcomes = run_battery(planned_trials(plan, subject), subject)
    rows = pd.DataFrame([one.row for one in outcomes]).reindex(columns=COLUMNS)
    lesions, = pathway_lesions(rows).itertuples()
    assert lesions.own <= -0.9 and abs(lesions.others) <= 0.01
    assert abs(lesions.matched_own) <= 0.02 and abs(lesions.matched_others) <= 0.02
    assert lesions.excess_high < -0.8 and lesions.p_value == 2**-10
    # Every class by itself, too.
    own = rows[rows["control"] == "none"].set_index("target_class")["change_own_class"]
    assert (own < -0.6).all()
