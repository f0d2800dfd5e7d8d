"""Do the claims of Oberste-Frielinghaus et al. 2025 (arXiv 2508.12975) hold for a recording?

Verdicts are formulas on the tables of the pipelines. Each compares an interval with a threshold: a
claim holds if the interval lies beyond it, does not hold if it lies on the other side, and is
undecided in between. Whether training made it is a question of the difference between a trained
network and its untrained twin (`ephys_snn.study.twins`), not of two verdicts side by side.

What causes decisions is judged by virtual experiments (`python -m ephys_snn.perturb`), not by a
recording.

Intervals are over trials, units or classes of one network, which stay those of one network.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis import mean_interval
from ephys_snn.recording import Recording

NULL_LEVEL = 0.01  # pathways must beat permuted labels at this level
LESION_LEVEL = 0.05  # and lesions of pathways those of matched sets, over few classes
NEEDED = 0.01  # loss of accuracy above which something is needed
N_DRAWS = 20_000  # of mean widths within their standard errors
# What is called semantization, by the name of its mean in information_gain_by_area.csv.
INFORMATION_MEASURES = {
    "information_gain": "mean_corrected",
    "relative_information_gain": "mean_relative",
    "uncertainty_coefficient": "mean_uncertainty_coefficient",
}


class Judgement(Enum):
    """What may be said of a claim; one that cannot be computed neither holds nor fails."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    NOT_COMPUTABLE = "not computable"
    NOT_ASKED = "not asked"

    @classmethod
    def of(cls, low: float, high: float) -> Judgement:
        """Of the claim that what the interval is about exceeds 0."""
        if np.isnan(low) or np.isnan(high):
            return cls.NOT_COMPUTABLE
        return cls.HOLDS if low > 0 else cls.FAILS if high < 0 else cls.UNDECIDED

    @classmethod
    def of_all(cls, *parts: Judgement) -> Judgement:
        """Of a claim all of whose parts must hold: the worst of them."""
        for worst in (cls.FAILS, cls.NOT_COMPUTABLE, cls.UNDECIDED):
            if worst in parts:
                return worst
        return cls.HOLDS


class Verdict(NamedTuple):
    """What became of a claim, and the numbers that say so, in the order of the areas.

    Attributes
    ----------
    judgement : Judgement
    value : str
        The numbers; of what is not computable, the reason.
    """

    judgement: Judgement
    value: str


def judge_synchronization(synchrony: pd.DataFrame) -> Verdict:
    """Packets first spread out, then re-converge.

    Judged by the margin of `synchronization_margin`, of the shortest half at equal numbers of
    spikes, with a 95 % interval over trials.

    Parameters
    ----------
    synchrony : DataFrame
        ``synchrony.csv``.
    """
    width = _by_area(synchrony, "shortest_half_equal_ms", "all")
    drawn = margin_draws(synchrony)
    if drawn is None:
        return Verdict(Judgement.NOT_COMPUTABLE, "no packets in the input and two hidden areas")
    low, high = np.quantile(drawn, [0.025, 0.975])
    all_spikes = _by_area(synchrony, "shortest_half_ms", "all")
    return Verdict(Judgement.of(low, high),
                   f"shortest half of equally many spikes {_course(width)} ms (of all spikes "
                   f"{_course(all_spikes)} ms), margin {_interval(low, high)} ms")


def margin_draws(synchrony: pd.DataFrame, seed: int = 0) -> np.ndarray | None:
    """(draw,) ms, the margin of mean widths drawn within their standard errors over trials.

    Areas are drawn independently; their widths rise and fall together over trials, so that the
    differences are known better than that. None where an area is missing.
    """
    rows = synchrony[(synchrony["cell_type"] == "all")
                     & synchrony["shortest_half_equal_sem_ms"].notna()]
    rows = rows[(rows["area"] == "input") | rows["area"].str.startswith("layer_")]
    if "input" not in set(rows["area"]) or len(rows) < 3:
        return None
    rows = rows.sort_values("area", key=lambda area: area != "input", kind="stable")
    width, error = rows[["shortest_half_equal_ms", "shortest_half_equal_sem_ms"]].to_numpy().T
    rng = np.random.default_rng(seed)
    return synchronization_margin(rng.normal(width, error, (N_DRAWS, len(rows))))


def synchronization_margin(width: np.ndarray) -> np.ndarray:
    """(...) by how much packets spread and re-converge: above 0 if they do both.

    The smaller of two: the widest hidden area beyond the input; and the last one below the input
    and below half of the widest.

    Parameters
    ----------
    width : (..., area) float
        Of the input, then of the hidden areas in their order.
    """
    first, last, widest = width[..., 0], width[..., -1], width[..., 1:].max(axis=-1)
    return np.minimum(widest - first, np.minimum(first, widest / 2) - last)


def judge_semantization(by_area: pd.DataFrame, contrast: pd.DataFrame, depth: pd.DataFrame,
                        measure: str = "information_gain") -> Verdict:
    """Excitatory neurons become specific for a class with depth, inhibitory ones less so.

    Holds if the mean of excitatory units rises from the first to the last hidden area and exceeds
    the inhibitory one in every hidden area, with 95 % intervals over units. The gain is bounded by
    how often a unit is active, which inhibitory units are more; the other two measures are not.

    Parameters
    ----------
    by_area, contrast, depth : DataFrame
        ``information_gain_by_area.csv``, ``information_gain_excitatory_inhibitory.csv`` and
        ``information_gain_depth.csv``.
    measure : str
        A key of `INFORMATION_MEASURES`.
    """
    column = INFORMATION_MEASURES[measure]
    excitatory, inhibitory = (_by_area(by_area, column, cell_type)
                              for cell_type in ("excitatory", "inhibitory"))
    rises = depth[(depth["measure"] == measure) & (depth["cell_type"] == "excitatory")]
    exceeds = contrast[(contrast["measure"] == measure) & contrast["area"].isin(excitatory.index)]
    if len(excitatory) < 2 or not len(rises) or not excitatory.index.equals(inhibitory.index):
        return Verdict(Judgement.NOT_COMPUTABLE,
                       "too few excitatory or inhibitory units have it")
    rise = rises.iloc[0][["difference_low", "difference_high"]].tolist()
    judgement = Judgement.of_all(
        Judgement.of(*rise), *map(Judgement.of, exceeds["low"], exceeds["high"]))
    compared = ", ".join(exceeds["compared"].unique())
    difference = ", ".join(f"{row.area} {_interval(row.low, row.high)}"
                           for row in exceeds.itertuples())
    return Verdict(judgement, f"excitatory {_course(excitatory)} (rise {_interval(*rise)}), "
                   f"inhibitory {_course(inhibitory)} (excitatory minus inhibitory, {compared}: "
                   f"{difference})")


def judge_pathways(pathways: pd.DataFrame, pathways_by_area: pd.DataFrame) -> Verdict:
    """Class-specific pathways in the connectivity prefer their class, more so with depth.

    Holds if the preference of structural pathways rises from the first to the last hidden area,
    with a 95 % interval over classes, and beats permuted labels (p < 0.01) in the upper half of the
    areas; where it does not beat them, the claim is undecided.

    Parameters
    ----------
    pathways, pathways_by_area : DataFrame
        ``pathways.csv`` and ``pathways_by_area.csv``.
    """
    by_class = structural_preference(pathways)
    if by_class.shape[1] < 2:
        return Verdict(Judgement.NOT_COMPUTABLE, "no structural pathways in two areas")
    rise = mean_interval((by_class.iloc[:, -1] - by_class.iloc[:, 0]).dropna().to_numpy())
    structural = pathways_by_area[pathways_by_area["kind"] == "structural"].set_index("area")
    upper = structural["p_value"].reindex(by_class.columns).iloc[by_class.shape[1] // 2:]
    beaten = Judgement.HOLDS if (upper < NULL_LEVEL).all() else \
        Judgement.NOT_COMPUTABLE if upper.isna().any() else Judgement.UNDECIDED
    return Verdict(Judgement.of_all(Judgement.of(*rise), beaten),
                   f"preference {_course(by_class.mean())} (rise {_interval(*rise)}; "
                   f"p ≤ {upper.max():.2g} in the upper half)")


def structural_preference(pathways: pd.DataFrame) -> pd.DataFrame:
    """(class, area) preference of structural pathways, of the areas that have one."""
    structural = pathways[pathways["kind"] == "structural"]
    areas = structural["area"].unique()
    return structural.pivot(index="class", columns="area", values="preference")[areas].dropna(
        axis="columns", how="all")


def judge_lesions(perturbations: pd.DataFrame, lesions: pd.DataFrame, trained: bool = True
                  ) -> Verdict:
    """Pathways cause the decision for their class: without them it fails, and others do not.

    Holds if in the upper half of the areas the loss of accuracy for the class of the pathway
    exceeds both that for the other classes and that by matched sets of units by more than `NEEDED`,
    with 95 % intervals over classes, and if pathways and matched sets that changed places class by
    class would seldom give as much (p < `LESION_LEVEL`); else the claim is undecided.

    Parameters
    ----------
    perturbations, lesions : DataFrame
        ``perturbations.csv`` and ``perturbations_pathways.csv`` of one network.
    trained : bool
        Of it, or of its untrained twin.
    """
    lesions = lesions[lesions["trained"] == trained].set_index("area")
    upper = lesions.iloc[len(lesions) // 2:]
    margins = [interval for area in upper.index
               for interval in _lesion_margins(perturbations, area, trained)]
    if not margins or upper["p_value"].isna().any():
        return Verdict(Judgement.NOT_COMPUTABLE, "no lesions of pathways beside matched sets")
    beyond = Judgement.HOLDS if (upper["p_value"] < LESION_LEVEL).all() else Judgement.UNDECIDED
    judgement = Judgement.of_all(
        *(Judgement.of(low - NEEDED, high - NEEDED) for low, high in margins), beyond)
    return Verdict(judgement, f"accuracy for the own class {_course(lesions['own'])}, for others "
                   f"{_course(lesions['others'])}, by matched sets "
                   f"{_course(lesions['matched_own'])}; in the upper half own beyond others and "
                   f"beyond matched sets {', '.join(_interval(*each) for each in margins)}; p ≤ "
                   f"{upper['p_value'].max():.2g}")


def _lesion_margins(perturbations: pd.DataFrame, area: str, trained: bool
                    ) -> list[tuple[float, float]]:
    """95 % intervals over classes of own loss minus others' and minus that by matched sets."""
    rows = perturbations[(perturbations["area"] == area) & (perturbations["target_class"] != "")]
    control, matched = ("none", "random") if trained else ("untrained", "untrained_random")
    of_lesion, of_sets = (rows[rows["control"] == each].groupby("target_class")[
        ["change_own_class", "change_other_classes"]].mean() for each in (control, matched))
    own = of_lesion["change_own_class"]
    return [mean_interval((others - own).dropna().to_numpy())
            for others in (of_lesion["change_other_classes"], of_sets["change_own_class"])]


def judge_inhibition(perturbations: pd.DataFrame, trained: bool = True) -> dict[str, Verdict]:
    """Inhibition of an area is needed: without it, at once, decisions are worse.

    Holds if accuracy falls by more than `NEEDED` when all inhibitory units of the area are silent,
    with a 95 % interval over trials. Whether a network can learn to do without is another question.

    Parameters
    ----------
    perturbations : DataFrame
        ``perturbations.csv`` of one network.
    trained : bool
        Of it, or of its untrained twin.

    Returns
    -------
    dict of str to Verdict
        By area, of those that were silenced.
    """
    return {row.area: Verdict(
        Judgement.of(-row.high - NEEDED, -row.low - NEEDED),
        f"accuracy {row.accuracy:.1%}, a change of {row.change:+.3f} [{row.low:+.3f}, "
        f"{row.high:+.3f}]; decisions {row.decision_change_ms:+.2f} ms".replace("nan", "–"))
        for row in silenced_inhibition(perturbations, trained).itertuples()}


def silenced_inhibition(perturbations: pd.DataFrame, trained: bool = True) -> pd.DataFrame:
    """The rows of ``perturbations.csv`` where all inhibitory units of an area are silent."""
    words = perturbations["perturbation"].str.removesuffix(" of=1")
    silenced = perturbations[(words == "silence " + perturbations["area"] + " inhibitory")
                             & (perturbations["control"] == ("none" if trained else "untrained"))]
    return silenced.drop_duplicates("area")


def dale_violations(recording: Recording) -> int:
    """Synapses of hidden neurons whose sign is not that of their cell type."""
    violations = 0
    for (source, _), weights in recording.weights.items():
        cell_type = recording.units.cell_type[recording.units_in(source)]
        violations += int((weights[cell_type == "excitatory"] < 0).sum())
        violations += int((weights[cell_type == "inhibitory"] > 0).sum())
    return violations


def _by_area(table: pd.DataFrame, column: str, cell_type: str) -> pd.Series:
    """A column by area, without the areas in which it could not be computed."""
    return table[table["cell_type"] == cell_type].set_index("area")[column].dropna()


def _course(values: pd.Series) -> str:
    return " → ".join(f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}" for value in values)


def _interval(low: float, high: float) -> str:
    low, high = (round(value, 2) + 0.0 for value in (low, high))  # no -0.00
    return f"[{low:.2f}, {high:.2f}]"
