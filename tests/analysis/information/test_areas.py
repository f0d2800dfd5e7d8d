"""Information by area, cell type, depth, and against a control."""

import numpy as np
import pytest
from builders import recording_of_layers

from ephys_snn.analysis.information.areas import (
    contrast,
    excitatory_against_inhibitory,
    information_by_area,
    information_by_depth,
)
from ephys_snn.analysis.information.unit_information import unit_information
from ephys_snn.recording import epoch_windows


def test_contrast_is_of_the_first_against_the_second():
    found = contrast(np.array([2.0, 3.0]), np.array([1.0, 2.0, 0.0]))
    assert found.difference == 1.5
    assert found.auc == pytest.approx(5.5 / 6) and found.u_statistic == 5.5


def test_contrast_of_nobody_is_empty():
    assert np.isnan(contrast(np.array([]), np.ones(3))).all()


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
    return (information_by_area(recording, windows, information, rng),
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
    assert contrasts[["n_excitatory", "n_inhibitory"]].to_numpy().tolist() == [[6, 2], [6, 2]]
    everyone = depth.set_index("cell_type").loc["all"]
    assert everyone["difference_low"] > 0.4 and "fewer than three areas" in everyone["note"]


def test_without_an_order_of_areas_there_is_no_depth():
    depth = analyse(layered(areas_ordered=False))[2]
    assert depth["p_value"].isna().all()
    assert depth["note"].str.contains("order of the areas").all()
