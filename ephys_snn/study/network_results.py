"""The files of a study of networks: the table, the effects of its conditions, figure and JSON."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ephys_snn.analysis import PipelineResult, provenance_of, results_folder, write_files
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.study.condition_effects import check_networks, condition_effects, measures_of
from ephys_snn.study.condition_figure import plot_networks
from ephys_snn.study.condition_findings import network_findings, network_limitations
from ephys_snn.study.network_config import NetworkStudy
from ephys_snn.study.network_measures import MEASURES
from ephys_snn.study.network_table import collect_networks

VERSIONED = ("ephys_snn", "numpy", "scipy", "pandas", "matplotlib")


def write_network_study(study: NetworkStudy) -> str:
    """Write ``networks.csv`` of what networks there are so far, and all that follows from it.

    Returns
    -------
    str
        What was found, what limits it and which networks failed, a sentence per line.
    """
    table = collect_networks(study)
    results_folder(study.out)
    with atomic_write(study.table) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    result = network_result(read_networks(study.table), study.table.stem)
    write_network_result(result, study.out)
    return "\n".join([*result.summary, *(f"note: {warning}" for warning in result.warnings)])


def read_networks(path: Path) -> pd.DataFrame:
    """The table of a study of networks.

    Raises
    ------
    InputError
        If it cannot be read, or is none.
    """
    try:
        networks = pd.read_csv(path, dtype={"condition": str, "options": str, "note": str})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # no table, no text, or nothing
        raise InputError(f"{path} is no CSV file: {error}") from error
    check_networks(networks)
    return networks.fillna({"note": "", "options": ""})


def network_result(networks: pd.DataFrame, name: str) -> PipelineResult:
    """Effects, figure and findings of ``networks.csv``.

    Parameters
    ----------
    networks : DataFrame
    name : str
        Of the JSON and the figure, and what the table of effects begins with.
    """
    effects = condition_effects(networks)
    options = networks.drop_duplicates("condition").set_index("condition").get("options")
    shown = {measure for column in measures_of(networks) for measure in MEASURES
             if column.removeprefix("untrained_").startswith(measure)}
    parameters = {
        "conditions": {} if options is None else options.to_dict(),
        "seeds": sorted(networks["seed"].unique()),
        "measures": {measure: words for measure, words in MEASURES.items() if measure in shown}}
    return PipelineResult(name, {f"{name}_effects": effects},
                          {name: plot_networks(networks, effects)}, parameters,
                          network_findings(networks, effects),
                          network_limitations(networks, effects))


def write_network_result(result: PipelineResult, folder: Path, image_format: str = "png",
                         dpi: int = 150) -> list[Path]:
    """Write effects, figure and JSON; the files, the figure first."""
    about = provenance_of(result, {}, versioned=VERSIONED)
    return write_files(result, about, folder, image_format, dpi)
