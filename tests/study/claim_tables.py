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


def lesion_tables(own, others=(0.0, 0.0), matched=(0.0, 0.0), p_value=(0.04, 0.04), spread=0.05,
                  control="none"):
    """Changes of accuracy by lesions of pathways in two areas, and nearly the same per class."""
    rows, areas = [], list(hidden_layers(own))
    for area, *changes in zip(areas, own, others, matched, strict=True):
        for c, shift in enumerate(np.linspace(-spread, spread, 6)):
            row = {"area": area, "target_class": str(c), "perturbation": f"silence {area} "
                   f"pathway={c}", "change_own_class": changes[0] + shift,
                   "change_other_classes": changes[1], "control": control}
            sets = {"none": "random", "untrained": "untrained_random"}[control]
            rows += [row, *({**row, "control": sets, "change_own_class": changes[2] + noise,
                             "change_other_classes": 0.0} for noise in (-0.001, 0.001))]
    lesions = pd.DataFrame({"area": areas, "trained": control == "none", "own": own,
                            "others": others, "matched_own": matched, "p_value": p_value})
    return pd.DataFrame(rows), lesions


def silenced_inhibition(low, high, control="none") -> pd.DataFrame:
    """Changes of accuracy by silencing the inhibition of areas, all of it and other parts."""
    areas = list(hidden_layers(low))
    rows = pd.DataFrame({
        "area": areas, "perturbation": [f"silence {area} inhibitory" for area in areas],
        "control": control, "accuracy": 0.5, "change": np.mean([low, high], axis=0), "low": low,
        "high": high, "decision_change_ms": -0.5})
    # Verdicts ask for neither of these.
    others = [rows.assign(perturbation=f"silence {area} inhibitory {part}", low=-0.9, high=-0.8)
              for area, part in (("layer_1", "of=0.5"), ("layer_1", "units=0-9"))]
    return pd.concat([*others, rows])
