"""Do groups of recordings differ, and does a trend return from recording to recording?

Units of one recording share its animal or its weights: they are no sample of recordings, and a test
that pools them finds groups different that are not, in most cases where recordings differ among
themselves. So the sample are subjects (animals, networks); a subject's value is the mean of its
recordings, a recording's value the mean of its units. p is exact: subjects change groups, or, where
every subject was recorded in both, the groups change places within subjects.

The hierarchical bootstrap (subjects, then recordings, then units are drawn again: Saravanan, Berman
& Sober 2020, arXiv 2007.07797) and the mixed model (random intercepts) weigh the levels. Of few
subjects the bootstrap is too narrow, so its interval is given from `MIN_BOOTSTRAP` subjects on.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd

from ephys_snn.analysis import (
    MAX_EXACT,
    MIN_SAMPLE,
    difference_interval,
    mean_interval,
    permutation_p_value,
    sign_flip_p_value,
)
from ephys_snn.report.study.mixed_model import mixed_model

MIN_EXCHANGED = 4  # subjects of a group: 3 and 3 have too few arrangements for p < 0.05
MIN_FLIPPED = 6  # subjects: 5 have too few signs for a two-sided p < 0.05
MIN_BOOTSTRAP = 15  # subjects of a group from which on a 95 % interval misses at most 7 %
N_BOOTSTRAP = 2000

# A mean at every level: units of a recording, recordings of a subject, subjects of a group; a pair
# is a difference.
Tree = np.ndarray | list["Tree"] | tuple["Tree", "Tree"]


def compare_groups(sample: pd.DataFrame, group: str, other: str, rng: np.random.Generator
                   ) -> dict[str, Any]:
    """The difference of two groups of recordings in one measure.

    Parameters
    ----------
    sample : DataFrame
        A row per unit, or per recording where the measure is the recording's: `group`, `subject`,
        `recording`, `value`.
    group, other : str
        The difference is `group` minus `other`.
    rng : numpy.random.Generator
        Draws arrangements beyond `MAX_EXACT`, and the bootstrap.

    Returns
    -------
    dict
        The columns of ``study_comparison.csv`` from `design` on: the difference of the means over
        subjects with its 95 % Student interval and two-sided exact p, the intervals of bootstrap
        and mixed model, and in `note` why one is missing.
    """
    sample, design, left_out = _design(sample[sample["group"].isin([group, other])])
    means = subject_means(sample)
    values, others = (means.get(name, pd.Series(dtype=float)) for name in (group, other))
    row = {"design": design,
           **_counts(sample, group, ""), **_counts(sample, other, "_other"), "mean": values.mean(),
           "mean_other": others.mean(), "difference": values.mean() - others.mean()}
    missing = [name for name, each in ((group, values), (other, others)) if not len(each)]
    if missing:
        return row | {"note": f"not computable: no recording of {' and '.join(missing)} has it"}
    tested = _one_sample((values - others).to_numpy(), rng) if design == "paired" else \
        _independent(values.to_numpy(), others.to_numpy(), rng)
    resampled = _bootstrap(sample, group, other, design, rng)
    modelled = mixed_model(sample, group, design)
    notes = [left_out, *(each.get("note", "") for each in (tested, resampled, modelled))]
    return row | tested | resampled | modelled | {"note": "; ".join(filter(None, notes))}


def _design(sample: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    """The subjects that can be compared, how, and a note on those that cannot."""
    n_groups = sample.groupby("subject")["group"].nunique()
    paired = n_groups.index[n_groups == 2]
    if not len(paired):
        return sample, "independent", ""
    n_alone = len(n_groups) - len(paired)
    left_out = f"{n_alone} subjects of one group alone left out" if n_alone else ""
    return sample[sample["subject"].isin(paired)], "paired", left_out


def trend_over_recordings(sample: pd.DataFrame, group: str, rng: np.random.Generator
                          ) -> dict[str, Any]:
    """Whether trends with depth of many recordings have a common direction.

    Parameters
    ----------
    sample : DataFrame
        As in `compare_groups`; the values are rank correlations with the position of the area.
    group : str
        One that has values.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        As of `compare_groups`: `difference` is that of the mean from 0, p that of flipped signs,
        for without a trend an order of areas is as likely as its reverse.
    """
    sample = sample[sample["group"] == group]
    values = subject_means(sample)[group].to_numpy()
    return {"design": "against 0", **_counts(sample, group, ""), "mean": values.mean(),
            "difference": values.mean(), **_one_sample(values, rng)}


def subject_means(sample: pd.DataFrame) -> dict[str, pd.Series]:
    """The mean of every subject of a group, over its recordings, over their units."""
    recordings = sample.groupby(["group", "subject", "recording"])["value"].mean()
    subjects = recordings.groupby(["group", "subject"]).mean()
    return {group: means.droplevel("group") for group, means in subjects.groupby("group")}


def _counts(sample: pd.DataFrame, group: str, suffix: str) -> dict[str, int]:
    members = sample[sample["group"] == group]
    return {f"n_subjects{suffix}": members["subject"].nunique(),
            f"n_recordings{suffix}": members["recording"].nunique(),
            f"n_values{suffix}": len(members)}


# --- exact tests ---------------------------------------------------------------------------------


def _independent(values: np.ndarray, others: np.ndarray, rng: np.random.Generator
                 ) -> dict[str, Any]:
    fewest = min(len(values), len(others))
    p_value = exchange_p_value(values, others, rng) if fewest >= MIN_EXCHANGED else np.nan
    return _tested(difference_interval(values, others), p_value, fewest,
                   f"fewer than {MIN_EXCHANGED} subjects in a group: no p")


def _one_sample(values: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    p_value = sign_flip_p_value(values, rng) if len(values) >= MIN_FLIPPED else np.nan
    return _tested(mean_interval(values), p_value, len(values),
                   f"fewer than {MIN_FLIPPED} subjects: no p")


def _tested(interval: tuple[float, float], p_value: float, n_subjects: int, without_p: str
            ) -> dict[str, Any]:
    notes = [without_p] if np.isnan(p_value) else []
    if n_subjects < MIN_SAMPLE:
        notes.append(f"fewer than {MIN_SAMPLE} subjects: no interval")
    return {"low": interval[0], "high": interval[1], "p_value": p_value, "note": "; ".join(notes)}


def exchange_p_value(values: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> float:
    """Two-sided p of a difference of means when subjects change groups.

    Exact where both groups have one distribution. The difference counts in units of its standard
    error, so that unequal spreads alone reject little more often (Chung & Romano 2013,
    doi:10.1214/13-AOS1090): at p <= 0.05 in 8 % of pairs of 5 subjects with spreads of 5 to 1.

    Parameters
    ----------
    values, others : (n,), (m,) float
        A value per subject.
    """
    n, pooled = len(values), np.concatenate([values, others])
    if np.ptp(pooled) == 0:
        return 1.0
    in_first = np.arange(len(pooled)) < n
    if math.comb(len(pooled), n) <= MAX_EXACT:
        chosen = list(itertools.combinations(range(len(pooled)), n))[1:]  # the first is their own
        null = np.zeros((len(chosen), len(pooled)), dtype=bool)
        np.put_along_axis(null, np.array(chosen), True, axis=1)
    else:
        null = rng.permuted(np.tile(in_first, (MAX_EXACT, 1)), axis=1)
    return float(permutation_p_value(_separation(pooled, in_first), _separation(pooled, null)))


def _separation(values: np.ndarray, in_first: np.ndarray) -> np.ndarray:
    """(...) d^2 / (d^2 + SE^2) of groups (..., subject): grows with |t|, finite where SE = 0."""
    centered = values - values.mean()
    mean, squared_error = [], 0.0
    for member in (in_first, ~in_first):
        n = member.sum(axis=-1)
        mean.append(member @ centered / n)
        variance = (member @ centered**2 - n * mean[-1] ** 2) / (n - 1)
        squared_error = squared_error + np.maximum(variance, 0.0) / n
    squared = (mean[0] - mean[1]) ** 2
    return squared / (squared + squared_error)


# --- hierarchical bootstrap ----------------------------------------------------------------------


def _bootstrap(sample: pd.DataFrame, group: str, other: str, design: str,
               rng: np.random.Generator) -> dict[str, Any]:
    subjects = {name: [[units.to_numpy() for _, units in recordings.groupby("recording")["value"]]
                       for _, recordings in members.groupby("subject")]
                for name, members in sample.groupby("group")}
    fewest = min(map(len, subjects.values()))
    if fewest < MIN_BOOTSTRAP:
        return {"note": f"fewer than {MIN_BOOTSTRAP} subjects in a group: no bootstrap"}
    tree = (subjects[group], subjects[other])
    if design == "paired":
        tree = list(zip(*tree, strict=True))
    low, high = np.quantile(resampled_means(tree, N_BOOTSTRAP, rng), [0.025, 0.975])
    return {"bootstrap_low": low, "bootstrap_high": high}


def resampled_means(tree: Tree, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Means of a hierarchy that is drawn again with replacement, level by level.

    Parameters
    ----------
    tree : list of trees, pair of trees or (unit,) float
        A list has the mean of its branches, a pair the difference of the two.
    n_resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    (resample,) float
    """
    if isinstance(tree, np.ndarray):
        return tree[rng.integers(len(tree), size=(n_resamples, len(tree)))].mean(axis=1)
    if isinstance(tree, tuple):
        first, second = (resampled_means(branch, n_resamples, rng) for branch in tree)
        return first - second
    drawn = rng.integers(len(tree), size=(n_resamples, len(tree)))
    means = np.empty(drawn.shape)
    for index, branch in enumerate(tree):
        chosen = drawn == index
        means[chosen] = resampled_means(branch, int(chosen.sum()), rng)
    return means.mean(axis=1)
