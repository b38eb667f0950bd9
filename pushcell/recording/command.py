"""``pushcell episodes``: looks at folders of episodes, mends and rearranges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table
from tyro.conf import Positional, arg, subcommand

from pushcell.bags.bag_reader import BagReader
from pushcell.command_output import console_beside, show_result
from pushcell.config.cell import load_cell
from pushcell.errors import EpisodeError
from pushcell.recording.contact_sheet import draw_contact_sheet
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo, Verdict
from pushcell.recording.episodes_table import entry_of, episode_table, list_table
from pushcell.recording.merge_split import merge, split
from pushcell.recording.quality import review
from pushcell.recording.recovery import recover_all
from pushcell.recording.store import BAG_FILE, EpisodeStore, find_episodes, write_durably

Json = Annotated[Path | None, arg(metavar="FILE")]
_CELL = Path("sim")
_REJECTED = _LEFT = 1


@dataclass(frozen=True)
class Ls:
    """List the episodes of a folder.

    example: pushcell episodes ls episodes --picture sheet.png
    """

    directory: Positional[Path]
    """A folder of episodes, or one episode."""
    picture: Path | None = None
    """Write a contact sheet of the episodes to this file."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0."""
        episodes = _found(self.directory)
        _show([entry_of(path, EpisodeInfo.load(path)) for path in episodes], self.json)
        if self.picture is not None:
            draw_contact_sheet(episodes, self.picture)
        return 0


@dataclass(frozen=True)
class Show:
    """Show the topics of one episode, and who drove when.

    example: pushcell episodes show episodes/2026-11-20_14-03-11
    """

    directory: Positional[Path]
    """An episode, or a folder that contains exactly one."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0."""
        path = _the_one(self.directory)
        entry = entry_of(path, EpisodeInfo.load(path))
        show_result(entry, episode_table(entry), self.json)
        return 0


@dataclass(frozen=True)
class Check:
    """Read every message and run the quality gate again; nothing is changed.

    The exit code is 1 if an episode is damaged or rejected.

    example: pushcell episodes check episodes --cell sim
    """

    directory: Positional[Path]
    """An episode, or a folder of episodes."""
    cell: Path = _CELL
    """The cell whose quality thresholds apply."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0 when every episode is whole and none is rejected."""
        cell = load_cell(self.cell)
        entries, problems = [], []
        for path in _found(self.directory):
            try:
                with BagReader(path / BAG_FILE) as bag:
                    bag.verify()
                    report = review(bag, cell).final_report(bag.summary.end_ns)
                info = EpisodeInfo.load(path).model_copy(update={"quality": report})
                entries.append(entry_of(path, info))
                if report.verdict == "reject":
                    problems.append(f"{path.name} is rejected")
            except EpisodeError as error:
                problems.append(str(error))
        folder = self.directory
        following = f"pushcell convert {folder} --to packed --out {folder}.parquet"
        _show(entries, self.json, {"problems": problems}, "" if problems else following)
        for problem in problems:
            console_beside(self.json).print(problem)
        return _REJECTED if problems else 0


@dataclass(frozen=True)
class Recover:
    """Recover episodes after a crash; the recorder does the same when it starts.

    Episodes that are too damaged are moved to discarded/, with the reason in journal.jsonl; the
    exit code is then 1.

    example: pushcell episodes recover episodes
    """

    directory: Positional[Path]
    """A folder of episodes."""
    cell: Path = _CELL
    """The cell whose quality thresholds apply."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0 when nothing is left to bring back."""
        found = recover_all(EpisodeStore(_there(self.directory)), load_cell(self.cell))
        shown = Table("what became of it", "now at", title=f"{len(found)} partial episodes")
        for one in found:
            shown.add_row(one.sentence(), str(one.path))
        figures = [
            {
                "path": str(one.path),
                **asdict(one.repaired),
                "recovered": one.info is not None,
                "problem": one.problem,
            }
            for one in found
        ]
        show_result({"recovered": figures}, shown, self.json)
        return _LEFT if any(one.problem for one in found) else 0


@dataclass(frozen=True)
class Relabel:
    """Change the verdict of episodes, or with --discard move them to discarded/.

    example: pushcell episodes relabel episodes/2026-11-20_14-03-11 --verdict failure
    """

    directory: Positional[Path]
    """An episode, or a folder of episodes."""
    verdict: Verdict | None = None
    """The new verdict."""
    reason: str = "relabelled by hand"
    """Reason, for the journal."""
    discard: bool = False
    """Move the episodes to discarded/."""
    yes: bool = False
    """Confirm: needed for several episodes and for --discard."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0."""
        if (self.verdict is None) == (not self.discard):
            raise EpisodeError("give either --verdict or --discard")
        episodes = _found(self.directory)
        if (len(episodes) > 1 or self.discard) and not self.yes:
            raise EpisodeError(f"this changes {len(episodes)} episodes: add --yes to confirm")
        changed = [self._one(path) for path in episodes]
        _show([entry_of(path, EpisodeInfo.load(path)) for path in changed], self.json)
        return 0

    def _one(self, path: Path) -> Path:
        store = EpisodeStore(path.parent)
        if self.discard:
            return store.put_aside(path, "discarded", "it was relabelled with --discard")
        changes = {"verdict": self.verdict, "reason": self.reason}
        info = EpisodeInfo.load(path).model_copy(update=changes)
        write_durably(path / INFO_FILE, info.to_yaml().encode())
        store.journal.append({"event": "relabelled", "episode": path.name, **changes})
        return path


@dataclass(frozen=True)
class Merge:
    """Copy the episodes of several folders into a new folder.

    example: pushcell episodes merge monday tuesday --out week
    """

    directory: Positional[tuple[Path, ...]]
    """One or more folders of episodes."""
    out: Path
    """Path of the new folder."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0."""
        if not self.directory:
            raise EpisodeError("give one or more folders of episodes to merge")
        added = merge([_there(folder) for folder in self.directory], self.out)
        _show([entry_of(path, EpisodeInfo.load(path)) for path in added], self.json)
        return 0


@dataclass(frozen=True)
class Split:
    """Cut an episode into parts, written beside it. The original stays unless you give --yes.

    example: pushcell episodes split episodes/2026-11-20_14-03-11 --at 4.5 9
    """

    directory: Positional[Path]
    """An episode, or a folder that contains exactly one."""
    at: tuple[float, ...] = field(default=())
    """One or more times at which to cut, ascending, from the start of the episode (s)."""
    cell: Path = _CELL
    """The cell whose quality thresholds apply."""
    yes: bool = False
    """Move the original episode to discarded/."""
    json: Json = None
    """Write the output as JSON to this file; - for standard output."""

    def run(self) -> int:
        """0."""
        episode = _the_one(self.directory)
        if not self.at:
            raise EpisodeError("give the times of the cuts, such as --at 4.5 9")
        parts = split(episode, self.at, load_cell(self.cell))
        _show([entry_of(path, EpisodeInfo.load(path)) for path in parts], self.json)
        if self.yes:
            EpisodeStore(episode.parent).put_aside(episode, "discarded", "it was split")
        return 0


Command = (
    Annotated[Ls, subcommand("ls")]
    | Annotated[Show, subcommand("show")]
    | Annotated[Check, subcommand("check")]
    | Annotated[Recover, subcommand("recover")]
    | Annotated[Relabel, subcommand("relabel")]
    | Annotated[Merge, subcommand("merge")]
    | Annotated[Split, subcommand("split")]
)


def main(words: Sequence[str]) -> int:
    """Run the command; raises EpisodeError."""
    command: Any = tyro.cli(
        Command,
        prog="pushcell episodes",
        description="List, check, repair, relabel, merge and split recorded episodes.",
        args=list(words),
    )
    return command.run()


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        raise EpisodeError(f"{folder} is not a folder")
    return folder


def _found(folder: Path) -> list[Path]:
    episodes = find_episodes(_there(folder).resolve())
    if not episodes:
        raise EpisodeError(f"{folder} contains no complete episode")
    return episodes


def _the_one(folder: Path) -> Path:
    episodes = _found(folder)
    if len(episodes) > 1:
        raise EpisodeError(f"{folder} contains {len(episodes)} episodes: name one of them")
    return episodes[0]


def _show(
    entries: list[dict[str, Any]],
    target: Path | None,
    more: dict[str, Any] | None = None,
    following: str = "",
) -> None:
    show_result({"episodes": entries, **(more or {})}, list_table(entries), target, following)
