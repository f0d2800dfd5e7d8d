"""What averaging does in a network, in sentences."""

from __future__ import annotations

import pandas as pd

FIRST_ORDER = 0.05  # by which jitter may differ from its prediction and still be called first order
MANY_GRAZING = 0.02


def mechanism_findings(table: pd.DataFrame, jitter: pd.DataFrame) -> list[str]:
    """The answers, with intervals over trials.

    Parameters
    ----------
    table : DataFrame
        ``mechanism.csv``.
    jitter : DataFrame
        ``mechanism_jitter.csv``.
    """
    return [_course(table, "averaging_gain", "averaging gain, by which jitter of the inputs "
                    "arrives"),
            _course(table, "negative_mass", "negative mass of the averages"),
            *_widths(table), *_jitter(jitter)]


def mechanism_limitations(table: pd.DataFrame) -> list[str]:
    """What could not be measured, and whose numbers these are."""
    told = ["intervals are over the trials of one network and say nothing of other networks"]
    if table["untrained"].isna().all():
        told.append("there is no untrained twin to compare with")
    grazing = table.loc[table["cell_type"] == "all"].groupby("area", sort=False)[
        "grazing_fraction"].first()
    told += [f"{area}: {fraction:.1%} of the spikes only graze threshold and are left out"
             for area, fraction in grazing.items() if fraction > MANY_GRAZING]
    unknown = table[(table["note"] != "") & (table["measure"] == "averaging_gain")]
    told += [f"{row.area}, {row.cell_type}: {row.note}" for row in unknown.itertuples()]
    return told


def _rows(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    return table[(table["measure"] == measure) & (table["cell_type"] == "all")
                 & table["value"].notna()]


def _course(table: pd.DataFrame, measure: str, words: str) -> str:
    rows = _rows(table, measure)
    parts = []
    for row in rows.itertuples():
        beside = "" if pd.isna(row.untrained) else \
            f" (untrained {row.untrained:.2f}, change {row.change:+.2f} " \
            f"{_interval(row.change_low, row.change_high)})"
        parts.append(f"{row.area} {row.value:.2f} {_interval(row.low, row.high)}{beside}")
    return f"{words}: {'; '.join(parts)}" if parts else f"{words}: not computable"


def _widths(table: pd.DataFrame) -> list[str]:
    wide = table[table["cell_type"] == "all"].pivot(index="area", columns="measure",
                                                    values="value")
    told = []
    for area in table["area"].unique():
        row = wide.loc[area]
        if pd.isna(row["sd_out"]):
            continue
        verb = "narrows" if row["sd_out"] < row["sd_in"] else "widens"
        told.append(f"{area} {verb} its volley from {row['sd_in']:.2f} to {row['sd_out']:.2f} ms "
                    f"(SD): the means of input times spread by {row['sd_means']:.2f} ms, the "
                    f"delays by {row['sd_delays']:.2f} ms, with a correlation of "
                    f"{row['correlation']:+.2f}")
    return told


def _jitter(jitter: pd.DataFrame) -> list[str]:
    told = []
    for area, rows in jitter[jitter["ratio"].notna()].groupby("area", sort=False):
        rows = rows.sort_values("sd_ms")
        holds = (rows["ratio"] - 1).abs() <= FIRST_ORDER
        last = rows["sd_ms"][holds.cummin()].max()
        first = rows.iloc[0]
        upto = "at none of the SDs" if pd.isna(last) else f"up to an SD of {last:g} ms"
        told.append(f"jitter of {first.jittered_area} arrives in {area} as averaging predicts "
                    f"{upto} (measured over predicted {first.ratio:.3f} at {first.sd_ms:g} ms, "
                    f"{rows['ratio'].iloc[-1]:.2f} at {rows['sd_ms'].iloc[-1]:g} ms)")
    return told


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"[{low:.2f}, {high:.2f}]"
