"""The episodes of a study: generated once, as many as its largest cell needs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pushcell.cli import main as cli
from pushcell.errors import ConfigError
from pushcell.recording.folder_lock import alone_in
from pushcell.studies.grid import StudyEpisodes


def generate_sets(sets: Sequence[StudyEpisodes], out: Path, workers: int | None) -> None:
    """Make or complete each set that is not there; raises ConfigError where that fails."""
    (out / "sets").mkdir(parents=True, exist_ok=True)
    with alone_in(out / "sets", waits=True):  # another study may need the same ones
        for one in sets:
            _complete(one, one.folder(out), workers)


def _complete(one: StudyEpisodes, folder: Path, workers: int | None) -> None:
    if one.spec.path is not None:
        if not folder.exists():
            raise ConfigError(f"sets.{one.name}: {folder} is not there")
        return
    if complete_episodes(folder) >= one.episodes:
        return
    with contextlib.redirect_stdout(sys.stderr):  # --json - has standard output for itself
        code = cli.main(command(one, folder, workers))
    if code:
        raise ConfigError(f"sets.{one.name} could not be generated (exit code {code})")
    partial = _note(folder).with_suffix(".partial")
    partial.write_text(f"{one.episodes}\n", encoding="utf-8")
    os.replace(partial, _note(folder))


def complete_episodes(folder: Path) -> int:
    """With how many the set was complete, so far."""
    note = _note(folder)
    return int(note.read_text(encoding="utf-8")) if note.exists() else 0


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.txt")


def command(one: StudyEpisodes, folder: Path, workers: int | None, episodes: int = 0) -> list[str]:
    """The words that a person would give to make the set."""
    spec = one.spec
    words = ["generate", "--world", str(spec.world), "--demonstrator", str(spec.demonstrator)]
    words += ["--episodes", str(episodes or one.episodes), "--seed", str(spec.seed)]
    words += ["--out", str(folder), "--cell", str(one.cell)]
    words += ["--shift", *spec.shift] if spec.shift else []
    words += [] if spec.visual_gap else ["--no-visual-gap"]
    words += [] if spec.physics_gap else ["--no-physics-gap"]
    words += [] if spec.images else ["--no-images"]
    words += ["--workers", str(workers)] if workers else []
    return words
