"""A linear mixed model of units in recordings in subjects."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats


def mixed_model(sample: pd.DataFrame, group: str, design: str) -> dict[str, Any]:
    """Difference of two groups with random intercepts of subjects, and of recordings within them.

    Fitted by restricted maximum likelihood (`statsmodels.regression.mixed_linear_model.MixedLM`).
    Intervals and p are Student's with as many degrees of freedom as subjects leave (two less, one
    less where paired): those of the normal distribution, statsmodels' own, are too narrow for few.

    Parameters
    ----------
    sample : DataFrame
        As in `ephys_snn.report.study.comparison.compare_groups`, of two groups.
    group : str
        Its mean minus that of the other is the estimate.
    design : {'independent', 'paired'}
        Whether subjects are in one group or in both.

    Returns
    -------
    dict
        `mixed_difference`, `mixed_se`, `mixed_low`, `mixed_high`, `mixed_p_value`; or `note`, why
        there are none.
    """
    units_repeat, recordings_repeat = (
        sample.groupby(level).size().max() > 1 for level in (["recording"], ["group", "subject"]))
    n_recordings = sample.groupby(["group", "subject"])["recording"].nunique()
    nested = design == "paired" or n_recordings.max() > 1
    degrees = sample["subject"].nunique() - (1 if design == "paired" else 2)
    if not (units_repeat or recordings_repeat):
        return {"note": "one value per subject: no mixed model beside the difference"}
    if degrees < 1 or np.ptp(sample["value"]) == 0:
        return {"note": "values do not vary, or too few subjects: no mixed model"}
    from statsmodels.regression.mixed_linear_model import MixedLM

    scale = sample["value"].std()  # of small values the optimiser's steps would be too large
    data = sample.assign(of_group=(sample["group"] == group).astype(float),
                         value=sample["value"] / scale)
    recordings = {"recording": "0 + C(recording)"} if nested and units_repeat else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what did not converge says so itself
        model = MixedLM.from_formula("value ~ of_group", data, groups="subject", re_formula="1",
                                     vc_formula=recordings)
        try:
            # Where a variance is near 0, methods with gradients end far from the optimum.
            fit = model.fit(reml=True, method="powell")
        except np.linalg.LinAlgError:
            return {"note": "the mixed model is singular"}
    estimate, error = scale * fit.params["of_group"], scale * fit.bse["of_group"]
    if not fit.converged or not error > 0:
        return {"note": "the mixed model did not converge"}
    half = stats.t.ppf(0.975, degrees) * error
    return {"mixed_difference": estimate, "mixed_se": error, "mixed_low": estimate - half,
            "mixed_high": estimate + half,
            "mixed_p_value": 2 * stats.t.sf(abs(estimate / error), degrees)}
