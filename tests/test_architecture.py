"""The structure that the code promises: rooms, arrows between them, and two sides that meet once.

An arrow is an import of another room, at the top of a module or inside a function, or a process
that is started with ``-m``. Files under ``if TYPE_CHECKING`` are never imported and make none.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders import CHECKOUT

PACKAGE = CHECKOUT / "ephys_snn"
GROUND = {"errors", "files", "cli", ""}  # what every room stands on
COMMANDS = {"train", "record", "perturb", "mechanism", "inspect", "convert", "__main__"}

# Every room, and the rooms that it may use. Commands are one room.
ARROWS = {
    "lif": set(),
    "pulse_packets": set(),
    "spike_time": {"lif"},
    "network": {"lif", "spike_time"},
    "stimuli": set(),
    "training": {"network", "spike_time", "stimuli", "pulse_packets"},
    "formats": set(),
    "recording": {"formats"},
    "analysis": {"recording", "pulse_packets"},
    "perturbation": {"lif", "network", "spike_time", "pulse_packets", "analysis", "stimuli",
                     "training"},
    "report": {"analysis", "recording"},
    "study": {"recording", "analysis"},
    "commands": {"training", "network", "perturbation", "stimuli", "lif", "formats",
                 "recording", "analysis", "report", "study"},
}
# Packages of analysis that others may use, by their door; all others answer a question alone.
SHARED_ANALYSIS = {"decoding"}
# Inside a room: imports that close a circle, and why that may be.
MAY_CLOSE_A_CIRCLE = {("recording.recording", "recording.reading")}  # Recording.read, in a method


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name without `ephys_snn`; packages by theirs."""
    named = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Modules and packages of ours that a module imports or runs, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If)
              and "TYPE_CHECKING" in ast.unparse(node.test)
              for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ephys_snn"):
            base = node.module.removeprefix("ephys_snn").lstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add(whole if whole in known else base)
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("ephys_snn").lstrip(".") for alias in node.names
                      if alias.name.split(".")[0] == "ephys_snn"}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) \
                and re.fullmatch(r"ephys_snn\.[a-z_0-9.]+", node.value):
            # A module to be run or imported by its name; of packages it may be any word.
            name = node.value.removeprefix("ephys_snn.")
            found |= {name} & {module for module in known if "." in module}
    return found


def graph() -> dict[str, set[str]]:
    """What each module imports."""
    named = modules()
    return {name: imports_of(path, set(named)) - {name} for name, path in named.items()}


def room_of(module: str) -> str:
    room = module.split(".")[0]
    return "commands" if room in COMMANDS else room


def test_rooms_import_along_the_arrows_alone():
    found = {}
    for module, imported in graph().items():
        for other in imported:
            rooms = room_of(module), room_of(other)
            if not set(rooms) & GROUND and rooms[0] != rooms[1]:
                found.setdefault(rooms, module)
    undrawn = {arrow: module for arrow, module in found.items()
               if arrow[1] not in ARROWS.get(arrow[0], set())}
    assert not undrawn, f"no such arrow in the plan: {undrawn}"
    unused = {(room, other) for room, others in ARROWS.items() for other in others} - set(found)
    assert not unused, f"the plan has arrows that nobody needs: {unused}"


def test_ground_rests_on_nothing():
    for module, imported in graph().items():
        if module in GROUND:
            assert imported <= GROUND, f"{module} imports {imported}"


def test_there_are_few_arrows():
    assert sum(map(len, ARROWS.values())) <= 31


def sorted_or_circle(edges: dict[str, set[str]]) -> set[str]:
    """Members of circles; empty if there are none."""
    left = {name: set(others) & set(edges) for name, others in edges.items()}
    while ready := [name for name, others in left.items() if not others & set(left)]:
        for name in ready:
            del left[name]
    return set(left)


def test_rooms_form_no_circle():
    assert not sorted_or_circle(ARROWS)


def test_modules_form_no_circle():
    edges = graph()
    for module, other in MAY_CLOSE_A_CIRCLE:
        assert other in edges[module], "an exception that nobody needs"
        edges[module].discard(other)
    # Inside a room modules name each other, never the room itself, whose front door they build.
    for module, imported in edges.items():
        packages = {name for name in imported if modules()[name].name == "__init__.py"}
        inside = {name for name in packages if module.startswith(f"{name}.") and name}
        assert not inside, f"{module} imports its own room {inside}"
    assert not sorted_or_circle(edges)


def test_other_rooms_are_entered_by_the_door():
    """What a room offers is in its `__init__`; only tests and benchmarks look behind it."""
    named, behind = modules(), {}
    for module, imported in graph().items():
        for other in imported:
            if room_of(module) != room_of(other) and "." in other \
                    and named[other].name not in ("__init__.py", "__main__.py"):
                behind.setdefault(module, set()).add(other)
    assert not behind


def test_analyses_do_not_import_each_other():
    named, crossing = modules(), {}
    packages = {name.split(".")[1] for name, path in named.items()
                if name.startswith("analysis.") and path.name == "__init__.py"}
    assert packages >= SHARED_ANALYSIS
    doors = {f"analysis.{package}" for package in SHARED_ANALYSIS}
    for module, imported in graph().items():
        own = ".".join(module.split(".")[:2])
        if own.removeprefix("analysis.") in packages:
            others = {other for other in imported if other.split(".")[0] == "analysis"
                      and ".".join(other.split(".")[1:2]) in packages
                      and not f"{other}.".startswith(f"{own}.")}
            if others - doors:
                crossing[module] = others - doors
    assert not crossing


def test_rooms_are_of_a_size_to_live_in():
    for folder in {path.parent for path in modules().values()}:
        n_modules = len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        assert n_modules <= 12, f"{folder} has {n_modules} modules"
    for name, path in modules().items():
        n_lines = len(path.read_text(encoding="utf-8").splitlines())
        assert n_lines <= 450, f"{name} has {n_lines} lines"


def test_every_room_says_what_it_is_for():
    for name, path in modules().items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), name


def test_model_and_recording_meet_only_in_recording_networks():
    both = {module for module, imported in graph().items()
            if {"network", "training"} & {room_of(other) for other in imported}
            and {"recording", "formats"} & {room_of(other) for other in imported}}
    assert both == {"record"}


@pytest.mark.parametrize("module", ["ephys_snn", "ephys_snn.__main__", "ephys_snn.recording",
                                    "ephys_snn.report", "ephys_snn.inspect", "ephys_snn.analysis",
                                    "ephys_snn.study"])
def test_analysis_starts_without_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
