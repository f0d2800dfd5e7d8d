"""Analyses of recordings: a package for each question, and one list of them.

To add an analysis, add a folder whose ``__init__`` gives a `Pipeline` called ``PIPELINE``, and its
name to `PACKAGES`. The commands, the report and the study go through this list.
"""

from collections.abc import Iterator
from importlib import import_module

from ephys_snn.analysis.classes import class_sums
from ephys_snn.analysis.control import add_compare_option, add_condition_options, open_control
from ephys_snn.analysis.depth_trend import ONE_RECORDING
from ephys_snn.analysis.entropy import correct_for_chance, information_gain
from ephys_snn.analysis.pipeline import Addition, Pipeline, StudyColumns
from ephys_snn.analysis.results import (
    MODEL_PACKAGES,
    PipelineResult,
    provenance,
    provenance_of,
    results_folder,
    write_files,
    write_results,
)
from ephys_snn.analysis.runner import (
    add_result_options,
    analyse_besides,
    analysis_parser,
    results_path,
    run,
    tell,
)
from ephys_snn.analysis.statistics import (
    MAX_EXACT,
    MIN_SAMPLE,
    difference_interval,
    false_discovery_q,
    mean_interval,
    paired_fraction_interval,
    permutation_p_value,
    sign_flip_p_value,
    wilson_interval,
)
from ephys_snn.analysis.style import cell_type_color, class_colors, figure_style, new_figure

__all__ = ["MAX_EXACT", "MIN_SAMPLE", "MODEL_PACKAGES", "ONE_RECORDING", "PACKAGES", "Addition",
           "Pipeline", "PipelineResult", "StudyColumns", "add_compare_option",
           "add_condition_options", "add_result_options", "analyse_besides", "analysis_parser",
           "cell_type_color", "class_colors", "class_sums", "correct_for_chance",
           "difference_interval", "false_discovery_q", "figure_style", "information_gain",
           "mean_interval", "new_figure", "open_control", "paired_fraction_interval",
           "permutation_p_value", "pipelines", "provenance", "provenance_of", "results_folder",
           "results_path", "run", "sign_flip_p_value", "tell", "wilson_interval", "write_files",
           "write_results"]

# In the order of the report.
PACKAGES = (
    "synchrony",
    "information",
    "pathways",
    "separability",
    "conditions",
)


def pipelines() -> Iterator[Pipeline]:
    """The pipeline of every package, which is imported when its turn comes."""
    for package in PACKAGES:
        yield import_module(f"{__name__}.{package}").PIPELINE
