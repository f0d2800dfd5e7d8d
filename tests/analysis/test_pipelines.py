"""One analysis is known in one place: the list of pipelines, and all that goes through it."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import CHECKOUT, recording_of_layers

from ephys_snn.__main__ import usage
from ephys_snn.analysis import PACKAGES, pipelines, run
from ephys_snn.report import main as report
from ephys_snn.report.study import collect, study_values

ANALYSIS = CHECKOUT / "ephys_snn" / "analysis"
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """60 trials of two classes and conditions, and two areas whose units prefer one class."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    prefers = np.arange(12) % 2
    active = rng.random((60, 12)) < np.where(labels[:, None] == prefers, 0.9, 0.6)
    times = np.where(active, rng.uniform(0.5, 4, (60, 12)), np.inf)
    path = tmp_path_factory.mktemp("list") / "small.nix"
    recording = recording_of_layers({"A": times, "B": times + 1}, labels.astype(str),
                                    decisions=np.stack([4.5 + labels, 5.5 - labels], axis=1))
    trials = replace(recording.trials, annotations={
        "perturbation": np.where(np.arange(60) // 2 % 2, "control", "drop p=0.1")})
    replace(recording, trials=trials).write(path)
    return path


@pytest.fixture(scope="module")
def folder(path, tmp_path_factory) -> Path:
    """What the report leaves of it, with the recording as its own control."""
    out = tmp_path_factory.mktemp("report")
    assert report([str(path), "--out", str(out), "--permutations", "20", "--dpi", "30", "--quiet",
                   "--compare", str(path)]) == 0
    return out


def test_every_pipeline_says_all_there_is_to_know():
    known = list(pipelines())
    for what in ("name", "title", "question"):
        assert max(Counter(getattr(pipeline, what) for pipeline in known).values()) == 1
    columns = Counter(name for pipeline in known for name in pipeline.study.names.values())
    assert max(columns.values()) == 1, "the study would have two columns of one name"
    for pipeline in known:
        assert pipeline.question.endswith("?") and pipeline.description.endswith(".")
        assert re.fullmatch("[a-z]+(_[a-z]+)*", pipeline.name)
        assert f"  {pipeline.command} " in usage() and pipeline.question in usage()


def test_the_readme_has_a_row_for_every_pipeline():
    for pipeline in pipelines():
        cells = (f"`{pipeline.command}`", pipeline.question, pipeline.measure, pipeline.null)
        assert f"| {' | '.join(cells)} |" in README


def test_what_a_package_is_for_is_the_question_of_its_pipeline():
    for package, pipeline in zip(PACKAGES, pipelines(), strict=True):
        source = (ANALYSIS / package / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(source)) == pipeline.question


@pytest.mark.parametrize("name", [*(pipeline.name for pipeline in pipelines()), "report"])
def test_every_command_has_a_script_that_calls_it(name):
    script = CHECKOUT / "pipelines" / f"{name}.py"
    asked = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
    assert asked.stdout.startswith(f"usage: ephys-snn {name.replace('_', '-')} [-h]")


def test_nothing_else_names_the_packages():
    """Not the commands, the report, the study, the Makefile; nor one package another.

    Perturbation alone does: it uses functions on arrays, no pipelines.
    """
    package = CHECKOUT / "ephys_snn"
    outside = [path for path in package.rglob("*.py")
               if not {ANALYSIS, package / "perturbation"} & set(path.parents)]
    outside += [CHECKOUT / "Makefile", *(CHECKOUT / "pipelines").iterdir()]
    for file in outside:
        if file.is_file():
            assert not re.search(rf"analysis\.({'|'.join(PACKAGES)})\b", file.read_text()), file
    for package in PACKAGES:
        others = "|".join({*PACKAGES, "single_units"} - {package})
        for file in (ANALYSIS / package).rglob("*.py"):
            assert not re.search(rf"analysis\.({others})\b", file.read_text()), file
    assert not any(pipeline.command in (CHECKOUT / "Makefile").read_text()
                   for pipeline in pipelines())


def test_training_needs_no_analysis():
    code = ("import contextlib, sys; from ephys_snn.__main__ import main\n"
            "with contextlib.suppress(SystemExit): main(['train', '--help'])\n"
            "sys.exit('ephys_snn.analysis' in sys.modules or 'matplotlib' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_study_columns_are_columns_of_the_tables(folder):
    for pipeline in pipelines():
        table = pd.read_csv(folder / f"{pipeline.study.table}.csv")
        wanted = {*pipeline.study.names, "area", "note", *pipeline.study.by}
        assert wanted <= set(table), pipeline.name


def test_changes_stand_in_the_study_by_condition_and_measure(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "one")
    (copy / "status.json").write_text('{"error": "", "failed": {}}')
    changes = pd.read_csv(folder / "conditions.csv").query("measure == 'rate_hz'")
    study = collect([copy]).set_index(["area", "cell_type"])["drop p=0.1_rate_hz_change"]
    assert study.to_dict() == changes.set_index(["area", "cell_type"])["change"].to_dict()
    values = study_values([copy], {}, {})
    compared = values[values["measure"] == "drop p=0.1_rate_hz_change"]
    assert compared["value"].tolist() == changes.query("cell_type == 'all'")["change"].tolist()


ON_REQUEST = {"unitary_events", "patterns", "separability_cross_temporal"}


def test_captions_are_of_figures_that_exist(folder):
    drawn = {file.stem for file in folder.glob("*.png")}
    for pipeline in pipelines():
        assert set(pipeline.captions) - ON_REQUEST <= drawn


def test_the_report_hands_the_control_to_who_takes_it(folder, path, tmp_path):
    compared = pd.read_csv(folder / "information_gain_comparison.csv")
    assert (compared["difference"].abs() < 0.01).all()  # the recording is its own control
    assert len(compared) == 4
    assert "information_gain_comparison.csv" in (folder / "report.html").read_text()
    alone = next(pipeline for pipeline in pipelines() if pipeline.name == "information_gain")
    assert run(alone, [str(path), "--out", str(tmp_path), "--permutations", "20", "--quiet",
                       "--compare", str(path)]) == 0
    assert (tmp_path / "information_gain_comparison.csv").read_bytes() \
        == (folder / "information_gain_comparison.csv").read_bytes()


def test_a_control_that_cannot_be_read_ends_the_report_before_the_work(path, tmp_path, capsys):
    missing = tmp_path / "none.nix"
    assert report([str(path), "--out", str(tmp_path / "out"), "--compare", str(missing)]) == 2
    assert capsys.readouterr().err == f"error: --compare {missing}: there is no file {missing}\n"
    assert not (tmp_path / "out").exists()


# --- a fifth analysis ---------------------------------------------------------------------------

TOY = '''"""How many spikes does each area have?"""

import pandas as pd

from ephys_snn.analysis.pipeline import Pipeline, StudyColumns
from ephys_snn.analysis.results import PipelineResult


def add_options(parser):
    parser.add_argument("--factor", type=int, default=2)


def analyse(recording, windows, args):
    count = recording.responses(windows).count.sum(axis=0)
    table = pd.DataFrame([
        {"area": area, "n_spikes": args.factor * count[recording.units_in(area)].sum(), "note": ""}
        for area in recording.areas])
    return PipelineResult("toy_analysis", {"toy": table}, {}, {"factor": args.factor})


def findings(tables, areas_ordered):
    return f"Twice the spikes are {tables['toy']['n_spikes'].sum()}."


PIPELINE = Pipeline(
    name="toy_analysis", title="Spikes of a toy", question="How many spikes does each area have?",
    description="Count spikes.", measure="number of spikes", null="none", add_options=add_options,
    analyse=analyse, captions={}, findings=findings,
    study=StudyColumns("toy", {"n_spikes": "toy_n_spikes"}))
'''


def test_a_fifth_analysis_is_a_folder_and_a_line(tmp_path):
    package, elsewhere = tmp_path / "package", tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(CHECKOUT / "ephys_snn", package / "ephys_snn",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (package / "ephys_snn" / "analysis" / "toy").mkdir()
    (package / "ephys_snn" / "analysis" / "toy" / "__init__.py").write_text(TOY)
    listing = package / "ephys_snn" / "analysis" / "__init__.py"
    source = listing.read_text()
    line = f'    "{PACKAGES[-1]}",\n'
    assert source.count(line) == 1
    listing.write_text(source.replace(line, f'{line}    "toy",\n'))

    def python(*arguments) -> str:
        """What Python prints in a folder of its own, with the copy as the package."""
        done = subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=elsewhere,
                              env={**os.environ, "PYTHONPATH": str(package)},
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "  toy-analysis      How many spikes does each area have?\n" in python(
        "ephys_snn", "--help")
    assert "--factor" in python("ephys_snn", "toy-analysis", "--help")
    sample = CHECKOUT / "recordings" / "sample_digits.nix"
    python("ephys_snn.report.study", "report", sample, "sample", "--permutations", "5", "--areas",
           "layer_1,layer_2", "--trial-range", "0", "60", "--dpi", "30")
    page = (elsewhere / "sample" / "report.html").read_text()
    spikes = pd.read_csv(elsewhere / "sample" / "toy.csv")["n_spikes"]
    assert '<section id="toy_analysis">\n<h2>Spikes of a toy</h2>' in page
    assert f"Twice the spikes are {spikes.sum()}." in page[:page.index("<nav>")]
    assert page.index('<section id="separability">') < page.index('<section id="toy_analysis">')

    python("ephys_snn.report.study", "collect", "study.csv", "sample")
    table = pd.read_csv(elsewhere / "study.csv")
    rows = table[table["cell_type"] == "all"]
    assert rows["toy_n_spikes"].tolist() == spikes.tolist()
    assert table.columns[-2:].tolist() == ["toy_n_spikes", "note"]
    assert {"shortest_half_ms", "information_gain", "active_decoding_accuracy"} <= set(table)
