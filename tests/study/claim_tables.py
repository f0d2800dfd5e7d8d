"""Tables of pipelines as the claims need them, made up."""

import numpy as np
import pandas as pd


def widths(error=0.001, **by_area) -> pd.DataFrame:
    width = list(by_area.values())
    return pd.DataFrame({"area": list(by_area), "cell_type": "all", "shortest_half_ms": width,
                         "shortest_half_equal_ms": width,
                         "shortest_half_equal_sem_ms": np.where(np.isnan(width), np.nan, error)})


def hidden_layers(values) -> dict[str, float]:
    return {f"layer_{i}": value for i, value in enumerate(values, 1)}


def pathway_tables(preference, p_value):
    """A preference per area, and per class nearly the same."""
    areas = list(hidden_layers(preference))
    pathways = pd.concat([pd.DataFrame({
        "kind": "structural", "class": str(c), "area": areas,
        "preference": np.array(preference) + shift}) for c, shift in enumerate(
            np.linspace(-0.05, 0.05, 6))])
    pathways.loc[pathways["area"] == areas[-1], "preference"] += np.linspace(-0.05, 0.05, 6)
    by_area = pd.DataFrame({"kind": "structural", "area": areas, "p_value": p_value})
    functional = pathways.assign(kind="functional", preference=0.0)
    return (pd.concat([functional, pathways]),
            pd.concat([by_area.assign(kind="functional", p_value=1.0), by_area]))
