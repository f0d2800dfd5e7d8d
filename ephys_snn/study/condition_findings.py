"""What conditions change beyond what seeds do, in sentences."""

from __future__ import annotations

from math import comb

import pandas as pd

from ephys_snn.analysis import MIN_SAMPLE
from ephys_snn.study.condition_figure import CLAIMS, SIGNIFICANT_Q


def network_findings(networks: pd.DataFrame, effects: pd.DataFrame) -> list[str]:
    """How many networks there are, then a sentence for each condition.

    Parameters
    ----------
    networks, effects : DataFrame
        ``networks.csv`` and ``networks_effects.csv``.
    """
    n_trained = int(networks["accuracy"].notna().sum())
    told = [f"{n_trained} of {len(networks)} networks trained and recorded, in "
            f"{networks['condition'].nunique()} conditions"]
    claims = effects[effects["measure"].isin(CLAIMS)]
    return told + [_sentence(condition, rows)
                   for condition, rows in claims.groupby("condition", sort=False)]


def network_limitations(networks: pd.DataFrame, effects: pd.DataFrame) -> list[str]:
    """Which networks failed, and what few seeds cannot say."""
    told = [f"{row.condition}, seed {row.seed}: {row.note.split('; ')[0]}"
            for row in networks.fillna({"note": ""}).itertuples()
            if " failed: " in row.note or " has not been run" in row.note]
    n_pairs = int(effects["n_pairs"].max()) if len(effects) else 0
    if 2 <= n_pairs < MIN_SAMPLE:
        told.append(f"with {n_pairs} pairs there are no intervals and no p; a measure that the "
                    "condition does not touch lies beyond the range of the seeds in 1 of "
                    f"{comb(2 * n_pairs, n_pairs) // 2} cases")
    told.append("what differs between conditions is true of networks with these options and data")
    return told


def _sentence(condition: str, rows: pd.DataFrame) -> str:
    known = rows[rows["n_pairs"] > 0]
    if known.empty:
        return f"{condition}: not compared, for no seed has a claim's measure here and in the base"
    n_pairs = int(known["n_pairs"].max())
    if n_pairs < 2:
        return (f"{condition}, 1 pair: what it changes cannot be told from what a seed does "
                f"({_listed(known)})")
    is_split = (known["least"] < 0) & (known["greatest"] > 0)
    if n_pairs >= MIN_SAMPLE:
        is_changed, how = known["q_value"] < SIGNIFICANT_Q, f" at q < {SIGNIFICANT_Q}"
        short = "without such a q,"
    else:
        is_changed = known["is_separate"].astype(bool) & (known["n_pairs"] > 1)
        how, short = " beyond the range of the seeds", "within their range,"
    parts = [f"changes {_listed(known[is_changed]) or 'nothing'}{how}"]
    agreed = (known["n_same_sign"] == known["n_pairs"]) & (known["difference"] != 0)
    for what, these in ((f"all seeds agree in sign, {short} about", agreed),
                        ("seeds disagree in sign about", is_split)):
        named = [CLAIMS[measure] for measure in known.loc[these & ~is_changed, "measure"]]
        parts += [f"{what} {', '.join(named)}"] if named else []
    if len(rows) > len(known):
        parts.append(f"{len(rows) - len(known)} of {len(rows)} claims cannot be compared")
    return f"{condition}, {n_pairs} pairs: {'; '.join(parts)}"


def _listed(rows: pd.DataFrame) -> str:
    """Claims with their changes, and intervals or ranges."""
    return ", ".join(
        f"{CLAIMS[row.measure]} {row.difference:+.2g}" + (
            f" [{row.low:+.2g}, {row.high:+.2g}]" if pd.notna(row.low) else
            f" ({row.least:+.2g} to {row.greatest:+.2g})" if row.n_pairs > 1 else "")
        for row in rows.itertuples())
