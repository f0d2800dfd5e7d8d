"""What conditions change: planted effects, chance, few seeds, and tables that are none."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study.network_tables import networks

from ephys_snn.__main__ import main
from ephys_snn.study.condition_effects import condition_effects
from ephys_snn.study.condition_figure import CLAIMS, plot_networks
from ephys_snn.study.condition_findings import network_findings, network_limitations

PLANTED = {"accuracy": {"a": -0.1, "b": 0.0}, "spreading_ratio": {"a": 0.0, "b": 0.2}}


def effects_of(table):
    return condition_effects(table).set_index(["measure", "condition"])


def test_planted_effects_are_found_though_seeds_differ_more():
    effects = effects_of(networks(8, PLANTED))
    for measure, by_condition in PLANTED.items():
        for condition, shift in by_condition.items():
            row = effects.loc[measure, condition]
            assert row["low"] < shift < row["high"] and row["high"] - row["low"] < 0.05
            assert (row["q_value"] < 0.01) == (shift != 0)
    assert (effects["n_pairs"] == 8).all() and not effects["is_separate"].any()


@given(st.lists(st.tuples(*[st.floats(-10, 10)] * 2), min_size=1, max_size=8))
def test_pairs_by_the_definition(pairs):
    rows = [{"condition": condition, "seed": seed, "accuracy": value, "note": ""}
            for seed, pair in enumerate(pairs)
            for condition, value in zip(("base", "c"), pair, strict=True)]
    row = condition_effects(pd.DataFrame(rows).sample(frac=1, random_state=0)).iloc[0]
    differences = [value - base for base, value in pairs]
    assert row["difference"] == pytest.approx(sum(differences) / len(pairs))
    assert (row["least"], row["greatest"]) == (min(differences), max(differences))
    signs = [np.sign(each) for each in differences]
    assert row["n_same_sign"] == signs.count(np.sign(np.mean(differences)))
    values, bases = ([pair[i] for pair in pairs] for i in (1, 0))
    assert row["is_separate"] == (min(values) > max(bases) or max(values) < min(bases))
    assert np.isnan(row["low"]) == (len(pairs) < 5)


def test_interval_and_p_are_one_statement():
    for seed in range(20):
        effects = condition_effects(networks(5, {"accuracy": {"a": 0.01}}, seed=seed))
        excludes = (effects["low"] > 0) | (effects["high"] < 0)
        assert (excludes == (effects["p_value"] < 0.05)).all()


def test_without_an_effect_p_falls_below_its_level_as_often_as_it_says():
    tables = [networks(5, {"accuracy": {"c": 0.0}}, seed=s, noise=0.1) for s in range(600)]
    p_values = np.array([condition_effects(table)["p_value"].iloc[0] for table in tables])
    assert 0.03 <= (p_values < 0.05).mean() <= 0.075 and 0.45 < np.median(p_values) < 0.55


def test_q_counts_the_conditions_of_a_measure():
    table = condition_effects(networks(6, {"accuracy": {"a": 0.02, "b": 0.0, "c": -0.01}}))
    p_values = table["p_value"].to_numpy()
    order = np.argsort(p_values)
    scaled = p_values[order] * 3 / np.arange(1, 4)
    expected = np.empty(3)
    expected[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    assert table["q_value"].to_numpy() == pytest.approx(expected)


def test_few_pairs_are_told_one_by_one():
    table = networks(3, {"accuracy": {"a": -1.0}}, noise=0.0)
    row = condition_effects(table).iloc[0]
    assert row["differences"] == "seed 0 -1; seed 1 -1; seed 2 -1"
    assert row["note"] == "fewer than 5 pairs: no interval and no p"
    assert row[["low", "high", "p_value", "q_value"]].isna().all()
    four = condition_effects(networks(4, {"accuracy": {"a": -1.0}})).iloc[0]
    assert four[["low", "high", "p_value", "q_value"]].isna().all()


def test_networks_without_a_partner_are_left_out_and_counted():
    table = networks(6, {"accuracy": {"a": 0.1}})
    table.loc[(table["condition"] == "a") & (table["seed"] == 2), "accuracy"] = np.nan
    table = table[~((table["condition"] == "base") & (table["seed"] == 4))]
    row = condition_effects(table).iloc[0]
    assert row["n_pairs"] == 4 and "2 networks without a partner left out" in row["note"]
    none = table.assign(accuracy=np.nan)
    assert condition_effects(none).iloc[0][["n_pairs", "note"]].tolist() == [
        0, "no seed has it in both conditions"]


def test_equal_differences_give_no_p_of_zero():
    same = networks(5, {"accuracy": {"a": 0.0, "b": 0.5}}, noise=0.0, seed_sd=0.0)
    a, b = condition_effects(same).itertuples()
    assert a.p_value == 1 and np.isnan(b.p_value) and "differ by the same" in b.note


# --- in words ------------------------------------------------------------------------------------


def told(table):
    effects = condition_effects(table)
    return network_findings(table, effects), network_limitations(table, effects)


def test_findings_name_what_changes_and_where_seeds_disagree():
    (head, a, b), _ = told(networks(8, PLANTED))
    assert head == "24 of 24 networks trained and recorded, in 3 conditions"
    assert a.startswith("a, 8 pairs: changes accuracy -0.") and "q < 0.05" in a
    assert "seeds disagree in sign about spreading" in a and "changes spreading" in b


def test_of_three_seeds_only_what_lies_beyond_them_is_called_a_change():
    rows = [("base", [0.9, 0.8, 0.7], [0.3, 0.6, 0.9], [0.1, 0.2, 0.3]),
            ("a", [0.1, 0.2, 0.3], [0.2, 0.5, 0.8], [0.2, 0.3, 0.2])]
    table = pd.DataFrame([
        {"condition": name, "seed": seed, "accuracy": values[0], "spreading_ratio": values[1],
         "convergence_ratio": values[2], "negative_mass_last": 0.5, "note": ""}
        for name, *measured in rows for seed, values in enumerate(zip(*measured, strict=True))])
    (_, sentence), limits = told(table)
    assert sentence == (
        "a, 3 pairs: changes accuracy -0.6 (-0.8 to -0.4) beyond the range of the seeds; all seeds "
        "agree in sign, within their range, about spreading (widest layer / input); seeds disagree "
        "in sign about convergence (last layer / widest)")
    assert limits[0].endswith("beyond the range of the seeds in 1 of 10 cases")


@pytest.mark.parametrize("n_pairs, cases", [(2, 3), (3, 10), (4, 35)])
def test_how_often_chance_lies_beyond_the_seeds(n_pairs, cases):
    """Every choice of who is a condition's network is as likely."""
    ranks = set(range(2 * n_pairs))
    separate = [max(chosen) < min(ranks - set(chosen)) or min(chosen) > max(ranks - set(chosen))
                for chosen in combinations(ranks, n_pairs)]
    assert np.mean(separate) == pytest.approx(1 / cases)
    _, limits = told(networks(n_pairs, {"accuracy": {"a": 0.0}}))
    assert limits[0].endswith(f"in 1 of {cases} cases")


def test_one_pair_says_nothing():
    (_, sentence), limits = told(networks(1, {"accuracy": {"a": -1.0}}))
    assert sentence.startswith("a, 1 pair: what it changes cannot be told from what a seed does")
    assert len(limits) == 1


def test_failed_networks_are_named():
    table = networks(2, {"accuracy": {"a": 0.1}})
    table.loc[3, ["accuracy", "note"]] = np.nan, "train failed: error: no; accuracy: not recorded"
    (head, sentence), limits = told(table)
    assert head.startswith("3 of 4") and limits[0] == "a, seed 1: train failed: error: no"
    assert "1 pair" in sentence


# --- figure and command --------------------------------------------------------------------------


@pytest.mark.parametrize("n_seeds, conditions", [(1, ["a"]), (3, []), (2, list("abcdefgh") * 3)])
def test_a_figure_of_odd_studies(n_seeds, conditions, tmp_path):
    shifts = {claim: {f"{name}{i}": 0.1 for i, name in enumerate(conditions)} for claim in CLAIMS}
    table = networks(n_seeds, shifts)
    table["negative_mass_last"] = np.nan
    table.loc[0, "accuracy"] = np.nan
    table["untrained_accuracy"] = 0.1
    table["spreading_ratio"] = np.nan
    plot_networks(table, condition_effects(table)).savefig(tmp_path / "f.png", dpi=20)


def test_the_figure_has_a_dot_per_network_and_a_star_where_conditions_differ():
    table = networks(6, PLANTED).sample(frac=1, random_state=1)
    axes = plot_networks(table, condition_effects(table)).axes[:2]
    for ax, claim, star in zip(axes, PLANTED, ("a", "b"), strict=True):
        names = [label.get_text() for label in ax.get_xticklabels()]
        by_seed = table.pivot(index="seed", columns="condition", values=claim)[names]
        lines = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 3]
        assert names[0] == "base" and np.array(lines) == pytest.approx(by_seed.to_numpy())
        stars = [text for text in ax.texts if text.get_text() == "*"]
        assert [names[text.xy[0]] for text in stars] == [star]


def test_the_command_repeats_effects_and_figure_to_the_byte(tmp_path, capsys):
    networks(6, PLANTED).to_csv(tmp_path / "networks.csv", index=False)
    names = ("networks_effects.csv", "networks.png", "networks.json")
    assert main(["study", str(tmp_path / "networks.csv")]) == 0
    said = capsys.readouterr().out
    assert "a, 6 pairs: changes accuracy" in said and "wrote" in said
    assert main(["study", str(tmp_path / "networks.csv"), "--out", str(tmp_path / "o"),
                 "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / "o" / name).read_bytes()


@pytest.mark.parametrize("text, message", [
    (None, "cannot read"),
    ("", "is no CSV file"),
    ("a,b\n1,2\n", "no column condition, seed, accuracy, note; it must be a networks.csv"),
    ("condition,seed,accuracy,note\na,1,0.5,\n", "no network of the condition base"),
    ("condition,seed,accuracy,note\nbase,1,0.5,\nbase,1,0.6,\n", "has base, seed 1 twice"),
    ("condition,seed,accuracy,note\nbase,1,good,\n", "column accuracy must hold numbers"),
])
def test_what_is_no_table_of_networks_is_one_line(tmp_path, capsys, text, message):
    path = tmp_path / "networks.csv"
    if text is not None:
        path.write_text(text)
    assert main(["study", str(path)]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
