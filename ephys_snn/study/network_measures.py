"""The claims of one network as effect sizes: a number per measure and layer, from its tables.

`MEASURES` says what each is. Names end with the area that they are about (``_layer_2``), or with
``_last`` for the last hidden one, which networks of different depths share. What cannot be computed
is nan with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ephys_snn.study.claims import INFORMATION_MEASURES, silenced_inhibition

# What each measure is, by its name before the area; those of the figure have their words there.
MEASURES = {
    "accuracy": "fraction of trials decided for the shown class",
    "undecided": "fraction of trials without an output spike",
    "decision_ms": "mean time of the first output spike after the onset",
    "spreading_ratio": "shortest half of the widest hidden area over that of the input, at equal "
                       "numbers of spikes",
    "convergence_ratio": "the same of the last hidden area over the widest",
    "width_ms": "shortest half of an area's first spikes, at equal numbers of spikes",
    **{measure: f"mean {measure.replace('_', ' ')} of an area's units"
       for measure in INFORMATION_MEASURES},
    **{f"{measure}_contrast": f"mean {measure.replace('_', ' ')} of excitatory minus inhibitory "
       "units" for measure in INFORMATION_MEASURES},
    **{f"{measure}_contrast_trend": "rank correlation of this with the position of the area"
       for measure in INFORMATION_MEASURES},
    **{f"{measure}_excitatory_rise": f"mean {measure.replace('_', ' ')} of excitatory units, last "
       "minus first hidden area" for measure in INFORMATION_MEASURES},
    **{f"{measure}_excitatory_trend": "rank correlation of this with the position of the area"
       for measure in INFORMATION_MEASURES},
    "preference": "of structural pathways for their class",
    "preference_beyond_permuted": "preference minus its mean over permuted labels",
    "preference_rise": "preference, last minus first hidden area",
    "preference_trend": "rank correlation of preference with the position of the area",
    "lesion_own_loss": "loss of accuracy for the class whose pathway is silenced",
    "lesion_others_loss": "the same for the other classes",
    "lesion_matched_loss": "loss for the class by silencing matched units instead",
    "lesion_excess_loss": "loss for the own class beyond that by matched units",
    "inhibition_loss": "loss of accuracy when all inhibitory units of the area are silent; `_mean` "
                       "over the hidden areas",
    "averaging_gain": "by which jitter of the inputs arrives at spikes, mean over spikes",
    "negative_mass": "of the averages that spike times are, mean over spikes",
}
LAST = "last"


class Measure(NamedTuple):
    """A number of a network.

    Attributes
    ----------
    name : str
        Of its column.
    value : float
    note : str
        Why there is none.
    """

    name: str
    value: float
    note: str = ""


def widths(synchrony: pd.DataFrame) -> list[Measure]:
    """How volleys spread and converge, from ``synchrony.csv``."""
    column = "shortest_half_equal_ms"
    rows = synchrony[synchrony["cell_type"] == "all"]
    width = rows.set_index("area")[column]
    hidden = width[_hidden(rows["area"])]
    ratios = {"spreading_ratio": hidden.max() / width.get("input", np.nan),
              "convergence_ratio": hidden.iloc[-1] / hidden.max() if len(hidden) else np.nan}
    why = "" if len(hidden) > 1 and hidden.notna().all() and width.get("input", np.nan) > 0 else \
        "no packets in the input and in all hidden areas, of which there must be two"
    return [*(Measure(name, np.nan if why else ratio, why) for name, ratio in ratios.items()),
            _of(rows.set_index("area"), "input", "width_ms_input", column, "no input"),
            *_by_layer(rows, "width_ms", column)]


def information(by_area: pd.DataFrame) -> list[Measure]:
    """Means over all units, from ``information_gain_by_area.csv``."""
    rows = by_area[by_area["cell_type"] == "all"]
    return [measure for name, column in INFORMATION_MEASURES.items()
            for measure in _by_layer(rows, name, column)]


def contrasts(table: pd.DataFrame) -> list[Measure]:
    """Excitatory minus inhibitory units, from ``information_gain_excitatory_inhibitory.csv``."""
    found = []
    for name in INFORMATION_MEASURES:
        by_layer = _by_layer(table[table["measure"] == name], f"{name}_contrast", "difference")
        known = [measure for measure in by_layer if not measure.name.endswith(LAST)]
        found += [*by_layer, _trend(f"{name}_contrast_trend", known)]
    return found


def _trend(name: str, by_layer: list[Measure]) -> Measure:
    values = [measure.value for measure in by_layer]
    why = next((measure.note for measure in by_layer if measure.note), "")
    if why or len(values) < 3 or np.ptp(values) == 0:
        return Measure(name, np.nan, why or "fewer than three hidden areas, or all of one value")
    return Measure(name, float(stats.spearmanr(range(len(values)), values).statistic))


def excitatory_trends(depth: pd.DataFrame) -> list[Measure]:
    """How excitatory units become specific with depth, from ``information_gain_depth.csv``."""
    rows = depth[depth["cell_type"] == "excitatory"].set_index("measure")
    return [_of(rows, name, f"{name}_excitatory_{what}", column, "no excitatory units")
            for name in INFORMATION_MEASURES
            for what, column in (("rise", "difference"), ("trend", "spearman_rho"))]


def preferences(by_area: pd.DataFrame) -> list[Measure]:
    """Of structural pathways by area, from ``pathways_by_area.csv``."""
    rows = by_area[by_area["kind"] == "structural"]
    rows = rows.assign(beyond=rows["preference"] - rows["null_mean"])
    return [*_by_layer(rows, "preference", "preference"),
            *_by_layer(rows, "preference_beyond_permuted", "beyond")]


def preference_trends(trend: pd.DataFrame) -> list[Measure]:
    """Of structural pathways along the areas, from ``pathways_trend.csv``."""
    rows = trend.set_index("kind")
    return [_of(rows, "structural", f"preference_{what}", column, "no structural pathways")
            for what, column in (("rise", "rise"), ("trend", "spearman_rho"))]


def lesions(pathway_lesions: pd.DataFrame) -> list[Measure]:
    """Losses of accuracy without pathways of the last area, from ``perturbations_pathways.csv``."""
    rows = pathway_lesions[pathway_lesions["trained"].astype(bool)].tail(1)
    losses = -rows[["own", "others", "matched_own", "excess"]].astype(float).to_numpy()
    losses = losses[0] if len(rows) else np.full(4, np.nan)
    return [Measure(f"lesion_{of}_loss_{LAST}", float(loss), "" if np.isfinite(loss) else
                    "no lesion of a structural pathway, which excitatory units make")
            for of, loss in zip(("own", "others", "matched", "excess"), losses, strict=True)]


def inhibition(perturbations: pd.DataFrame) -> list[Measure]:
    """Losses of accuracy without an area's inhibition, from ``perturbations.csv``."""
    rows = silenced_inhibition(perturbations)
    rows = rows.assign(loss=-rows["change"])
    by_layer = _by_layer(rows, "inhibition_loss", "loss")
    why = next((measure.note for measure in by_layer if measure.note), "")
    mean = np.nan if why or rows.empty else float(rows["loss"].mean())
    return [*by_layer, Measure("inhibition_loss_mean", mean, why)]


def mechanism(table: pd.DataFrame, column: str = "value") -> list[Measure]:
    """What spike times average over, from ``mechanism.csv``; `column` may be ``untrained``."""
    rows = table[table["cell_type"] == "all"]
    return [measure for name in ("averaging_gain", "negative_mass")
            for measure in _by_layer(rows[rows["measure"] == name], name, column)]


# By pipeline's table, of the recordings of a network and of its untrained twin.
OF_RECORDINGS: dict[str, Callable[[pd.DataFrame], list[Measure]]] = {
    "synchrony.csv": widths,
    "information_gain_by_area.csv": information,
    "information_gain_excitatory_inhibitory.csv": contrasts,
    "information_gain_depth.csv": excitatory_trends,
    "pathways_by_area.csv": preferences,
    "pathways_trend.csv": preference_trends,
}
# By table in the folder of a network, of it and of its twin; virtual experiments are of it alone.
SOURCES = {
    "trained": {**{f"trained/{name}": measures for name, measures in OF_RECORDINGS.items()},
                "perturbations/perturbations_pathways.csv": lesions,
                "perturbations/perturbations.csv": inhibition,
                "mechanism/mechanism.csv": mechanism},
    "untrained": {**{f"untrained/{name}": measures for name, measures in OF_RECORDINGS.items()},
                  "mechanism/mechanism.csv": partial(mechanism, column="untrained")},
}


def table_measures(folder: Path, twin: str) -> list[Measure]:
    """Everything that the tables of a network say of it or of its twin; tables may be missing.

    Parameters
    ----------
    folder : Path
        Of the network's results.
    twin : {'trained', 'untrained'}
    """
    return [measure for table, measures in SOURCES[twin].items() if (folder / table).exists()
            for measure in measures(pd.read_csv(folder / table))]


def reasons(measures: Iterable[Measure]) -> list[str]:
    """Why numbers are missing, a sentence for each reason; names without their areas."""
    by_reason: dict[str, dict[str, None]] = {}
    for measure in measures:
        if measure.note:
            name = measure.name.split("_layer_")[0].removesuffix(f"_{LAST}")
            by_reason.setdefault(measure.note, {})[name] = None
    return [f"{', '.join(names)}: {why}" for why, names in by_reason.items()]


def _hidden(areas: Iterable[str]) -> list[str]:
    """Hidden areas from the first to the last, whatever the order of the table."""
    return sorted({area for area in areas if area.startswith("layer_")},
                  key=lambda area: int(area.removeprefix("layer_")))


def _by_layer(rows: pd.DataFrame, name: str, column: str) -> list[Measure]:
    """A measure of each hidden area, and once more of the last one."""
    rows = rows.set_index("area")
    found = [_of(rows, area, f"{name}_{area}", column, "") for area in _hidden(rows.index)]
    last = found[-1] if found else Measure("", np.nan, "no hidden area has it")
    return [*found, last._replace(name=f"{name}_{LAST}")]


def _of(rows: pd.DataFrame, key: str, name: str, column: str, absent: str) -> Measure:
    """A cell of a table and, where it is empty, the reason."""
    if key not in rows.index:
        return Measure(name, np.nan, absent)
    row = rows.loc[key]
    value = float(row[column])
    note = row.get("note", "")
    return Measure(name, value, "" if np.isfinite(value) else
                   (note if isinstance(note, str) and note else "not computable"))
