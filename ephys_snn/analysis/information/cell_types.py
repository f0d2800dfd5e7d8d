"""Excitatory against inhibitory units: is there more to it than how often they are active?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ephys_snn.analysis.information.areas import FEW_UNITS, MEASURES, mean_of, unit_values
from ephys_snn.analysis.information.contrasts import (
    Contrast,
    contrast,
    contrast_within,
    similar_activity,
)
from ephys_snn.analysis.information.unit_information import UnitInformation
from ephys_snn.analysis.statistics import false_discovery_q
from ephys_snn.recording import DECISION_NOTE, Recording, ResponseWindows

BOUNDED = "information_gain"  # by activity, the other measures are not


def excitatory_against_inhibitory(recording: Recording, windows: ResponseWindows,
                                  information: UnitInformation, rng: np.random.Generator
                                  ) -> pd.DataFrame:
    """Excitatory against inhibitory units of this recording, a row per measure and area.

    Information gain is compared among all units, activity and all; the relative measures among
    units of similar activity (`contrasts.similar_activity`). q-values are Benjamini-Hochberg over
    the areas, of the relative measures together.
    """
    deciding = recording.output_units(windows)
    rows = []
    for measure in MEASURES:
        for area in recording.areas:
            excitatory, inhibitory = (unit_values(recording, information, measure, area, cell_type)
                                      for cell_type in ("excitatory", "inhibitory"))
            found = _contrast_types(information, measure, excitatory, inhibitory, rng)
            rows.append({"area": area, "measure": measure,
                         "compared": "all units" if measure == BOUNDED
                         else "units of similar activity",
                         "n_excitatory": len(excitatory), "n_inhibitory": len(inhibitory),
                         "mean_excitatory": mean_of(excitatory),
                         "mean_inhibitory": mean_of(inhibitory),
                         **found._asdict(), "n_trials": information.n_trials,
                         "note": DECISION_NOTE if deciding[recording.units_in(area)].all()
                         else _contrast_note(measure, excitatory, inhibitory, found)})
    table = pd.DataFrame(rows)
    bounded = table["measure"] == BOUNDED
    table.insert(table.columns.get_loc("p_value") + 1, "q_value", np.nan)
    for family in (bounded, ~bounded):
        table.loc[family, "q_value"] = false_discovery_q(table.loc[family, "p_value"])
    return table


def _contrast_types(information: UnitInformation, measure: str, excitatory: pd.Series,
                    inhibitory: pd.Series, rng: np.random.Generator) -> Contrast:
    if measure == BOUNDED:
        return contrast(excitatory.to_numpy(), inhibitory.to_numpy())
    both = pd.concat([excitatory, inhibitory])
    n_active = information.units.loc[both.index, "n_active"].to_numpy()
    is_excitatory = np.arange(len(both)) < len(excitatory)
    return contrast_within(both.to_numpy(), is_excitatory, similar_activity(n_active, rng), rng)


def _contrast_note(measure: str, excitatory: pd.Series, inhibitory: pd.Series, found: Contrast
                   ) -> str:
    missing = [f"{name} units" for name, values in (
        ("excitatory", excitatory), ("inhibitory", inhibitory)) if not len(values)]
    if missing:
        return f"not computable: no {' and no '.join(missing)} with {measure.replace('_', ' ')}"
    if not found.n_compared:
        return "not computable: no excitatory and inhibitory units of similar activity"
    return "" if np.isfinite(found.low) else f"{FEW_UNITS} (of {found.n_compared} compared)"
