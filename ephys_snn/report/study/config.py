"""What a study is: recordings, and the options of the report on each."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ephys_snn.errors import InputError, listed
from ephys_snn.report.command import parser

KEYS = ("recordings", "out", "options", "each", "groups", "subjects", "processes", "memory_mb",
        "minutes")
SUFFIXES = (".nix", ".nwb")  # of the recordings in a folder


@dataclass(frozen=True)
class Study:
    """What the config file asks for.

    Attributes
    ----------
    recordings : dict of str to Path
        By their names in the table: file stems, or whole file names where stems are not unique.
    options : dict of str to list of str
        The command line of the report on each.
    out : Path
        Folder of all results.
    groups, subjects : dict of str to list of str
        The recordings of each group that is compared with the others, and of each subject with
        several recordings.
    """

    recordings: Mapping[str, Path]
    options: Mapping[str, list[str]]
    out: Path
    groups: Mapping[str, list[str]]
    subjects: Mapping[str, list[str]]

    @property
    def table(self) -> Path:
        """The table across recordings."""
        return self.out / "study.csv"

    @property
    def comparison(self) -> Path:
        """The comparison of groups and of trends over recordings."""
        return self.out / "study_comparison.csv"

    @property
    def design(self) -> list[str]:
        """Groups and subjects, as options of the step that compares."""
        return [word for option, sets in (("--group", self.groups), ("--subject", self.subjects))
                for name, recordings in sets.items() for word in (option, name, *recordings)]


def read_study(config: Mapping[str, Any]) -> Study:
    """Find the recordings that a config names, and the options of each.

    Parameters
    ----------
    config : dict
        `recordings` (a folder, a pattern or a list of them), `out` (a folder), `options` (of all
        reports, as on a command line), `each` (pattern of file names to options for these alone),
        `groups` and `subjects` (name to pattern, or patterns, of file names).

    Raises
    ------
    InputError
        If the config has other keys, names no recording or options that do not exist.
    """
    unknown = sorted(set(config) - set(KEYS))
    if unknown:
        raise InputError(f"the config has {', '.join(unknown)}; it may have {', '.join(KEYS)}")
    recordings = _name(_find(config.get("recordings", [])))
    common, each = str(config.get("options") or ""), dict(config.get("each") or {})
    for pattern in each:
        _matching(recordings, pattern, "each")
    options = {}
    for name, path in recordings.items():
        own = [text for pattern, text in each.items() if fnmatch.fnmatch(path.name, pattern)]
        options[name] = [word for text in [common, *own] for word in shlex.split(str(text))]
        parser().parse_args([str(path), *options[name]])
    groups, subjects = (_sets(recordings, config.get(key) or {}, key)
                        for key in ("groups", "subjects"))
    if len(groups) == 1:
        raise InputError(f"groups: there is only {next(iter(groups))}; name another to compare "
                         "it with")
    return Study(recordings, options, Path(config.get("out", "results/study")), groups, subjects)


def _matching(recordings: Mapping[str, Path], pattern: str, key: str) -> list[str]:
    found = [name for name, path in recordings.items() if fnmatch.fnmatch(path.name, pattern)]
    if not found:
        raise InputError(f"{key}: no recording is called {pattern}; there are "
                         f"{listed([path.name for path in recordings.values()])}")
    return found


def _sets(recordings: Mapping[str, Path], config: Mapping[str, str | Sequence[str]], key: str
          ) -> dict[str, list[str]]:
    """Recordings by the name of their set, of which they may have one."""
    sets: dict[str, list[str]] = {}
    for name, patterns in config.items():
        matching = [_matching(recordings, pattern, key)
                    for pattern in ([patterns] if isinstance(patterns, str) else patterns)]
        sets[str(name)] = list(dict.fromkeys(itertools.chain.from_iterable(matching)))
    members = list(itertools.chain.from_iterable(sets.values()))
    twice = [name for name in recordings if members.count(name) > 1]
    if twice:
        raise InputError(f"{key}: {listed(twice)} would be in several; make the patterns narrower")
    return sets


def _find(patterns: str | Sequence[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        folder = Path(pattern)
        paths = [path for path in folder.iterdir() if path.suffix in SUFFIXES] \
            if folder.is_dir() else [Path(name) for name in glob.glob(pattern, recursive=True)]
        paths = [path for path in paths if path.is_file() and not path.name.startswith(".")]
        if not paths:
            raise InputError(f"recordings: there are none in {pattern}")
        found.update(dict.fromkeys(sorted(paths)))
    if not found:
        raise InputError("recordings: name a folder, a pattern such as data/*.nix, or a list")
    return list(found)


def _name(paths: Sequence[Path]) -> dict[str, Path]:
    for naming in ("stem", "name"):
        names = [getattr(path, naming) for path in paths]
        if len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    twice = sorted({name for name in names if names.count(name) > 1})
    raise InputError(f"recordings: several files are called {', '.join(twice)}; rename them, "
                     "since each has a folder of its name")
