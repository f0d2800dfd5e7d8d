"""All that is measured of one condition against the control, of every area and cell type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ephys_snn.analysis.conditions import decoding, information, responses
from ephys_snn.analysis.conditions.changes import Change, mean_changes, no_change
from ephys_snn.analysis.conditions.contrast import Contrast
from ephys_snn.analysis.conditions.responses import Group
from ephys_snn.analysis.decoding import encode, main_code, map_steps
from ephys_snn.cli import Progress
from ephys_snn.pulse_packets import MIN_ACTIVE
from ephys_snn.recording import Recording, Responses, ResponseWindows

WIDTH = "shortest_half_ms"
MEASURES = (*responses.TRIAL_MEASURES, WIDTH, *information.MEASURES, *decoding.MEASURES)
NOTHING_ALIKE = ("not computable: no trial of the condition has one of the control near it, of the "
                 "same class, to be compared with")
NO_PACKETS = f"no trials to compare have {MIN_ACTIVE} active units, in both conditions"


@dataclass(frozen=True)
class ConditionSettings:
    """What the numbers depend on.

    Attributes
    ----------
    condition, control : str or None
        Annotation of the trials, and the value of it that others are compared with; None: what
        the trials state.
    n_permutations : int
        Times that trials change conditions.
    block_trials : int
        See `ephys_snn.analysis.surrogates.exchangeable_groups`.
    n_folds, n_repeats : int
        Folds of the cross-validation, and random assignments to them.
    max_pairs : int
        Pairs of trials that information and decoding are computed from.
    seed : int
    """

    condition: str | None = None
    control: str | None = None
    n_permutations: int = 999
    block_trials: int = 1
    n_folds: int = 5
    n_repeats: int = 3
    max_pairs: int = 1000
    seed: int = 0


class Everything(NamedTuple):
    """All responses of a recording, how units are grouped, and what is decoded.

    Attributes
    ----------
    responses : Responses
    windows : ResponseWindows
    groups : list of Group
    code : str
        One of `ephys_snn.analysis.decoding.CODES`.
    resolution : float or None, ms
        Of the recording.
    """

    responses: Responses
    windows: ResponseWindows
    groups: list[Group]
    code: str
    resolution: float | None

    @classmethod
    def observe(cls, recording: Recording, windows: ResponseWindows) -> Everything:
        """The responses in these windows."""
        return cls(recording.responses(windows), windows, responses.groups_of(recording, windows),
                   main_code(recording, windows), recording.resolution)

    def of(self, trial: np.ndarray, units: np.ndarray) -> Responses:
        """The responses of some units in some trials, (trial,) int of ``recording.trials``."""
        row = np.searchsorted(self.responses.trial, trial)
        return Responses(self.responses.latency[np.ix_(row, units)],
                         self.responses.count[np.ix_(row, units)], self.responses.label[row], trial)


class Measured(NamedTuple):
    """A change, and how many units its values are of: active units drawn, for a width."""

    change: Change
    n_units: int


def measure(everything: Everything, contrast: Contrast, settings: ConditionSettings,
            rng: np.random.Generator, progress: Progress
            ) -> Iterator[tuple[Group, str, Measured]]:
    """Every measure of every group of units, with the reason where one cannot be computed."""
    able = [group for group in everything.groups if not group.note]
    by_group: list[dict[str, Measured]] = [{} for _ in able]
    if len(contrast.trial) and able:
        for part in (_over_trials(everything, able, contrast, settings, rng),
                     _over_pairs(everything, able, contrast, settings, rng, progress)):
            for known, found in zip(by_group, part, strict=True):
                known.update(found)
    measured = iter(by_group)
    for group in everything.groups:
        missing = Measured(no_change(group.note or NOTHING_ALIKE, contrast.paired), 0)
        known = {} if group.note else next(measured)
        for name in MEASURES:
            yield group, name, known.get(name, missing)


def _over_trials(everything: Everything, groups: list[Group], contrast: Contrast,
                 settings: ConditionSettings, rng: np.random.Generator
                 ) -> Iterator[dict[str, Measured]]:
    """Changes of what is a mean over trials, by group."""
    n_counts = len(responses.TRIAL_MEASURES) - 1  # all but the latency, which needs a packet
    values, timing, n_spikes = [], [], []
    for group in groups:
        of_trials = responses.trial_values(everything.responses, everything.windows, group)[
            contrast.trial]
        latency = everything.of(contrast.trial, group.units).latency
        width, n_drawn = responses.equal_widths(latency, contrast.is_condition, rng)
        values.append(of_trials[:, :n_counts])
        timing += [of_trials[:, n_counts], width]
        n_spikes.append(n_drawn)
    counts = iter(mean_changes(np.column_stack(values), contrast, settings.n_permutations, rng,
                               "all windows last 0 ms"))
    times = iter(mean_changes(np.column_stack(timing), contrast, settings.n_permutations, rng,
                              NO_PACKETS))
    for group, n_drawn in zip(groups, n_spikes, strict=True):
        found = {name: Measured(next(counts if name != "latency_ms" else times), len(group.units))
                 for name in responses.TRIAL_MEASURES}
        yield found | {WIDTH: Measured(_resolved(next(times), everything.resolution), n_drawn)}


def _resolved(change: Change, resolution: float | None) -> Change:
    """A change of widths, not tested where the recording cannot tell them."""
    if resolution is None or not min(change.value, change.control_value) < resolution * (1 - 1e-6):
        return change
    return change._replace(low=np.nan, high=np.nan, p_value=np.nan, note=(
        f"not tested: widths finer than the recording's time resolution of {resolution:.4g} ms, "
        "an artefact"))


def _over_pairs(everything: Everything, groups: list[Group], contrast: Contrast,
                settings: ConditionSettings, rng: np.random.Generator, progress: Progress
                ) -> Iterator[dict[str, Measured]]:
    """Changes of information and decoding, at equal numbers of trials, by group."""
    place = contrast.matched(rng, settings.max_pairs)
    trial, code = contrast.trial[place], contrast.code[place[0]]
    unit = contrast.kind[place[0]] if contrast.paired else np.arange(len(code))
    units = np.unique(np.concatenate([group.units for group in groups]))
    members = np.array([np.isin(units, group.units) for group in groups])
    pairs = information.PairedTrials(
        np.stack([everything.of(of, units).active for of in trial]), code, unit, contrast.paired)
    informative = information.information_changes(pairs, members, settings.n_permutations, rng)
    design = decoding.plan_decoding(trial, code, unit, contrast.paired, settings.n_folds,
                                    settings.n_repeats, rng)

    def decode(group: Group) -> list[Change]:
        if isinstance(design, str):
            return [no_change(design, contrast.paired)] * len(decoding.MEASURES)
        windows = everything.windows
        longest = (windows.stop - windows.onset)[windows.used].max()
        features = np.stack([encode(everything.of(of, group.units), everything.code, longest)
                             for of in design.pairs])
        return decoding.decoding_changes(features, design)

    decoded = map_steps(decode, groups, progress, "decoding")
    for group, of_units, of_group in zip(groups, informative, decoded, strict=True):
        yield {name: Measured(*each) for name, each in
               zip(information.MEASURES, of_units, strict=True)} | {
            name: Measured(each, len(group.units)) for name, each in
            zip(decoding.MEASURES, of_group, strict=True)}
