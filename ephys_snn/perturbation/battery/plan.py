"""Plans: which perturbations are tried to answer which question, with which controls."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ephys_snn.errors import InputError
from ephys_snn.perturbation.operations import Operation
from ephys_snn.perturbation.reference import class_word
from ephys_snn.perturbation.words import parse_perturbation

HIDDEN, CLASS = "hidden", "class"


@dataclass(frozen=True)
class Experiment:
    """Perturbations that answer one question.

    Parameters
    ----------
    name : str
        In one word, for tables and files.
    question : str
    perturb : tuple of str
        Perturbations in words, with braces.
    draws : int
        How often each is repeated with other random numbers.
    matched : int
        Random sets of units that are perturbed beside each.
    retrain : bool
        Whether the network learns again while the units stay silent.

    Raises
    ------
    InputError
        If a value cannot be what it should be.
    """

    name: str
    question: str
    perturb: tuple[str, ...]
    draws: int = 1
    matched: int = 0
    retrain: bool = False

    def __post_init__(self):
        if not re.fullmatch(r"\w+", self.name):
            raise InputError(f"the name of an experiment must be a word; got '{self.name}'")
        if not self.perturb or not all(isinstance(words, str) for words in self.perturb):
            raise InputError(f"{self.name}: perturb must be a list of perturbations in words")
        for key, least in (("draws", 1), ("matched", 0)):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{self.name}: {key} must be a whole number, at least {least}; "
                                 f"got {value}")
        if not isinstance(self.retrain, bool):
            raise InputError(f"{self.name}: retrain must be true or false; got {self.retrain}")
        if self.retrain and self.matched:
            raise InputError(f"{self.name}: there are no matched sets where networks learn again; "
                             "leave out matched")

    def operations(self, hidden: Sequence[str], classes: Sequence[str]) -> list[Operation]:
        """The perturbations of a network with these hidden layers and classes.

        Raises
        ------
        InputError
            If some words are no perturbation.
        """
        values = {HIDDEN: list(hidden), CLASS: [class_word(name) for name in classes]}
        return [parse_perturbation(words) for pattern in self.perturb
                for words in expand(pattern, values)]


def expand(pattern: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Every text that a pattern with braces stands for.

    Parameters
    ----------
    pattern : str
    values : dict of str to list of str
        What a name in braces stands for.

    Raises
    ------
    InputError
        If a brace is not closed, or holds a single word that stands for nothing.

    Examples
    --------
    >>> expand("silence {hidden} of={0.1,1}", {"hidden": ["layer_1"]})
    ['silence layer_1 of=0.1', 'silence layer_1 of=1']
    """
    parts = re.split(r"\{([^{}]*)\}", pattern)
    if any(brace in text for text in parts[::2] for brace in "{}"):
        raise InputError(f"'{pattern}': every brace must be closed, and none inside another")
    choices = []
    for inside in parts[1::2]:
        options = values.get(inside) or [option.strip() for option in inside.split(",")]
        if inside not in values and len(options) < 2:
            raise InputError(f"'{pattern}': {{{inside}}} must be {{a,b,...}} or one of "
                             f"{', '.join(f'{{{name}}}' for name in values)}")
        choices.append(options)
    return ["".join(itertools.chain.from_iterable(itertools.zip_longest(
        parts[::2], chosen, fillvalue=""))) for chosen in itertools.product(*choices)]


def default_plan() -> str:
    """The default plan, as the text of its file."""
    return Path(__file__).with_name("default_plan.yaml").read_text("utf-8")


def read_plan(path: Path | None) -> list[Experiment]:
    """The experiments of a YAML file, or of the default plan.

    Raises
    ------
    InputError
        If there is no such file, or it is no plan.
    """
    try:
        text = default_plan() if path is None else path.read_text("utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"--plan {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise InputError(f"--plan {path} is no YAML file{line}") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"--plan {path} must hold experiments, NAME: {{question: ..., perturb: "
                         "[...]}; --show-plan prints the default one")
    try:
        return [_experiment(str(name), entry) for name, entry in content.items()]
    except InputError as error:
        raise InputError(f"--plan {path}: {error}") from error


def _experiment(name: str, entry: Any) -> Experiment:
    keys = [field.name for field in fields(Experiment)][1:]
    if not isinstance(entry, dict) or "perturb" not in entry:
        raise InputError(f"{name} must have the key perturb, a list of perturbations in words")
    if unknown := set(entry) - set(keys):
        raise InputError(f"{name} has the key {min(map(str, unknown))}; possible are "
                         f"{', '.join(keys)}")
    perturb = entry["perturb"]
    return Experiment(name, **{"question": name, **entry, "perturb": tuple(
        [perturb] if isinstance(perturb, str) else perturb or ())})
