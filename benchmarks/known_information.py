"""Estimates of mutual information against the truth, on units whose information is known.

python benchmarks/known_information.py

Ten equally likely classes; every unit spikes with a rate of its own for each of them. The truth
comes from the distributions themselves. The spread is that over units, one sample of trials each.
"""

import argparse

import numpy as np
from scipy import special, stats

from ephys_snn.information import quadratic_extrapolation

N_CLASSES = 10
MOST_SPIKES = 80  # of a Poisson distribution, for the truth


def true_information(p: np.ndarray) -> float:
    """Bits, from the probability p (response, class) of a response in equally likely classes."""
    return np.mean(np.sum(special.xlogy(p, p / p.mean(axis=1, keepdims=True)), axis=0)) / np.log(2)


def main() -> None:
    """Print a row per response and number of trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=400)
    parser.add_argument("--trials-per-class", type=int, nargs="+", default=[10, 20, 100])
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rates = np.linspace(1, 7, N_CLASSES)
    responses = {
        "spike count": (rng.poisson, stats.poisson.pmf(np.arange(MOST_SPIKES)[:, None], rates)),
        "active or silent": (lambda rate: rng.random(rate.shape) < rate / 8,
                             np.stack([1 - rates / 8, rates / 8]))}
    print(f"{args.units} units, {N_CLASSES} classes, bits: mean ± SD over units (of the truth)\n")
    print(f"{'response':18}{'trials/class':>13}{'truth':>8}{'plug-in':>20}{'extrapolated':>20}")
    for name, (draw, p) in responses.items():
        truth = true_information(p)
        for n_trials in args.trials_per_class:
            code = np.repeat(np.arange(N_CLASSES), n_trials)
            found = quadratic_extrapolation(
                draw(np.tile(rates[code][:, None], (1, args.units))), code, rng)
            cells = (f"{each.mean():.3f} ± {each.std():.3f} ({each.mean() / truth:4.0%})"
                     for each in found)
            print(f"{name:18}{n_trials:13}{truth:8.3f}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
