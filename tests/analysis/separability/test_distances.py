"""Distances between trials: the definitions by brute force."""

import numpy as np
import pytest

from ephys_snn.analysis.separability.distances import class_distances, pairwise_distances


def test_distances_by_brute_force():
    rng = np.random.default_rng(2)
    classes = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    for code, features in (("active", rng.integers(2, size=(8, 5)).astype(float)),
                           ("latency", rng.normal(5, 2, size=(8, 5)))):
        within, between = [], []
        for i in range(8):
            for j in range(8):
                if i == j:
                    continue
                difference = np.abs(features[i] - features[j])
                distance = (difference != 0).mean() if code == "active" else \
                    np.sqrt((difference**2).mean())
                (within if classes[i] == classes[j] else between).append(distance)
        measured = class_distances(pairwise_distances(features, code),
                                   np.stack([classes, classes[::-1]]))
        assert measured.within == pytest.approx(np.mean(within))
        assert measured.between == pytest.approx(np.mean(between))
        assert measured.ratio[0] == pytest.approx(np.mean(between) / np.mean(within))
        assert measured.d_prime == pytest.approx(
            (np.mean(between) - np.mean(within))
            / np.sqrt((np.var(between) + np.var(within)) / 2))
