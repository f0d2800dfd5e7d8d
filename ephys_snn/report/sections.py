"""What every pipeline says of one recording, as a section of the page.

The recording is read once; processes share it, and the pipelines among them.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ephys_snn.analysis import Addition, Pipeline, PipelineResult, pipelines, write_results
from ephys_snn.cli import progress_bar
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, ResponseWindows


class Figure(NamedTuple):
    """A figure of the page."""

    png: bytes
    caption: str


class Section(NamedTuple):
    """What the page says of one pipeline.

    Attributes
    ----------
    name, title, question : str
        The question is '' of what was asked for besides.
    summary, warnings : list of str
    figures : dict of str to Figure
        By file stem.
    tables : dict of str to DataFrame
    parameters : dict
    finding : str
        The answer, in a sentence.
    error : str
        Why the pipeline gave nothing, or ''.
    """

    name: str
    title: str
    question: str = ""
    summary: Sequence[str] = ()
    warnings: Sequence[str] = ()
    figures: Mapping[str, Figure] = {}
    tables: Mapping[str, pd.DataFrame] = {}
    parameters: Mapping[str, Any] = {}
    finding: str = ""
    error: str = ""


def run_pipelines(recording: Recording, windows: ResponseWindows, args: argparse.Namespace,
                  folder: Path) -> list[Section]:
    """Run every pipeline that applies on a recording in memory, several at a time."""
    # Forked processes share the recording's memory; elsewhere it is sent to them.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(args.processes, context, _start_worker,
                             ((recording, windows, folder),)) as pool:
        futures = [pool.submit(_run, pipeline, pipeline_options(pipeline, args))
                   for pipeline in pipelines() if pipeline.applies(recording, args)]
        for _ in progress_bar(args.quiet)(as_completed(futures), "pipelines", len(futures)):
            pass
    return [future.result() for future in futures]


_JOB: tuple[Recording, ResponseWindows, Path] | None = None


def _start_worker(job: tuple[Recording, ResponseWindows, Path]) -> None:
    global _JOB
    from threadpoolctl import threadpool_limits

    _JOB = job
    threadpool_limits(1)  # the processes already share the cores


def _run(pipeline: Pipeline, options: argparse.Namespace) -> Section:
    recording, windows, folder = _JOB
    try:
        result = pipeline.analyse(recording, windows, options)
        written = write_results(result, recording, folder, options.format, options.dpi)
    except InputError as error:
        return Section(pipeline.name, pipeline.title, pipeline.question, error=str(error))
    section = make_section(pipeline, result, options.dpi, written)
    return section._replace(question=pipeline.question, finding=pipeline.findings(
        result.tables, recording.areas_ordered))


def pipeline_options(pipeline: Pipeline, args: argparse.Namespace) -> argparse.Namespace:
    """The options of a pipeline: its own defaults, and what the report was told."""
    parser = argparse.ArgumentParser()
    pipeline.add_options(parser)
    own = vars(parser.parse_args([]))
    told = {key: value for key, value in vars(args).items()
            if key not in own or value is not None}
    # Bars of several processes would overwrite each other.
    return argparse.Namespace(**{**own, **told, "quiet": True})


def make_section(analysis: Pipeline | Addition, result: PipelineResult, dpi: int,
                 written: Sequence[Path]) -> Section:
    """A section of the page, which shows PNG whatever the format of the written files is."""
    images = {path.stem: path.read_bytes() for path in written if path.suffix == ".png"}
    for stem, figure in result.figures.items():
        if stem not in images:
            image = BytesIO()
            figure.savefig(image, format="png", dpi=dpi)
            images[stem] = image.getvalue()
    figures = {stem: Figure(images[stem], caption_of(stem, analysis.captions))
               for stem in result.figures}
    return Section(
        analysis.name, analysis.title, summary=result.summary, warnings=result.warnings,
        figures=figures, tables=result.tables, parameters=result.parameters)


def caption_of(stem: str, captions: Mapping[str, str]) -> str:
    """The caption of a figure, or of the figure of which it is a numbered part."""
    known = [key for key in captions if stem == key or stem.startswith(f"{key}_")]
    return captions[max(known, key=len)] if known else ""
