"""``networks.csv``: a row per network of a study, from the results in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ephys_snn.files import atomic_write
from ephys_snn.recording import Recording
from ephys_snn.study.network_config import Condition, NetworkStudy
from ephys_snn.study.network_measures import Measure, reasons, table_measures
from ephys_snn.study.twins import decision_accuracy

DECISIONS = "decisions.json"
# In their order: the log of each step, and a file that is there if the step succeeded.
STEPS = {
    "train": "model.pt",
    "record_trained": f"trained/{DECISIONS}",
    "record_untrained": f"untrained/{DECISIONS}",
    "analyse_trained": "trained/pathways.json",
    "analyse_untrained": "untrained/pathways.json",
    "perturb": "perturbations/perturbations.json",
    "mechanism": "mechanism/mechanism.json",
}
TWINS = {"trained": "", "untrained": "untrained_"}  # and what their columns begin with
OF_DECISIONS = ("accuracy", "undecided", "decision_ms")


def write_decisions(recording: str | Path, path: str | Path) -> None:
    """Write what a network decided, and how it was trained, from its recording, as JSON."""
    recording = Recording.read(recording)
    trials = recording.trials
    undecided = np.isnan(trials.decision_time)
    times = (trials.decision_time - trials.onset)[~undecided]
    about = {"accuracy": decision_accuracy(recording).fraction,
             "undecided": float(undecided.mean()),
             "decision_ms": float(times.mean()) if len(times) else None,
             "n_trials": len(trials),
             "model_sha256": recording.annotations["model_sha256"],
             "training": recording.annotations["settings"]["training"]}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def collect_networks(study: NetworkStudy) -> pd.DataFrame:
    """The columns of ``networks.csv``.

    Returns
    -------
    DataFrame
        A row per network: `condition`, `seed`, the options that vary, `options`, `epochs`,
        `n_trials`, `model_sha256`, then its measures (`MEASURES`), those of its untrained twin
        (`untrained_...`), and in `note` why some are missing. A step that failed or was not run
        leaves its measures empty.
    """
    rows = [_row(study.conditions[name], seed, folder)
            for (name, seed), folder in study.folders.items()]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    first = [column for column in columns if not column.startswith("untrained_")]
    twin = [column for column in columns if column.startswith("untrained_")]
    order = [column for column in (*first, *twin) if column != "note"]
    return pd.DataFrame(rows, columns=[*order, "note"])


def _row(condition: Condition, seed: int, folder: Path) -> dict[str, Any]:
    decided = {twin: _read_decisions(folder / twin / DECISIONS) for twin in TWINS}
    measures = {twin: [*_of_decisions(decided[twin]), *table_measures(folder, twin)]
                for twin in TWINS}
    missing = reasons(measures["trained"])
    missing += [f"untrained twin: {reason}" for reason in reasons(measures["untrained"])
                if reason not in missing]
    shown, chosen = decided["trained"], decided["trained"].get("training", {})
    about = {"condition": condition.name, "seed": seed,
             **{name: value or chosen.get(name) for name, value in condition.values.items()},
             "options": " ".join(condition.options), "epochs": chosen.get("epochs"),
             "n_trials": shown.get("n_trials"), "model_sha256": shown.get("model_sha256")}
    numbers = {prefix + measure.name: measure.value
               for twin, prefix in TWINS.items() for measure in measures[twin]}
    return about | numbers | {"note": "; ".join([*_failures(folder), *missing])}


def _read_decisions(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _of_decisions(decided: dict[str, Any]) -> list[Measure]:
    if not decided:
        return [Measure(name, np.nan, "not recorded") for name in OF_DECISIONS]
    return [Measure(name, np.nan, "no trial has a decision") if decided[name] is None
            else Measure(name, decided[name]) for name in OF_DECISIONS]


def _failures(folder: Path) -> list[str]:
    """The first step that has no result, and the last line of its log."""
    for step, result in STEPS.items():
        if not (folder / result).exists():
            log = folder / f"{step}.log"
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            lines = text.replace("\n  ", " ").split("\n")  # an indented line goes on with the last
            said = [line.strip() for line in lines if line.strip()]
            return [f"{step} failed: {said[-1]}" if said else f"{step} has not been run"]
    return []
