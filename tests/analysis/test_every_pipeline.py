"""What every pipeline promises: the same choices, single units besides, no checkout needed."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import CHECKOUT, make_recording

from ephys_snn.__main__ import main

QUICK = {"synchrony": ["--surrogates", "5", "--elephant-shuffles", "1"],
         "information-gain": ["--permutations", "20"],
         "pathways": ["--permutations", "20"],
         "separability": ["--permutations", "20", "--steps", "2"],
         "conditions": ["--permutations", "20", "--condition", "laser", "--control", "off"],
         "report": ["--permutations", "20"]}
CHOICES = ["--correct-only", "--classes", "a,b", "--trial-range", "0", "42", "--min-rate", "1",
           "--trials-where", "label=a,b", "--units-where", "area=A,B", "--stable-units",
           "--clean-trials", "--window", "0", "50", "--baseline", "-40", "0",
           "--psth", "u0,u1,u2,u3,u4"]
LEAVES = ["--trial-range 0 42 leaves 42 of 45", "--correct-only leaves 28 of 42",
          "--classes a,b leaves 28 of 28", "--trials-where label=a,b leaves 28 of 28",
          "--units-where area=A,B leaves 7 of 8",
          "--min-rate 1 (spikes/s within the trials) leaves 6 of 7"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """45 trials of three classes, of which c is always decided wrongly; 8 units in 3 areas."""
    rng = np.random.default_rng(0)
    onset = 200.0 * (1 + np.arange(45))
    trains = [(onset[:, None] + rng.uniform([-60.0] * 3 + [10.0] * 3, [0.0] * 3 + [50.0] * 3,
                                            (45, 6))).ravel() for _ in range(7)]
    recording = make_recording(
        [*trains[:6], [7.0], trains[6]], onset, label=["a", "b", "c"] * 15, decision=onset + 49.0,
        area=["A"] * 5 + ["B", "B", "C"], t_stop=9500.0)
    recording.trials.annotations["laser"] = np.array(["on", "on", "on", "off", "off"] * 9)
    recording.trials.decision_label[:] = ["a", "b", "x"] * 15
    path = tmp_path_factory.mktemp("every") / "small.nix"
    recording.write(path)
    return path


@pytest.mark.parametrize("command", QUICK)
def test_every_pipeline_takes_every_choice(path, command, tmp_path, capsys):
    arguments = [str(path), *CHOICES, *QUICK[command], "--quiet", "--format", "pdf"]
    assert main([command, *arguments, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    written = {file.name for file in tmp_path.iterdir()}
    assert {"responsiveness.csv", "responsiveness.pdf", "responsiveness.json", "psth.csv",
            "psth_page_1.pdf", "psth_page_2.pdf"} <= written
    assert not any(name.endswith((".png", ".svg")) for name in written)
    assert set(pd.read_csv(tmp_path / "psth.csv")["class"]) == {"a", "b"}
    assert len(pd.read_csv(tmp_path / "responsiveness.csv")) == 6
    page = (tmp_path / "report.html").read_text() if command == "report" else said.err
    for words in LEAVES:
        assert words in page
    if command == "report":
        assert page.count("data:image/png") >= 9 and 'id="responsiveness"' in page
        assert 'id="conditions"' not in page  # nobody named the condition


def test_a_mistake_about_single_units_comes_before_the_work(path, tmp_path, capsys):
    for arguments, words in ((["--psth", "u9"], "--psth u9: there is no such unit; choose from"),
                             (["--baseline", "-9", "9"], "must end before the responses begin"),
                             (["--baseline", "-90", "-80"], "no unit ever spikes there")):
        assert main(["separability", str(path), *arguments, "--out", str(tmp_path)]) == 2
        assert words in capsys.readouterr().err
    assert not any(tmp_path.glob("*.csv"))


@pytest.mark.skipif(find_spec("setuptools") is None or int(version("setuptools").split(".")[0]) < 77
                    or find_spec("pip") is None,
                    reason="needs pip and setuptools 77, to build the package without a network")
def test_everything_runs_from_an_installed_package(path, tmp_path):
    source, installed = tmp_path / "source", tmp_path / "installed"
    shutil.copytree(CHECKOUT / "ephys_snn", source / "ephys_snn",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                    "--no-build-isolation", "--no-compile", "--target", installed, source],
                   check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, installed / "bin" / "ephys-snn", *arguments], cwd=elsewhere,
            env=environment, capture_output=True, text=True)

    where = subprocess.run([sys.executable, "-c", "import ephys_snn; print(ephys_snn.__file__)"],
                           cwd=elsewhere, env=environment, capture_output=True, text=True).stdout
    assert Path(where.strip()).is_relative_to(installed)
    assert (installed / "ephys_snn" / "report" / "page.html").exists()
    asked = run("pathways", path, "--permutations", "20", "--quiet")
    assert asked.returncode == 0, asked.stderr
    assert (elsewhere / "results" / "small" / "pathways.csv").exists()
    asked = run("synchrony", "missing.nix")
    assert asked.returncode == 2 and asked.stderr.startswith("error: there is no file missing.nix")
