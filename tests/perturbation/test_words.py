"""What can be written is what can be done, and nothing else gets through."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_snn.errors import InputError
from ephys_snn.perturbation import (
    GRAMMAR,
    find_conditions,
    parse_perturbation,
    parse_perturbations,
)
from ephys_snn.perturbation.operations import (
    Cut,
    Delay,
    Drive,
    Drop,
    Jitter,
    Shuffle,
    Silence,
    Stretch,
    Synchronize,
    Time,
    WeightBits,
    WeightNoise,
)
from ephys_snn.perturbation.targets import KEYS, Target
from ephys_snn.perturbation.words import OPERATIONS

AREAS = st.sampled_from(["all", "input", "layer_1", "layer_2", "output"])
CLASS_WORDS = st.text(string.ascii_letters + string.digits + "=_-.,'", min_size=1, max_size=4)
POSITIVE = st.floats(0, allow_infinity=False)
FRACTIONS = st.floats(0, 1, exclude_min=True)
TIMES = st.builds(Time, POSITIVE, st.booleans())


@st.composite
def targets(draw) -> Target:
    """Any target that can be asked for."""
    def maybe(values):
        return draw(st.none() | values)

    cell_type, pathway = maybe(st.sampled_from(["excitatory", "inhibitory"])), maybe(CLASS_WORDS)
    ranks = draw(st.none() | st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True))
    return Target(
        draw(AREAS), "excitatory" if pathway else cell_type,
        maybe(st.sets(st.integers(0, 9999), min_size=1).map(lambda units: tuple(sorted(units)))),
        pathway, draw(st.floats(allow_nan=False, allow_infinity=False)) if pathway else 1.0,
        maybe(CLASS_WORDS), None if ranks is None else (min(ranks), max(ranks)), maybe(FRACTIONS))


EVERY_OPERATION = st.one_of(
    *(st.builds(kind, targets()) for kind in (Silence, Shuffle, Synchronize)),
    st.builds(Jitter, targets(), TIMES),
    st.builds(Delay, targets(), st.builds(Time, st.floats(allow_nan=False, allow_infinity=False),
                                          st.booleans())),
    st.builds(Drop, targets(), st.floats(0, 1)),
    *(st.builds(kind, targets(), POSITIVE) for kind in (Stretch, Drive, WeightNoise)),
    st.builds(Cut, targets(), st.none() | targets()),
    st.builds(WeightBits, targets(), st.integers(2, 24)),
)


@settings(max_examples=400)
@given(EVERY_OPERATION)
def test_what_is_written_is_read_as_the_same(operation):
    assert parse_perturbation(operation.words) == operation


@given(EVERY_OPERATION, st.sampled_from(["  ", "\t", " \n "]))
def test_spaces_do_not_matter(operation, space):
    assert parse_perturbation(space + operation.words.replace(" ", space)) == operation


@settings(max_examples=300)
@given(data=st.data())
def test_mangled_words_are_a_perturbation_or_an_input_error(data, reference):
    """Never another exception, neither in reading them nor in finding the units."""
    words = data.draw(EVERY_OPERATION).words.split()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        mangle = data.draw(st.sampled_from(["drop", "twice", "swap", "cut", "other", "insert"]))
        if mangle == "drop" and len(words) > 1:
            del words[at]
        elif mangle == "twice":
            words.insert(at, words[at])
        elif mangle == "swap":
            words[0], words[at] = words[at], words[0]
        elif mangle == "cut":
            words[at] = words[at][:data.draw(st.integers(0, len(words[at])))]
        elif mangle == "other":
            words[at] = data.draw(st.text(st.characters(codec="utf-8"), max_size=12))
        else:
            place = data.draw(st.integers(0, len(words[at])))
            character = data.draw(st.sampled_from("=-,.w0e9 infNaN\0²"))
            words[at] = words[at][:place] + character + words[at][place:]
    try:
        find_conditions([parse_perturbation(" ".join(words))], reference, 0)
    except InputError as error:
        assert len(str(error)) > 20


@pytest.mark.parametrize("words, message", {
    "": "must be OPERATION .*the operations are silence, jitter",
    "silent layer_1": "the operations are silence, jitter, delay, drop, shuffle, synchronize, "
                      "stretch, drive, cut, weights",
    "silence layer_1 pyramidal": "after 'layer_1' comes excitatory or inhibitory, or KEY=VALUE",
    "silence layer_1 size=3": "no size=; possible are units=, pathway=, k=, functional=, "
                              "selective=, of=$",
    "jitter layer_1": "jitter needs sd=VALUE",
    "jitter layer_1 by=3": "jitter needs sd=VALUE",
    "jitter layer_1 sd=2 sd=3": "sd is given twice",
    "jitter layer_1 sd=wide": "sd=wide must be a number",
    "jitter layer_1 sd=nan": "sd=nan must be a number",
    "jitter layer_1 sd=w": "sd=w must be a number",
    "jitter layer_1 sd=-1": "sd=-1 must be at least 0",
    "drop layer_1 p=1.5": "p=1.5 must be from 0 to 1",
    "stretch layer_1 by=-2": "by=-2.0 must be at least 0",
    "drive layer_1 at=-1": "at=-1.0 must be at least 0 ms after the onset",
    "weights layer_1": "weights needs noise=VALUE or bits=VALUE",
    "weights layer_1 noise=.1 bits=3": "weights needs noise=VALUE or bits=VALUE",
    "weights layer_1 bits=1": "bits=1 must be a whole number from 2 to 24",
    "weights layer_1 bits=2.5": "bits=2.5 must be a whole number from 2 to 24",
    "weights layer_1 noise=-1": "noise=-1.0 must be at least 0",
    "cut layer_1": r"cut \[SOURCE\] onto TARGET",
    "cut layer_1 onto": "after onto comes the area whose input is cut",
    "silence layer_1 units=3-1": "holds no unit: the lower number comes first",
    "silence layer_1 units=a": "units=a must be numbers of units",
    "silence layer_1 units=0-9999999999": "must be numbers of units of at most six digits",
    "silence layer_1 of=0": "of=0 must be a fraction above 0 and at most 1",
    "silence layer_1 of=1.1": "of=1.1 must be a fraction",
    "silence layer_1 selective=0.5-0.1": "ranks from 0, the most selective, to 1",
    "silence layer_1 selective=-0.1": "ranks from 0, the most selective, to 1",
    "silence layer_1 k=2": "it needs pathway=CLASS",
    "silence layer_1 inhibitory pathway=a": "pathways are made of excitatory units; leave out",
}.items())
def test_a_mistake_is_told_with_what_is_possible(words, message):
    with pytest.raises(InputError, match=f"the perturbation '{re.escape(words)}'.*{message}"):
        parse_perturbation(words)


def test_without_an_area_all_are_meant():
    for short, long in {"silence": "silence all", "silence of=0.5": "silence all of=0.5",
                        "silence inhibitory": "silence all inhibitory",
                        "cut units=3 onto excitatory": "cut all units=3 onto all excitatory",
                        }.items():
        assert parse_perturbation(short).words == long


def test_the_same_perturbation_twice_is_refused_however_it_is_written():
    same = ["silence layer_1 of=.5", "silence  layer_1 of=0.50"]
    with pytest.raises(InputError, match="'silence layer_1 of=0.5' is given twice"):
        parse_perturbations(same)
    assert len(parse_perturbations([same[0], "silence layer_1 of=0.6"])) == 2


def test_the_grammar_names_every_operation_and_every_key():
    """And its examples are perturbations."""
    for operation in OPERATIONS:
        keys = [key for key in operation.__dataclass_fields__ if key not in ("target", "source")]
        assert re.search(rf"^  {operation.name} .*{''.join(f'{key}=' for key in keys)}", GRAMMAR,
                         re.MULTILINE)
    assert all(re.search(rf"\b{key}=", GRAMMAR) for key in KEYS)
    examples = " ".join(GRAMMAR.split("Examples:")[1].split()).rstrip(".").split(", ")
    assert [parse_perturbation(words).words for words in examples] == examples
