"""What a model says of how it came about."""

import json
from dataclasses import asdict, dataclass, field, fields

from ephys_snn.network.initial_weights import Initialization


@dataclass(frozen=True)
class TrainingData:
    """The data that a network was trained on.

    Parameters
    ----------
    name : str or None
        Name of the data set.
    source, path : str or None
        What it was loaded by, and where that was; None for arrays and, the path, for data that
        have a name.
    shape : tuple (height, width) or None
        How the inputs make an image.
    sha256 : str or None
        Hash of times, labels and split.
    """

    name: str | None = None
    source: str | None = None
    path: str | None = None
    shape: tuple[int, int] | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ModelCard:
    """How a network came about; what is not known is None.

    Parameters
    ----------
    seed : int
        Of the initial weights.
    excitatory_fraction : float
        Fraction of excitatory neurons in every hidden layer.
    initialization : Initialization
        How the initial weights were drawn.
    dale_law : bool
        Whether neurons are excitatory or inhibitory, and stay so.
    untrained_sha256 : str
        Hash of the initial weights.
    data : TrainingData
        What it was trained on.
    encoding : dict
        How these became spike times: the arguments of `stimuli.LatencyCode`.
    classes : tuple of str
        Names of the classes, in the order of the output neurons.
    training : dict
        How it was trained: the arguments of `training.Settings`.
    versions : dict of str to str
        Of Python and of the packages that trained it.
    history : tuple of dict
        An entry per epoch; values are numbers, or numbers by area.
    trained : bool
        Whether it has learned anything yet.
    test_accuracy : float
        Fraction of the test samples that it decides right.
    test_accuracy_by_class : dict of str to float or None
        The same of each class; None for one without test samples.
    other : dict
        What files of other versions say beyond that; kept, and not used.
    """

    seed: int | None = None
    excitatory_fraction: float | None = None
    initialization: Initialization | None = None
    untrained_sha256: str | None = None
    data: TrainingData | None = None
    encoding: dict[str, float | str] | None = None
    classes: tuple[str, ...] | None = None
    training: dict[str, float | bool] | None = None
    dale_law: bool = True
    versions: dict[str, str] | None = None
    history: tuple[dict, ...] = ()
    trained: bool = False
    test_accuracy: float | None = None
    test_accuracy_by_class: dict[str, float | None] | None = None
    other: dict = field(default_factory=dict)

    @classmethod
    def from_dictionary(cls, values: dict) -> "ModelCard":
        """The card that `to_dictionary` made plain values of.

        Raises
        ------
        InputError, TypeError
            If a value cannot be what it should be.
        """
        rest = dict(values)
        known = {one.name: rest.pop(one.name) for one in fields(cls) if one.name in rest}
        for name, kind in _KINDS.items():
            if known.get(name) is not None:
                known[name] = kind(known[name])
        return cls(**known, other=rest)

    def to_dictionary(self) -> dict:
        """What is known, as plain values: numbers, strings, lists and dictionaries."""
        # Through JSON, so that a value which no other program could read fails here.
        values = json.loads(json.dumps(asdict(self)))
        other = values.pop("other")
        return {name: value for name, value in values.items() if value is not None} | other


def _data_from(values: dict) -> TrainingData:
    known = {one.name: values.get(one.name) for one in fields(TrainingData)}
    return TrainingData(**known | {"shape": known["shape"] and tuple(known["shape"])})


_KINDS = {"initialization": lambda values: Initialization(**values), "data": _data_from,
          "classes": tuple, "history": tuple}
