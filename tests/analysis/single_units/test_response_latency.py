"""Latency of a response: planted ones are found, and none where there is none."""

import numpy as np
import pytest

from ephys_snn.analysis.single_units.response_latency import response_latency


@pytest.mark.parametrize(("before", "after", "latency", "n_trials", "error"), [
    (5.0, 50.0, 40.0, 50, 3.0), (30.0, 100.0, 80.0, 50, 4.0), (0.5, 30.0, 60.0, 30, 6.0)])
def test_a_known_latency_is_found(before, after, latency, n_trials, error):
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(20):
        times = np.concatenate([
            rng.uniform(0, 400, rng.poisson(before * 0.4 * n_trials)),
            rng.uniform(latency, 400, rng.poisson(
                (after - before) * (400 - latency) / 1000 * n_trials))])
        errors.append(response_latency(times, 400.0, n_trials, rng.poisson(before * 0.3 * n_trials),
                                       300.0 * n_trials) - latency)
    assert abs(np.median(errors)) < error / 2 and np.quantile(np.abs(errors), 0.8) < error


@pytest.mark.parametrize("resolution", [0.0, 1.0, 10.0])
def test_without_a_response_there_is_no_latency(resolution):
    rng = np.random.default_rng(1)
    for rate in np.repeat([0.3, 5.0, 40.0], 30):
        times = rng.uniform(0, 400, rng.poisson(rate * 0.4 * 50))
        if resolution:
            times = np.floor(times / resolution) * resolution + resolution / 2
        assert np.isnan(response_latency(times, 400.0, 50, rng.poisson(rate * 0.3 * 50),
                                         300.0 * 50, resolution))
    assert np.isnan(response_latency(np.empty(0), 400.0, 50, 0, 1e4))
