"""A Hypothesis strategy for recordings that are legal and that nobody expects."""

import numpy as np
from hypothesis import strategies as st

from ephys_snn.recording import Recording, Trials, Units

NAMES = ("", "u", "ü/1", "0", "a b")
AREAS = ("A", "B", "input", "output", "")
CELL_TYPES = ("", "excitatory", "inhibitory", "input", "output", "granule")
ANNOTATIONS = ({}, {"stimulus": range(4)}, {"perturbation": ["control", "x"]},
               {"perturbation": ["control", "drop p=0.1", ""], "stimulus": range(30)})
# Some trials without a label are an error of their own.
LABELS = (["a", "b"], ["10", "9"], ["a", "b", "ü c"], ["a"], [""])


@st.composite
def recordings(draw, least_units: int = 0) -> Recording:
    """Few units, few trials, and whatever they may be."""
    n_units, n_trials = draw(st.integers(least_units, 12)), draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    period = draw(st.sampled_from([50.0, 50.0, 100.0, 10.0, 0.0]))  # 0: all onsets are equal
    onset = period * np.arange(n_trials) + draw(st.sampled_from([0.0, 7.3, 100.0]))
    durations = draw(st.sampled_from([(20.0,), (40.0,), (80.0,), (20.0, 40.0), (0.0, 20.0),
                                      (0.0,)]))
    labels = draw(st.sampled_from(LABELS))
    units = Units(
        unit_id=np.arange(n_units),
        name=rng.choice(draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)), n_units),
        area=rng.choice(draw(st.lists(st.sampled_from(AREAS), min_size=1, unique=True)), n_units),
        cell_type=rng.choice(draw(st.lists(st.sampled_from(CELL_TYPES), min_size=1, unique=True)),
                             n_units))
    trials = Trials(onset, rng.choice(durations, n_trials), rng.choice(labels, n_trials),
                    *_decisions(draw, rng, onset, labels),
                    {key: rng.choice(values, n_trials) for key, values in draw(st.sampled_from(
                        ANNOTATIONS)).items()})
    areas = tuple(rng.permutation(np.unique(units.area)).tolist())
    return Recording.from_spike_trains(
        _spikes(draw, rng, onset, n_units), units, trials,
        areas_ordered=draw(st.booleans()), areas=areas, weights=_weights(draw, rng, units, areas))


def _decisions(draw, rng, onset, labels):
    n_trials = len(onset)
    time, label = np.full(n_trials, np.nan), np.full(n_trials, "", dtype="<U8")
    share = draw(st.sampled_from([0.0, 0.0, 0.5, 1.0]))
    decided = rng.random(n_trials) < share
    time[decided] = (onset + rng.choice([0.25, 5.0, 10.0], n_trials))[decided]
    label[decided] = rng.choice([*labels, "other"], n_trials)[decided]
    return time, label


def _spikes(draw, rng, onset, n_units):
    """Trains of one kind for all units, or of several."""
    kinds = draw(st.lists(st.sampled_from(["none", "one", "same", "few", "many", "locked"]),
                          min_size=1, max_size=3))
    last = onset[-1] + 100.0
    trains = []
    for kind in rng.choice(kinds, n_units):
        trains.append({
            "none": np.empty(0), "one": np.array([onset[0] + 1.0]),
            "same": np.full(5, onset[0] + 2.0),
            "few": rng.uniform(0, last, rng.integers(1, 6)),
            "many": rng.uniform(0, last, 200),
            "locked": np.floor(4 * (onset + rng.choice([1.0, 3.0], len(onset)))) / 4,
        }[str(kind)])
    return trains


def _weights(draw, rng, units, areas):
    if not draw(st.booleans()):
        return {}
    sizes = {area: int((units.area == area).sum()) for area in areas}
    return {pair: rng.normal(size=(sizes[pair[0]], sizes[pair[1]]))
            for pair in zip(areas, areas[1:], strict=False)}


# Options as an experimenter might give them, whether or not they suit the recording.
SHARED = ([], [], [], [],
          ["--window", "0", "20"], ["--window", "5", "5.25"], ["--window", "-10", "30"],
          ["--window", "500", "600"], ["--stable-units"], ["--clean-trials"],
          ["--clean-trials", "--stable-units"], ["--trial-range", "0", "1"],
          ["--trial-range", "0", "5"], ["--correct-only"], ["--classes", "a"],
          ["--min-rate", "1"], ["--units-where", "cell_type=excitatory"],
          ["--trials-where", "stimulus=1,2"],
          ["--shift-labels"], ["--block-trials", "2"], ["--block-trials", "50"],
          ["--stimulus", "stimulus"],
          ["--unit-statistics"], ["--resolution", "0.25"], ["--psth", "u"], ["--psth", "A/0"],
          ["--baseline", "-10", "0"], ["--baseline", "-10", "0", "--psth", "A/0"],
          ["--areas", "A,B"], ["--one-area", "X"])
OWN = {
    "synchrony": ([], ["--dither", "1"], ["--bin", "0.5"],
                  ["--unitary-events", "--ue-bin", "1", "--ue-window", "5"],
                  ["--patterns", "--pattern-bin", "0.5"],
                  ["--elephant-units", "2"], ["--null-trials", "3"]),
    "information_gain": ([], ["--min-active", "1"], ["--within", "stimulus"]),
    "pathways": ([], ["--activity", "count"], ["--k", "0"]),
    "separability": ([], ["--folds", "2"], ["--match-units"],
                     ["--match-units", "2"], ["--time-code", "active"], ["--steps", "1"],
                     ["--max-trials", "5"], ["--cross-temporal", "3"],
                     ["--repeats", "1"], ["--shift-labels"]),
    "conditions": ([], ["--control", "x"], ["--condition", "stimulus", "--control", "1"],
                   ["--folds", "2"], ["--max-pairs", "5"], ["--stimulus", "perturbation"]),
}
CHEAP = {
    "synchrony": ["--surrogates", "3", "--elephant-shuffles", "2", "--pattern-surrogates", "39"],
    "information_gain": ["--permutations", "5"],
    "pathways": ["--permutations", "5"],
    "separability": ["--permutations", "5", "--draws", "2"],
    "conditions": ["--permutations", "5"],
}


@st.composite
def command_lines(draw) -> tuple[str, list[str]]:
    """A pipeline, and its options without the recording."""
    name = draw(st.sampled_from(sorted(OWN)))
    options = [*CHEAP[name], *draw(st.sampled_from(SHARED)), *draw(st.sampled_from(OWN[name]))]
    return name, [*options, "--dpi", "30"]
