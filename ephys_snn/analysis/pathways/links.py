"""Links between the members of a pathway in two areas: synapses, or functional coupling.

Structural links are positive weights between members, each as strong as the effect that passes
through it. Functional links are members of one class in two areas that vary together from trial to
trial (`coupling`), in the half of the trials that did not choose them. Which of the two leads
(`asymmetry`) is asked of the half that did: it takes the spike counts of every trial, and with
them who is a member, as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ephys_snn.analysis.pathways.asymmetry import bin_spikes, correlogram_asymmetry
from ephys_snn.analysis.pathways.coupling import (
    MIN_ACTIVE,
    CountResiduals,
    NoiseCorrelation,
    count_residuals,
    noise_correlation,
)
from ephys_snn.analysis.pathways.members import AreaPathways, Pathways, PathwaySettings
from ephys_snn.analysis.pathways.structural import Effects
from ephys_snn.analysis.statistics import SIGNIFICANT_Q, false_discovery_q
from ephys_snn.analysis.surrogates import ExchangeableSpikes, exchangeable_groups
from ephys_snn.cli import Progress, no_progress
from ephys_snn.recording import Recording, ResponseWindows

LAG_BINS = 10  # of the cross-correlation histogram, on each side
MAX_CORRELOGRAM_TRIALS = 500

LINK_COLUMNS = ["kind", "class", "source_area", "source_unit_id", "source_unit", "target_area",
                "target_unit_id", "target_unit", "strength", "z", "p_value", "q_value",
                "asymmetry", "asymmetry_shuffled", "asymmetry_p_value", "asymmetry_q_value"]
AREA_COLUMNS = ["source_area", "target_area", "n_pairs", "n_linked", "fraction_linked",
                "n_pairs_same_class", "fraction_linked_same_class", "n_pairs_other_class",
                "fraction_linked_other_class", "n_shuffles", "note"]


def structural_links(recording: Recording, pathways: Pathways, effects: Mapping[str, Effects],
                     max_links: int) -> pd.DataFrame:
    """The strongest synapses between members, per class and pair of areas.

    ``strength`` is the part of the effect of the source unit that passes through the synapse.

    Parameters
    ----------
    effects : mapping of str to Effects
        From `structural_pathways`.
    """
    rows = []
    by_area = {area.area: area for area in pathways.areas}
    output = str(recording.units.area[pathways.output[0]])
    for source, target in itertools.pairwise([*effects, output]):
        pre = by_area[source]
        post, share = (pathways.output, np.eye(len(pathways.classes))) if target == output \
            else (by_area[target].units, effects[target].effect_share)
        inside = [np.searchsorted(recording.units_in(area), units)
                  for area, units in ((source, pre.units), (target, post))]
        weights = np.maximum(recording.weights[source, target][np.ix_(*inside)], 0.0)
        for c, label in enumerate(pathways.classes):
            strength = np.where(pre.member[c][:, None], weights * share[c], 0.0)
            for i, j in _strongest(strength, strength > 0, max_links):
                rows.append(_row(recording, "structural", label, pre.units[i], post[j],
                                 strength=strength[i, j]))
    return _link_table(rows)


def functional_links(recording: Recording, windows: ResponseWindows, pathways: Pathways,
                     trials: np.ndarray, chosen_by: np.ndarray, max_lag: float,
                     settings: PathwaySettings, rng: np.random.Generator,
                     progress: Progress = no_progress) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coupled members of every class in two areas, and how many units are coupled.

    Areas that follow each other are compared where there is an order, else all pairs of areas.
    ``strength`` is the noise correlation.

    Parameters
    ----------
    trials : (trial,) int
        Those with a window, ascending.
    chosen_by : (trial,) bool
        Those of them that chose the members.
    max_lag : float, ms

    Returns
    -------
    links : DataFrame
        The strongest links per class and pair of areas.
    area_links : DataFrame
        A row per pair of areas.
    """
    areas = _area_pairs(recording, pathways)
    units = {area.area: area.units for area in itertools.chain.from_iterable(areas)}
    residuals = dict(zip(units, residuals_of_areas(
        recording, windows, list(units.values()), trials[~chosen_by],
        settings.relabelling.block_trials), strict=True))
    couplings = [noise_correlation(residuals[source.area], residuals[target.area], rng,
                                   settings.n_permutations)
                 for source, target in progress(areas, "links")]
    rows, pairs, summary = [], [], []
    for (source, target), coupling, q in zip(areas, couplings, _q_values(couplings), strict=True):
        linked = q < SIGNIFICANT_Q
        summary.append(_count_links(source, target, coupling, linked))
        for c, label in enumerate(pathways.classes):
            both = source.member[c][:, None] & target.member[c]
            for i, j in _strongest(coupling.z, linked & both, settings.max_links):
                pairs.append((source.units[i], target.units[j]))
                rows.append(_row(recording, "functional", label, *pairs[-1],
                                 strength=coupling.correlation[i, j], z=coupling.z[i, j],
                                 p_value=coupling.p_value[i, j], q_value=q[i, j]))
    asymmetries = pair_asymmetries(recording, windows, trials[chosen_by],
                                   list(dict.fromkeys(pairs)), max_lag, settings, rng, progress)
    for row, pair in zip(rows, pairs, strict=True):
        row |= asymmetries[pair]
    return _link_table(rows), pd.DataFrame(summary, columns=AREA_COLUMNS)


def residuals_of_areas(recording: Recording, windows: ResponseWindows, areas: list[np.ndarray],
                       trials: np.ndarray, block_trials: int) -> list[CountResiduals]:
    """Of the units of each area, what varies from trial to trial.

    Parameters
    ----------
    areas : list of (unit,) int
    trials : (trial,) int
        Which, ascending.
    """
    repeats = np.unique(recording.trials.repeats.value[trials], return_inverse=True)[1]
    group = exchangeable_groups(repeats, block_trials)
    return [count_residuals(
        ExchangeableSpikes.observe(recording, windows, units, trials, group), repeats, trials,
        block_trials) for units in areas]


def pair_asymmetries(recording: Recording, windows: ResponseWindows, trials: np.ndarray,
                     pairs: list[tuple[int, int]], max_lag: float, settings: PathwaySettings,
                     rng: np.random.Generator, progress: Progress = no_progress
                     ) -> dict[tuple[int, int], dict[str, float]]:
    """Which unit of each pair leads, in at most 500 trials that follow each other.

    Parameters
    ----------
    trials : (trial,) int
        Ascending.
    pairs : list of (source unit, target unit)
        Without repetition.

    Returns
    -------
    dict of pair to dict
        Columns ``asymmetry...`` of the table of links.
    """
    if not pairs:
        return {}
    bin_width = max(max_lag / LAG_BINS, recording.resolution or 0.0)
    lag_bins = max(1, round(max_lag / bin_width))
    first = rng.integers(max(1, len(trials) - MAX_CORRELOGRAM_TRIALS + 1))
    trials = trials[first:first + MAX_CORRELOGRAM_TRIALS]
    group = exchangeable_groups(recording.trials.repeats.value[trials],
                                settings.relabelling.block_trials)
    trials, group = trials[group >= 0], group[group >= 0]
    if not len(trials):
        return {pair: {} for pair in pairs}
    start = (windows.start - windows.onset)[trials].min()
    binned = {unit: bin_spikes(ExchangeableSpikes.observe(
        recording, windows, np.array([unit]), trials, group), start, bin_width)
        for unit in dict.fromkeys(itertools.chain.from_iterable(pairs))}
    signs = rng.choice([-1.0, 1.0], (settings.n_permutations, len(trials)))
    found = [correlogram_asymmetry(binned[source], binned[target], lag_bins, signs)
             for source, target in progress(pairs, "cross-correlograms")]
    q_values = false_discovery_q(np.array([one.p_value for one in found]))
    return {pair: {"asymmetry": one.observed, "asymmetry_shuffled": one.shuffled,
                   "asymmetry_p_value": one.p_value, "asymmetry_q_value": q}
            for pair, one, q in zip(pairs, found, q_values, strict=True)}


def _area_pairs(recording: Recording, pathways: Pathways
                ) -> list[tuple[AreaPathways, AreaPathways]]:
    """Areas that may be linked: neighbours in the order of processing, else all pairs."""
    active = [area for area in pathways.areas if np.nansum(area.own + area.other) > 0]
    if recording.areas_ordered:
        return list(itertools.pairwise(active))
    return list(itertools.combinations(active, 2))


def _strongest(strength: np.ndarray, allowed: np.ndarray, most: int) -> np.ndarray:
    """(link, 2) int, indices of the largest allowed entries, the largest first."""
    found = np.argwhere(allowed)
    return found[np.argsort(-strength[allowed], kind="stable")[:most]]


def _q_values(couplings: list[NoiseCorrelation]) -> list[np.ndarray]:
    """(source unit, target unit) float per pair of areas; all pairs of units are one family."""
    sizes = np.cumsum([coupling.p_value.size for coupling in couplings])
    q = false_discovery_q(np.concatenate([
        np.empty(0), *(coupling.p_value.ravel() for coupling in couplings)]))
    return [part.reshape(coupling.p_value.shape)
            for part, coupling in zip(np.split(q, sizes[:-1]), couplings, strict=False)]


def _count_links(source: AreaPathways, target: AreaPathways, coupling: NoiseCorrelation,
                 linked: np.ndarray) -> dict:
    """How many pairs of units are linked: of all, of members of one class, of different ones."""
    shared = (source.member[:, :, None] & target.member[:, None, :]).any(axis=0)
    members = source.member.any(axis=0)[:, None] & target.member.any(axis=0)
    kinds = [coupling.tested & where for where in (True, shared, members & ~shared)]
    n_pairs = [int(kind.sum()) for kind in kinds]
    fractions = [float(linked[kind].mean()) if kind.any() else np.nan for kind in kinds]
    note = "" if n_pairs[0] else \
        f"no two units are active in {MIN_ACTIVE} trials and vary in the same ones"
    return dict(zip(AREA_COLUMNS, (
        source.area, target.area, n_pairs[0], int(linked.sum()), fractions[0], n_pairs[1],
        fractions[1], n_pairs[2], fractions[2], coupling.n_shuffles, note), strict=True))


def _link_table(rows: list[dict]) -> pd.DataFrame:
    """The links, numbers as numbers even where there are none."""
    measures = LINK_COLUMNS[LINK_COLUMNS.index("strength"):]
    table = pd.DataFrame(rows, columns=LINK_COLUMNS).astype(dict.fromkeys(measures, float))
    note = np.where(table["kind"] == "structural", "a synapse: no correlation to test", "")
    unknown = (table["kind"] == "functional") & table["asymmetry_p_value"].isna()
    note[unknown] = "no asymmetry: too few spikes of both within the largest lag"
    return table.assign(note=note)


def _row(recording: Recording, kind: str, label: str, source: int, target: int,
         **values: float) -> dict:
    units = recording.units
    return {"kind": kind, "class": label,
            "source_area": units.area[source], "source_unit_id": units.unit_id[source],
            "source_unit": units.name[source], "target_area": units.area[target],
            "target_unit_id": units.unit_id[target], "target_unit": units.name[target], **values}
