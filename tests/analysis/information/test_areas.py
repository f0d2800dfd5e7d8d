"""Information by area, cell type, depth, and against a control."""

import numpy as np
import pandas as pd
import pytest
from builders import recording_of_layers
from scipy import stats

from ephys_snn.analysis.classes import class_sums, label_codes
from ephys_snn.analysis.entropy import (
    information_gain,
    largest_information_gain,
    mutual_information,
)
from ephys_snn.analysis.information.areas import (
    MEASURES,
    information_by_area,
    information_by_depth,
    insert_q,
)
from ephys_snn.analysis.information.cell_types import excitatory_against_inhibitory
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.recording import epoch_windows


def layered(**fields):
    """Two areas, the second more selective, two inhibitory units each."""
    rng = np.random.default_rng(1)
    labels = np.tile(np.arange(4), 20)
    preferred = labels[:, None] == np.arange(8) % 4
    layers = {name: np.where(rng.random((80, 8)) < np.where(preferred, 0.7, other), 0.5, np.inf)
              for name, other in (("V1", 0.5), ("IT", 0.02))}
    recording = recording_of_layers(layers, labels, first_inhibitory=6)
    return recording.__class__(**{**vars(recording), **fields})


def analyse(recording):
    windows, rng = epoch_windows(recording.trials), np.random.default_rng(2)
    information = unit_information(recording, windows, rng, 100)
    return (information_by_area(recording, windows, information),
            excitatory_against_inhibitory(recording, windows, information, rng),
            information_by_depth(recording, information, rng), information)


def test_rows_are_the_means_of_their_units():
    table, contrasts, depth, information = analyse(layered())
    units = information.units
    for row in table.itertuples():
        members = units[(units["area"] == row.area)
                        & ((units["cell_type"] == row.cell_type) | (row.cell_type == "all"))]
        assert row.n_units == row.n_units_used == len(members)
        assert row.mean == pytest.approx(members["information_gain"].mean())
        assert row.median == pytest.approx(members["information_gain"].median())
        assert row.mean_corrected == pytest.approx(members["information_gain_corrected"].mean())
        assert row.mean_max == pytest.approx(members["information_gain_max"].mean())
        assert row.mean_relative == pytest.approx(members["relative_information_gain"].mean())
        assert row.mean_uncertainty_coefficient == pytest.approx(
            members["uncertainty_coefficient"].mean())
    assert contrasts[["n_excitatory", "n_inhibitory"]].to_numpy().tolist() == [[6, 2]] * 6
    for row in depth[depth["cell_type"] == "all"].itertuples():
        ends = [units.loc[units["area"] == area, MEASURES[row.measure]].mean()
                for area in ("V1", "IT")]
        assert row.difference == pytest.approx(ends[1] - ends[0])
        assert row.difference_low > 0.3 and "fewer than three areas" in row.note


def test_p_of_an_area_is_that_of_its_mean_under_the_same_permuted_labels():
    recording = layered()
    windows = epoch_windows(recording.trials)
    information = unit_information(recording, windows, np.random.default_rng(2), 60)
    responses = recording.responses(windows)
    n_active, counts = responses.active.sum(axis=0), information.class_counts
    p = n_active / 80
    uncertainty = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    most = largest_information_gain(n_active, counts)
    null = information.permuted
    relative = (null.information_gain - null.information_gain.mean(axis=0)) \
        / (most - null.information_gain.mean(axis=0))
    active = class_sums(responses.active, label_codes(responses.label, information.classes), 4).T
    observed = (
        (information_gain(active, counts) - null.information_gain.mean(axis=0))
        / (most - null.information_gain.mean(axis=0)),
        mutual_information(np.stack([active, counts - active], axis=1)) / uncertainty)
    table = information_by_area(recording, windows, information).set_index(["area", "cell_type"])
    for (area, cell_type), row in table.iterrows():
        members = recording.units_in(area, cell_type)
        for name, each, drawn in (
                ("mean_relative", observed[0], relative),
                ("mean_uncertainty_coefficient", observed[1],
                 null.mutual_information / uncertainty)):
            reached = drawn[:, members].mean(axis=1) >= each[members].mean() - 1e-12
            assert row[f"{name}_p_value"] == pytest.approx((1 + reached.sum()) / 61)


def test_areas_without_information_are_significant_at_the_level():
    p_values = []
    for rng in np.random.default_rng(6).spawn(80):
        shared = rng.normal(size=(60, 1))  # what units share does not make them more
        active = shared + rng.normal(size=(60, 12)) > rng.uniform(-1.5, 1.0, 12)
        recording = recording_of_layers({"A": np.where(active, 0.5, np.inf)},
                                        rng.permutation(np.arange(60) % 4))
        windows = epoch_windows(recording.trials)
        table = information_by_area(recording, windows,
                                    unit_information(recording, windows, rng, 99))
        p_values.append(table.iloc[0][["mean_relative_p_value",
                                       "mean_uncertainty_coefficient_p_value"]])
    significant = (np.array(p_values, dtype=float) <= 0.05).mean(axis=0)
    assert (significant <= stats.binom(80, 0.05).ppf(0.99) / 80).all()


def test_a_cell_type_that_is_its_whole_area_is_no_second_test():
    table = pd.DataFrame({"area": ["A", "A", "B", "B", "B"],
                          "cell_type": ["all", "input", "all", "excitatory", "inhibitory"],
                          "n": [4, 4, 6, 3, 3], "p_value": [0.02, 0.02, 0.03, 0.5, 0.04]})
    insert_q(table, "p_value", "n")
    of_four = stats.false_discovery_control([0.02, 0.03, 0.5, 0.04])
    np.testing.assert_allclose(table["q_value"], of_four[[0, 0, 1, 2, 3]])


def test_without_an_order_of_areas_there_is_no_depth():
    depth = analyse(layered(areas_ordered=False))[2]
    assert depth["p_value"].isna().all()
    assert depth["note"].str.contains("order of the areas").all()
