"""``pushcell import``: data sets of others, kept as one packed file."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.progress import Progress
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, figures_table, nothing_done, show_result
from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.packed_format import write_packed
from pushcell.formats.pusht_format import PushTSet, finished, mirrored, resting, waiting
from pushcell.recording.steps import Steps
from pushcell.recording.store import PARTIAL, naming_a_full_disk


@dataclass(frozen=True)
class Import:
    """Import a published data set as a packed file, from which policies are trained.

    example:
      pushcell import pusht pusht_cchi_v7_replay.zarr --out pusht.parquet
    """

    kind: Positional[Literal["pusht"]]
    """The published data set."""
    source: Positional[Path]
    """Path of the downloaded data set."""
    out: Path
    """Output file; it must not exist yet."""
    mirror: bool = False
    """Mirror the episodes about the long axis of the goal's T, about which the physics is
    symmetric."""
    finish: bool = False
    """Shift each episode so that its T ends exactly at the goal; images are dropped."""
    wait: Annotated[float, arg(metavar="SECONDS")] = 0.0
    """Append so much rest to the end of each episode, so that a policy learns to wait there; images
    are dropped."""
    rest: bool = False
    """Take moments of each episode instead, with the T at the goal, in which the pusher stays where
    it is; images are dropped."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""

    def changed(self, steps: Steps) -> Steps:
        """An episode as it was asked for."""
        steps = finished(steps) if self.finish else steps
        steps = waiting(steps, self.wait) if self.wait else steps
        return mirrored(steps) if self.mirror else steps


def _parts(source: PushTSet, rest: bool) -> Iterator[tuple[int, Demonstration]]:
    """What is kept, with the number of its episode."""
    for number, whole in enumerate(source):
        if not rest:
            yield number, whole
            continue
        for moment, steps in enumerate(resting(whole.steps, number)):
            yield number, Demonstration(f"{whole.name}_{moment:03d}", steps)


def main(words: Sequence[str]) -> int:
    """Run the command; raises EpisodeError."""
    options = tyro.cli(Import, prog="pushcell import", args=list(words))
    if not 0 <= options.wait < math.inf:
        raise EpisodeError(f"--wait must be at least 0 s, not {options.wait}")
    if options.out.exists():
        raise EpisodeError(f"{options.out} is there already: choose another --out, or delete it")
    began, source, steps = time.monotonic(), PushTSet(options.source, options.changed), 0

    def counted() -> Iterator[Demonstration]:
        nonlocal steps
        console = console_beside(options.json)
        with Progress(console=console) as bar:
            task = bar.add_task("episodes", total=len(source))
            for number, part in _parts(source, options.rest):
                bar.update(task, completed=number + 1)
                steps += len(part.steps)
                yield part

    partial = options.out.with_name(options.out.name + PARTIAL)
    with naming_a_full_disk(str(options.out)):
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_packed(counted(), partial)
    if not steps:
        return nothing_done("imported", f"{options.source} has no episode", options.json)
    os.replace(partial, options.out)
    figures = {
        "episodes": len(source),
        "steps": steps,
        "seconds": time.monotonic() - began,
        "bytes": options.out.stat().st_size,
    }
    table = figures_table(f"imported to {options.out}", figures)
    following = "pushcell train pusht_state --out runs/pusht_state"
    show_result(figures, table, options.json, following)
    return 0
