"""Tables of studies of networks, made up."""

import numpy as np
import pandas as pd


def networks(n_seeds, shifts, seed=0, noise=0.01, seed_sd=0.3) -> pd.DataFrame:
    """Networks whose seeds differ much, and whose conditions add a shift to a measure.

    `shifts` holds, for each measure, the shift of each condition; the base has none.
    """
    rng = np.random.default_rng(seed)
    conditions = ["base", *next(iter(shifts.values()))]
    of_seed = {measure: rng.normal(0.5, seed_sd, n_seeds) for measure in shifts}
    return pd.DataFrame([
        {"condition": condition, "seed": s, "options": f"--{condition}", "epochs": 3}
        | {measure: of_seed[measure][s] + by_condition.get(condition, 0.0) + rng.normal(0, noise)
           for measure, by_condition in shifts.items()} | {"note": ""}
        for condition in conditions for s in range(n_seeds)])
