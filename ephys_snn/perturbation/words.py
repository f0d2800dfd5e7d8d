"""Perturbations in words: `OPERATION TARGET [KEY=VALUE ...]`, as in "silence layer_2 inhibitory".

`GRAMMAR` says all that is possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from ephys_snn.errors import InputError
from ephys_snn.perturbation.operations import (
    Cut,
    Delay,
    Drive,
    Drop,
    Jitter,
    Operation,
    Shuffle,
    Silence,
    Stretch,
    Synchronize,
    Time,
    WeightBits,
    WeightNoise,
)
from ephys_snn.perturbation.targets import KEYS, Target, parse_number

OPERATIONS = (Silence, Jitter, Delay, Drop, Shuffle, Synchronize, Stretch, Drive, Cut, WeightNoise,
              WeightBits)
CONTROL = "control"  # what trials without a perturbation are called
ONTO = "onto"
FORM = "OPERATION [AREA] [excitatory|inhibitory] [KEY=VALUE ...], as in 'silence layer_2 " \
       "inhibitory of=0.5'"
GRAMMAR = """\
  silence TARGET            units send nothing; they still receive
  jitter TARGET sd=MS       every spike moves by an independent normal time
  delay TARGET by=MS        every spike comes later
  drop TARGET p=P           every spike is lost with this probability
  shuffle TARGET            the spike times of a packet are exchanged among its units
  synchronize TARGET        all spikes of a packet come at its median
  stretch TARGET by=FACTOR  the distances of a packet's spikes from its median grow
  drive TARGET at=MS        units spike at this time, unless they have spiked before
  cut [SOURCE] onto TARGET  the synapses onto units, or from units onto units, are gone
  weights TARGET noise=SD   synapses onto units vary, by a fraction of each
  weights TARGET bits=N     synapses onto units have one of 2^N - 1 strengths

TARGET and SOURCE are AREA [excitatory|inhibitory] [KEY=VALUE ...]. AREA is input, layer_1, ...,
output or all, which nobody needs to write; each further word leaves fewer units:

  units=0,3,10-19           these, by their number within the area
  pathway=7 k=1             members of the structural pathway of class 7
  functional=7              members of the functional pathway of class 7
  selective=0.1             the most selective tenth; selective=0.9-1 is the least selective one
  of=0.3                    a random part of what the other words leave

Times are in ms, or in widths of the area's packet: sd=2w. Examples: silence layer_4 pathway=7,
jitter layer_3 sd=1, cut layer_1 inhibitory onto layer_2 excitatory, drop all p=0.1.
"""


def parse_perturbation(words: str) -> Operation:
    """The perturbation that words describe.

    Raises
    ------
    InputError
        If they do not, with what is possible.

    Examples
    --------
    >>> parse_perturbation("jitter layer_3  sd=1").words
    'jitter layer_3 sd=1'
    """
    first, *rest = words.split() or [""]
    candidates = [operation for operation in OPERATIONS if operation.name == first]
    if not candidates:
        raise InputError(f"the perturbation '{words}' must be {FORM}; the operations are "
                         f"{', '.join(dict.fromkeys(one.name for one in OPERATIONS))}")
    try:
        return _parse_cut(rest) if candidates == [Cut] else _parse(candidates, rest)
    except InputError as error:
        raise InputError(f"the perturbation '{words}': {error}") from error


def parse_perturbations(texts: Iterable[str]) -> list[Operation]:
    """Different perturbations.

    Raises
    ------
    InputError
        If some words describe none, or two the same one.
    """
    operations = [parse_perturbation(words) for words in texts]
    words = [operation.words for operation in operations]
    if twice := [one for one in dict.fromkeys(words) if words.count(one) > 1]:
        raise InputError(f"the perturbation '{twice[0]}' is given twice")
    return operations


def _parse(candidates: list[type[Operation]], words: list[str]) -> Operation:
    plain, values = _split(words)
    keys = {_parameter(one): one for one in candidates}
    given = [key for key in keys if key in values] or [next(iter(keys))]
    if len(given) > 1 or not (None in keys or set(given) <= set(values)):
        raise InputError(f"{candidates[0].name} needs "
                         f"{' or '.join(f'{key}=VALUE' for key in keys)}")
    operation, (key,) = keys[given[0]], given
    _only_known(values, (*KEYS, *([key] if key else [])))
    value = {} if key is None else {key: _value(operation, key, values.pop(key))}
    return operation(Target.parse(plain, values), **value)


def _parse_cut(words: list[str]) -> Cut:
    if words.count(ONTO) != 1:
        raise InputError("cut needs the units whose input is cut: cut [SOURCE] onto TARGET")
    at = words.index(ONTO)
    parts = []
    for part in (words[:at], words[at + 1:]):
        plain, values = _split(part)
        _only_known(values, KEYS)
        parts.append(Target.parse(plain, values) if part else None)
    if parts[1] is None:
        raise InputError("after onto comes the area whose input is cut")
    return Cut(parts[1], parts[0])


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words without a value, and those with one."""
    pairs = [word.partition("=") for word in words if "=" in word]
    keys = [key for key, _, _ in pairs]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise InputError(f"{min(twice)} is given twice")
    return [word for word in words if "=" not in word], {key: text for key, _, text in pairs}


def _only_known(values: Mapping[str, str], known: tuple[str, ...]) -> None:
    if unknown := [key for key in values if key not in known]:
        raise InputError(f"there is no {unknown[0]}=; possible are "
                         f"{', '.join(f'{key}=' for key in known)}")


def _parameter(operation: type[Operation]) -> str | None:
    """The key of the operation's parameter; None where it has none."""
    keys = [field.name for field in fields(operation) if field.name not in ("target", "source")]
    return keys[0] if keys else None


def _value(operation: type[Operation], key: str, text: str) -> Time | float:
    kind = {field.name: field.type for field in fields(operation)}[key]
    if kind == "Time":
        in_widths = text.endswith("w")
        return Time(parse_number(key, text.removesuffix("w"), text), in_widths)
    number = parse_number(key, text)
    return int(number) if kind == "int" and number == int(number) else number
