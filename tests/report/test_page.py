"""The report: one page that a browser renders and prints, with everything on it."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from builders import CHECKOUT

from ephys_snn.analysis import pipelines
from ephys_snn.recording import Recording
from ephys_snn.report import Section, main
from ephys_snn.report.page import limits

SAMPLE = CHECKOUT / "recordings" / "sample_digits.nix"
ASKED = [pipeline for pipeline in pipelines() if pipeline.name != "conditions"]  # it has none


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("report")
    assert main([str(SAMPLE), "--out", str(out), "--permutations", "100", "--quiet"]) == 0
    return out


def test_the_sample_is_small_and_has_all_that_the_pipelines_can_use():
    assert SAMPLE.stat().st_size < 4e6
    recording = Recording.read(SAMPLE)
    assert len(recording.units) <= 150 and recording.areas_ordered
    assert {"excitatory", "inhibitory", "input", "output"} == set(recording.units.cell_type)
    assert recording.trials.has_decisions and len(recording.trials.classes) == 10
    assert set(recording.weights) == set(pairwise(recording.areas))


@pytest.fixture(scope="module")
def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs the browser chromium, which is not installed")
    return program


def browse(chromium: str, folder: Path, *options: str) -> str:
    """What chromium prints for the report, without a network."""
    return subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
         *options, (folder / "report.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True).stdout


def test_everything_is_on_the_page_and_beside_it(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="conditions"' not in page
    for pipeline in ASKED:
        assert f'<section id="{pipeline.name}">' in page and pipeline.title in page
        assert (folder / f"{pipeline.name}.json").exists()
    figures = sorted(path.stem for path in folder.glob("*.png"))
    assert sorted(re.findall(r'alt="([^"]+)"', page)) == figures
    for table in folder.glob("*.csv"):
        assert table.name in page


def test_the_page_needs_no_network(folder):
    class Sources(HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag, attrs):
            self.found += [value for key, value in attrs if key in ("src", "href")]
            assert tag not in ("script", "link", "iframe")

    parser = Sources()
    parser.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert parser.found
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in parser.found)


def test_the_first_paragraph_says_what_was_found(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    lead = re.search(r'id="summary">(.*?)</p>', page, re.DOTALL).group(1)
    lead = re.sub(r"</?span>|</?b>", "", lead)
    assert lead.startswith("149 units in 5 areas, 359 trials") and "ms" in lead and len(lead) > 100
    assert "Could not be asked: what output does" in lead
    assert all(pipeline.question in lead for pipeline in ASKED)
    limits = page[page.index('id="limits"'):page.index("<nav>")]
    assert "output" in limits


def test_every_figure_has_a_caption_and_no_cell_is_empty_without_a_word(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    captions = re.findall(r"<figcaption><b>[^<]+</b> ([^<]*)</figcaption>", page)
    assert captions and all(len(caption) > 40 for caption in captions)
    for table in re.findall(r"<table>.*?</table>", page.replace("<wbr>", ""), re.DOTALL):
        names = re.findall(r"<th[^>]*>([^<]*)</th>", table)
        for row in re.findall(r"<tr>(<td.*?)</tr>", table, re.DOTALL):
            cells = dict(zip(names, re.findall(r"<td[^>]*>([^<]*)</td>", row), strict=True))
            assert "nan" not in cells.values()
            unknown = {name for name, cell in cells.items() if cell == "–"}
            unknown -= {"auc"}  # where an area has both kinds of pathways
            assert not unknown or cells["note"], cells


def test_a_limit_of_the_recording_stands_once_whoever_says_it():
    order = "labels are not in random order"
    recording = Recording.read(SAMPLE)
    sections = [Section("a", "A", warnings=[order, "few trials"]),
                Section("b", "B", warnings=["few trials"]), Section("c", "C", error="no weights")]
    assert limits(sections, recording.noted(order)) == {
        **dict.fromkeys(recording.notes, ""), order: "A", "few trials": "A; B",
        "no weights": "C"}


def test_a_browser_renders_it(folder, chromium):
    loaded = """<script>addEventListener('load', () => { document.title = 'loaded ' +
        [...document.images].filter(i => i.complete && i.naturalWidth > 300).length })</script>"""
    original = (folder / "report.html").read_text(encoding="utf-8")
    n_figures = len(list(folder.glob("*.png")))
    try:
        (folder / "report.html").write_text(original.replace("</body>", loaded + "</body>"),
                                            encoding="utf-8")
        dom = browse(chromium, folder, "--dump-dom", "--virtual-time-budget=10000")
    finally:
        (folder / "report.html").write_text(original, encoding="utf-8")
    assert f"<title>loaded {n_figures}</title>" in dom


def test_it_prints(folder, chromium):
    browse(chromium, folder, f"--print-to-pdf={folder / 'report.pdf'}", "--no-pdf-header-footer")
    pdf = (folder / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and len(pdf) > 100_000
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= len(list(pipelines()))


def test_a_brain_gets_a_report_too(shared, tmp_path):
    recording = shared / "recordings" / "zhang_desimone_it_1006.nix"
    assert main([str(recording), "--out", str(tmp_path), "--permutations", "20", "--quiet"]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "419 trials of 7 classes" in page
    assert "no weights" in page.lower() or "structural" in page


def test_no_such_recording_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.nix"), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: there is no file {tmp_path / 'none.nix'}\n"
