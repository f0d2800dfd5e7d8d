"""The report on one recording of a study, and what became of it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from pathlib import Path

from ephys_snn.analysis import results_folder
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.report.command import parser, write_report

STATUS = "status.json"


def analyse(path: Path, folder: Path, options: Sequence[str] = ()) -> str:
    """Write the report on a recording, and beside it what became of it.

    Returns
    -------
    str
        Why the recording could not be analysed, or ''.
    """
    results_folder(folder)
    failed: dict[str, str] = {}
    try:
        args = parser().parse_args([str(path), *options, "--out", str(folder), "--quiet"])
        failed = {section.name: section.error for section in write_report(args).sections
                  if section.error}
        error = ""
    except InputError as problem:
        error = str(problem)
    except Exception as problem:  # one recording must not stop the others
        traceback.print_exc()
        error = f"{type(problem).__name__}: {problem}"
    status = {"recording": str(path), "options": list(options), "error": error, "failed": failed}
    with atomic_write(folder / STATUS) as temporary:
        temporary.write_text(json.dumps(status, indent=2) + "\n", encoding="utf-8")
    return error
