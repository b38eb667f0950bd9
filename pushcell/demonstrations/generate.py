"""Makes the episodes that a folder still lacks; may be stopped at any moment and run again.

The folder holds one folder an episode, ``failed/`` with the attempts that did not succeed,
``failures.jsonl`` with the reason of each, and ``recipe.yaml``, which says what was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushcell.bags.plain_yaml import yaml_text
from pushcell.config.strict_yaml import read_yaml
from pushcell.demonstrations.episode_generator import Made
from pushcell.demonstrations.recipe import Recipe
from pushcell.errors import EpisodeError
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.folder_lock import alone_in
from pushcell.recording.store import (
    BAG_FILE,
    EpisodeStore,
    Journal,
    naming_a_full_disk,
    write_durably,
)

Crew = Callable[[Recipe, Iterable[int]], Iterator[list[Made]]]
"""Makes the episodes of these indices, in any order."""

_RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True)
class Progress:
    """How far the work has come."""

    complete: int
    failed: int
    made_s: float  # simulated, in this run


def generate(
    recipe: Recipe, folder: Path, episodes: int, crew: Crew, tell: Callable[[Progress], None]
) -> Progress:
    """Complete the folder to so many episodes.

    Raises EpisodeError when the folder is of another recipe or another's at the moment, the disk
    full or an episode impossible; what was complete before stays.
    """
    store = EpisodeStore(folder)
    with alone_in(folder):
        return _complete_to(store, recipe, episodes, crew, tell)


def _complete_to(
    store: EpisodeStore,
    recipe: Recipe,
    episodes: int,
    crew: Crew,
    tell: Callable[[Progress], None],
) -> Progress:
    folder = store.folder
    _agree_on_recipe(recipe, store)
    failures = _Failures(folder)
    complete = _complete(store)
    missing = [index for index in range(episodes) if index not in complete]
    progress = Progress(episodes - len(missing), failures.count(episodes), 0.0)
    tell(progress)
    for attempts in crew(recipe, missing) if missing else ():
        made = attempts[-1]
        for attempt in attempts:
            if not attempt.success:
                failures.add(attempt)
        if not made.success:
            start = [round(value, 4) for value in made.start]
            raise EpisodeError(
                f"episode {made.index} failed {len(attempts)} times in a row, at last from start "
                f"{start}: {made.reason}"
            )
        store.save(made.name, made.files, _entry(made))
        progress = Progress(
            progress.complete + 1,
            failures.count(episodes),
            progress.made_s + sum(attempt.duration_s for attempt in attempts),
        )
        tell(progress)
    return progress


class _Failures:
    """What did not succeed, each attempt once, whatever was interrupted."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal(folder / "failures.jsonl")
        self._folder = folder / "failed"
        self._known = {(e["index"], e["attempt"]) for e in self._journal.entries()}

    def count(self, episodes: int) -> int:
        """How many attempts at the first so many episodes have failed."""
        return sum(index < episodes for index, _ in self._known)

    def add(self, made: Made) -> None:
        if (made.index, made.attempt) in self._known:
            return
        if made.files and not (self._folder / made.name).exists():
            EpisodeStore(self._folder).save(made.name, made.files, _entry(made))
        self._journal.append(_entry(made))
        self._known.add((made.index, made.attempt))


def _entry(made: Made) -> dict[str, Any]:
    return {
        "index": made.index,
        "attempt": made.attempt,
        "reason": made.reason,
        "start": made.start,
        "steps": made.steps,
        "duration_s": made.duration_s,
        "bag_sha256": made.bag_sha256,
    }


def _entry_of(episode: Path) -> dict[str, Any]:
    """What the journal says of an episode, from the episode itself."""
    info = EpisodeInfo.load(episode)
    made = info.generation
    if made is None:
        raise EpisodeError(f"{episode} was not generated: take it out of this folder")
    bag = (episode / BAG_FILE).read_bytes()
    return _entry(
        Made(made.index, made.attempt, True, info.reason, made.start, info.steps, {BAG_FILE: bag})
    )


def _complete(store: EpisodeStore) -> set[int]:
    """Indices of the complete episodes; the journal gets the lines that a crash has cost."""
    noted = {entry["episode"] for entry in store.journal.entries() if "episode" in entry}
    found = set()
    for path in store.episodes():
        number = re.fullmatch(r"episode_(\d{6,})", path.name)
        if number is None:
            raise EpisodeError(f"{path} was not generated: take it out of this folder")
        found.add(int(number[1]))
        if path.name not in noted:
            store.journal.append({"event": "found", "episode": path.name, **_entry_of(path)})
    return found


def _agree_on_recipe(recipe: Recipe, store: EpisodeStore) -> None:
    """Note the recipe in the folder, or see that it is the one by which its episodes were made."""
    path, asked = store.folder / _RECIPE_FILE, recipe.describe()
    if not (path.exists() and store.episodes()):
        with naming_a_full_disk(str(path)):
            write_durably(path, yaml_text(asked).encode())
        return
    noted = read_yaml(path)
    if not isinstance(noted, dict):
        raise EpisodeError(f"{path} is damaged: choose another folder")
    for key, value in asked.items():
        if noted.get(key) != value:
            raise EpisodeError(
                f"{store.folder} holds episodes with {key} {noted.get(key)}, not {value}: choose "
                "another folder, or ask for the same"
            )
