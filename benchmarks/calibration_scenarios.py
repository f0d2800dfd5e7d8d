"""What `calibration.py` runs: recordings, the commands, and which of their statements are true."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

import made_up_recordings as made_up
import numpy as np
import pandas as pd
from made_up_recordings import CHECKOUT, SHARED

from ephys_snn.recording import Recording

# What is true of a value: there is nothing to find, there is something, or both may be.
NULL, PLANTED, OPEN = "null", "planted", "open"
CHANCE = 1 / made_up.DESIGN.n_classes
OF_CLASSES = ("synchrony", "information_gain", "pathways", "separability")
PIPELINES = (*OF_CLASSES, "conditions")


class Claim(NamedTuple):
    """What is true of the values in some rows of a column.

    Attributes
    ----------
    truth : {'null', 'planted', 'open'}
    table, column, options : str
        Patterns, as of a shell.
    where : callable
        Row, a dict, to bool.
    """

    truth: str
    table: str = "*"
    column: str = "*"
    where: Callable[[Mapping[str, Any]], bool] = lambda row: True
    options: str = "*"


class Statement(NamedTuple):
    """What a table says other than by p or q: of each row 1 where it is said, 0 where not."""

    table: str
    name: str
    said: Callable[[pd.DataFrame], pd.Series]


class Interval(NamedTuple):
    """A 95 % interval and its truth; None is the mean of the estimate over recordings."""

    table: str
    estimate: str
    low: str
    high: str
    truth: float | None


@dataclass(frozen=True)
class Scenario:
    """Recordings of one kind, what is done with them, and what would be right to find.

    Attributes
    ----------
    name, truth : str
        The truth in words.
    make : callable
        Generator to Recording.
    runs : tuple of (pipeline, options)
    claims : tuple of Claim
        The first that fits a value says what is true of it; 'open' without any.
    statements, intervals : tuple
        Beside `STATEMENTS`.
    """

    name: str
    truth: str
    make: Callable[[np.random.Generator], Recording]
    runs: tuple[tuple[str, str], ...]
    claims: tuple[Claim, ...]
    statements: tuple[Statement, ...] = ()
    intervals: tuple[Interval, ...] = ()

    def claim(self, table: str, column: str, options: str, row: Mapping[str, Any]) -> str:
        """What is true of a value."""
        return next((claim.truth for claim in self.claims
                     if fnmatchcase(table, claim.table) and fnmatchcase(column, claim.column)
                     and fnmatchcase(options, claim.options) and claim.where(row)), OPEN)


STATEMENTS = (
    Statement("responsiveness", "has a latency", lambda table: table["latency_ms"].notna().where(
        table["p_value"].notna())),
    Statement("separability_latency", "is decodable", lambda table: table["latency_ms"].notna()),
    Statement("pathway_area_links", "pairs linked", lambda table: table["fraction_linked"]),
)

# Where labels say nothing; intervals over units only where units are independent.
CHANCE_ACCURACY = tuple(Interval(table, "accuracy", "accuracy_low", "accuracy_high", CHANCE)
                        for table in ("separability", "separability_over_time"))
NO_INFORMATION = (
    *CHANCE_ACCURACY,
    Interval("information_gain_by_area", "mean_corrected", "mean_corrected_low",
             "mean_corrected_high", 0.0),
    Interval("information_gain_excitatory_inhibitory", "difference", "low", "high", 0.0),
    Interval("information_gain_depth", "difference", "difference_low", "difference_high", 0.0))

# Claims that many scenarios make. Links and synchrony are about units, all else about labels.
LINKS = Claim(OPEN, "pathway_*links")
SYNCHRONY = Claim(OPEN, "synchrony*")
ALL_NULL = (Claim(NULL),)
LABELS_NULL = (LINKS, SYNCHRONY, Claim(NULL))


def every(options: str = "", *, baseline: str = "") -> tuple[tuple[str, str], ...]:
    """All pipelines about classes with the same options; single units beside one of them."""
    return tuple((pipeline, f"{options} {baseline if pipeline == 'information_gain' else ''}"
                  .strip()) for pipeline in OF_CLASSES)


def _tuned(row: Mapping[str, Any]) -> bool:
    return "tuned" in str(row.get("unit", ""))


def _in(*areas: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: row.get("area") in areas


def _partners(table: pd.DataFrame) -> pd.Series:
    return table["source_unit_id"] == table["target_unit_id"]


FALSE_LINK = Statement("pathway_links", "link of no partners", lambda table: (
    ~_partners(table)).where(table["kind"] == "functional"))
PARTNERS_LEAD = Statement("pathway_links", "partner leads, q", lambda table: (
    table["asymmetry_q_value"] <= 0.05).where((table["kind"] == "functional") & _partners(table)))
RIGHT_LATENCY = Statement("responsiveness", "latency within 5 ms of the truth", lambda table: (
    (table["latency_ms"] - made_up.LATENCY).abs() <= 5).where(table["p_value"].notna()))

UNITARY = "--unitary-events --ue-bin 5 --ue-window 20 --ue-step 20"
DRIFT_SAFE = ("--block-trials 15", "--shift-labels")

def _rows_of(measures: str, *areas: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: row["measure"] in measures.split() and row.get("area") in areas


NO_CHANGE = tuple(Interval(table, "change", "low", "high", 0.0)
                  for table in ("conditions", "conditions_decisions"))
CHANGE = tuple(each._replace(truth=None) for each in NO_CHANGE)


def alike(name: str, truth: str, make: Callable[[np.random.Generator], Recording], *options: str
          ) -> Scenario:
    """Conditions that differ in nothing but their name."""
    return Scenario(f"conditions_{name}", f"conditions at random: {truth}", make,
                    tuple(("conditions", each) for each in options or ("",)), ALL_NULL,
                    intervals=NO_CHANGE)


ALIKE = (
    alike("drift", "common drift of rates, a quarter of the trials are laser",
          partial(made_up.in_conditions, make=made_up.drift, share=0.25), "", "--block-trials 20"),
    alike("bursts", "independent units that always spike three times, 4 ms apart",
          partial(made_up.in_conditions, make=made_up.bursts)),
    alike("gain", "a gain that all units share in a trial",
          partial(made_up.in_conditions, make=made_up.gain)),
    alike("mixed_classes", "selective units, laser in 20 to 80 % of the trials of a class",
          partial(made_up.in_conditions, make=made_up.selective, by_class=True)),
    alike("drifting_mixed_classes", "drift, laser in 20 to 80 % of the trials of a class",
          partial(made_up.in_conditions, make=made_up.drift, by_class=True)),
    alike("decisions", "windows that end at decisions, later for later classes, which are more "
          "often laser; some missing, some wrong",
          partial(made_up.in_conditions, make=made_up.undecided, by_class=True)),
    alike("stimuli", "30 stimuli per class, each once in each condition, that lock all units",
          partial(made_up.stimuli_in_conditions, per_class=30, repeats=1)),
    alike("repeated_stimuli", "8 stimuli per class, each four times in each condition",
          partial(made_up.stimuli_in_conditions, per_class=8, repeats=4)),
    alike("it", "macaque IT, labels permuted",
          partial(made_up.in_conditions, make=partial(
              made_up.relabelled, path=SHARED / "zhang_desimone_it_1006.nix")), "--window 0 500"),
    alike("few_stimuli", "2 stimuli per class, each 15 times in each condition",
          partial(made_up.stimuli_in_conditions, per_class=2, repeats=15)),
)
WITHOUT_EFFECT = (
    Scenario("independent", "independent Poisson units, random labels", made_up.independent,
             (("synchrony", UNITARY), *every(baseline="--baseline -100 0")[1:]), ALL_NULL,
             intervals=NO_INFORMATION),
    Scenario("sparse_and_dense", "the same, with rates of 1 to 100 spikes/s",
             partial(made_up.independent, spread=1.5), every(baseline="--baseline -100 0"),
             ALL_NULL, intervals=NO_INFORMATION),
    Scenario("bursts", "independent units that always spike three times, 4 ms apart; random labels",
             made_up.bursts, every(baseline="--baseline -100 0"), ALL_NULL,
             intervals=NO_INFORMATION),
    Scenario("random_decisions", "independent units, windows that end at random decisions, random "
             "labels", made_up.random_decisions, every(), ALL_NULL, intervals=NO_INFORMATION),
    Scenario("decisions_by_class", "the same, with decisions that come later for later classes: "
             "longer windows do tell the class", partial(made_up.random_decisions, by_class=True),
             (("synchrony", ""), ("pathways", "")),
             (Claim(NULL, "synchrony*"), Claim(NULL, "pathway_*links"))),
    Scenario("drift", "rates rise and fall together during the session, random labels; units do "
             "vary together unless neighbours are compared", made_up.drift,
             (*every(), ("synchrony", "--block-trials 4"), ("pathways", "--block-trials 10")),
             (Claim(NULL, "synchrony*", options="*--*"), Claim(NULL, "pathway*", options="*--*"),
              Claim(NULL, "synchrony", "dithered*"), *LABELS_NULL), intervals=CHANCE_ACCURACY),
    Scenario("drift_blocked_labels", "the same, with labels in blocks of 15 trials: drift tells "
             "the class where nothing is done about it", partial(made_up.drift, block=15),
             tuple(run for options in ("", *DRIFT_SAFE) for run in every(options)[1:]),
             (Claim(OPEN, options=""), LINKS, *(Claim(NULL, options=f"*{options}*")
                                                for options in DRIFT_SAFE))),
    Scenario("gain", "a gain that all units share in a trial, random labels; units do vary "
             "together, also in when they first spike", made_up.gain, every(),
             (Claim(NULL, "synchrony", "dithered*"), Claim(PLANTED, "pathway_area_links"),
              *LABELS_NULL), intervals=CHANCE_ACCURACY),
    Scenario("gain_of_tuned_units", "the same with selective units, so that there are links, and "
             "responses 10 ms later in the next area: nobody leads within a trial",
             made_up.gain_of_tuned_units, (("pathways", ""),),
             (Claim(NULL, "pathway_links", "asymmetry*"), Claim(PLANTED, "pathway_area_links"))),
    Scenario("stimuli_in_classes", "units locked to each of 3 stimuli per class (SD 2 ms), "
             "independent given the stimulus, which their trials name",
             partial(made_up.locked, per_class=3, sd=2.0),
             (("synchrony", ""), ("synchrony", "--stimulus stimulus"), ("pathways", ""),
              ("pathways", "--stimulus stimulus")),
             (Claim(NULL, "synchrony", "shuffled*"), Claim(NULL, "pathway_*links"))),
    Scenario("locked", "units locked to one stimulus per class (SD 4 ms), independent given it; "
             "any dither near their own precision undoes that", partial(
                 made_up.locked, per_class=1, sd=4.0), (("synchrony", ""), ("pathways", "")),
             (Claim(NULL, "synchrony", "shuffled*"), Claim(NULL, "pathway_*links"))),
    Scenario("trendless_areas", "selective units in five areas that differ at random",
             made_up.trendless_areas, (("information_gain", ""), ("pathways", "")),
             (Claim(NULL, "information_gain_depth"), Claim(NULL, "pathways_trend"))),
    Scenario("unresponsive", "units at 1 and 5 spikes/s that do not respond, baseline 500 ms, "
             "response 50 ms, 20 trials", made_up.unresponsive,
             (("information_gain", "--baseline -500 0 --window 0 50"),),
             (Claim(NULL, "responsiveness"),)),
    Scenario("unresponsive_bursts", "the same with bursts of three spikes, 4 ms apart",
             partial(made_up.unresponsive, burst=3),
             tuple(("information_gain", f"--baseline {start} 0 --window 0 {stop}")
                   for start, stop in ((-500, 50), (-500, 200), (-200, 200))),
             (Claim(NULL, "responsiveness"),)),
    Scenario("shared_drive", "units with common weights share a drive in a trial, random labels",
             partial(made_up.network, driven_by="trial"),
             tuple(run for run in every() if run[0] != "synchrony"), LABELS_NULL,
             intervals=CHANCE_ACCURACY),
    Scenario("digits_relabelled", "recorded network that reads digits, labels permuted", partial(
        made_up.relabelled, path=CHECKOUT / "recordings" / "sample_digits.nix"),
        tuple(run for run in every() if run[0] != "synchrony"), LABELS_NULL),
    *(Scenario(f"{short}_relabelled", f"{what}, labels permuted",
               partial(made_up.relabelled, path=SHARED / file),
               tuple(run for run in every(options) if run[0] != "synchrony"), LABELS_NULL)
      for short, file, what, options in (
          ("it", "zhang_desimone_it_1006.nix", "macaque IT", "--window 0 500"),
          ("locust", "locust20000421.nix", "locust olfactory pathway", "--window 0 500"),
          ("m1", "riehle1997_winny131_23.nix", "macaque M1", "--window 0 600"))),
    *(Scenario(f"{short}_pseudo_onsets", f"{what}, onsets and labels at random",
               partial(made_up.pseudo_onsets, path=SHARED / file),
               (("information_gain", "--window 0 100 --baseline -200 0"), ("separability", "")),
               LABELS_NULL)
      for short, file, what in (("it", "zhang_desimone_it_1006.nix", "macaque IT"),
                                ("locust", "locust20000421.nix", "locust olfactory pathway"),
                                ("m1", "riehle1997_winny131_23.nix", "macaque M1"))),
    *ALIKE,
)

WITH_EFFECT = (
    Scenario("selective", "half of the units of B and C spike 4.5 times as much for one class, "
             "none of A", made_up.selective, every()[1:],
             (Claim(NULL, "pathway_*links"),
              Claim(PLANTED, "information_gain", "*", _tuned),
              Claim(NULL, "information_gain"),
              Claim(OPEN, "information_gain_excitatory_inhibitory"),
              Claim(PLANTED, "separability_between_areas", "*",
                    lambda row: "A" in (row["area"], row["other_area"])),
              Claim(OPEN, "separability_between_areas"), Claim(NULL, "*", "duration*"),
              Claim(NULL, "*", "*", _in("A")),
              Claim(OPEN, "separability*", "*", lambda row: row.get("code") == "latency"),
              Claim(OPEN, "*", "*distance*"), Claim(OPEN, "separability_over_time"),
              Claim(PLANTED, "*", "*", _in("B", "C"))),
             intervals=(Interval("separability", "accuracy", "accuracy_low", "accuracy_high",
                                 None),)),
    Scenario("synchronous", "packets with a common jitter of 4 ms and a private one of 2 ms",
             made_up.synchronous, (("synchrony", UNITARY),),
             (Claim(PLANTED, "synchrony", "shuffled*"),)),
    Scenario("linked_pairs", "8 tuned units of A whose partners in B repeat 70 % of their spikes "
             "5 ms later", made_up.linked_pairs, (("pathways", "--max-lag 20"),),
             (Claim(PLANTED, "pathway_links", "partner*"), Claim(NULL, "pathway_links", "link of*"),
              Claim(PLANTED, "pathway_links", "asymmetry*",
                    lambda row: row["source_unit_id"] == row["target_unit_id"]),
              Claim(NULL, "pathway_links", "asymmetry*"), Claim(PLANTED, "pathways*", "*p_value"),
              Claim(PLANTED, "pathways*", "*q_value")),
             statements=(FALSE_LINK, PARTNERS_LEAD)),
    Scenario("responsive", "half of the units spike 8 times as fast 30 to 60 ms after the onset",
             made_up.responsive, (("information_gain", "--baseline -100 0 --window 0 100"),),
             (Claim(PLANTED, "responsiveness", "*", _tuned), Claim(NULL, "responsiveness")),
             statements=(RIGHT_LATENCY,)),
    Scenario("selective_excitatory", "excitatory units are selective, inhibitory ones are not, "
             "all are active in 35 % of the trials", made_up.selective_excitatory,
             (("information_gain", ""),),
             (Claim(PLANTED, "information_gain_excitatory_inhibitory"),
              Claim(PLANTED, "information_gain", "*", _tuned), Claim(NULL, "information_gain"))),
    Scenario("structural_pathways", "units with common weights spike more for one class", partial(
        made_up.network, driven_by="class"), (("pathways", ""),),
        (Claim(OPEN, "pathways_trend"), Claim(PLANTED, "pathways*", where=lambda row: (
            row["kind"] == "structural" and row.get("area") != "output")))),
    Scenario("growing_selectivity", "six areas, each more selective than the one before",
             made_up.growing_selectivity, (("information_gain", ""), ("pathways", "")),
             (Claim(PLANTED, "information_gain_depth"), Claim(PLANTED, "pathways_trend"))),
    Scenario("laser", "a laser halves the rate of B, and half of the decisions are wrong",
             made_up.laser, (("conditions", ""),),
             (Claim(PLANTED, "conditions", "*", _rows_of("rate_hz active_fraction active_units",
                                                         "B")),
              Claim(NULL, "conditions", "*", _in("A", "C")),
              Claim(PLANTED, "conditions_decisions", "*", lambda row: (
                  row["measure"] == "accuracy" and row["class"] == "all")),
              Claim(NULL, "conditions_decisions", "*", lambda row: row["measure"] == "undecided")),
             intervals=CHANGE),
)

SCENARIOS = {scenario.name: scenario for scenario in (*WITHOUT_EFFECT, *WITH_EFFECT)}
