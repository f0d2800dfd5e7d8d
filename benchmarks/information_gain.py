"""Information gain: speed and memory against their limits, and the estimator against the truth.

    python benchmarks/information_gain.py            both
    python benchmarks/information_gain.py --units 200 --trials 1000      smaller

The limits: 2,400 units x 10,000 trials x 1,000 permutations x 10 classes in 60 s and 2 GB on two
cores, the recording's own arrays included. The estimator is asked for the information of Poisson
spike counts (true value by summation) and of active or silent units (true value by formula).
"""

import argparse
import resource
import sys
import time

import numpy as np
from scipy import special, stats

from ephys_snn.analysis.entropy import quadratic_extrapolation
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.recording import Recording, Trials, Units, epoch_windows

SECONDS, GIGABYTES = 60.0, 2.0
N_CLASSES, N_UNITS = 10, 400


def random_recording(n_units: int, n_trials: int, rng: np.random.Generator) -> Recording:
    """Units with Poisson spike counts of mean 0.1 to 0.7, whatever the class."""
    onset = 100.0 * np.arange(n_trials)
    spikes = [np.repeat(onset, rng.poisson(rng.uniform(0.1, 0.7), n_trials)) + 5.0
              for _ in range(n_units)]
    names = np.array([f"unit {i}" for i in range(n_units)])
    units = Units(np.arange(n_units), names, np.full(n_units, "area"), np.full(n_units, ""))
    trials = Trials(onset, np.full(n_trials, 90.0), rng.integers(N_CLASSES, size=n_trials).astype(
        str), np.full(n_trials, np.nan), np.full(n_trials, ""))
    return Recording.from_spike_trains(spikes, units, trials)


def measure_speed(n_units: int, n_trials: int, n_permutations: int) -> None:
    """Print time and peak memory as fractions of their limits."""
    rng = np.random.default_rng(0)
    recording = random_recording(n_units, n_trials, rng)
    start = time.perf_counter()
    table = unit_information(recording, epoch_windows(recording.trials), rng,
                             n_permutations).units
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024) / 1e9
    print(f"{n_units} units x {n_trials} trials x {n_permutations} permutations")
    print(f"  time    {seconds:7.1f} s    {seconds / SECONDS:.2f} of the limit")
    print(f"  memory  {peak:7.2f} GB   {peak / GIGABYTES:.2f} of the limit")
    print(f"  labels are independent: {(table.p_value < 0.05).mean():.1%} of the units have "
          f"p < 0.05, {(table.q_value < 0.05).mean():.1%} q < 0.05")


def true_information(p: np.ndarray) -> float:
    """Mutual information (bits) of a response and equally likely classes.

    Parameters
    ----------
    p : (response, class) float
        Probability of the response in each class.
    """
    return float(np.mean(np.sum(special.xlogy(p, p / p.mean(axis=1, keepdims=True)), axis=0))
                 / np.log(2))


def measure_estimators() -> None:
    """Print plug-in, extrapolated and shuffle-subtracted information beside the truth."""
    rng = np.random.default_rng(1)
    rates = np.linspace(1.0, 6.0, N_CLASSES)
    chances = np.linspace(0.05, 0.95, N_CLASSES)
    print(f"\n{N_UNITS} synthetic units, {N_CLASSES} classes, mutual information in bits, "
          "mean +- SD between units")
    print(f"{'response':18}{'truth':>7}{'trials/class':>14}{'plug-in':>16}{'extrapolated':>16}"
          f"{'plug-in - permuted':>21}")
    for name, truth, draw in (
            ("spike count",
             true_information(stats.poisson.pmf(np.arange(100)[:, None], rates)),
             lambda code: rng.poisson(rates[code][:, None], (len(code), N_UNITS))),
            ("active or silent", true_information(np.stack([chances, 1 - chances])),
             lambda code: rng.random((len(code), N_UNITS)) < chances[code][:, None])):
        for trials_per_class in (10, 20, 100):
            code = np.repeat(np.arange(N_CLASSES), trials_per_class)
            response = draw(code)
            found = quadratic_extrapolation(response, code, rng)
            permuted = quadratic_extrapolation(response, rng.permutation(code), rng).plug_in
            columns = "".join(f"{v.mean():9.3f} +-{v.std():5.3f}" for v in (
                found.plug_in, found.extrapolated, found.plug_in - permuted))
            print(f"{name:18}{truth:7.3f}{trials_per_class:14d}{columns}")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=2400)
    parser.add_argument("--trials", type=int, default=10000)
    parser.add_argument("--permutations", type=int, default=1000)
    args = parser.parse_args()
    measure_speed(args.units, args.trials, args.permutations)
    measure_estimators()


if __name__ == "__main__":
    main()
