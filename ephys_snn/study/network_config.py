"""What a study of networks is: conditions, seeds, and the options of training each network."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ephys_snn.errors import InputError, listed

KEYS = ("base", "vary", "design", "seeds", "trials", "data", "out")
DESIGNS = ("one_at_a_time", "crossed")
BASE = "base"  # the condition with which all others are compared
# Options of training that the study sets itself.
RESERVED = ("data", "seed", "out", "resume", "log", "tensorboard", "dry-run")
MIN_TRIALS = 10  # what virtual experiments ask for
# Of virtual experiments on each network; matched sets are few, for networks are the sample.
PLAN = """\
pathways:
  question: Do pathways of the last layer cause the decision for their class?
  perturb: silence layer_{n_hidden} pathway={{class}}
  matched: 5
inhibition:
  question: Which layer's inhibition is needed?
  perturb: silence {{hidden}} inhibitory
"""


class Condition(NamedTuple):
    """How networks of a study are trained.

    Attributes
    ----------
    name : str
        Of the condition and of its folder.
    options : tuple of str
        Words of the command line of training, without data, seed and files.
    values : dict of str to str
        The value of each option that the study varies; '' where training chooses it.
    n_hidden : int
    """

    name: str
    options: tuple[str, ...]
    values: Mapping[str, str]
    n_hidden: int

    @property
    def plan(self) -> str:
        """The virtual experiments on its networks, for ``perturb --plan``."""
        return PLAN.format(n_hidden=self.n_hidden)


@dataclass(frozen=True)
class NetworkStudy:
    """What the config file asks for.

    Attributes
    ----------
    conditions : dict of str to Condition
        By name, the base first.
    seeds : tuple of int
        Each trains a network in every condition.
    trials : int
        Test stimuli that are shown to each network.
    data : tuple of str
        ``--data`` and its value, for all commands; empty for the default.
    out : Path
        Folder of all results.
    """

    conditions: Mapping[str, Condition]
    seeds: tuple[int, ...]
    trials: int
    data: tuple[str, ...]
    out: Path

    @property
    def table(self) -> Path:
        """The table with a row per network."""
        return self.out / "networks.csv"

    @property
    def folders(self) -> dict[tuple[str, int], Path]:
        """The folder of every network, by condition and seed."""
        return {(name, seed): self.out / name / f"seed_{seed}"
                for name in self.conditions for seed in self.seeds}


def read_network_study(config: Mapping[str, Any], training: argparse.ArgumentParser
                       ) -> NetworkStudy:
    """Conditions and seeds that a config asks for.

    Parameters
    ----------
    config : dict
        `base` (option of training to its value: a list is several words, true is an option without
        a value), `vary` (option to its values), `design` (`one_at_a_time`: each value a condition
        beside the base; or `crossed`), `seeds` (how many, or which), `trials`, `data`, `out`.
    training : ArgumentParser
        The options of ``ephys_snn.train``.

    Raises
    ------
    InputError
        If the config has other keys, options that training does not know, or nothing to compare.
    """
    unknown = sorted(set(map(str, config)) - set(KEYS))
    if unknown:
        raise InputError(f"the config has {listed(unknown)}; it may have {', '.join(KEYS)}")
    design = config.get("design", DESIGNS[0])
    if design not in DESIGNS:
        raise InputError(f"design must be {' or '.join(DESIGNS)}; got {design}")
    base = _mapping(config, "base")
    axes = _mapping(config, "vary")
    for axis, values in axes.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"vary: {axis} must be a list of values; got {values}")
    conditions = _conditions(base, _changes(axes, design), list(axes), training)
    if len(conditions) < 2:
        raise InputError("vary names no value beside those of base; name some, such as "
                         "excitatory: [0.5, 0.9]")
    data = config.get("data")
    return NetworkStudy(conditions, _seeds(config.get("seeds")),
                        _whole(config, "trials", 1000, MIN_TRIALS),
                        () if data is None else ("--data", str(data)),
                        Path(config.get("out", "results/networks")))


def _mapping(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Options by their names on the command line."""
    given = config.get(key) or {}
    if not isinstance(given, Mapping):
        raise InputError(f"{key} must hold options of training, NAME: VALUE; got {given}")
    options = {str(name).replace("_", "-"): value for name, value in given.items()}
    taken = [name for name in options if name in RESERVED]
    if taken:
        raise InputError(f"{key}: the study itself sets {listed(taken)}; leave it out")
    return options


def _seeds(given: Any) -> tuple[int, ...]:
    seeds = list(range(given)) if _is_whole(given) else given
    if not isinstance(seeds, list) or not seeds or len(set(map(str, seeds))) < len(seeds) \
            or not all(_is_whole(seed) and seed >= 0 for seed in seeds):
        raise InputError("seeds must be how many there are, or a list of different whole numbers; "
                         f"got {given}")
    return tuple(seeds)


def _whole(config: Mapping[str, Any], key: str, default: int, least: int) -> int:
    value = config.get(key, default)
    if not _is_whole(value) or value < least:
        raise InputError(f"{key} must be a whole number, at least {least}; got {value}")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _changes(axes: Mapping[str, list], design: str) -> list[dict[str, Any]]:
    """What each condition changes of the base, which changes nothing."""
    if design == "crossed":
        changed = [dict(zip(axes, values, strict=True))
                   for values in itertools.product(*axes.values())]
    else:
        changed = [{axis: value} for axis, values in axes.items() for value in values]
    return [{}, *changed]


def _conditions(base: Mapping[str, Any], changes: Sequence[Mapping[str, Any]],
                axes: Sequence[str], training: argparse.ArgumentParser) -> dict[str, Condition]:
    """Conditions by their names; one whose options are those of another is no second one."""
    conditions, parsed = {}, []
    for change in changes:
        options = {**base, **change}
        name = ",".join(f"{axis}={_text(value)}" for axis, value in change.items()) or BASE
        name = re.sub(r"[^\w.,=+-]", "_", name)
        words = tuple(word for option, value in options.items() for word in _words(option, value))
        try:
            known = vars(training.parse_args(list(words)))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        if known in parsed:
            continue
        if name in conditions:
            raise InputError(f"vary: two conditions would be called {name}; change one's value")
        parsed.append(known)
        values = {setting: _text(options.get(axis, known.get(setting)))
                  for axis, setting in ((axis, axis.replace("-", "_")) for axis in axes)}
        conditions[name] = Condition(name, words, values, len(known["hidden"]))
    return conditions


def _words(option: str, value: Any) -> list[str]:
    """Of a command line."""
    if value is False or value is None:
        return []
    if value is True:
        return [f"--{option}"]
    return [f"--{option}", *map(str, value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    """A value in names and tables: 4x400 for four layers of 400."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if not isinstance(value, list):
        return str(value)
    runs = [(each, len(list(same))) for each, same in itertools.groupby(value)]
    return "-".join(f"{n}x{each}" if n > 1 else str(each) for each, n in runs)
