"""Every example runs, and does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import CHECKOUT

from ephys_snn.network import Network
from ephys_snn.recording import Recording

EXAMPLES = CHECKOUT / "examples"


def run(name: str, *arguments) -> str:
    process = subprocess.run([sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)],
                             capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_spike_time_gradients():
    assert "which sum to 1" in run("spike_time_gradients")


def test_a_plain_loop_trains_a_network():
    assert float(run("plain_pytorch_loop").split()[-1]) > 0.85
    lines = (EXAMPLES / "plain_pytorch_loop.py").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("network = "))
    stop = next(i for i, line in enumerate(lines) if line.startswith("times, labels") and i > start)
    assert len([line for line in lines[start:stop] if line]) <= 10


def test_analyse_a_recording():
    lines = run("analyse_a_recording").splitlines()
    assert any(line.startswith("layer_1: ") for line in lines)
    assert any(line.startswith("input -> layer_1: ") for line in lines)


@pytest.mark.slow
def test_the_paper_prints_its_claims_against_its_untrained_twin(tmp_path):
    train = [sys.executable, "-m", "ephys_snn.train", "--hidden", "100", "100", "100", "--epochs",
             "30", "--out", tmp_path / "model.pt"]
    subprocess.run(train, check=True, capture_output=True)
    lines = run("the_paper", tmp_path / "model.pt", "--trials", "359", "--out",
                tmp_path / "paper").splitlines()
    claims = [line for line in lines if line[:2] in {f"{number} " for number in range(1, 9)}]
    # Claim 3 in three measures, claim 8 of three layers.
    assert [claim[0] for claim in claims] == list("123334567888")
    assert claims[0].endswith(": HOLDS") and claims[2].endswith(": HOLDS")
    assert claims[7].endswith(": NOT ASKED")
    assert any("trained minus untrained: margin of the widths" in line for line in lines)
    assert any("One network is one network" in line for line in lines)
    for figure in re.findall(r"see +(\S+)", "\n".join(lines)):
        assert Path(figure).is_file()


def test_own_data(tmp_path):
    """The model that it trains on arrays can be recorded from a file with these."""
    printed = run("own_data", tmp_path / "own.pt")
    assert float(printed.split()[-1]) > 0.9
    network = Network.load(tmp_path / "own.pt")
    assert network.card.classes == ("lying", "standing")
    assert network.card.data.shape == (12, 8)
    lines = (EXAMPLES / "own_data.py").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("stimuli = "))
    assert len([line for line in lines[start:] if line]) < 10


def test_a_virtual_lesion_takes_away_the_class_of_its_pathway(shared):
    """As found when it was first tried: own class -.95 in the mean, the others nothing."""
    lines = run("virtual_lesion", shared / "data" / "mnist").splitlines()
    found = np.array([[float(number) for number in re.findall(r"[01]\.\d{3}", line)]
                      for line in lines])
    own, intact_own, other, intact_other = found[:, 1], found[:, 0], found[:, 3], found[:, 2]
    assert found.shape == (10, 4)
    assert (intact_own - own).mean() > 0.9 and (intact_own - own).min() > 0.5
    assert np.abs(intact_other - other).max() <= 0.01


@pytest.fixture
def gdf_arguments() -> list[str]:
    return ["--units", "2,3", "--area", "M1", "--stop", "12",
            "--start", "111=delay1,112=delay2,113=delay3,114=delay4"]


def test_convert_gdf_gives_the_same_recording_as_others_made_of_it(shared, tmp_path,
                                                                  gdf_arguments):
    run("convert_gdf", shared / "recordings" / "winny131_23.gdf", tmp_path / "w.nix",
        *gdf_arguments)
    ours = Recording.read(tmp_path / "w.nix")
    theirs = Recording.read(shared / "recordings" / "riehle1997_winny131_23.nix")
    np.testing.assert_allclose(ours.spike_times, theirs.spike_times)
    np.testing.assert_allclose(ours.trials.onset, theirs.trials.onset)
    np.testing.assert_allclose(ours.trials.duration, theirs.trials.duration)
    np.testing.assert_array_equal(ours.trials.label, theirs.trials.label)


def test_convert_gdf_refuses_other_files(tmp_path, gdf_arguments):
    path = tmp_path / "notes.gdf"
    path.write_text("hello\n")
    process = subprocess.run([sys.executable, EXAMPLES / "convert_gdf.py", path,
                              tmp_path / "out.nix", *gdf_arguments], capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1
