"""Does the pathway of a class cause its decision? Silence its units and see which class is lost.

python examples/virtual_lesion.py [DATA]       where DATA is MNIST's folder, if it is here already
"""

import sys
from pathlib import Path

from ephys_snn.network import Network
from ephys_snn.perturbation import (
    Reference,
    control_responses,
    find_conditions,
    parse_perturbations,
    perturbed_responses,
)
from ephys_snn.training import load_own_stimuli

MODEL = Path(__file__).parent / "models" / "mnist_dale_4x400.pt"

network = Network.load(MODEL)
stimuli = load_own_stimuli(network, *sys.argv[1:])
times, labels = (part[:1000] for part in stimuli.part("test"))
reference = Reference(network, *stimuli.part("validation"), stimuli.classes)
control = control_responses(network, times)
lesions = parse_perturbations(f"silence layer_4 pathway={name}" for name in stimuli.classes)
for label, (lesion, units, rng) in enumerate(find_conditions(lesions, reference, seed=0)):
    perturbed = perturbed_responses(network, lesion, units, control, reference, rng)
    own, other = ([(network.decision(responses["output"]).numpy() == labels)[chosen].mean()
                   for responses in (control, perturbed)]
                  for chosen in (labels == label, labels != label))
    print(f"{lesion.words} ({units.n_units} units): accuracy of class {label} "
          f"{own[0]:.3f} -> {own[1]:.3f}, of the others {other[0]:.3f} -> {other[1]:.3f}")
