"""Do the claims of the paper hold for my network?

Records a trained network and its untrained twin at the same stimuli, runs every pipeline on both,
and prints the claims of Oberste-Frielinghaus et al. (arXiv 2508.12975) as a table.

python examples/the_paper.py model.pt [--brain RECORDING.nix] [--trials 1000] [--out DIR]
"""

import argparse
import textwrap
from pathlib import Path

import pandas as pd

from ephys_snn import record
from ephys_snn.analysis import results_folder
from ephys_snn.cli import Parser, command, number
from ephys_snn.errors import InputError
from ephys_snn.files import atomic_write
from ephys_snn.recording import Recording
from ephys_snn.report import parser as report_parser
from ephys_snn.report import write_report
from ephys_snn.study import (
    Verdict,
    decision_accuracy,
    judge_learning,
    judge_pathways,
    judge_semantization,
    judge_synchronization,
)


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
    page, sections, _ = write_report(report_parser().parse_args(arguments))
    print(f"wrote {page}")
    return {name: table for section in sections for name, table in section.tables.items()}


def judge(tables: dict[str, pd.DataFrame]) -> dict[str, Verdict]:
    """Claims 2 to 4 for one recording."""
    return {
        "synchronization": judge_synchronization(tables["synchrony"]),
        "semantization": judge_semantization(
            tables["information_gain_by_area"], tables["information_gain_depth"]),
        "pathways": judge_pathways(tables["pathways_by_area"]),
    }


def compare(recordings: list[Recording], verdicts: list[dict[str, Verdict]], folder: Path,
            brain: Verdict) -> pd.DataFrame:
    """The table of claims: what was measured, the control, the verdict, the figure."""
    trained, untrained = recordings
    learning = judge_learning(trained, untrained)
    rows = [("1 it learns, under Dale's law", learning,
             str(decision_accuracy(untrained)), folder / "trained" / "report.html")]
    figures = {"synchronization": "synchrony.png", "semantization": "information_gain.png",
               "pathways": "pathways_preference.png"}
    words = {"synchronization": "2 packets spread, then re-converge",
             "semantization": "3 excitatory neurons become class-specific",
             "pathways": "4 pathways for classes, more with depth"}
    for name, verdict in verdicts[0].items():
        rows.append((words[name], verdict, verdicts[1][name].value,
                     folder / "trained" / figures[name]))
    nothing = not any(verdict.holds for verdict in verdicts[1].values())
    shown = [name for name, verdict in verdicts[1].items() if verdict.holds]
    rows.append(("5 nothing enforces 2 to 4", Verdict(
        nothing, "the untrained network shows " + (", ".join(shown) or "none of them")),
        "the same images", folder / "untrained" / "synchrony.png"))
    page = "" if brain.holds is None else folder / "brain" / "report.html"
    rows.append(("6 the same analysis of a brain", brain, "", page))
    said = {True: "holds", False: "does not hold", None: "not asked"}
    return pd.DataFrame([
        {"claim": claim, "value": verdict.value, "control": control,
         "verdict": said[verdict.holds], "figure": str(figure)}
        for claim, verdict, control, figure in rows])


def judge_brain(path: Path | None, folder: Path, options: list[str]) -> Verdict:
    """Claim 6: every pipeline gives numbers for a recording that is no network's."""
    if path is None:
        return Verdict(None, "name a recording with --brain")
    tables = analyse(path, folder, *options)
    packets = tables["synchrony"]["active_units"].notna().sum()
    informative = (tables["information_gain"]["q_value"] < 0.05).sum()
    decoded = tables["separability"].groupby("area")["q_value"].min() < 0.05
    return Verdict(bool(packets and "pathways" in tables),
                   f"{path.name}: {informative} of {len(tables['information_gain'])} units tell "
                   f"the class, it is decodable from {decoded.sum()} of {len(decoded)} areas")


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


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = Parser(description=__doc__.split("\n")[0])
    options.add_argument("model", type=Path)
    options.add_argument("--brain", type=Path, help="a recording of a brain, for the last claim")
    options.add_argument("--brain-window", nargs=2, metavar=("START", "STOP"),
                         help="its response window in ms after the onset")
    options.add_argument("--trials", type=number(int, least=1), default=1000)
    options.add_argument("--data", help="where the network's data are, if not where they were")
    options.add_argument("--out", type=Path, default=Path("results/the_paper"))
    return options


@command
def main(arguments: list[str] | None = None) -> None:
    """Print the claims."""
    args = parser().parse_args(arguments)
    folder = results_folder(args.out)
    paths = record_twins(args.model, folder, args.trials, args.data)
    verdicts = [judge(analyse(path, folder / path.stem)) for path in paths]
    window = [] if args.brain_window is None else ["--window", *args.brain_window]
    brain = judge_brain(args.brain, folder / "brain", window)
    table = compare([Recording.read(path) for path in paths], verdicts, folder, brain)
    with atomic_write(folder / "claims.csv") as temporary:
        table.to_csv(temporary, index=False)
    print(f"\n{show(table)}\n\nwrote {folder / 'claims.csv'}")


if __name__ == "__main__":
    raise SystemExit(main())
