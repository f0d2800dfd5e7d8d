"""How do I train on my own data, from Python?

Arrays of images (n, height, width), or of spike times (n, input) in ms, with a label for each; here
made up: bars of noise, standing or lying, in 12 x 8 pixels.

python examples/own_data.py [MODEL.pt]
"""

import sys

import numpy as np

from ephys_snn.network import Network
from ephys_snn.stimuli import encode, own_data
from ephys_snn.training import Settings, evaluate, train

rng = np.random.default_rng(0)
labels = rng.choice(["standing", "lying"], 300, p=[0.7, 0.3])
images = 0.3 * rng.random((300, 12, 8))
for image, label in zip(images, labels, strict=True):
    image[np.s_[2:10, 3:5] if label == "standing" else np.s_[5:7, 1:7]] += 0.6

stimuli = encode(own_data(labels, images=images))
network = Network.draw([stimuli.n_inputs, 40, 40, len(stimuli.classes)])
train(network, stimuli, Settings(epochs=10, batch_size=20, balance_classes=True))
tested = evaluate(network, *stimuli.part("test"))
print(dict(zip(stimuli.classes, tested.class_accuracy, strict=True)), tested.balanced_accuracy)
if len(sys.argv) > 1:
    network.save(sys.argv[1])
