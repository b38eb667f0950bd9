"""``pushcell convert``: between folders of episodes and data sets of other layouts."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, figures_table, nothing_done, show_result
from pushcell.config.cell import load_cell
from pushcell.errors import EpisodeError
from pushcell.formats.corrections import CorrectionSet
from pushcell.formats.data_set import DataSet, Demonstration, Selective
from pushcell.formats.open_data_set import open_data_set
from pushcell.recording.store import PARTIAL, naming_a_full_disk


@dataclass(frozen=True)
class Convert:
    """Convert between episodes and data sets.

    Conversion is exact in both directions, except for resized images (--image-px), videos, and
    LeRobot's single precision. The format of a source is detected: folders of episodes, zarr groups
    in the layout of the published planar pushing sets, LeRobot data sets (v2.0, v2.1 or v3.0) or
    packed files (one Parquet file, written by --to packed).

    examples:
      pushcell convert sets/a sets/b --to zarr --out a_and_b.zarr
      pushcell convert published.zarr --to episodes --out episodes
      pushcell convert episodes --interventions --to zarr --out corrections.zarr
    """

    source: Positional[tuple[Path, ...]]
    """One or more sources to convert, in this order."""
    to: Literal["zarr", "lerobot", "episodes", "packed"]
    """Output format. packed: one Parquet file, which needs little more than numpy and pyarrow."""
    out: Path
    """Output path; it must not exist yet."""
    video: Literal["av1", "h264"] | None = None
    """With lerobot: store camera images as videos, which are small but lossy."""
    most: int | None = None
    """Stop after this many episodes."""
    interventions: bool = False
    """Convert only corrections: the parts in which an operator took over from a policy."""
    lead_in_s: float = 0.5
    """Time before each takeover that is included (s)."""
    image_px: tuple[int, int] = (128, 128)
    """Width and height to which images of episodes are resized (px)."""
    cell: Path = Path("sim")
    """With --to episodes: the cell whose task is written into the episodes."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises EpisodeError."""
    options = tyro.cli(Convert, prog="pushcell convert", args=list(words))
    if not options.source:
        raise EpisodeError("give one or more sources to convert")
    if options.video is not None and options.to != "lerobot":
        raise EpisodeError(f"--video is for --to lerobot, not for {options.to}: leave it out")
    partial = options.out.with_name(options.out.name + PARTIAL)
    for path in (options.out, partial):
        if path.exists():
            raise EpisodeError(f"{path} is there already: choose another --out, or delete it")
    sources = [_opened(path, options) for path in options.source]
    total = sum(map(len, sources))
    total = total if options.most is None else min(total, options.most)
    began = time.monotonic()
    console = console_beside(options.json)
    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        counted = _Counted(sources, total, bar.add_task("", total=total), bar)
        with naming_a_full_disk(str(options.out)):
            _writer(options)(counted, partial)
    for line in _left_out(sources):
        console.print(line, markup=False)
    if not counted.steps:
        why = "--most is 0" if options.most == 0 else "the sources have no steps"
        return nothing_done("converted", why, options.json)
    os.replace(partial, options.out)
    seconds = time.monotonic() - began
    figures = {
        "episodes": counted.episodes,
        "steps": counted.steps,
        "seconds": seconds,
        "real_time_factor": counted.duration_s / seconds,
    }
    table = figures_table(f"converted to {options.out}", figures)
    show_result(figures, table, options.json, _training(options))
    return 0


def _training(options: Convert) -> str:
    """The command that learns from it; other formats than ours are for other programs."""
    if options.to not in ("zarr", "packed"):
        return ""
    sets = f"data.sets.0.path={options.out}"
    name = options.out.name.partition(".")[0]
    return f"pushcell train demonstrations --out runs/{name} --set {sets}"


def _opened(path: Path, options: Convert) -> DataSet:
    if options.interventions:
        return CorrectionSet(path, options.image_px, options.lead_in_s)
    return open_data_set(path, options.image_px)


def _left_out(sources: Sequence[DataSet]) -> list[str]:
    """What the sources do not give, with counts, the worst first."""
    left_out: Counter[str] = Counter()
    for source in sources:
        if isinstance(source, Selective):
            left_out += source.left_out
    return [f"{count} episodes left out: {why}" for why, count in left_out.most_common()]


class _Counted:
    """The demonstrations of some data sets, counted as they pass."""

    def __init__(self, sources: Sequence[DataSet], most: int, task: TaskID, bar: Progress) -> None:
        self._sources, self._most = sources, most
        self._task, self._bar = task, bar
        self.episodes = self.steps = 0
        self.duration_s = 0.0

    def __iter__(self) -> Iterator[Demonstration]:
        for source in self._sources:
            for demonstration in source:
                if self.episodes == self._most:
                    return
                yield demonstration
                self.episodes += 1
                self.steps += len(demonstration.steps)
                self.duration_s += demonstration.steps.duration_s
                self._bar.update(self._task, completed=self.episodes)


def _writer(options: Convert) -> Callable[[_Counted, Path], None]:
    if options.to == "zarr":
        from pushcell.formats.zarr_format import write_zarr

        return write_zarr
    if options.to == "lerobot":
        from pushcell.formats.lerobot_writer import write_lerobot

        return lambda demonstrations, path: write_lerobot(demonstrations, path, options.video)
    if options.to == "packed":
        from pushcell.formats.packed_format import write_packed

        return write_packed
    from pushcell.formats.episodes_format import write_episodes

    cell, origin = load_cell(options.cell), " and ".join(path.name for path in options.source)
    return lambda demonstrations, path: write_episodes(demonstrations, path, cell, origin)
