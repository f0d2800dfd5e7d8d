"""Labelled data as spike times of the input neurons: data sets, the latency code, augmentation."""
