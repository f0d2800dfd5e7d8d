"""A small trained network as the battery takes it."""

import pytest

from ephys_snn.perturbation import Reference, control_responses
from ephys_snn.perturbation.battery import Subject


@pytest.fixture(scope="session")
def make_subject():
    """The subject that a network is, with the test stimuli of its data."""
    def make(network, stimuli, n_trials=None, is_trained=True, name="made"):
        times, labels = (values[:n_trials] for values in stimuli.part("test"))
        reference = Reference(network, *stimuli.part("validation"), stimuli.classes)
        return Subject(name, network, is_trained, reference, control_responses(network, times),
                       labels)
    return make


@pytest.fixture(scope="session")
def subject(make_subject, network, thirds) -> Subject:
    return make_subject(network, thirds)
