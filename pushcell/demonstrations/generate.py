"""Generates the episodes that a folder still lacks; may be stopped at any moment and run again.

The folder holds one folder an episode, ``failed/`` with the attempts that did not succeed,
``failures.jsonl`` with the reason of each, and ``generation.yaml``, the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushcell import old_names
from pushcell.bags.plain_yaml import yaml_text
from pushcell.config.strict_yaml import read_yaml
from pushcell.demonstrations.episode_generator import GeneratedEpisode
from pushcell.demonstrations.generation_config import GenerationConfig
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

Workers = Callable[[GenerationConfig, Iterable[int]], Iterator[list[GeneratedEpisode]]]
"""Generate the episodes of these indices, in any order."""

_CONFIG_FILE = "generation.yaml"


@dataclass(frozen=True)
class GenerationProgress:
    """How far the work has come."""

    complete: int
    failed: int
    simulated_s: float  # in this run


OnProgress = Callable[[GenerationProgress], None]


def generate(
    config: GenerationConfig,
    folder: Path,
    episodes: int,
    workers: Workers,
    on_progress: OnProgress,
) -> GenerationProgress:
    """Complete the folder to so many episodes.

    Raises EpisodeError when the folder is of another configuration or in use, the disk is full
    or an episode impossible; what was complete before stays.
    """
    store = EpisodeStore(folder)
    with alone_in(folder):
        return _complete_to(store, config, episodes, workers, on_progress)


def _complete_to(
    store: EpisodeStore,
    config: GenerationConfig,
    episodes: int,
    workers: Workers,
    on_progress: OnProgress,
) -> GenerationProgress:
    folder = store.folder
    _agree_on_config(config, store)
    failures = _Failures(folder)
    complete = _complete(store)
    missing = [index for index in range(episodes) if index not in complete]
    progress = GenerationProgress(episodes - len(missing), failures.count(episodes), 0.0)
    on_progress(progress)
    for attempts in workers(config, missing) if missing else ():
        episode = attempts[-1]
        for attempt in attempts:
            if not attempt.success:
                failures.add(attempt)
        if not episode.success:
            start = [round(value, 4) for value in episode.start]
            raise EpisodeError(
                f"episode {episode.index} failed {len(attempts)} times in a row, at last from "
                f"start {start}: {episode.reason}"
            )
        store.save(episode.name, episode.files, _entry(episode))
        progress = GenerationProgress(
            progress.complete + 1,
            failures.count(episodes),
            progress.simulated_s + sum(attempt.duration_s for attempt in attempts),
        )
        on_progress(progress)
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

    def add(self, episode: GeneratedEpisode) -> None:
        if (episode.index, episode.attempt) in self._known:
            return
        if episode.files and not (self._folder / episode.name).exists():
            EpisodeStore(self._folder).save(episode.name, episode.files, _entry(episode))
        self._journal.append(_entry(episode))
        self._known.add((episode.index, episode.attempt))


def _entry(episode: GeneratedEpisode) -> dict[str, Any]:
    return {
        "index": episode.index,
        "attempt": episode.attempt,
        "reason": episode.reason,
        "start": episode.start,
        "steps": episode.steps,
        "duration_s": episode.duration_s,
        "bag_sha256": episode.bag_sha256,
    }


def _entry_of(episode: Path) -> dict[str, Any]:
    """What the journal says of an episode, from the episode itself."""
    info = EpisodeInfo.load(episode)
    generation = info.generation
    if generation is None:
        raise EpisodeError(f"{episode} was not generated: take it out of this folder")
    bag = (episode / BAG_FILE).read_bytes()
    return _entry(
        GeneratedEpisode(
            generation.index,
            generation.attempt,
            True,
            info.reason,
            generation.start,
            info.steps,
            {BAG_FILE: bag},
        )
    )


def _complete(store: EpisodeStore) -> set[int]:
    """Indices of the complete episodes; the journal gets the lines that a crash has cost."""
    stored = {entry["episode"] for entry in store.journal.entries() if "episode" in entry}
    found = set()
    for path in store.episodes():
        number = re.fullmatch(r"episode_(\d{6,})", path.name)
        if number is None:
            raise EpisodeError(f"{path} was not generated: take it out of this folder")
        found.add(int(number[1]))
        if path.name not in stored:
            store.journal.append({"event": "found", "episode": path.name, **_entry_of(path)})
    return found


def _take_over_old_file(path: Path) -> None:
    """Give the configuration that an older release has left its new names."""
    old = path.with_name(old_names.GENERATION_FILE)
    if path.exists() or not old.exists():
        return
    values = read_yaml(old)
    if not isinstance(values, dict):
        raise EpisodeError(f"{old} is damaged: choose another folder")
    old_names.warn(str(old), path.name)
    demonstrator = values.get("demonstrator")
    values["demonstrator"] = old_names.DEMONSTRATORS.get(str(demonstrator), demonstrator)
    with naming_a_full_disk(str(path)):
        write_durably(path, yaml_text(values).encode())


def _agree_on_config(config: GenerationConfig, store: EpisodeStore) -> None:
    """Save the configuration in the folder, or check that its episodes were made with it."""
    path, asked = store.folder / _CONFIG_FILE, config.describe()
    _take_over_old_file(path)
    if not (path.exists() and store.episodes()):
        with naming_a_full_disk(str(path)):
            write_durably(path, yaml_text(asked).encode())
        return
    stored = read_yaml(path)
    if not isinstance(stored, dict):
        raise EpisodeError(f"{path} is damaged: choose another folder")
    for key, value in asked.items():
        if stored.get(key) != value:
            raise EpisodeError(
                f"{store.folder} holds episodes with {key} {stored.get(key)}, not {value}: choose "
                "another folder, or ask for the same"
            )
