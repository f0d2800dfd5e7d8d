"""What an analysis is to the others: its question, its options, its answer in words and columns."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from ephys_snn.analysis.results import PipelineResult
from ephys_snn.recording import Recording, ResponseWindows

Options = argparse._ActionsContainer  # a parser, or a group of one


@dataclass(frozen=True)
class StudyColumns:
    """What an analysis adds to the table across recordings, which has a row per area and cell type.

    Attributes
    ----------
    table : str
        The table of the analysis that they are from; it has the columns `area` and `note`, and
        where there is no `cell_type`, its rows are about all units.
    names : dict of str to str
        A column of it, and what it is called in the study.
    by : tuple of str
        Columns of a table that has several rows per area and cell type: their values stand before
        the names.
    """

    table: str
    names: Mapping[str, str]
    by: tuple[str, ...] = ()


def always(recording: Recording, options: argparse.Namespace) -> bool:
    """That a question can be asked of every recording."""
    return True


@dataclass(frozen=True)
class Pipeline:
    """One analysis: all that commands, report, study and documents know of it.

    Attributes
    ----------
    name : str
        Of its JSON and main table; as a command, with - instead of _.
    title : str
        Over its section of the report.
    question : str
        What it asks, in a sentence.
    description : str
        What it does, in a sentence, for its own ``--help``.
    measure, null : str
        The main measures, and what they are compared with.
    add_options : callable
        Adds the options of this pipeline alone to a parser.
    analyse : callable
        (recording, windows, options) to `PipelineResult`; the options are its own, ``seed`` and
        ``quiet``.
    captions : dict of str to str
        Figure stem to caption; of numbered figures, the stem before the number.
    findings : callable
        (its tables, whether the order of the areas has a meaning) to the answer, in a sentence.
    study : StudyColumns
    applies : callable
        (recording, options) to whether the question can be asked of a recording at all. Where not,
        report and study go without the pipeline; asked for by its own command, it says why.
    """

    name: str
    title: str
    question: str
    description: str
    measure: str
    null: str
    add_options: Callable[[Options], None]
    analyse: Callable[[Recording, ResponseWindows, argparse.Namespace], PipelineResult]
    captions: Mapping[str, str]
    findings: Callable[[Mapping[str, pd.DataFrame], bool], str]
    study: StudyColumns
    applies: Callable[[Recording, argparse.Namespace], bool] = always

    @property
    def command(self) -> str:
        """Its name on a command line."""
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class Addition:
    """What any analysis does besides, where options ask for it.

    Attributes
    ----------
    name, title, add_options, captions
        As of a `Pipeline`.
    analyse : callable
        As of a `Pipeline`; None where the options do not ask.
    """

    name: str
    title: str
    add_options: Callable[[Options], None]
    analyse: Callable[[Recording, ResponseWindows, argparse.Namespace], PipelineResult | None]
    captions: Mapping[str, str]
