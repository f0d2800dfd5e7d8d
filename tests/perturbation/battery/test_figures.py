"""Figures show what the tables say, whatever the plan, the networks and the gaps."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from perturbation.battery.made_up import made_up_tables

from ephys_snn.perturbation.battery.figures import battery_figures
from ephys_snn.perturbation.battery.figures.changes import MOST
from ephys_snn.perturbation.battery.figures.drawing import shorten_middle
from ephys_snn.perturbation.battery.figures.pathways import lesion_matrix
from ephys_snn.perturbation.battery.figures.selectivity import worst_class
from ephys_snn.perturbation.battery.plan import Experiment, read_plan
from ephys_snn.perturbation.battery.retraining import RETRAINED

HIDDEN, CLASSES = ("layer_1", "layer_2"), ("a", "b", "c")


def lossy(operation, is_trained, is_matched, draw):
    """Something everywhere, so that nothing is drawn by chance alone."""
    size = min(operation.dose[0], 1.0) * (0.2 if is_trained else 0.02) / (1 + is_matched)
    return {"change": -size, "own": -2 * size, "decision": 0.1 * (1 + draw)}


def draw(*perturb, hidden=HIDDEN, classes=CLASSES, matched=0, draws=1, question="Why?", **options):
    plan = [Experiment("mine", question, perturb, draws, matched)]
    tables = made_up_tables(plan, hidden, classes, lossy, **options)
    return battery_figures(tables, ["input", *hidden, "output"], classes, {"mine": question})


def default_tables(hidden=HIDDEN, classes=CLASSES, **options):
    plan = [one for one in read_plan(None) if not one.retrain]
    return made_up_tables(plan, hidden, classes, lossy, **options)


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text"))]


@pytest.fixture(scope="module")
def figures():
    questions = {one.name: one.question for one in read_plan(None)}
    return battery_figures(default_tables(), ["input", *HIDDEN, "output"], CLASSES, questions)


def test_each_experiment_of_the_default_plan_has_a_figure_with_its_question(figures):
    questions = {f"perturb_{one.name}": one.question for one in read_plan(None)
                 if not one.retrain}
    assert list(figures) == list(questions)
    for stem, figure in figures.items():
        assert figure.get_suptitle() == questions[stem]
        said = " ".join(" ".join(texts(figure)).split())
        assert "1,000 trials" in said and "untrained twin" in said.lower()


@pytest.mark.parametrize("stem", ["silencing", "pathways", "selectivity", "packets", "robustness"])
def test_no_labels_of_an_axis_overlap(figures, stem):
    figure = figures[f"perturb_{stem}"]
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [label.get_window_extent(renderer) for label in axis.get_ticklabels()
                     if label.get_visible() and label.get_text()]
            assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize("networks, twin, hidden, classes", [
    (["x"], False, ["layer_1"], ["only"]),
    (["x", "y"], True, ["layer_1"], ["a", "b"]),
    (list("vwxyz"), False, ["layer_1"], [f"orientation_{i}_left" for i in range(12)]),
])
def test_odd_networks_are_drawn(networks, twin, hidden, classes, tmp_path):
    tables = default_tables(hidden, classes, networks=networks, twin=twin)
    drawn = battery_figures(tables, ["input", *hidden, "output"], classes, {})
    assert len(drawn) == 5
    for figure in drawn.values():
        figure.savefig(tmp_path / "drawn.png", dpi=30)


def test_many_layers_go_into_rows():
    figure, = draw("silence {hidden} of={0.5,1}",
                   hidden=[f"layer_{i}" for i in range(1, 17)], twin=False).values()
    assert figure.get_figwidth() < 16
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == [f"layer_{i}" for i in range(1, 17)]


def test_what_could_not_be_computed_is_not_drawn(tmp_path):
    tables = default_tables()
    rng = np.random.default_rng(0)
    rows = tables["perturbations"]
    rows.loc[rng.random(len(rows)) < 0.5, ["accuracy", "change", "low", "high"]] = np.nan
    rows.loc[rng.random(len(rows)) < 0.5, "decision_change_ms"] = np.nan
    rows.loc[rows["experiment"] == "robustness", "accuracy"] = np.nan
    by_area = tables["perturbations_by_area"]
    by_area[["shortest_half_equal_ms", "information_gain"]] = np.nan
    drawn = battery_figures(tables, HIDDEN, CLASSES, {})
    assert "perturb_robustness" not in drawn and len(drawn) == 4
    for figure in drawn.values():
        figure.savefig(tmp_path / "drawn.png", dpi=30)


def test_tables_of_a_stopped_battery_are_drawn(tmp_path):
    tables = default_tables()
    first = {name: table for name, table in tables.items()
             if name in ("perturbations", "perturbations_by_class")}
    first["perturbations"] = first["perturbations"].groupby("experiment").head(3)
    for figure in battery_figures(first, HIDDEN, CLASSES, {}).values():
        figure.savefig(tmp_path / "drawn.png", dpi=30)


def test_an_experiment_of_several_kinds_has_a_figure_for_each():
    drawn = draw("silence {hidden} of={0.5,1}", "cut onto layer_1")
    assert list(drawn) == ["perturb_mine_silencing", "perturb_mine_other"]


def test_of_very_many_perturbations_the_largest_are_drawn():
    figure, = draw(*(f"silence layer_1 units={unit}" for unit in range(MOST + 5))).values()
    axes, = figure.axes
    assert len(axes.get_yticks()) == MOST
    assert any(f"{MOST} largest changes of {MOST + 5}" in text for text in texts(figure))


def test_retraining_stands_beside_the_acute_effect():
    plan = [Experiment("mine", "why?", ("silence {hidden} inhibitory",))]
    tables = made_up_tables(plan, HIDDEN, CLASSES, lossy, twin=False)
    acute = tables["perturbations"]
    again = acute.assign(control=RETRAINED, accuracy=0.85)
    tables["perturbations"] = pd.concat([acute, again], ignore_index=True)
    figure = battery_figures(tables, HIDDEN, CLASSES, {})["perturb_mine"]
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert sorted(drawn) == pytest.approx([0.7, 0.7, 0.85, 0.85])


def test_lesioned_against_tested_class_by_the_definition():
    plan = [Experiment("mine", "why?", ("silence layer_1 pathway={class}",), matched=1)]
    tables = made_up_tables(plan, HIDDEN, CLASSES, lossy, networks=["x", "y"])
    rows, by_class = tables["perturbations"], tables["perturbations_by_class"]
    by_class["change"] = np.random.default_rng(0).normal(size=len(by_class))
    matrix = lesion_matrix(rows, by_class, CLASSES)
    for lesioned, tested in itertools.product(CLASSES, repeat=2):
        changes = by_class[(by_class["perturbation"] == f"silence layer_1 pathway={lesioned}")
                           & (by_class["class"] == tested) & (by_class["control"] == "none")]
        assert len(changes) == 2  # networks
        assert matrix.loc[lesioned, tested] == pytest.approx(changes["change"].mean())


def test_p_of_the_twin_stands_below_the_twin():
    def effect(operation, is_trained, is_matched, draw):
        return {"own": -0.5 if is_trained and not is_matched else 0.0}

    plan = [Experiment("mine", "why?", ("silence layer_1 pathway={class}",), matched=1)]
    tables = made_up_tables(plan, HIDDEN, CLASSES, effect)
    figure, = battery_figures(tables, HIDDEN, CLASSES, {}).values()
    below = {axes.get_title(loc="left"): axes.get_xticklabels()[0].get_text()
             for axes in figure.axes if axes.get_xticklabels()}
    assert below["Trained"] == f"layer_1\np = {2.0 ** -len(CLASSES):.2g}"
    assert below["Untrained twin"] == "layer_1\np = 1"


def test_the_worst_class_is_the_largest_loss_of_any():
    by_class = pd.DataFrame({
        "network": "n", "experiment": "e", "perturbation": ["p", "p", "q", "q"], "control": "none",
        "replicate": 0, "class": ["a", "b"] * 2, "change": [-0.1, -0.4, 0.2, 0.1]})
    assert worst_class(by_class).set_index("perturbation")["worst_class"].to_dict() \
        == pytest.approx({"p": 0.4, "q": -0.1})


def test_long_names_keep_both_ends():
    assert shorten_middle("short", 9) == "short"
    assert shorten_middle("orientation_90_left", 9) == "orie…left"
    assert len(shorten_middle("orientation_90_left", 10)) == 10
