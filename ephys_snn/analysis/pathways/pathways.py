"""Class-specific pathways: units that route the activity of one class from area to area.

Members come from the weights (`structural`) or from one half of the trials (`functional`); whether
they prefer their class is asked of other trials (`preference`), and so is whether members in two
areas are linked (`links`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ephys_snn.analysis.classes import label_codes
from ephys_snn.analysis.pathways.functional import functional_pathways
from ephys_snn.analysis.pathways.links import functional_links, structural_links
from ephys_snn.analysis.pathways.members import Pathways, PathwaySettings
from ephys_snn.analysis.pathways.structural import structural_pathways
from ephys_snn.analysis.pathways.tables import (
    area_table,
    member_table,
    preference_table,
    trend_table,
    uncomputed_rows,
)
from ephys_snn.analysis.surrogates import Relabelling
from ephys_snn.analysis.trial_subsets import split_halves
from ephys_snn.cli import Progress, no_progress
from ephys_snn.errors import InputError
from ephys_snn.recording import Recording, Responses, ResponseWindows, sort_labels

LONGEST_LAG = 50.0  # ms, of the largest lag by default
DEFAULTS = PathwaySettings()


class PathwayResult(NamedTuple):
    """Everything about the pathways of a recording.

    Attributes
    ----------
    table : DataFrame
        A row per kind, class and area.
    by_area : DataFrame
        A row per kind and area: means over classes.
    trends : DataFrame
        A row per kind.
    members, links, area_links : DataFrame
        A row per member, per link between members, per pair of areas.
    kinds : tuple of Pathways
        For figures: structural, where there are weights, and functional.
    reasons : dict of str to str
        Kinds that could not be computed, and why.
    n_trials : int
        Trials with a response window.
    repeats_of : {'stimulus', 'class'}
        What trials that exchanged responses had in common.
    max_lag : float, ms
    """

    table: pd.DataFrame
    by_area: pd.DataFrame
    trends: pd.DataFrame
    members: pd.DataFrame
    links: pd.DataFrame
    area_links: pd.DataFrame
    kinds: tuple[Pathways, ...]
    reasons: dict[str, str]
    n_trials: int
    repeats_of: str
    max_lag: float


def measure_pathways(recording: Recording, windows: ResponseWindows,
                     settings: PathwaySettings = DEFAULTS, progress: Progress = no_progress
                     ) -> PathwayResult:
    """Structural and functional pathways of a recording, their preference, and their links.

    Parameters
    ----------
    recording : Recording
    windows : ResponseWindows
        When a spike makes a unit active; trials without a window are left out.
    settings : PathwaySettings
    progress : Progress
        Of the pairs of areas and of linked units.

    Raises
    ------
    InputError
        If the trials are of one class only, or too few for the blocks of labels.
    """
    split_rng, member_rng, null_rng, link_rng = (
        np.random.default_rng([settings.seed, stream]) for stream in range(4))
    responses = recording.responses(windows)._replace(latency=np.empty((0, 0)))  # not needed
    classes = sort_labels(responses.label)
    if len(classes) < 2:
        raise InputError("pathways need trials of at least two classes; "
                         f"all {len(responses.label)} trials with a response window are "
                         f"{classes[0]!r}; choose other labels with --label")
    code = label_codes(responses.label, classes)
    chosen_by = choosing_half(code, settings.relabelling, split_rng)
    settings.relabelling.check(len(code) // 2)
    structural, synapses, reason = _structural(recording, responses, settings)
    functional = functional_pathways(recording, responses, windows, chosen_by, settings,
                                     member_rng)
    kinds = (functional,) if structural is None else (structural, functional)
    max_lag = settings.max_lag or float(min(LONGEST_LAG, np.median(
        windows.durations[responses.trial]) / 2))
    coupled, area_links = functional_links(recording, windows, functional, responses.trial,
                                           chosen_by, max_lag, settings, link_rng, progress)
    table, null = preference_table(kinds, settings, null_rng)
    if reason and recording.weights:
        table = pd.concat([table, uncomputed_rows(recording, reason)], ignore_index=True)
    return PathwayResult(
        table, area_table(table, null), trend_table(recording, table, kinds, null_rng),
        member_table(recording, kinds), pd.concat([*synapses, coupled], ignore_index=True),
        area_links, kinds, {"structural": reason} if reason else {}, len(responses.label),
        recording.trials.repeats.of, max_lag)


def choosing_half(code: np.ndarray, relabelling: Relabelling, rng: np.random.Generator
                  ) -> np.ndarray:
    """(trial,) bool, the trials that choose functional members; the others evaluate them.

    Where labels are shifted, the first and the last quarter: what is shifted is one stretch.
    """
    if not relabelling.shift:
        return split_halves(code, rng, relabelling.block_trials)
    from_the_end = np.minimum(np.arange(len(code)), np.arange(len(code))[::-1])
    return from_the_end < len(code) // 4


def _structural(recording: Recording, responses: Responses, settings: PathwaySettings
                ) -> tuple[Pathways | None, list[pd.DataFrame], str]:
    """Structural pathways and their links in a list, or why there are none."""
    if not recording.weights:
        return None, [], "the recording has no weights"
    try:
        pathways, effects = structural_pathways(recording, responses, settings)
    except InputError as error:
        return None, [], str(error)
    return pathways, [structural_links(recording, pathways, effects, settings.max_links)], ""
