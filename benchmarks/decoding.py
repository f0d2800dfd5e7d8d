"""Decoding with permuted labels: this project's decoder against scikit-learn's, fit by fit.

python benchmarks/decoding.py

Both decode the same trials of one area by linear discriminant analysis with the same covariance;
scikit-learn fits anew for every permutation and fold, this project factorises a fold once.
"""

import argparse
import time

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ephys_snn.analysis.decoding import assign_folds, decode, permuted_classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--units", type=int, default=400)
    parser.add_argument("--permutations", type=int, default=100)
    parser.add_argument("--peer-permutations", type=int, default=3,
                        help="how many of them scikit-learn decodes; its time is extrapolated")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    classes = rng.integers(10, size=args.trials)
    features = rng.normal(size=(args.trials, args.units)) + rng.normal(
        size=(10, args.units))[classes]
    fold = assign_folds(classes, 5, rng)
    labellings = permuted_classes(classes, fold, args.permutations, rng)
    with threadpool_limits(1):
        ours = _seconds(lambda: decode(features, labellings, fold))
        peer = _seconds(lambda: [_decode_by_sklearn(features, labels, fold)
                                 for labels in labellings[:args.peer_permutations]])
    peer *= len(labellings) / args.peer_permutations
    print(f"{args.trials} trials x {args.units} units, 5 folds, {args.permutations} permutations, "
          "one core\n"
          f"this project   {ours:8.2f} s\n"
          f"scikit-learn   {peer:8.2f} s (from {args.peer_permutations} permutations)\n"
          f"ratio          {peer / ours:8.1f}")


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _decode_by_sklearn(features: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> None:
    for number in range(5):
        estimator = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=0.1, priors=np.full(10, 0.1)))
        estimator.fit(features[fold != number], labels[fold != number])
        estimator.predict(features[fold == number])


if __name__ == "__main__":
    main()
