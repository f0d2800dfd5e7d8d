"""Effects of one network and of several, and the largest dose that does nothing to speak of."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ephys_snn.perturbation.battery.effects import Effect, tolerated_doses


def rows_of(changes_by_network) -> pd.DataFrame:
    """Rows of a perturbation, of each network one per draw."""
    return pd.DataFrame([
        {"network": f"n{index}", "change": change, "low": change - 0.1, "high": change + 0.2}
        for index, changes in enumerate(changes_by_network) for change in changes])


def test_of_one_network_the_interval_is_over_trials():
    effect = Effect.of(rows_of([[-0.3, -0.1]]))
    assert effect == pytest.approx((-0.2, -0.3, 0.0, False))
    assert effect.words() == "-0.200 [-0.300, 0.000]"


def test_of_few_networks_there_is_their_range_and_of_more_students_interval():
    # Draws are averaged within their network, however many.
    few = Effect.of(rows_of([[-0.3, -0.1], [-0.4]]))
    assert few == pytest.approx((-0.3, -0.4, -0.2, True))
    assert few.words("+.1f") == "-0.3 (-0.4 to -0.2)"
    changes = np.array([-0.1, -0.2, -0.4, -0.1, -0.3])
    several = Effect.of(rows_of(changes[:, None]))
    interval = stats.ttest_1samp(changes, 0).confidence_interval()
    assert several == pytest.approx((changes.mean(), interval.low, interval.high, False))


def test_unknown_values_are_left_out():
    assert np.isnan(Effect.of(rows_of([[np.nan]])).mean)
    assert Effect.of(rows_of([[np.nan], [-0.1]])).mean == pytest.approx(-0.1)


@pytest.mark.parametrize("unit, losses, expected", [
    ("packet widths", {1: 0.0, 3: 0.005, 10: 0.5}, [3]),
    ("packet widths", {1: 0.5, 3: 0.0}, [0]),  # what a smaller dose costs, counts
    ("probability", {0.1: 0.0, 0.2: 0.0}, [0.2]),
    ("factor", {0.1: 0.2, 0.5: 0.0, 2: 0.001, 4: 0.2}, [0.5, 2]),
    ("factor", {0.1: 0.2, 4: 0.2}, [1, 1]),
    ("factor", {2: 0.0}, [2]),  # the other side was not tried
    ("bits", {3: 0.9, 4: 0.4, 5: 0.0, 8: 0.0}, [5]),
    ("bits", {3: 0.9}, [np.inf]),
    ("ms", {-3: 0.2, -1: 0.0, 1: 0.2}, [-1, 0]),
])
def test_tolerated_doses(unit, losses, expected):
    rows = pd.DataFrame({"dose": list(losses), "change": [-loss for loss in losses.values()],
                         "dose_unit": unit})
    assert tolerated_doses(rows.sample(frac=1, random_state=0)) == expected
