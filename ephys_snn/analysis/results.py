"""What a pipeline leaves behind: tables, figures and where they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERSIONED = ("ephys_snn", "neo", "nixio", "elephant", "numpy", "scipy", "scikit-learn", "pandas",
             "matplotlib")
# What the numbers of an analysis of a network itself depend on.
MODEL_PACKAGES = ("ephys_snn", "torch", "numba", "numpy", "scipy", "pandas", "matplotlib")


@dataclass(frozen=True)
class PipelineResult:
    """Everything one pipeline found in one recording.

    Attributes
    ----------
    name : str
        The pipeline, in one word; its JSON is called so.
    tables : dict of str to DataFrame
        File stem to table.
    figures : dict of str to Figure
        File stem to figure.
    parameters : dict
        All that the numbers depend on.
    summary : list of str
        What was found, in plain sentences.
    warnings : list of str
        What limits it, and what could not be computed and why.
    """

    name: str
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    parameters: Mapping[str, Any]
    summary: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def write_results(result: PipelineResult, recording: Recording, folder: str | Path,
                  image_format: str = "png", dpi: int = 150) -> list[Path]:
    """Write a pipeline's tables (CSV), figures and provenance (JSON); each file appears whole.

    Returns
    -------
    list of Path
        The files, the figures first.
    """
    return write_files(result, provenance(result, recording), folder, image_format, dpi)


def write_files(result: PipelineResult, about: Mapping[str, Any], folder: str | Path,
                image_format: str = "png", dpi: int = 150) -> list[Path]:
    """Write tables, figures and, as JSON, what is to be said about them.

    Returns
    -------
    list of Path
        The files, the figures first.
    """
    folder = results_folder(folder)
    written = []
    for stem, figure in result.figures.items():
        path = folder / f"{stem}.{image_format}"
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format=image_format, dpi=dpi)
        written.append(path)
    for stem, table in result.tables.items():
        path = folder / f"{stem}.csv"
        with atomic_write(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
        written.append(path)
    path = folder / f"{result.name}.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return [*written, path]


def provenance(result: PipelineResult, recording: Recording) -> dict[str, Any]:
    """Parameters, recording, versions, findings and warnings of a result, ready for JSON."""
    path = recording.path
    return provenance_of(result, {"recording": {
        "path": None if path is None else str(path.resolve()),
        "sha256": recording.sha256,
        "n_units": len(recording.units),
        "n_trials": len(recording.trials),
        "areas": list(recording.areas),
    }}, recording.notes)


def provenance_of(result: PipelineResult, source: Mapping[str, Any], notes: Sequence[str] = (),
                  versioned: Sequence[str] = VERSIONED) -> dict[str, Any]:
    """What a result says of itself, ready for JSON.

    Parameters
    ----------
    result : PipelineResult
    source : dict
        What it was found in.
    notes : sequence of str
        What limits the source.
    versioned : sequence of str
        Packages that it depends on.
    """
    return {
        "parameters": _plain(result.parameters),
        **_plain(source),
        "versions": {package: version(package) for package in versioned},
        "summary": list(result.summary),
        "warnings": [*notes, *result.warnings],
    }


def results_folder(folder: str | Path) -> Path:
    """Make the folder that results go to.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot make the folder {folder}: {error.strerror}; "
                         "choose another") from error
    return folder


def _plain(value: Any) -> Any:
    """The same value in types that JSON knows; nan and inf become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
