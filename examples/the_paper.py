"""Do the claims of the paper hold for my network?

Records a trained network and its untrained twin at the same stimuli, runs every pipeline on both,
silences their pathways and their inhibition, and prints the claims of Oberste-Frielinghaus et al.
(arXiv 2508.12975) as a table, and beside them what causes the decisions.

python examples/the_paper.py model.pt [--brain RECORDING.nix] [--trials 1000] [--out DIR]
"""

import textwrap
from pathlib import Path

import pandas as pd

from ephys_snn import perturb, record
from ephys_snn.analysis import ONE_RECORDING, results_folder
from ephys_snn.cli import Parser, command, number
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.recording import Recording
from ephys_snn.report import parser as report_parser
from ephys_snn.report import write_report
from ephys_snn.study import (
    Judgement,
    Verdict,
    decision_accuracy,
    judge_differences,
    judge_inhibition,
    judge_learning,
    judge_lesions,
    judge_pathways,
    judge_semantization,
    judge_synchronization,
    twin_differences,
)

SPECIFIC = {
    "information_gain": "by the information gain, which activity bounds",
    "relative_information_gain": "by the gain relative to what their activity allows",
    "uncertainty_coefficient": "by the uncertainty coefficient, which activity does not bound",
}
ONE_NETWORK = ("One network is one network: intervals are over its trials, units or classes; "
               f"{ONE_RECORDING}.")
PLAN = """\
pathways:
  question: Do pathways cause the decision for their class?
  perturb: silence {hidden} pathway={class}
  matched: 5
inhibition:
  question: Which layer's inhibition is needed?
  perturb: silence {hidden} inhibitory
"""
FIGURES = {"2": "synchrony.png", "3": "information_gain.png", "4": "pathways_preference.png"}


def record_twins(model: Path, folder: Path, trials: int, data: str | None) -> list[Path]:
    """Record the network and its untrained twin at the same stimuli."""
    paths = []
    for name, options in (("trained", []), ("untrained", ["--untrained"])):
        path = folder / f"{name}.nix"
        where = [] if data is None else ["--data", data]
        if record.main([str(model), str(path), "--trials", str(trials), *where, *options]):
            raise InputError("the network could not be recorded, see above")
        paths.append(path)
    return paths


def analyse(path: Path, folder: Path, *options: str) -> dict[str, pd.DataFrame]:
    """Every table of every pipeline, by its name; the figures and the page go to the folder."""
    arguments = [str(path), "--out", str(folder), *options]
    report = write_report(report_parser().parse_args(arguments))
    print("\n".join([*(f"note: {note}" for note in report.notes), f"wrote {report.page}"]))
    return {name: table for section in report.sections for name, table in section.tables.items()}


def judge(tables: dict[str, pd.DataFrame]) -> dict[str, Verdict]:
    """Claims 2 to 4 for one recording, claim 3 in the measure of the paper and in two others."""
    information = (tables["information_gain_by_area"],
                   tables["information_gain_excitatory_inhibitory"],
                   tables["information_gain_depth"])
    specific = {f"3 excitatory neurons become class-specific, {words}":
                judge_semantization(*information, measure) for measure, words in SPECIFIC.items()}
    return {"2 packets spread, then re-converge": judge_synchronization(tables["synchrony"]),
            **specific,
            "4 pathways for classes, more with depth": judge_pathways(
                tables["pathways"], tables["pathways_by_area"])}


def claims(recordings: list[Recording], tables: list[dict[str, pd.DataFrame]], folder: Path,
           brain: Verdict, causal: list[tuple]) -> pd.DataFrame:
    """The table of claims: what was measured, the control, the verdict, the figure."""
    trained, untrained = (folder / name for name in ("trained", "untrained"))
    control = judge(tables[1])
    rows = [("1 it learns, under Dale's law", judge_learning(*recordings),
             str(decision_accuracy(recordings[1])), trained / "report.html")]
    rows += [(claim, verdict, control[claim].value, trained / FIGURES[claim[0]])
             for claim, verdict in judge(tables[0]).items()]
    rows.append(("5 training makes 2 to 4", judge_differences(twin_differences(*tables)),
                 "", untrained / "synchrony.png"))
    page = "" if brain.judgement is Judgement.NOT_ASKED else folder / "brain" / "report.html"
    rows += [("6 the same analysis of a brain", brain, "", page), *causal]
    return pd.DataFrame([
        {"claim": claim, "value": verdict.value, "control": untrained_value,
         "verdict": verdict.judgement.value, "figure": str(figure)}
        for claim, verdict, untrained_value, figure in rows])


def perturb_twins(model: Path, folder: Path, trials: int, data: str | None
                  ) -> dict[str, pd.DataFrame]:
    """The tables of virtual experiments on the network and its twin; none where it failed."""
    folder = results_folder(folder)
    plan = folder / "plan.yaml"
    with atomic_write(plan) as temporary:
        temporary.write_text(PLAN, encoding="utf-8")
    where = [] if data is None else ["--data", data]
    if perturb.main([str(model), "--plan", str(plan), "--out", str(folder), "--trials",
                     str(trials), *where]):
        return {}
    return {path.stem: pd.read_csv(path, dtype={"target_class": str}, keep_default_na=False,
                                   na_values=[""]).fillna({"target_class": "", "note": ""})
            for path in folder.glob("perturbations*.csv")}


def causal_claims(tables: dict[str, pd.DataFrame], folder: Path) -> list[tuple]:
    """What causes decisions, beyond what a recording can show."""
    if "perturbations_pathways" not in tables:
        return [("7 pathways cause the decision for their class",
                 Verdict(Judgement.NOT_COMPUTABLE, "no virtual experiments, see above"), "", "")]
    rows, lesions = tables["perturbations"], tables["perturbations_pathways"]
    control = judge_inhibition(rows, trained=False)
    return [("7 pathways cause the decision for their class", judge_lesions(rows, lesions),
             judge_lesions(rows, lesions, trained=False).value, folder / "perturb_pathways.png"),
            *((f"8 inhibition of {area} is needed", verdict, control[area].value,
               folder / "perturb_inhibition.png")
              for area, verdict in judge_inhibition(rows).items())]


def judge_brain(path: Path | None, folder: Path, options: list[str]) -> Verdict:
    """Claim 6: every pipeline gives numbers for a recording that is no network's."""
    if path is None:
        return Verdict(Judgement.NOT_ASKED, "name a recording with --brain")
    tables = analyse(path, folder, *options)
    missing = [name for name in ("synchrony", "information_gain", "pathways", "separability")
               if name not in tables]
    if missing:
        return Verdict(Judgement.NOT_COMPUTABLE, f"{path.name}: no {', '.join(missing)}, see the "
                       "report")
    packets = tables["synchrony"]["active_units"].notna().sum()
    informative = (tables["information_gain"]["q_value"] < 0.05).sum()
    decoded = tables["separability"].groupby("area")["q_value"].min() < 0.05
    return Verdict(Judgement.HOLDS if packets else Judgement.NOT_COMPUTABLE,
                   f"{path.name}: {informative} of {len(tables['information_gain'])} units are "
                   f"informative about the class, which is decodable from {decoded.sum()} of "
                   f"{len(decoded)} areas")


def show(table: pd.DataFrame) -> str:
    """The table as text."""
    blocks = []
    for row in table.itertuples():
        lines = [f"{row.claim}: {row.verdict.upper()}", f"  measured   {row.value}"]
        lines += [f"  untrained  {row.control}"] if row.control else []
        lines = [textwrap.fill(line, 110, subsequent_indent=" " * 13) for line in lines]
        lines += [f"  see        {row.figure}"] if row.figure else []  # a path stays in one piece
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def parser() -> Parser:
    """The options of the command line."""
    options = Parser(description=__doc__.split("\n")[0])
    options.add_argument("model", type=Path)
    options.add_argument("--brain", type=Path, help="a recording of a brain, for the last claim")
    options.add_argument("--brain-window", nargs=2, metavar=("START", "STOP"),
                         help="its response window in ms after the onset")
    options.add_argument("--trials", type=number(int, least=10), default=1000)
    options.add_argument("--data", help="where the network's data are, if not where they were")
    options.add_argument("--out", type=Path, default=Path("results/the_paper"))
    return options


@command
def main(arguments: list[str] | None = None) -> None:
    """Print the claims."""
    args = parser().parse_args(arguments)
    folder = results_folder(args.out)
    paths = record_twins(args.model, folder, args.trials, args.data)
    tables = [analyse(path, folder / path.stem) for path in paths]
    window = [] if args.brain_window is None else ["--window", *args.brain_window]
    brain = judge_brain(args.brain, folder / "brain", window)
    causal = causal_claims(perturb_twins(args.model, folder / "perturb", args.trials, args.data),
                           folder / "perturb")
    table = claims([Recording.read(path) for path in paths], tables, folder, brain, causal)
    with atomic_write(folder / "claims.csv") as temporary:
        table.to_csv(temporary, index=False)
    print(f"\n{show(table)}\n\n{textwrap.fill(ONE_NETWORK, 110)}\n\nwrote {folder / 'claims.csv'}")


if __name__ == "__main__":
    raise SystemExit(main())
