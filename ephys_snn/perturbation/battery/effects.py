"""The size of an effect in words, and up to which dose there is none to speak of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis import mean_interval

TOLERATED_LOSS = 0.01  # of accuracy
# The dose that does nothing, by its unit.
NEUTRAL = {"fraction of units": 0.0, "packet widths": 0.0, "ms": 0.0, "probability": 0.0,
           "fraction of weight": 0.0, "factor": 1.0, "bits": np.inf}


class Effect(NamedTuple):
    """A mean with what is known of it.

    Attributes
    ----------
    mean : float
    low, high : float
        Of one network, the 95 % interval over trials; of several, that over networks, or of too few
        their range. nan where there is none.
    is_range : bool
    """

    mean: float
    low: float = np.nan
    high: float = np.nan
    is_range: bool = False

    @classmethod
    def of(cls, rows: pd.DataFrame, column: str = "change") -> Effect:
        """The mean of draws within networks, and of these.

        The interval of a mean of draws is the mean of theirs: they are of the same trials, so it is
        rather too wide.

        Parameters
        ----------
        rows : DataFrame
            Of one perturbation under one control, of ``perturbations.csv``.
        column : str
        """
        values = rows.groupby("network", sort=False)[column].mean().dropna().to_numpy()
        if len(values) == 0:
            return cls(np.nan)
        if len(values) > 1:
            interval = mean_interval(values)
            is_range = bool(np.isnan(interval[0]))
            return cls(values.mean(), *((values.min(), values.max()) if is_range else interval),
                       is_range)
        known = column == "change"
        return cls(values[0], *(rows[["low", "high"]].mean() if known else (np.nan, np.nan)))

    def words(self, form: str = "+.3f") -> str:
        """The mean, and its interval in brackets or its range in parentheses."""
        mean, low, high = (_plain(f"{value:{form}}") for value in (self.mean, self.low, self.high))
        if np.isnan(self.low):
            return mean
        return f"{mean} ({low} to {high})" if self.is_range else f"{mean} [{low}, {high}]"


def tolerated_doses(rows: pd.DataFrame, most: float = TOLERATED_LOSS) -> list[float]:
    """The doses farthest from doing nothing up to which accuracy falls by less than that.

    Parameters
    ----------
    rows : DataFrame
        Of one operation on one target under one control.
    most : float
        Loss of accuracy, mean over draws and networks.

    Returns
    -------
    list of float
        One for doses below the neutral one, if there are any, and one for those above it; the
        neutral dose itself where none on that side is tolerated.
    """
    neutral = NEUTRAL[rows["dose_unit"].iloc[0]]
    loss = -rows.groupby("dose")["change"].mean()
    found = []
    for side in (loss[loss.index < neutral].iloc[::-1], loss[loss.index > neutral]):
        if len(side):
            n_tolerated = int(np.cumprod(side.to_numpy() < most).sum())
            found.append(float(side.index[n_tolerated - 1]) if n_tolerated else neutral)
    return found


def _plain(number: str) -> str:
    """A rounded number without the sign of a zero; a word for none."""
    if np.isnan(float(number)):
        return "unknown"
    return number if float(number) else number.lstrip("+-")
