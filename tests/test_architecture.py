"""The structure that the code promises: imports run one way, and two sides that meet once."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ephys_snn"
PIPELINES = ("synchrony", "information_gain", "pathways", "separability")
TORCH_SIDE = {"lif", "spike_time", "volley", "stimuli", "distortion", "datasets", "network", "dale",
              "balance", "silence", "loss", "trial_end", "evaluation", "training", "checkpoint",
              "training_session", "dry_run", "train", "kernels"}


def module_imports() -> dict[str, set[str]]:
    """Modules of the package that each module imports at its top level."""
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
             for path in PACKAGE.rglob("*.py")}
    graph = {}
    for name, path in names.items():
        imported = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ephys_snn"):
                base = node.module.removeprefix("ephys_snn").lstrip(".")
                for alias in node.names:
                    whole = f"{base}.{alias.name}".lstrip(".")
                    imported.add(whole if whole in names else base)
            elif isinstance(node, ast.Import):
                imported |= {alias.name.removeprefix("ephys_snn.") for alias in node.names
                             if alias.name.startswith("ephys_snn.")}
        graph[name] = imported & set(names)
    return graph


def test_imports_run_one_way():
    graph = module_imports()
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name, imported in graph.items() if name not in done and imported <= done}
        assert ready, f"these import each other in a circle: {sorted(set(graph) - done)}"
        done |= ready


def test_model_and_analysis_meet_only_in_recording_networks():
    graph = module_imports()
    analysis = {"recording", "reading", "nix", "synchrony", "information", "pathways",
                "separability", "results", "options"}
    both = {name for name, imported in graph.items()
            if imported & analysis and {part.split(".")[0] for part in imported} & TORCH_SIDE}
    assert both == {"record"}


@pytest.mark.parametrize("module", ["ephys_snn", "ephys_snn.__main__", "ephys_snn.recording",
                                    "ephys_snn.report", "ephys_snn.inspect",
                                    *(f"ephys_snn.pipelines.{name}" for name in PIPELINES)])
def test_analysis_starts_without_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
